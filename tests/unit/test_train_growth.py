"""A large model draws small faces first, and then ever larger ones: the same run, whole or resumed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_training import SETTINGS, job, make_sets, resume
from understudy.core.errors import JobError
from understudy.core.progress import silent
from understudy.inference.predictor import Predictor
from understudy.jobs.training import ExportJob
from understudy.train import run
from understudy.train.export import onnx
from understudy.train.networks import autoencoder, growth
from understudy.train.validation.history import read


@given(
    growths=st.integers(0, 3),
    every=st.integers(1, 5000),
    iterations=st.lists(st.integers(0, 30_000), min_size=2, max_size=9),
)
def test_growth_only_ever_goes_on(growths: int, every: int, iterations: list[int]) -> None:
    ordered = sorted(iterations)
    grown = [growth.grown(iteration, growths=growths, every=every) for iteration in ordered]
    assert grown == sorted(grown) and grown[0] >= 0.0 and grown[-1] <= growths
    for iteration, value in zip(ordered, grown, strict=True):
        stage = min(iteration // every, growths)
        assert math.ceil(value) == stage
        assert growth.stage_began(iteration, growths=growths, every=every) == stage * every


def test_without_stages_all_levels_draw_from_the_beginning() -> None:
    assert growth.grown(0, growths=3, every=0) == 3.0
    assert growth.stage_began(10_000, growths=3, every=0) == 0


@pytest.mark.parametrize(
    ("size", "core", "coarsest"), [(64, 64, 4), (96, 96, 6), (128, 128, 8), (256, 128, 8), (1024, 128, 8)]
)
def test_a_large_face_has_the_core_of_a_small_one(size: int, core: int, coarsest: int) -> None:
    architecture = autoencoder.Architecture(size, 8, ("a", "b"))
    assert (architecture.core, architecture.coarsest) == (core, coarsest) and architecture.fits
    assert core << architecture.growths == size


def test_a_level_that_joins_changes_nothing_at_first_and_then_as_much_as_it_has_faded_in() -> None:
    torch.manual_seed(3)
    network = autoencoder.Comb(autoencoder.Architecture(256, 8, ("a", "b"))).eval()
    code, points = torch.randn(2, 160), torch.rand(2, 68, 2)

    def drawn(grown: float) -> torch.Tensor:
        network.grown = grown
        return network.decode(code, points, [0])[0][0].detach()

    small = drawn(0.0)
    assert small.shape == (2, 3, 128, 128)
    doubled = torch.nn.functional.interpolate(small, scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(drawn(1.0), doubled)
    torch.nn.init.normal_(network.decoders[0].finer_output[0].weight)
    half, whole = drawn(0.5), drawn(1.0)
    assert (whole - doubled).abs().max() > 0.01
    torch.testing.assert_close(half - doubled, (whole - doubled) / 2, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("growths", [0, 1, 2])
def test_the_encoder_sees_the_small_face(growths: int) -> None:
    network = autoencoder.Comb(autoencoder.Architecture(512, 8, ("a", "b"))).eval()
    network.grown = float(growths)
    face = torch.rand(1, 3, 128, 128)
    large = face.repeat_interleave(1 << growths, 2).repeat_interleave(1 << growths, 3)
    assert network.edge == 128 << growths
    torch.testing.assert_close(network.encode_raw(large), network.encoder(face), atol=1e-5, rtol=1e-4)


@pytest.fixture
def small_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces of 64 pixels grow from 32, which takes seconds."""
    monkeypatch.setattr(autoencoder, "CORE", 32)


@pytest.mark.usefixtures("small_core")
def test_a_run_that_grows_is_the_same_whole_and_in_parts(tmp_path: Path) -> None:
    sets = make_sets(tmp_path)
    options = {"size": 64, "grow_iterations": 4, "preview_iterations": 2, "save_minutes": 1e-9}
    whole, parts = tmp_path / "whole.model", tmp_path / "parts.model"
    run.run(job(whole, sets, iterations=8, **options), report=silent, settings=SETTINGS)
    for iterations in (3, 4, 6, 8):
        run.run(job(parts, sets, iterations=iterations, **options), report=silent, settings=SETTINGS)
    first, second = (resume(job(model, sets, **options), silent) for model in (whole, parts))
    assert first.iteration == second.iteration == 8 and first.size == 64
    for name, value in first.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name
    moved = first.network.decoders[0].finer_output[0].weight
    assert moved.abs().max() > 0 and first.faces_size == 64


@pytest.mark.usefixtures("small_core")
def test_a_model_that_has_not_grown_yet_is_exported_at_the_size_that_it_draws(tmp_path: Path) -> None:
    sets, model = make_sets(tmp_path), tmp_path / "m.model"
    options = {"size": 64, "grow_iterations": 4}
    run.run(job(model, sets, iterations=3, **options), report=silent, settings=SETTINGS)
    early = onnx.run(ExportJob(model=model), report=silent, settings=SETTINGS)
    assert Predictor.open(Path(early["model"])).card.size == 32
    run.run(job(model, sets, iterations=5, **options), report=silent, settings=SETTINGS)
    exported = onnx.run(ExportJob(model=model), report=silent, settings=SETTINGS)
    opened = Predictor.open(Path(exported["model"]))
    swapped = opened.predict(np.full((1, 64, 64, 3), 0.4, np.float32), np.full((1, 68, 2), 30.0, np.float32))
    assert swapped.face.shape == (1, 64, 64, 3)
    script = onnx.run(
        ExportJob(model=model, format="torchscript", output=tmp_path / "a.pt"),
        report=silent,
        settings=SETTINGS,
    )
    assert script["parity"] < 1e-3


@pytest.mark.usefixtures("small_core")
def test_only_validations_of_one_size_are_compared(tmp_path: Path) -> None:
    sets, model = make_sets(tmp_path), tmp_path / "m.model"
    options = {"size": 64, "grow_iterations": 4, "preview_iterations": 2}
    run.run(job(model, sets, iterations=8, **options), report=silent, settings=SETTINGS)
    assert list(read(model)["held_out/error"].iterations) == [2, 4, 6, 8]
    study = resume(job(model, sets, **options), silent)
    assert study.comparable_since == 4
    study.iteration = 4  # where the first size was measured for the last time
    assert study.comparable_since == 0
    study.iteration = 8
    later = read(model)["held_out/error"].since(study.comparable_since)
    assert list(later.iterations) == [6, 8]


def test_a_size_that_cannot_be_halved_evenly_is_refused_with_those_that_can(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="cannot be halved") as refused:
        resume(job(tmp_path / "m.model", make_sets(tmp_path), size=272), silent)
    assert refused.value.fix == "take 256 or 320"
    assert not (tmp_path / "m.model").exists()
