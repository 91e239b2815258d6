"""A profile's times add up to the run's, its arithmetic is counted, and it names what holds training up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from small_training import SETTINGS, job, make_sets, resume
from understudy.core.progress import Cancelled, Event, Progress, silent
from understudy.train import run, step
from understudy.train.hardware import profile
from understudy.train.hardware.profile import COMPUTED, EACH, RARE, bottleneck
from understudy.train.state import no_timing
from understudy.train.tasks import model as model_task
from understudy.train.tasks.model import ModelTask
from understudy.train.tasks.model_state import ModelState


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(autouse=True)
def peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "measure_peak", lambda device, mixed: 1e12)


@pytest.mark.parametrize("iterations", [1, 2, 6])
def test_a_run_of_any_length_is_profiled(tmp_path: Path, sets: tuple[Path, Path], iterations: int) -> None:
    train_job = job(tmp_path / "m.model", sets, iterations=iterations, profile=True)
    found = run.run(train_job, report=silent, settings=SETTINGS)["profile"]
    assert sum(found[f"{part}_percent"] for part in (*EACH, *RARE)) == pytest.approx(100.0, abs=0.5)
    assert found["images_a_second"] == pytest.approx(8 * found["iterations_a_second"], rel=0.01)
    assert found["percent_of_the_peak"] == pytest.approx(100 * found["teraflops"], rel=0.2, abs=0.1)
    assert found["bottleneck"].endswith(".")


def test_a_run_that_makes_no_iteration_says_so(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=2), report=silent, settings=SETTINGS)
    again = run.run(job(model, sets, iterations=2, profile=True), report=silent, settings=SETTINGS)
    assert again["profile"] == {"bottleneck": "No iteration was made, so that nothing is known."}


def test_nothing_is_measured_where_nobody_asks(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    study = resume(job(tmp_path / "m.model", sets), silent)
    assert study.mark_time is no_timing
    with profile.profiled(study, wanted=False) as nothing:
        assert nothing is None and study.mark_time is no_timing


def profiled_study(root: Path, sets: tuple[Path, Path], **changes: object) -> ModelState:
    return resume(job(root / "m.model", sets, profile=True, **changes), silent)


def test_time_goes_to_the_part_that_spends_it(
    tmp_path: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = profiled_study(tmp_path, sets, batch=1)
    draw_batch = model_task.draw_batch

    def slow(*arguments: object, **named: object) -> object:
        time.sleep(0.2)
        return draw_batch(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(model_task, "draw_batch", slow)
    with profile.profiled(study, wanted=True) as watched:
        for _ in range(3):
            step._step(ModelTask(study))
    assert watched is not None
    found = watched.report()
    assert found["data_ms"] == pytest.approx(400, rel=0.25)
    assert found["bottleneck"].startswith("Making the batches")


def test_a_short_run_says_what_a_long_one_would(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    """Three iterations with a validation and a checkpoint behind them, each a hundred times as long."""
    train_job = job(tmp_path / "m.model", sets, iterations=3, preview_iterations=1000, profile=True)
    found = run.run(train_job, report=silent, settings=SETTINGS)["profile"]
    assert found["validation_percent"] < 10
    alone = 1000 / sum(found[f"{part}_ms"] for part in COMPUTED)
    assert found["iterations_a_second"] == pytest.approx(alone, rel=0.3)


def test_frequent_validations_are_what_holds_training_up(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    train_job = job(tmp_path / "m.model", sets, iterations=3, preview_iterations=1, profile=True)
    found = run.run(train_job, report=silent, settings=SETTINGS)["profile"]
    assert found["bottleneck"].startswith("Validations")


def operations(
    root: Path, sets: tuple[Path, Path], spoil: Callable[[ModelState], None], **changes: object
) -> int:
    study = profiled_study(root, sets, **changes)
    spoil(study)
    with profile.profiled(study, wanted=True) as watched:
        for _ in range(2):
            step.train_step(ModelTask(study), lambda message: None)
    assert watched is not None and watched.report()["teraflops"] > 0
    return watched.operations


def test_arithmetic_grows_with_the_batch_and_is_not_counted_twice_after_a_shortage(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    def nothing(study: ModelState) -> None: ...

    def refuse(study: ModelState) -> None:
        def check(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if len(inputs[0]) > 4 and torch.is_grad_enabled():
                raise torch.OutOfMemoryError("CUDA out of memory.")

        study.network.shared.register_forward_pre_hook(check)

    one = operations(tmp_path / "one", sets, nothing, batch=1)
    four = operations(tmp_path / "four", sets, nothing, batch=4)
    short = operations(tmp_path / "short", sets, refuse, batch=4)
    assert four == pytest.approx(4 * one, rel=0.02)
    # In parts the codes are described once more, forwards only.
    assert four < short < 1.25 * four


def test_a_cancelled_run_leaves_no_counting_behind(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    def cancel(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "train":
            raise Cancelled

    with pytest.raises(Cancelled):
        run.run(job(tmp_path / "m.model", sets, profile=True), report=cancel, settings=SETTINGS)
    study = profiled_study(tmp_path, sets)
    with pytest.raises(RuntimeError, match="in the middle"), profile.profiled(study, wanted=True):
        study.mark_time("data")
        raise RuntimeError("in the middle")
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None


def test_a_larger_matrix_product_is_where_the_peak_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(profile, "_PRODUCT_EDGES", (8, 256))
    monkeypatch.setattr(profile, "_TRIAL_SECONDS", 0.0)
    small = profile.measure_peak(torch.device("cpu"), mixed=False)
    monkeypatch.setattr(profile, "_TRIAL_SECONDS", 5.0)
    assert profile.measure_peak(torch.device("cpu"), mixed=False) > small > 0


SHARES = dict.fromkeys((*EACH, *RARE), 0.0)


@pytest.mark.parametrize(
    ("shares", "of_peak", "named"),
    [
        ({"backward": 0.6, "forward": 0.4}, 0.4, "Arithmetic"),
        ({"backward": 0.6, "forward": 0.4}, 0.05, "not by their arithmetic"),
        ({"data": 0.5, "backward": 0.5}, 0.4, "Making the batches"),
        ({"optimiser": 0.5, "backward": 0.5}, 0.4, "The optimiser"),
        ({"validation": 0.3, "backward": 0.7}, 0.4, "--preview-iterations"),
        ({"saving": 0.3, "backward": 0.7}, 0.4, "--save-minutes"),
    ],
)
def test_the_bottleneck_is_named(shares: dict[str, float], of_peak: float, named: str) -> None:
    assert named in bottleneck(SHARES | shares, of_peak=of_peak)
