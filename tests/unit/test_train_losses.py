"""Every term of the loss has a weight, a schedule and a reason, and adds up over the parts of a batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

import two_performers
from small_training import job, make_sets, resume
from understudy.core.progress import silent
from understudy.jobs.training import TrainJob
from understudy.train import gradients, step
from understudy.train.data import samples
from understudy.train.losses import table, terms
from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.table import LossTerm
from understudy.train.losses.terms.detail import laplacian_l1
from understudy.train.losses.terms.identity_cycle import latent_distance
from understudy.train.networks import autoencoder
from understudy.train.tasks.model import ModelTask
from understudy.train.tasks.model_state import ModelState
from understudy.train.tasks.protocol import Batches

EVERYTHING = {
    "detail_loss": 100.0,
    "identity_loss": 100.0,
    "adversarial": 100.0,
    "adversarial_from": 0,
    "mixed_precision": False,
}
LATE = 20_000


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


def a_job(**changes: object) -> TrainJob:
    return job(Path("m.model"), (Path("a.faceset"), Path("b.faceset")), **changes)


MODEL = {row.name: row for row in table.rows("model")}


@pytest.mark.parametrize("training", ["model", "refiner", "rehearsal"])
def test_every_row_has_a_reason_and_its_options_are_the_jobs(training: table.Training) -> None:
    rows, fields = table.rows(training), table._DEFAULTS[training].model_fields
    assert rows
    for row in rows:
        assert row.reason.endswith(".") and row.weight > 0, row.name
        assert {row.option, row.begins_option} - {""} <= fields.keys(), row.name


def test_every_file_of_a_loss_is_in_the_table() -> None:
    files = {path.stem for path in Path(terms.__file__).parent.glob("*.py")} - {"__init__"}
    modules = {row.compute.__module__.rpartition(".")[2] for row in table._all_rows()}
    assert files == modules and len(files) == 7


def test_a_file_without_rows_and_a_row_that_is_there_already_are_errors() -> None:
    row = MODEL["matte"]
    with pytest.raises(LookupError, match="declares no row"):
        table.collect({"forgotten.py": ()})
    with pytest.raises(LookupError, match="once more"):
        table.collect({"one.py": (row,), "two.py": (row,)})


def test_a_weight_that_nobody_computes_and_a_loss_without_a_weight_are_errors() -> None:
    one = torch.ones(())
    assert float(table.total({"a": one, "b": one}, {"a": 1.0, "b": 0.5})) == 1.5
    with pytest.raises(LookupError, match="weighted are"):
        table.total({"a": one}, {"a": 1.0, "forgotten": 0.5})
    with pytest.raises(LookupError, match="computed are"):
        table.total({"a": one, "unweighted": one}, {"a": 1.0})


@pytest.mark.parametrize("name", ["identity", "adversary"])
def test_a_loss_whose_inputs_are_missing_is_an_error(name: str) -> None:
    faces = two_performers.bank("anna", look=two_performers.texture(1), seed=1, count=8)
    batch = samples.still_batch(faces, torch.arange(2), size=64)
    inputs = LossInputs([batch], [(autoencoder.normalise(batch.truth), batch.matte)], None, 2)
    with pytest.raises(LookupError, match="needs a"):
        table.compute("model", inputs, {name: 1.0})
    assert table.compute("model", inputs, {name: 1.0}, measuring=True) == {}


def test_a_new_row_is_computed_weighted_and_recorded(
    tmp_path: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def brightness(inputs: LossInputs) -> torch.Tensor:
        return inputs.faces.mean().square()

    more = (*table._all_rows(), LossTerm("brightness", "model", 0.1, brightness, "A test."))
    monkeypatch.setattr(table, "_all_rows", lambda: more)
    task = ModelTask(resume(job(tmp_path / "m.model", sets), silent))
    losses = step.train_step(task, pytest.fail).losses
    assert float(losses["brightness"]) > 0
    weights = table.weights_at("model", 0, task.state.job)
    summed = sum(weight * float(losses[name]) for name, weight in weights.items())
    assert weights["brightness"] == 0.1 and float(losses["total"]) == pytest.approx(summed, rel=1e-5)
    assert "held_out/brightness" in task.measure()


def test_what_is_off_is_not_computed() -> None:
    always = {"absolute", "structure", "matte"}
    off = a_job(detail_loss=0, identity_loss=0, adversarial=0)
    assert table.weights_at("model", 10**6, off).keys() == always
    assert table.weights_at("model", 0, a_job(**EVERYTHING)).keys() == {*always, "adversary"}
    assert table.weights_at("model", LATE, a_job(**EVERYTHING)) == {n: r.weight for n, r in MODEL.items()}


def test_a_weight_rises_linearly_from_where_it_begins() -> None:
    half, row = a_job(detail_loss=50), MODEL["detail"]
    whole, ramp = 0.5 * row.weight, row.ramp_iterations
    weights = [row.at(row.begins + later, half) for later in (-1, ramp // 2 - 1, ramp, 9 * ramp)]
    assert weights == pytest.approx([0.0, whole / 2, whole, whole])
    late = a_job(adversarial=100, adversarial_from=500)
    assert "adversary" not in table.weights_at("model", 499, late)
    begun = table.weights_at("model", 500, late)["adversary"]
    assert begun == pytest.approx(MODEL["adversary"].weight / 1000)


def test_without_a_job_options_are_what_they_are_when_left_out() -> None:
    assert table.weights_at("model", LATE) == table.weights_at("model", LATE, a_job())


def added_up(study: ModelState, parts: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The iteration's losses, and the gradients of the network and of the critic."""
    assert study.critic is not None
    study.parts = parts
    batches = [ModelTask(study)._draw(index) for index in range(2)]
    study.clear_gradients()
    figures = gradients.accumulate(ModelTask(study), Batches(batches))
    both = [*study.network.named_parameters(), *study.critic.network.named_parameters()]
    return figures.losses, {name: value.grad.clone() for name, value in both if value.grad is not None}


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_all_terms_add_up_over_the_parts_of_a_batch(
    tmp_path: Path, sets: tuple[Path, Path], parts: int
) -> None:
    study = resume(job(tmp_path / "m.model", sets, batch=5, **EVERYTHING), silent)
    study.iteration = LATE  # a multiple of the critic's penalty, too
    for _ in range(16):
        step._step(ModelTask(study))
    before = {name: value.clone() for name, value in study.network.state_dict().items()}
    whole, expected = added_up(study, 1)
    study.network.load_state_dict(before)
    summed, found = added_up(study, parts)
    assert whole.keys() == {*MODEL, "total", "critic"}
    for name, value in whole.items():
        torch.testing.assert_close(summed[name], value, rtol=1e-4, atol=1e-6)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = float(gradient.abs().max()) + 1e-8
        assert float((found[name] - gradient).abs().max()) < 1e-3 * scale + 1e-7, name


