"""The network of region mattes: what it is trained by, that it learns and goes on, and what is exported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from understudy.core.content import sha256_of
from understudy.core.errors import ModelError
from understudy.face import regions
from understudy.inference.region_card import read_region_card
from understudy.inference.session import Session
from understudy.train.regions import course, export
from understudy.train.regions.crops import Crops
from understudy.train.regions.loss import region_loss
from understudy.train.regions.measure import Measured, measure
from understudy.train.regions.network import RegionNetwork

SIZE = 64


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Crops:
    """Discs of skin on a background, with a soft edge: all that a network must learn is one colour."""
    folder = tmp_path_factory.mktemp("crops")
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    rng = np.random.default_rng(4)
    made = []
    for _ in range(12):
        at, radius = rng.uniform(20, 44, 2), rng.uniform(10, 18)
        inside = np.clip(radius - np.hypot(x - at[0], y - at[1]) + 0.5, 0, 1)[..., None]
        mattes = np.zeros((SIZE, SIZE, len(regions.REGIONS)), np.float32)
        mattes[..., regions.FRONT] = inside[..., 0]
        mattes[..., regions.BACKGROUND] = 1 - inside[..., 0]
        codes = (40 + 150 * inside * np.array([1.0, 0.6, 0.4]) + rng.normal(0, 4, (SIZE, SIZE, 3))).astype(
            np.uint8
        )
        made.append(np.concatenate([codes, regions.pack(mattes)], -1))
    np.save(folder / "one.npy", np.stack(made))
    return Crops([folder / "one.npy"])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small batches on one core: waiting for each other takes cores longer than such a batch does."""
    for name, value in (
        ("COARSE_SIZE", 32),
        ("COARSE_BATCH", 4),
        ("SIZE", SIZE),
        ("BATCH", 4),
        ("SAVE_ITERATIONS", 4),
    ):
        monkeypatch.setattr(course, name, value)
    monkeypatch.setattr(course, "WARM_UP_ITERATIONS", 4)
    monkeypatch.setattr(course, "TELL_ITERATIONS", 4)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_answer_has_a_plane_for_every_region_at_full_size() -> None:
    network = RegionNetwork().eval()
    with torch.no_grad():
        answer = network(torch.rand(2, 3, 96, 64))
    assert answer.shape == (2, len(regions.REGIONS), 96, 64)
    assert 2 * sum(p.numel() for p in network.parameters()) < export.LARGEST_BYTES


def test_the_loss_is_least_for_the_truth(crops: Crops) -> None:
    taken = crops.batch([0, 1])
    truth, known = taken.mattes, taken.known
    right = region_loss(truth.clamp_min(1e-6).log(), truth, known)
    blurred = torch.nn.functional.avg_pool2d(truth, 5, 1, 2)
    wrong = region_loss(blurred.clamp_min(1e-6).log(), truth, known)
    assert 0.0 <= float(right) < 1e-3 < float(wrong)
    edge = ((truth - blurred).abs().amax(1) < 1e-4).float()
    assert float(region_loss(blurred.clamp_min(1e-6).log(), truth, edge)) < 1e-3


@pytest.mark.usefixtures("small")
def test_a_training_learns_and_goes_on_where_it_was_stopped(crops: Crops, tmp_path: Path) -> None:
    told: list[float] = []
    whole = course.train(crops, tmp_path / "whole", iterations=16, tell=lambda done, loss: told.append(loss))
    assert told[-1] < 0.8 * told[0]

    def stop(done: int, loss: float) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        course.train(crops, tmp_path / "parts", iterations=16, tell=stop)
    again = course.train(crops, tmp_path / "parts", iterations=16, tell=lambda done, loss: None)
    for (name, first), second in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.allclose(first, second, atol=1e-6), name


def test_the_truth_is_measured_as_perfect_and_a_shift_is_not(crops: Crops) -> None:
    known = {k: crops.batch(range(k, min(k + 8, len(crops)))).mattes for k in range(0, len(crops), 8)}
    order = iter(sorted(known))
    perfect = measure(lambda faces: known[next(order)], crops)
    assert perfect.mean_iou == 1.0 and perfect.alpha_error == 0.0 and perfect.pixels_right == 1.0
    assert set(perfect.iou) == {"background", "front"}
    order = iter(sorted(known))
    shifted = measure(lambda faces: torch.roll(known[next(order)], 3, dims=3), crops)
    assert shifted.mean_iou < 0.9 and shifted.alpha_error > 0.2
    assert shifted.soft_error == shifted.alpha_error  # all of these discs are solid, with edges


def test_an_exported_file_predicts_what_the_network_does(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = RegionNetwork()
    with torch.no_grad():  # statistics as a training leaves them
        network.train()
        for _ in range(3):
            network(torch.rand(2, 3, 64, 64))
    path = tmp_path / "regions.onnx"
    measured = Measured({"skin": 0.9}, 0.9, 0.02, 0.03, 0.97)
    card = export.export(network, path, iterations=3, crops=6, measured=measured)
    assert path.stat().st_size < export.LARGEST_BYTES
    assert card == read_region_card(path) and card.sha256 == sha256_of(path)
    assert (
        card.regions == regions.REGIONS and card.mean_iou == 0.9 and card.parity < export.LARGEST_DIFFERENCE
    )
    session = Session(path, device="cpu", sha256=card.sha256)
    faces = torch.rand(3, 3, course.SIZE, course.SIZE)
    mattes = session.run(face=faces.numpy())["mattes"]
    with torch.no_grad():
        expected = torch.softmax(network.eval()(faces), 1).numpy()
    assert mattes.shape == expected.shape and np.abs(mattes - expected).max() < export.LARGEST_DIFFERENCE
    assert np.allclose(mattes.sum(1), 1.0, atol=1e-4)


def test_a_network_that_is_too_large_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LARGEST_BYTES", 1000)
    path = tmp_path / "regions.onnx"
    with pytest.raises(ModelError, match="bytes"):
        export.export(RegionNetwork(), path, iterations=0, crops=0, measured=Measured({}, 0.0, 0.0, 0.0, 0.0))
    assert not list(tmp_path.iterdir())
