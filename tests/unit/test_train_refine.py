"""A refiner doubles what one performer's decoder draws; it is trained, resumed and exported as a model is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from small_training import SETTINGS, SIZE, job, make_faceset, make_sets
from understudy.core.errors import JobError, TrainingError
from understudy.core.progress import Cancelled, Event, Progress, Warned, silent
from understudy.face.faceset.store import FaceSet
from understudy.inference.predictor import Predictor
from understudy.jobs.training import ExportJob, RefineJob
from understudy.train import refine, step
from understudy.train import run as loop
from understudy.train.checkpoints import lock, refiners, store
from understudy.train.export import onnx
from understudy.train.losses import table
from understudy.train.networks import autoencoder
from understudy.train.networks.refiner import Refined, Refiner, double
from understudy.train.tasks import refiner_state
from understudy.train.tasks.refiner import RefinerTask


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture
def model(tmp_path: Path, sets: tuple[Path, Path]) -> Path:
    loop.run(job(tmp_path / "m.model", sets), report=silent, settings=SETTINGS)
    return tmp_path / "m.model"


def refine_job(model: Path, sets: tuple[Path, Path], **changes: object) -> RefineJob:
    """A job of four iterations on the source's faces."""
    values = {"model": model, "faceset": sets[1], "iterations": 4, "width": 8, "preview_iterations": 1000}
    return RefineJob.model_validate(values | changes)


def prepared(model: Path, sets: tuple[Path, Path], **changes: object) -> RefinerTask:
    with FaceSet.open_for_training(sets[1]) as faceset:
        asked = refine_job(model, sets, **changes)
        return RefinerTask(refiner_state.prepare(asked, faceset, report=silent, settings=SETTINGS))