def test_detail_asks_for_fine_bands_and_not_for_levels() -> None:
    random = torch.Generator().manual_seed(0)
    truth, weight = torch.randn((2, 3, 32, 32), generator=random), torch.ones(2, 1, 32, 32)
    assert float(laplacian_l1(truth, truth, weight)) == 0.0
    assert float(laplacian_l1(truth + 0.5, truth, weight)) < 1e-6
    blurred = functional.avg_pool2d(truth, 3, stride=1, padding=1)
    assert float(laplacian_l1(blurred, truth, weight)) > 0.15
    half = torch.cat([truth[:1], truth[1:] + torch.randn((1, 3, 32, 32), generator=random)])
    aside = torch.cat([weight[:1], 0.0 * weight[1:]])
    assert float(laplacian_l1(half, truth, aside)) == 0.0


def test_a_latent_that_came_back_costs_nothing_and_only_the_second_encoding_learns() -> None:
    code, again = torch.randn(4, 8, requires_grad=True), torch.zeros(4, 8, requires_grad=True)
    assert float(latent_distance(code, code, count=4).detach()) == 0.0
    latent_distance(again, code, count=8).backward()
    assert code.grad is None and again.grad is not None
    assert float(again.grad.abs().sum()) == pytest.approx(0.5)


def test_a_wrong_background_alone_costs_little() -> None:
    """A face drawn right, before a blue screen that is none: what is asked is to draw faces, not screens."""
    bank = two_performers.bank("anna", look=two_performers.texture(1), seed=1, count=8)
    batch = samples.still_batch(bank, torch.arange(4), size=64)
    near = functional.max_pool2d(batch.matte, 5, stride=1, padding=2)
    truth = autoencoder.normalise(batch.truth)
    blue = autoencoder.normalise(torch.tensor([0.15, 0.25, 0.6]))[:, None, None].expand_as(truth)
    weights = table.weights_at("model", LATE, a_job(detail_loss=100))

    def cost(drawn: torch.Tensor) -> dict[str, float]:
        inputs = LossInputs([batch], [(drawn, batch.matte * 20 - 10)], None, len(drawn))
        figures = table.compute("model", inputs, weights, measuring=True)
        return {name: float(value) for name, value in figures.items()}

    background, face = cost(torch.lerp(blue, truth, near)), cost(torch.lerp(truth, blue, near))
    for name in ("absolute", "structure", "detail"):
        assert background[name] < 0.15 * face[name], (name, background, face)


def test_eyes_and_mouth_count_as_much_more_as_the_job_says(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    weights = []
    for name, percent in (("a.model", 0.0), ("b.model", 200.0)):
        study = resume(job(tmp_path / name, sets, eyes_mouth=percent), silent)
        weights.append(ModelTask(study)._draw(0).weight)
    assert float(weights[0].max()) == pytest.approx(1.0, abs=1e-3)
    assert float(weights[1].max()) == pytest.approx(3.0, abs=0.1)
    assert float(weights[0].min()) == float(weights[1].min()) == pytest.approx(samples.BACKGROUND)
