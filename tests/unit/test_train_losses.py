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
from understudy.train.losses import terms
from understudy.train.networks import autoencoder
from understudy.train.state import Study

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


def test_every_term_has_a_reason_and_its_options_are_the_jobs() -> None:
    for name, term in terms.TERMS.items():
        assert term.reason.endswith(".") and term.weight > 0, name
        options = {term.option, term.begins_option} - {""}
        assert options <= TrainJob.model_fields.keys(), name


def test_what_is_off_is_not_computed() -> None:
    always = {"absolute", "structure", "matte"}
    off = a_job(detail_loss=0, identity_loss=0, adversarial=0)
    assert terms.weights_at(10**6, off).keys() == always
    assert terms.weights_at(0, a_job(**EVERYTHING)).keys() == {*always, "adversary"}
    assert terms.weights_at(LATE, a_job(**EVERYTHING)) == {n: t.weight for n, t in terms.TERMS.items()}


def test_a_term_begins_when_it_is_to_and_rises_in_a_line() -> None:
    half, begins = a_job(detail_loss=50), terms.TERMS["detail"].begins
    whole, over = 0.5 * terms.TERMS["detail"].weight, terms.TERMS["detail"].over
    weights = [
        terms.TERMS["detail"].at(begins + later, half) for later in (-1, over // 2 - 1, over, 9 * over)
    ]
    assert weights == pytest.approx([0.0, whole / 2, whole, whole])
    late = a_job(adversarial=100, adversarial_from=500)
    assert "adversary" not in terms.weights_at(499, late)
    assert terms.weights_at(500, late)["adversary"] == pytest.approx(terms.TERMS["adversary"].weight / 1000)


def test_without_a_job_options_are_what_they_are_when_left_out() -> None:
    assert terms.weights_at(LATE) == terms.weights_at(LATE, a_job())


def added_up(study: Study, parts: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The iteration's losses, and the gradients of the network and of the critic."""
    assert study.adversary is not None
    study.parts = parts
    batches = [step._batch(study, index) for index in range(2)]
    step._forget_gradients(study)
    figures = gradients.add_up(study, batches)
    both = [*study.network.named_parameters(), *study.adversary.network.named_parameters()]
    return figures.losses, {name: value.grad.clone() for name, value in both if value.grad is not None}


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_all_terms_add_up_over_the_parts_of_a_batch(
    tmp_path: Path, sets: tuple[Path, Path], parts: int
) -> None:
    study = resume(job(tmp_path / "m.model", sets, batch=5, **EVERYTHING), silent)
    study.iteration = LATE  # a multiple of the critic's penalty, too
    for _ in range(16):
        step.step(study)
    before = {name: value.clone() for name, value in study.network.state_dict().items()}
    whole, expected = added_up(study, 1)
    study.network.load_state_dict(before)
    summed, found = added_up(study, parts)
    assert whole.keys() == {*terms.TERMS, "total", "critic"}
    for name, value in whole.items():
        torch.testing.assert_close(summed[name], value, rtol=1e-4, atol=1e-6)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = float(gradient.abs().max()) + 1e-8
        assert float((found[name] - gradient).abs().max()) < 1e-3 * scale + 1e-7, name


def test_detail_asks_for_fine_bands_and_not_for_levels() -> None:
    random = torch.Generator().manual_seed(0)
    truth, weight = torch.randn((2, 3, 32, 32), generator=random), torch.ones(2, 1, 32, 32)
    assert float(terms.detail(truth, truth, weight)) == 0.0
    assert float(terms.detail(truth + 0.5, truth, weight)) < 1e-6
    blurred = functional.avg_pool2d(truth, 3, stride=1, padding=1)
    assert float(terms.detail(blurred, truth, weight)) > 0.15
    half = torch.cat([truth[:1], truth[1:] + torch.randn((1, 3, 32, 32), generator=random)])
    aside = torch.cat([weight[:1], 0.0 * weight[1:]])
    assert float(terms.detail(half, truth, aside)) == 0.0


def test_a_code_that_came_back_costs_nothing_and_only_the_second_description_learns() -> None:
    code, again = torch.randn(4, 8, requires_grad=True), torch.zeros(4, 8, requires_grad=True)
    assert float(terms.described_alike(code, code, count=4).detach()) == 0.0
    terms.described_alike(again, code, count=8).backward()
    assert code.grad is None and again.grad is not None
    assert float(again.grad.abs().sum()) == pytest.approx(0.5)


def test_a_wrong_background_alone_costs_little() -> None:
    """A face drawn right, before a blue screen that is none: what is asked is to draw faces, not screens."""
    bank = two_performers.bank("anna", look=two_performers.texture(1), seed=1, count=8)
    batch = samples.still_batch(bank, torch.arange(4), size=64)
    near = functional.max_pool2d(batch.matte, 5, stride=1, padding=2)
    truth = autoencoder.normalise(batch.truth)
    blue = autoencoder.normalise(torch.tensor([0.15, 0.25, 0.6]))[:, None, None].expand_as(truth)
    weights = terms.weights_at(LATE, a_job(detail_loss=100))

    def cost(drawn: torch.Tensor) -> dict[str, float]:
        figures = gradients.compare([batch], [(drawn, batch.matte * 20 - 10)], weights, whole=None)
        return {name: float(value) for name, value in figures.items()}

    background, face = cost(torch.lerp(blue, truth, near)), cost(torch.lerp(truth, blue, near))
    for name in ("absolute", "structure", "detail"):
        assert background[name] < 0.15 * face[name], (name, background, face)


def test_eyes_and_mouth_count_as_much_more_as_the_job_says(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    weights = []
    for name, percent in (("a.model", 0.0), ("b.model", 200.0)):
        study = resume(job(tmp_path / name, sets, eyes_mouth=percent), silent)
        weights.append(step._batch(study, 0).weight)
    assert float(weights[0].max()) == pytest.approx(1.0, abs=1e-3)
    assert float(weights[1].max()) == pytest.approx(3.0, abs=0.1)
    assert float(weights[0].min()) == float(weights[1].min()) == pytest.approx(samples.BACKGROUND)
