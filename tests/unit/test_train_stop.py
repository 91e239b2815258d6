"""When a run ends by itself, what makes it go back, and which checkpoint is the best."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import small_training
from small_training import SETTINGS, make_sets, resume
from understudy.core.errors import JobError, TrainingError
from understudy.core.progress import Cancelled, Event, Progress, Warned, silent
from understudy.jobs.training import TrainJob
from understudy.train import run, trainer
from understudy.train.checkpoints import base_weights, store
from understudy.train.export import onnx
from understudy.train.tasks import model as model_task
from understudy.train.tasks.model_state import ModelState
from understudy.train.validation import early_stopping, history, validator
from understudy.train.validation.early_stopping import ERROR, LEAK, TRAINING_ERROR, assess
from understudy.train.validation.history import Curve

Figures = dict[str, float]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


def job(model: Path, sets: tuple[Path, Path], **changes: object) -> TrainJob:
    return small_training.job(model, sets, **{"batch": 1, "preview_iterations": 2} | changes)


def curve(values: list[float] | np.ndarray, *, every: int = 500, seconds: float = 100.0) -> Curve:
    """A validation every so many iterations and seconds."""
    count = np.arange(1, len(values) + 1)
    return Curve(count * every, count * seconds, np.asarray(values, np.float64))


def falling(count: int, *, floor: float = 0.05, power: float = 0.8) -> np.ndarray:
    return floor + 0.1 * np.arange(1.0, count + 1) ** -power


def judged(curves: Mapping[str, Curve], percent: float = 2.0) -> early_stopping.Assessment:
    return assess(curves, plateau_percent=percent)


def overfitted(count: int = 20, best: int = 10) -> dict[str, Curve]:
    """Unseen faces get worse after the best one, those trained on better."""
    steps = np.arange(count)
    unseen = np.where(steps <= best, 0.1 + 0.01 * (best - steps), 0.1 + 0.002 * (steps - best))
    return {ERROR: curve(unseen), TRAINING_ERROR: curve(0.1 * 0.95**steps)}


def test_a_curve_that_falls_is_no_reason_to_stop() -> None:
    found = judged({ERROR: curve(falling(45, floor=0.0, power=0.5))})
    assert found.hour is not None and found.hour.gain > 0
    assert (found.divergence, found.warning, found.stop_reason) == ("", "", "")


def test_a_plateau_says_what_another_hour_would_bring() -> None:
    found = judged({ERROR: curve(falling(400))})
    assert found.stop_reason.startswith("Another hour would bring") and found.stop_reason.endswith(
        "which is below 2"
    )
    assert judged({ERROR: curve(falling(400))}, percent=0.01).stop_reason == ""


def test_acting_that_still_gets_better_keeps_a_run_going() -> None:
    mouth = 5.0 * np.arange(1.0, 401) ** -0.5
    assert judged({ERROR: curve(falling(400)), "expression/mouth": curve(mouth)}).stop_reason == ""


def test_acting_that_nobody_can_forecast_does_not() -> None:
    mouth = np.random.default_rng(0).uniform(1.0, 9.0, 400)
    assert judged({ERROR: curve(falling(400)), "expression/mouth": curve(mouth)}).stop_reason


def test_before_an_hour_was_trained_nothing_is_said_of_another() -> None:
    assert judged({ERROR: curve(falling(30))}).hour is None
    assert judged({ERROR: curve(falling(400))}).hour is not None


def test_the_speed_is_the_latest_ones_and_pauses_do_not_count() -> None:
    seconds = np.array([10.0, 20.0, 30.0, 32.0, 34.0, 36.0, 38.0, 40.0])
    found = Curve(np.arange(1, 9) * 100, seconds, np.ones(8))
    assert early_stopping.iterations_an_hour(found) == pytest.approx(100 / 2 * 3600)
    assert early_stopping.iterations_an_hour(found.until(1)) == 0.0


def test_overfitting_is_told_once_and_names_the_best_iteration() -> None:
    warned = [
        index
        for index in range(2, 21)
        if judged({name: whole.until(index) for name, whole in overfitted().items()}).warning
    ]
    assert warned == [16]
    found = judged({name: whole.until(16) for name, whole in overfitted().items()})
    assert "since iteration 5500" in found.warning and "the model overfits" in found.warning
    assert judged(overfitted()).stop_reason and not judged(overfitted()).divergence


def test_an_error_that_rises_for_all_faces_is_no_overfitting() -> None:
    curves = overfitted() | {TRAINING_ERROR: overfitted()[ERROR]}
    assert early_stopping.overfitted_since(curves) is None


def test_scatter_is_hardly_ever_overfitting() -> None:
    alarms = 0
    for seed in range(20):
        scattered = 0.1 * (1 + 0.004 * np.random.default_rng(seed).normal(size=60))
        curves = {ERROR: curve(scattered), TRAINING_ERROR: curve(falling(60))}
        alarms += any(
            early_stopping.overfitted_since({name: whole.until(count) for name, whole in curves.items()})
            for count in range(1, 61)
        )
    assert alarms <= 1


REAL = [0.1666, 0.1177, 0.1032, 0.0960, 0.0891, 0.0857, 0.0833, 0.0824]
REAL += [0.0829, 0.0829, 0.0837, 0.0841, 0.0844, 0.0852]


def test_the_overfitting_of_a_run_on_two_filmed_performers_is_found() -> None:
    """Its structural error on unseen faces; 123 and 168 faces a performer, every third frame."""
    trained = {TRAINING_ERROR: curve(falling(len(REAL)))}
    found = [
        early_stopping.overfitted_since(
            {ERROR: curve(REAL[:count])} | {k: v.until(count) for k, v in trained.items()}
        )
        for count in range(1, len(REAL) + 1)
    ]
    assert found == [None] * 13 + [4000]


@pytest.mark.parametrize(
    ("leaks", "trouble"),
    [
        ([0.5, 0.4, 0.2, 0.1, 0.6, 0.7, 0.6], True),
        ([0.5, 0.4, 0.2, 0.1, 0.6, 0.7], False),
        ([0.5, 0.4, 0.2, 0.6, 0.4, 0.7, 0.6], False),
        ([0.6, 0.6, 0.6, 0.6, 0.6, 0.6], False),
    ],
)
def test_a_source_that_becomes_the_destination_is_trouble(leaks: list[float], trouble: bool) -> None:
    found = judged({LEAK: curve(leaks)})
    assert bool(found.divergence) == trouble
    assert found.suspicious == (leaks[-1] > 0.5 and min(leaks) < 0.35)


def test_a_new_model_that_lies_anywhere_is_no_trouble() -> None:
    assert not judged({LEAK: curve([0.2, 0.6, 0.7, 0.7], every=5)}).divergence


def test_performers_that_never_part_are_told_once_they_should_have() -> None:
    warned = [count for count in range(1, 12) if judged({LEAK: curve([0.7] * count)}).warning]
    assert warned == [6], "at iteration 3000"
    assert not judged({LEAK: curve([0.9, 0.7, 0.4, *[0.6] * 8])}).warning


def test_the_line_names_every_figure_that_there_is() -> None:
    figures = {"held_out/ssim/anna": 0.9412, "held_out/error": 0.06, "flicker/stops": 0.0123, LEAK: 0.14}
    figures |= {"expression/mouth": 2.71, "expression/mouth_readable": 1.11}
    assert early_stopping.summary(figures, early_stopping.Assessment()) == (
        "unseen faces: SSIM anna 0.941; mouth 2.7% off (readable to 1.1%); "
        "14% of the way from source to destination; flicker 0.012 stops"
    )
    hour = judged({ERROR: curve(falling(400))}).hour
    assert hour is not None and "another hour: " in early_stopping.hour_words(hour)


@pytest.fixture
def dictate(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], Figures]], None]:
    """Have validations measure what the test says, by iteration."""

    def install(figures: Callable[[int], Figures]) -> None:
        monkeypatch.setattr(model_task, "fit_references", lambda state: object())
        monkeypatch.setattr(model_task, "measure", lambda study, references: figures(study.iteration))

    return install


def level(iteration: int) -> Figures:
    return {ERROR: 0.05 + 0.01 * (iteration / 2) ** -2.0, TRAINING_ERROR: 0.04}


def hours(monkeypatch: pytest.MonkeyPatch, iterations: float = 6.0) -> None:
    monkeypatch.setattr(early_stopping, "iterations_an_hour", lambda curve: iterations)


def test_a_run_ends_at_a_plateau_says_why_and_a_resume_ends_at_once(
    tmp_path: Path,
    sets: tuple[Path, Path],
    dictate: Callable[[Callable[[int], Figures]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dictate(level)
    hours(monkeypatch)
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "validate":
            told.append(event.note)

    model = tmp_path / "m.model"
    plateau = job(model, sets, iterations=0, stop_when="plateau")
    ended = run.run(plateau, report=listen, settings=SETTINGS)
    assert 16 <= ended["iteration"] < 60 and "another hour" in told[-1]
    assert ended["stopped"].startswith("Another hour would bring")
    again = run.run(plateau, report=silent, settings=SETTINGS)
    assert (again["iteration"], again["stopped"]) == (ended["iteration"], ended["stopped"])
    on = run.run(job(model, sets, iterations=ended["iteration"] + 4), report=silent, settings=SETTINGS)
    assert on["iteration"] == ended["iteration"] + 4 and "stopped" not in on
    connection = sqlite3.connect(model / "history.sqlite")
    notes = [
        note for (note,) in connection.execute("SELECT note FROM notes WHERE note LIKE '%Training ends.'")
    ]
    connection.close()
    assert notes[0].startswith(ended["stopped"])


def test_a_run_without_any_end_is_refused(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    with pytest.raises(JobError, match="neither how long") as caught:
        run.run(job(tmp_path / "m.model", sets, iterations=0), report=silent, settings=SETTINGS)
    assert "stop_when" in caught.value.fix


def test_a_checkpoint_keeps_its_error_when_a_resumed_run_is_cancelled_at_once(
    tmp_path: Path, sets: tuple[Path, Path], dictate: Callable[[Callable[[int], Figures]], None]
) -> None:
    dictate(lambda iteration: {ERROR: 0.1})
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=2), report=silent, settings=SETTINGS)

    def learn(study: object, warn: object) -> None:
        raise Cancelled

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Cancelled):
        patch.setattr(trainer, "train_step", learn)
        run.run(job(model, sets, iterations=4), report=silent, settings=SETTINGS)
    (found,) = store.find(model / "checkpoints")
    assert store.held_out_error(store.read_state(found)) == 0.1


def test_a_run_in_two_parts_stops_where_one_run_does(
    tmp_path: Path,
    sets: tuple[Path, Path],
    dictate: Callable[[Callable[[int], Figures]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dictate(level)
    hours(monkeypatch)
    once, twice = tmp_path / "once.model", tmp_path / "twice.model"
    ended = run.run(job(once, sets, iterations=200, stop_when="plateau"), report=silent, settings=SETTINGS)
    run.run(job(twice, sets, iterations=10), report=silent, settings=SETTINGS)
    resumed = run.run(job(twice, sets, iterations=200, stop_when="plateau"), report=silent, settings=SETTINGS)
    assert resumed["iteration"] == ended["iteration"] and resumed["stopped"] == ended["stopped"]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_stopping, "_LEAK_SETTLED_ITERATIONS", 0)


@pytest.mark.usefixtures("settled")
def test_a_leak_sends_training_back_to_before_it_at_half_the_rate(
    tmp_path: Path, sets: tuple[Path, Path], dictate: Callable[[Callable[[int], Figures]], None]
) -> None:
    told: list[str] = []
    model = tmp_path / "m.model"
    dictate(lambda iteration: {ERROR: 0.1, LEAK: 0.1})
    run.run(job(model, sets, iterations=8), report=silent, settings=SETTINGS)
    leaky = {"now": True}

    def leak(iteration: int) -> Figures:
        leaky["now"] = leaky["now"] and not told
        return {ERROR: 0.1, LEAK: 0.9 if leaky["now"] and iteration > 8 else 0.1}

    def listen(event: Event) -> None:
        if isinstance(event, Warned) and "release" not in event.message:
            told.append(event.message)

    dictate(leak)
    run.run(job(model, sets, iterations=20), report=listen, settings=SETTINGS)
    assert told == [
        "The source's decoder has begun to predict the destination, at iteration 14. Training goes back to "
        "iteration 8 and on with a learning rate of 0.0005."
    ]
    assert resume(job(model, sets), silent).monitor.rollbacks == 1
    assert history.read(model)[LEAK].values.max() < 0.5, "what was gone back on is forgotten"


@pytest.mark.usefixtures("settled")
def test_a_checkpoint_that_was_saved_while_it_leaked_is_doubtful(
    tmp_path: Path, sets: tuple[Path, Path], dictate: Callable[[Callable[[int], Figures]], None]
) -> None:
    model = tmp_path / "m.model"
    dictate(lambda iteration: {ERROR: 0.1, LEAK: 0.1 if iteration < 6 else 0.9})
    run.run(job(model, sets, iterations=4), report=silent, settings=SETTINGS)
    run.run(job(model, sets, iterations=7), report=silent, settings=SETTINGS)
    states = [store.read_state(found) for found in store.find(model / "checkpoints")]
    assert [state["sound"] for state in states] == [True, False]


def test_a_model_that_learnt_by_heart_is_exported_as_it_was_before(
    tmp_path: Path, sets: tuple[Path, Path], dictate: Callable[[Callable[[int], Figures]], None]
) -> None:
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Warned) and "release" not in event.message:
            told.append(event.message)

    model = tmp_path / "m.model"
    dictate(lambda iteration: {ERROR: {2: 0.2, 4: 0.1, 6: 0.112}[iteration]})
    for stop in (2, 4, 6):
        run.run(job(model, sets, iterations=stop), report=silent, settings=SETTINGS)
    assert [store.read_state(found)["held_out_error"] for found in store.find(model / "checkpoints")] == [
        0.2,
        0.1,
        0.112,
    ]
    _, _, state = onnx.load(model)
    assert state["iteration"] == 4
    onnx._say_if_older(model, state, listen)
    assert told == [
        "Iteration 4 is exported: the newest checkpoint, of iteration 6, predicts unseen faces 12 percent "
        "worse."
    ]


def test_training_time_adds_up_over_runs(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    model, spent = tmp_path / "m.model", [0.0]
    for stop in (4, 8):
        run.run(job(model, sets, iterations=stop), report=silent, settings=SETTINGS)
        state = store.read_state(store.find(model / "checkpoints")[-1])
        spent.append(state["trained_seconds"])
        assert resume(job(model, sets), silent).trained_seconds == spent[-1]
    assert 0.0 < spent[1] < spent[2]
    assert history.read(model)[ERROR].seconds.tolist() == sorted(history.read(model)[ERROR].seconds)


def test_a_resume_needs_no_base(
    tmp_path: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=2), report=silent, settings=SETTINGS)

    def missing(network: object) -> bool:
        raise TrainingError("The base model is missing or damaged.")

    monkeypatch.setattr(base_weights, "give", missing)
    assert resume(job(model, sets), silent).iteration == 2
    with pytest.raises(TrainingError, match="base model is missing"):
        resume(job(tmp_path / "new.model", sets), silent)


def test_saving_every_moment_does_not_mean_measuring_every_moment(
    tmp_path: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def measure(study: ModelState, references: object) -> Figures:
        measured.append(study.iteration)
        return {ERROR: 0.1}

    monkeypatch.setattr(model_task, "fit_references", lambda state: object())
    monkeypatch.setattr(model_task, "measure", measure)
    often = job(tmp_path / "m.model", sets, iterations=12, save_minutes=1e-9, preview_iterations=1000)
    monkeypatch.setattr(validator, "_REST", 0.0)
    run.run(often, report=silent, settings=SETTINGS)
    assert len(measured) == 12
    measured.clear()
    monkeypatch.setattr(validator, "_REST", 1e9)
    again = job(tmp_path / "n.model", sets, iterations=12, save_minutes=1e-9, preview_iterations=1000)
    run.run(again, report=silent, settings=SETTINGS)
    assert measured == [1, 12], "the first save, and the end"
