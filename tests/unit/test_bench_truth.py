"""The classic recipe learns and is swapped with like ours, and the time to its score is told rightly."""

from __future__ import annotations

import json
from pathlib import Path

import classic
import classic_training
import cv2
import numpy as np
import pytest
import torch
import truth
import truth_plot

import rendered
from small_training import SETTINGS, SIZE, make_sets
from two_performers import NAMES, bank, texture
from understudy.core.progress import silent
from understudy.demo.shot import DemoShot
from understudy.face.faceset.store import FaceSet
from understudy.inference.card import LANDMARK_COUNT
from understudy.inference.predictor import Predictor
from understudy.jobs.machine import DemoJob
from understudy.swap.job import SwapJob
from understudy.train.data.samples import load_faces


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same network with an eighth of its channels: its own 40 million weights are slow to test with."""
    monkeypatch.setattr(classic, "ENCODER_CHANNELS", (16, 32, 64, 128))
    monkeypatch.setattr(classic, "DENSE", 128)
    monkeypatch.setattr(classic, "SHARED_CHANNELS", 64)
    monkeypatch.setattr(classic, "DECODER_CHANNELS", (32, 16, 8))


def begin(sets: tuple[Path, Path], loss: str = "l1") -> classic_training.Training:
    return classic_training.begin(sets, size=SIZE, batch=4, loss=loss, settings=SETTINGS)


def row(recipe: str, minutes: float, psnr: float, ssim: float, started: str = "now") -> truth.Row:
    about = {"recipe": recipe, "minutes": minutes, "started": started}
    scored = {"look_psnr": psnr, "look_ssim": ssim, "nothing_look_psnr": 21.7, "nothing_look_ssim": 0.78}
    return about | scored


ROWS = [
    row("understudy", 1.0, 22.0, 0.79),
    row("understudy", 2.0, 24.0, 0.80),
    row("classic", 2.0, 18.0, 0.60),
    row("understudy", 4.0, 24.5, 0.81),
    row("classic", 4.0, 22.5, 0.85),
]


@pytest.mark.parametrize("size", [64, 96])
def test_the_classic_network_has_the_shapes_it_had(size: int) -> None:
    with torch.device("meta"):
        network = classic.Classic(size)
        face = torch.empty(2, 3, size, size)
        assert network.encoder(face).shape == (2, 512, size // 8, size // 8)
        outputs = network(face, torch.empty(2, LANDMARK_COUNT, 2))
    shapes = [tuple(output.shape[1:]) for output in outputs]
    face_and_matte = [(3, size, size), (1, size, size)]
    assert shapes == [*face_and_matte, (LANDMARK_COUNT, 2), *face_and_matte]
    assert [layer.weight.shape[-1] for layer in network.encoder.down] == [5, 5, 5, 5]
    assert network.encoder.narrow.weight.shape == (1024, 1024 * (size // 16) ** 2)


@pytest.mark.parametrize("loss", ["l1", "dssim"])
@pytest.mark.usefixtures("narrow")
def test_the_classic_learns(sets: tuple[Path, Path], loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classic_training, "LEARNING_RATE", 5e-4)  # a narrow network takes longer steps
    training = begin(sets, loss)
    training.banks = [bank(name, look=texture(seed), seed=seed, count=20) for seed, name in enumerate(NAMES)]
    losses = [classic_training.step(training) for _ in range(30)]
    assert training.iteration == 30
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])


@pytest.mark.usefixtures("narrow")
def test_a_slice_of_training_goes_on_from_the_one_before_it(sets: tuple[Path, Path]) -> None:
    training = begin(sets)
    first = classic_training.train(training, minutes=0.002, report=silent)
    assert first["iteration"] == training.iteration > 0
    assert training.seconds >= 0.12
    spent = training.seconds
    assert classic_training.train(training, minutes=0.002, report=silent)["iteration"] == first["iteration"]
    assert training.seconds == spent
    more = classic_training.train(training, minutes=spent / 60 + 0.001, report=silent)
    assert more["iteration"] > first["iteration"]


@pytest.mark.usefixtures("narrow")
def test_the_exported_classic_opens_as_a_model_and_draws_what_the_network_draws(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    training, path = begin(sets), tmp_path / "classic.onnx"
    classic_training.step(training)
    classic_training.export(training, path)
    model = Predictor.open(path, device="cpu")
    assert (model.card.destination, model.card.source, model.card.iterations) == ("anna", "bert", 1)
    faces = np.random.default_rng(0).uniform(0.1, 0.5, (3, SIZE, SIZE, 3)).astype(np.float32)
    points = np.random.default_rng(1).uniform(0, SIZE, (3, LANDMARK_COUNT, 2)).astype(np.float32)
    drawn, matte, own, *_ = model.predict(faces, points)
    with torch.no_grad():
        expected = training.network(torch.from_numpy(faces).permute(0, 3, 1, 2), torch.from_numpy(points))
    assert np.abs(own - expected[3].permute(0, 2, 3, 1).numpy()).max() < 1e-4
    assert np.abs(drawn - expected[0].permute(0, 2, 3, 1).numpy()).max() < 1e-4
    assert (matte == 1).all()
    assert torch.equal(expected[2], torch.from_numpy(points))


def test_what_the_network_sees_lies_between_a_displays_black_and_white(sets: tuple[Path, Path]) -> None:
    assert classic.stretch(torch.tensor([classic.BLACK, classic.WHITE])).tolist() == pytest.approx([0, 1])
    values = torch.linspace(0.05, 0.6, 12)
    assert torch.allclose(classic.unstretch(classic.stretch(values)), values, atol=1e-6)
    faces = load_faces(FaceSet.open(sets[0]), size=SIZE)
    generator = torch.Generator().manual_seed(0)
    warped, straight = classic.draw_batch(faces, count=5, size=SIZE, generator=generator)
    assert warped.shape == straight.shape == (5, 3, SIZE, SIZE)
    assert not torch.allclose(warped, straight, atol=0.01)


def test_a_bend_is_moderate_and_has_no_shift_turn_or_size_of_its_own() -> None:
    bend = classic.random_bend(200, 40, torch.Generator().manual_seed(0))
    assert 0.03 < float(bend.std()) < 0.08
    across = torch.linspace(-1, 1, 40).expand(40, 40)
    grown = (bend[..., 0] * across + bend[..., 1] * across.T).mean((1, 2))
    turned = (bend[..., 1] * across - bend[..., 0] * across.T).mean((1, 2))
    for share in (bend[..., 0].mean((1, 2)), bend[..., 1].mean((1, 2)), grown, turned):
        # Only what lies beyond the face's edges is left of them.
        assert float(share.std()) < 0.35 * float(bend.std())


def test_the_time_to_a_score_lies_on_the_line_between_marks() -> None:
    marks = [(4.0, 24.0), (1.0, 20.0), (2.0, 22.0), (8.0, 23.0)]
    assert truth.time_to(marks, 21.0) == pytest.approx(1.5)
    assert truth.time_to(marks, 22.0) == pytest.approx(2.0)
    assert truth.time_to(marks, 23.5) == pytest.approx(3.5)
    assert truth.time_to(marks, 19.0) == 1.0
    assert truth.time_to(marks, 24.1) is None
    assert truth.time_to([], 1.0) is None


def test_the_result_says_when_ours_had_the_classics_last_scores() -> None:
    answer = truth.times_to_classic(ROWS)
    assert answer["classic_minutes"] == 4.0
    assert answer["look_psnr"] == {"score": 22.5, "minutes": 1.25, "ratio": 3.2, "by_first_mark": False}
    assert answer["look_ssim"] == {"score": 0.85, "minutes": None, "ratio": None, "by_first_mark": False}
    quick = truth.times_to_classic([row("understudy", 0.5, 23.0, 0.9), row("classic", 4.0, 22.0, 0.8)])
    assert quick["look_psnr"] == {"score": 22.0, "minutes": 0.5, "ratio": 8.0, "by_first_mark": True}


def test_the_recipes_are_trained_in_turns_and_the_classic_only_where_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["--out", str(tmp_path)]
    assert truth.parse([*here, "--minutes", "30,10"]).classic_minutes == []
    options = truth.parse([*here, "--minutes", "1,2.5", "--classic", "--classic-minutes", "2.5,5"])
    assert truth.schedule(options.minutes, options.classic_minutes) == [
        ("understudy", 1.0),
        ("understudy", 2.5),
        ("classic", 2.5),
        ("classic", 5.0),
    ]
    assert truth.parse([*here, "--minutes", "1", "--classic"]).classic_minutes == [1.0]
    (tmp_path / "model.model").mkdir()
    for wrong in (["--classic"], ["--classic-minutes", "1"], ["--minutes", "0,1"]):
        with pytest.raises(SystemExit):
            truth.parse([*here, *wrong])
    assert "has been trained before" in capsys.readouterr().err


def test_the_swap_of_the_classic_stays_inside_the_plates_own_hull() -> None:
    job = SwapJob.model_validate(
        {"plate": "a", "track": "b", "model": "c", "output": "d.%04d.exr"} | truth.HULL
    )
    assert job.matte_hull and not job.matte_learned


@pytest.mark.parametrize("recipes", [("understudy", "classic"), ("understudy",)])
def test_the_last_run_of_a_file_is_drawn(tmp_path: Path, recipes: tuple[str, ...]) -> None:
    written, output = tmp_path / "truth.jsonl", tmp_path / "docs" / "plot.png"
    for line in [row("understudy", 9.0, 1.0, 0.1, "before"), *ROWS]:
        if line["recipe"] in recipes:
            truth.record(tmp_path, line)
    truth.record(tmp_path, {"time_to_classic": {}})
    rows = truth_plot.read(written)
    assert rows == [line for line in ROWS if line["recipe"] in recipes]
    truth_plot.draw(rows, output)
    assert cv2.imread(str(output)).shape == (740, 1600, 3)
    written.write_text(json.dumps({"time_to_classic": {}}))
    with pytest.raises(ValueError, match="no rows"):
        truth_plot.read(written)


@pytest.mark.parametrize("length", [1, 3])
def test_a_clip_of_any_length_is_swapped_scored_and_shown(tmp_path: Path, length: int) -> None:
    shot = rendered.render(tmp_path / "shot", shot_frames=length)
    options = truth.parse(["--out", str(tmp_path / "out"), "--name", "short"])
    options.prepared = truth.BenchmarkShot(
        destination=shot.root / "double.faceset",
        source=shot.root / "actor.faceset",
        plate=shot.frames("plate"),
        truth=shot.frames("truth"),
        track=shot.root / "plate.track",
    )
    scored = truth.swap_and_score(options, rendered.SETTINGS, shot.model, "short", 2.0)
    assert scored["frames"] == length
    assert cv2.imread(str(tmp_path / "out" / "short_2min.png")).shape == (3 * 256, length * 256, 3)


def test_the_demos_shot_is_what_is_measured_on_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def prepare(job: DemoJob, **_: object) -> DemoShot:
        asked.append(job.output)
        return DemoShot()

    monkeypatch.setattr(truth.demo, "prepare", prepare)
    options = truth.parse(["--demo", str(tmp_path / "demo")])
    footage = truth.prepare(options, SETTINGS)
    assert asked == [tmp_path / "demo"]
    assert footage.source == tmp_path / "demo" / "actor.faceset"
    assert footage.truth == str(tmp_path / "demo" / "truth" / "truth.%04d.exr")