def refuse(task: RefinerTask, most: int) -> None:
    """Have memory run out for more than `most` faces at once, as on a small device."""

    def check(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError(f"CUDA out of memory for {len(inputs[0])} faces.")

    task.state.network.fine.register_forward_pre_hook(check)


def critic_begins_at(iteration: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a refiner's critic begin so early that a test sees it."""
    early = [replace(row, begins=iteration if row.option else 0) for row in table.rows("refiner")]
    monkeypatch.setattr(table, "rows", lambda training: tuple(early))


def weights(model: Path) -> dict[str, bytes]:
    newest = store.find(refiners.checkpoints(model, "bert"))[-1]
    return {path.name: path.read_bytes() for path in sorted(newest.path.glob("*.safetensors"))}


def test_an_untrained_refiner_is_the_plain_doubling() -> None:
    torch.manual_seed(1)
    drawn, logits, points = torch.randn(2, 3, 32, 32), torch.randn(2, 1, 32, 32), torch.rand(2, 68, 2)
    for given_, got in zip((drawn, logits), Refiner(8)(drawn, logits, points), strict=True):
        expected = functional.interpolate(given_, scale_factor=2.0, mode="bilinear", align_corners=False)
        torch.testing.assert_close(got, expected, rtol=0, atol=0)


def test_a_network_with_refiners_draws_as_without_them_at_twice_the_size() -> None:
    torch.manual_seed(2)
    network = autoencoder.Comb(autoencoder.Architecture(32, 8, ("anna", "bert"))).eval()
    network.shapes.normal_(std=0.02)
    network.destination = 1
    refined = Refined(network, {0: Refiner(8)})
    face, points = torch.rand(2, 3, 64, 64), torch.rand(2, 68, 2)
    assert (refined.edge, refined.destination) == (64, 1)
    with torch.no_grad():
        plain, doubled = network(functional.avg_pool2d(face, 2), points), refined(face, points)
    for index in (0, 3):
        smooth = functional.interpolate(plain[index], scale_factor=2.0, mode="bilinear")
        torch.testing.assert_close(doubled[index], smooth, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(doubled[index + 2], plain[index + 2])


def test_a_refiner_stays_with_its_identity_when_that_is_alone() -> None:
    torch.manual_seed(3)
    refiner = Refiner(8)
    torch.nn.init.normal_(refiner.output.weight)
    refined = Refined(
        autoencoder.Comb(autoencoder.Architecture(32, 8, ("anna", "bert"))), {1: refiner}
    ).eval()
    code, points = torch.randn(1, 160), torch.rand(1, 68, 2)
    for identity in (0, 1):
        ((expected, _),), ((got, _),) = (
            refined.decode(code, points, [identity]),
            refined.with_part_of(identity).decode(code, points, [0]),
        )
        torch.testing.assert_close(got, expected)


def test_it_learns_what_the_doubled_face_lacks(model: Path, sets: tuple[Path, Path]) -> None:
    task = prepared(model, sets, learning_rate=0.05)
    before = {name: value.clone() for name, value in task.state.model.state_dict().items()}
    losses = [float(step.train_step(task, pytest.fail).losses["total"]) for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    figures = task.measure()
    assert figures["held_out/ssim"] > figures["held_out/ssim_doubled"]
    for name, value in task.state.model.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("adversarial", [0.0, 100.0])
def test_a_batch_that_does_not_fit_is_computed_in_parts_and_teaches_the_same(
    model: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, adversarial: float
) -> None:
    critic_begins_at(1, monkeypatch)
    changes = {"batch": 5, "mixed_precision": False, "adversarial": adversarial}
    roomy, tight = (prepared(model, sets, **changes) for _ in range(2))
    refuse(tight, 2)
    told: list[str] = []
    for _ in range(3):
        figures = [step.train_step(task, told.append) for task in (roomy, tight)]
        losses = [float(one.losses["total"]) for one in figures]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert [message.partition(" parts")[0][-1] for message in told] == ["2", "4"] and tight.state.parts == 4
    assert tight.state.iteration == roomy.state.iteration == 3
    for name, value in roomy.state.network.state_dict().items():
        torch.testing.assert_close(tight.state.network.state_dict()[name], value, rtol=0.02, atol=2e-4)


def test_a_device_too_small_for_one_refined_face_is_an_error(model: Path, sets: tuple[Path, Path]) -> None:
    task = prepared(model, sets, batch=4)
    refuse(task, 0)
    told: list[str] = []
    with pytest.raises(TrainingError, match="Not even one face"):
        step.train_step(task, told.append)
    assert len(told) == 2 and task.state.iteration == 0


@pytest.mark.parametrize("adversarial", [0.0, 100.0])
def test_a_resumed_run_ends_as_an_uninterrupted_one_bit_for_bit(
    model: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, adversarial: float
) -> None:
    critic_begins_at(1, monkeypatch)
    for iterations in (2, 4):
        run = refine_job(model, sets, iterations=iterations, adversarial=adversarial)
        refine.run(run, report=silent, settings=SETTINGS)
    parts = weights(model)
    refiners.home(model, "bert").rename(model / "aside")
    refine.run(refine_job(model, sets, adversarial=adversarial), report=silent, settings=SETTINGS)
    whole = weights(model)
    assert parts == whole and ("adversary.safetensors" in whole) is (adversarial > 0)


def test_a_cancel_saves_first(model: Path, sets: tuple[Path, Path]) -> None:
    def cancel(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "refine" and event.done >= 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        refine.run(refine_job(model, sets, iterations=500), report=cancel, settings=SETTINGS)
    assert [c.iteration for c in store.find(refiners.checkpoints(model, "bert"))] == [20]


def test_a_run_says_what_it_measured_and_leaves_a_sheet(model: Path, sets: tuple[Path, Path]) -> None:
    said: list[Event] = []
    result = refine.run(refine_job(model, sets), report=said.append, settings=SETTINGS)
    words = [event.note for event in said if isinstance(event, Progress) and event.stage == "validate"]
    assert len(words) == 1 and f"SSIM {result['held_out/ssim']:.3f}" in words[0]
    sheet = cv2.imread(str(model / "refiners" / "bert" / "previews" / "00000004.png"))
    assert sheet.shape == (6 * 2 * SIZE, 3 * 2 * SIZE, 3)
    saved = store.find(refiners.checkpoints(model, "bert"))[-1]
    state = store.read_state(saved)
    assert (state["model_iteration"], state["edge"], state["width"]) == (6, SIZE, 8)
    assert state["held_out_error"] == pytest.approx(1.0 - result["held_out/ssim"])


@pytest.fixture
def refined_model(model: Path, sets: tuple[Path, Path]) -> Path:
    refine.run(refine_job(model, sets, iterations=30), report=silent, settings=SETTINGS)
    return model


def test_the_exported_file_draws_what_network_and_refiner_draw(refined_model: Path) -> None:
    exported = onnx.run(ExportJob(model=refined_model, refine=True), report=silent, settings=SETTINGS)
    assert Path(exported["model"]).name == "swap_refined_fp32.onnx"
    opened = Predictor.open(Path(exported["model"]))
    assert opened.card.size == 2 * SIZE and opened.card.training["refiners"] == {"bert": 30}
    random = np.random.default_rng(4)
    faces = random.uniform(0.2, 0.6, (2, 2 * SIZE, 2 * SIZE, 3)).astype(np.float32)
    marks = random.uniform(5, 50, (2, 68, 2)).astype(np.float32)
    swapped = opened.predict(faces, marks)
    _, network, _ = onnx.load(refined_model)
    refiner, _, _ = refiners.load(refined_model, "bert")
    seen = functional.avg_pool2d(torch.from_numpy(faces).permute(0, 3, 1, 2), 2)
    points = torch.from_numpy((marks + 0.5) / (2 * SIZE))
    asked = network.move_landmarks(points, of=0, to=1)
    with torch.no_grad():
        code = network.encode(autoencoder.normalise(seen), 0)
        (own,), (new,) = network.decode(code, points, [0]), network.decode(code, asked, [1])
        expected = autoencoder.denormalise(refiner(*new, asked)[0]), autoencoder.denormalise(double(*own)[0])
    for got, face in zip((swapped.face, swapped.reconstruction), expected, strict=True):
        np.testing.assert_allclose(got, face.permute(0, 2, 3, 1).numpy(), atol=1e-4)


@pytest.mark.parametrize("changes", [{"precision": "fp16"}, {"format": "torchscript"}])
def test_every_kind_of_file_takes_refiners(refined_model: Path, changes: dict[str, str]) -> None:
    wanted = ExportJob.model_validate({"model": refined_model, "refine": True} | changes)
    exported = onnx.run(wanted, report=silent, settings=SETTINGS)
    assert exported["parity"] < 1e-3 and Path(exported["model"]).stem.startswith("swap_refined")


def test_an_export_says_that_the_model_has_gone_on_since(
    refined_model: Path, sets: tuple[Path, Path]
) -> None:
    loop.run(job(refined_model, sets, iterations=8), report=silent, settings=SETTINGS)
    wanted = ExportJob(model=refined_model, refine=True, format="torchscript")
    again = refine_job(refined_model, sets, iterations=31)
    told = []
    for run in (partial(onnx.run, wanted), partial(refine.run, again), partial(onnx.run, wanted)):
        said: list[Event] = []
        run(report=said.append, settings=SETTINGS)
        told.append(any("iteration 6" in event.message for event in said if isinstance(event, Warned)))
    assert told == [True, True, False]


def test_without_a_refiner_there_is_nothing_to_put_in(model: Path) -> None:
    with pytest.raises(TrainingError, match="no refiner"):
        onnx.run(ExportJob(model=model, refine=True), report=silent, settings=SETTINGS)
    assert not (model / "export").exists()


def test_a_face_set_that_does_not_fit_the_model_is_refused(
    tmp_path: Path, model: Path, sets: tuple[Path, Path]
) -> None:
    make_faceset(tmp_path / "carl.faceset", "carl", seed=5).close()
    make_faceset(tmp_path / "bert.faceset", "bert", seed=5, detector="fan").close()
    for name, match in (("carl", "does not know 'carl'"), ("bert", "full coverage and fan landmarks")):
        wrong = refine_job(model, sets, faceset=tmp_path / f"{name}.faceset")
        with pytest.raises(JobError, match=match):
            refine.run(wrong, report=silent, settings=SETTINGS)
    assert not (model / "refiners").exists()


def test_a_job_without_a_model_or_an_end_is_refused(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    nowhere = tmp_path / "none.model"
    with pytest.raises(JobError, match="holds no model"):
        refine.run(refine_job(nowhere, sets), report=silent, settings=SETTINGS)
    assert not nowhere.exists()
    with pytest.raises(JobError, match="how long"):
        refine.run(refine_job(nowhere, sets, iterations=0), report=silent, settings=SETTINGS)


def test_a_model_in_training_is_not_refined(model: Path, sets: tuple[Path, Path]) -> None:
    with lock.hold(model, report=silent), pytest.raises(TrainingError, match="Another run"):
        refine.run(refine_job(model, sets), report=silent, settings=SETTINGS)


def test_another_width_is_refused(refined_model: Path, sets: tuple[Path, Path]) -> None:
    with pytest.raises(JobError, match="width of 8, not 16") as refused:
        refine.run(refine_job(refined_model, sets, width=16), report=silent, settings=SETTINGS)
    assert "set width to 8" in refused.value.fix


def test_a_refiner_belongs_to_the_size_that_it_was_trained_on(
    tmp_path: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "CORE", 32)
    model, options = tmp_path / "m.model", {"size": 64, "grow_iterations": 4}
    loop.run(job(model, sets, iterations=3, **options), report=silent, settings=SETTINGS)
    refine.run(refine_job(model, sets, iterations=2), report=silent, settings=SETTINGS)
    script = ExportJob(model=model, refine=True, format="torchscript")
    onnx.run(script, report=silent, settings=SETTINGS)
    loop.run(job(model, sets, iterations=5, **options), report=silent, settings=SETTINGS)
    with pytest.raises(TrainingError, match="faces of 32 pixels, and the model now predicts 64"):
        onnx.run(script, report=silent, settings=SETTINGS)
    with pytest.raises(TrainingError, match="faces of 32 pixels, and the model now predicts 64"):
        refine.run(refine_job(model, sets), report=silent, settings=SETTINGS)
    refiners.home(model, "bert").rename(tmp_path / "aside")
    said: list[Event] = []
    refine.run(refine_job(model, sets, iterations=1), report=said.append, settings=SETTINGS)
    assert any("no detail that fine" in event.message for event in said if isinstance(event, Warned))
    assert onnx.run(script, report=silent, settings=SETTINGS)["parity"] < 1e-3


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(
    refined_model: Path, sets: tuple[Path, Path]
) -> None:
    refine.run(refine_job(refined_model, sets, iterations=31), report=silent, settings=SETTINGS)
    newest = store.find(refiners.checkpoints(refined_model, "bert"))[-1]
    (newest.path / "weights.safetensors").write_bytes(b"nothing")
    said: list[Event] = []
    refine.run(refine_job(refined_model, sets, iterations=32), report=said.append, settings=SETTINGS)
    assert any(
        "is not the file that was saved" in event.message for event in said if isinstance(event, Warned)
    )


def test_a_refiner_that_diverges_is_rolled_back_and_never_saved(
    refined_model: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(event.message)

    monkeypatch.setattr(table, "weights_at", lambda *_: {"absolute": float("nan")})
    with pytest.raises(TrainingError, match="at iteration 31; going back to a lower learning rate 4 times"):
        refine.run(refine_job(refined_model, sets, iterations=31), report=listen, settings=SETTINGS)
    assert [c.iteration for c in store.find(refiners.checkpoints(refined_model, "bert"))] == [30]
    assert len(told) == 4 and "back to iteration 30 and on with a learning rate of 0.0005" in told[0]
    monkeypatch.undo()
    again = refine_job(refined_model, sets, iterations=31)
    assert refine.run(again, report=silent, settings=SETTINGS)["iteration"] == 31
    saved = store.find(refiners.checkpoints(refined_model, "bert"))[-1]
    assert store.read_state(saved)["watch"]["setbacks"] == 4


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_every_name_has_a_folder_of_its_own_inside_the_model(one: str, other: str) -> None:
    homes = {name: refiners.home(Path("m.model"), name) for name in (one, other)}
    assert all(path.parent == Path("m.model/refiners") and path.name for path in homes.values())
    assert all(".." not in path.parts for path in homes.values())
    assert (homes[one] == homes[other]) is (one == other)
