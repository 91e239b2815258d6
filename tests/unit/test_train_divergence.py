"""Training that goes wrong is noticed, goes back to where it was right, and says so."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import small_training
from small_training import SETTINGS, make_sets, resume
from understudy.core.errors import TrainingError
from understudy.core.progress import Event, Warned, silent
from understudy.jobs.training import TrainJob
from understudy.train import divergence, gradients, run, step, trainer
from understudy.train.checkpoints import store
from understudy.train.divergence import DivergenceMonitor
from understudy.train.tasks.model import ModelTask
from understudy.train.tasks.model_state import ModelState

Spoil = Callable[[ModelState], None]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Spoil], None]:
    """Have something done to the network after every iteration, as a bad batch or a bad bit would."""

    def install(how: Spoil) -> None:
        def learn(task: ModelTask, warn: Callable[[str], None]) -> gradients.Figures:
            figures = step.train_step(task, warn)
            how(task.state)
            return figures

        monkeypatch.setattr(trainer, "train_step", learn)

    return install


def job(model: Path, sets: tuple[Path, Path], **changes: object) -> TrainJob:
    """One face at a time, for speed: what is tested here does not depend on how much is learned."""
    return small_training.job(model, sets, batch=1, **changes)


def nan_at(*iterations: int, rollbacks: int = 0) -> Spoil:
    def how(study: ModelState) -> None:
        if study.iteration in iterations and study.monitor.rollbacks <= rollbacks:
            study.network.encoder.code.bias.data[0] = math.nan

    return how


def heard(into: list[str]) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if isinstance(event, Warned) and "release" not in event.message:
            into.append(event.message)

    return listen


def weights(model: Path) -> list[bytes]:
    newest = store.find(model / "checkpoints")[-1]
    return [path.read_bytes() for path in sorted(newest.path.glob("*.safetensors"))]


def notes(model: Path) -> list[tuple[int, str]]:
    connection = sqlite3.connect(model / "history.sqlite")
    rows = connection.execute("SELECT iteration, note FROM notes").fetchall()
    connection.close()
    return rows


def look(seen: DivergenceMonitor, losses: list[float], contrast: float = 0.9, first: int = 20) -> list[str]:
    return [
        seen.check(first + index * divergence.CHECK_ITERATIONS, loss, {"anna": contrast})
        for index, loss in enumerate(losses)
    ]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf, 1e7])
def test_a_loss_that_is_no_number_is_noticed_at_once(loss: float) -> None:
    assert "no longer a finite number" in look(DivergenceMonitor(), [loss])[0]


def test_a_contrast_that_is_no_number_is_noticed() -> None:
    assert "no longer a finite number" in look(DivergenceMonitor(), [1.0], contrast=math.nan)[0]


def test_a_loss_far_above_its_recent_level_is_noticed_after_a_while_only() -> None:
    seen = DivergenceMonitor()
    assert not any(look(seen, [0.5] * 20))
    told = look(seen, [1.6] * divergence.PATIENCE_CHECKS)
    assert not any(told[:-1]) and "3 times its recent level" in told[-1]


def test_spikes_are_forgiven() -> None:
    seen = DivergenceMonitor()
    assert not any(look(seen, [0.5, 0.4, 0.6, *[1.9, 0.5] * 30]))
    assert not seen.suspicious


def test_a_high_loss_makes_the_watch_uneasy_before_it_is_trouble() -> None:
    seen = DivergenceMonitor()
    look(seen, [0.5] * 5)
    assert not seen.suspicious
    look(seen, [1.9])
    assert seen.suspicious


def test_a_loss_that_falls_or_stands_is_no_trouble() -> None:
    assert not any(look(DivergenceMonitor(), [2.0 * 0.99**check + 0.1 for check in range(500)]))


def test_a_jump_beyond_all_measure_is_noticed_at_once() -> None:
    assert (
        look(DivergenceMonitor(), [0.5, 0.5, 0.5, 20.0])[-1]
        == "The loss has jumped to 40 times its recent level"
    )


def test_faces_without_contrast_are_noticed_once_they_had_some() -> None:
    seen = DivergenceMonitor()
    assert not any(look(seen, [1.0] * 20, contrast=0.01)), "a young decoder draws flat faces"
    look(seen, [1.0], contrast=0.5)
    told = look(seen, [1.0] * divergence.CONTRAST_PATIENCE_CHECKS, contrast=0.01)
    assert not any(told[:-1]) and told[-1] == "The predicted faces of anna have collapsed to one flat colour"


def test_faces_that_never_get_contrast_are_noticed_too() -> None:
    told = look(DivergenceMonitor(), [1.0] * 300, contrast=0.01)
    first = next(index for index, trouble in enumerate(told) if trouble)
    assert first * divergence.CHECK_ITERATIONS == pytest.approx(divergence.CONTRAST_DUE_ITERATIONS, abs=100)


def test_a_watch_comes_back_from_its_values() -> None:
    seen = DivergenceMonitor(rollbacks=2)
    look(seen, [0.5] * 60 + [1.8] * 3, contrast=0.4)
    assert (
        DivergenceMonitor.from_dict(seen.as_dict()) == seen
        and seen.suspicious
        and seen.learning_rate_multiplier == 0.25
    )


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {"setbacks": 1},
        DivergenceMonitor(rollbacks=99).as_dict(),
        DivergenceMonitor(rollbacks=-1).as_dict(),
        DivergenceMonitor(losses=[math.nan]).as_dict(),
        DivergenceMonitor().as_dict() | {"losses": "abc"},
        DivergenceMonitor().as_dict() | {"flat_checks": 7},
    ],
)
def test_a_watch_of_nonsense_begins_anew(values: object) -> None:
    assert DivergenceMonitor.from_dict(values) == DivergenceMonitor()


def test_a_rate_that_is_too_high_is_halved_until_training_holds(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    """A real divergence: Adam moves every weight by its learning rate, here as far as the weights are large.

    Twenty such steps raise the loss from 2 to some ten million, six orders beyond what is noticed, so that
    it does not depend on a processor's rounding; a quarter of the rate holds.
    """
    told: list[str] = []
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=80), report=silent, settings=SETTINGS)
    store.amend(store.find(model / "checkpoints")[-1], {"learning_rate": 0.1})
    high = job(model, sets, iterations=140, learning_rate=0.1)
    result = run.run(high, report=heard(told), settings=SETTINGS)
    assert "goes back to iteration 80 and on with a learning rate of 0.05" in told[0]
    assert 1 <= len(told) <= divergence.MAX_ROLLBACKS and result["iteration"] == 140
    assert resume(high, silent).monitor.rollbacks == len(told)
    assert [note for _, note in notes(model)] == told


def test_nan_goes_back_to_the_last_checkpoint_and_a_resume_keeps_the_lower_rate_bit_for_bit(
    tmp_path: Path, sets: tuple[Path, Path], spoil: Callable[[Spoil], None]
) -> None:
    told: list[str] = []
    for name, stops in (("once", (20, 60)), ("twice", (20, 44, 60))):
        spoil(nan_at(25))
        for stop in stops:
            run.run(job(tmp_path / name, sets, iterations=stop), report=heard(told), settings=SETTINGS)
    assert told == 2 * [
        "The loss is no longer a finite number, at iteration 40. Training goes back to iteration 20 and on "
        "with a learning rate of 0.0005."
    ]
    assert weights(tmp_path / "once") == weights(tmp_path / "twice")
    assert resume(job(tmp_path / "twice", sets), silent).monitor.learning_rate_multiplier == 0.5
    assert [step for step, _ in notes(tmp_path / "once")] == [20]


def test_the_lower_rate_is_known_to_a_run_that_was_killed_right_after_going_back(
    tmp_path: Path, sets: tuple[Path, Path], spoil: Callable[[Spoil], None]
) -> None:
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=20), report=silent, settings=SETTINGS)
    spoil(nan_at(25))

    def die(event: Event) -> None:
        if isinstance(event, Warned) and "goes back" in event.message:
            raise OSError("as if the process were gone")

    with pytest.raises(OSError, match="as if"):
        run.run(job(model, sets, iterations=60), report=die, settings=SETTINGS)
    resumed = resume(job(model, sets), silent)
    assert (resumed.iteration, resumed.monitor.rollbacks) == (20, 1)


def test_after_a_setback_other_faces_are_drawn(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    study = resume(job(tmp_path / "m.model", sets), silent)
    before, again = (ModelTask(study)._draw(0).distorted for _ in range(2))
    study.monitor.rollbacks = 1
    assert torch.equal(before, again)
    assert not torch.equal(before, ModelTask(study)._draw(0).distorted)


def test_another_learning_rate_begins_with_all_of_it(
    tmp_path: Path, sets: tuple[Path, Path], spoil: Callable[[Spoil], None]
) -> None:
    model = tmp_path / "m.model"
    spoil(nan_at(5))
    run.run(job(model, sets, iterations=24), report=silent, settings=SETTINGS)
    assert resume(job(model, sets), silent).monitor.rollbacks == 1
    assert resume(job(model, sets, learning_rate=2e-4), silent).monitor.rollbacks == 0


def test_weights_that_are_no_numbers_are_never_saved(
    tmp_path: Path, sets: tuple[Path, Path], spoil: Callable[[Spoil], None]
) -> None:
    """Between two checks, at the very end of a run."""
    told: list[str] = []
    model = tmp_path / "m.model"
    spoil(nan_at(27))
    result = run.run(job(model, sets, iterations=27), report=heard(told), settings=SETTINGS)
    assert result["iteration"] == 27 and "The weights are no longer finite numbers" in told[0]
    assert all(math.isfinite(value) for name, value in result.items() if name.startswith("held_out/"))
    assert resume(job(model, sets), silent).iteration == 27


def test_training_that_goes_wrong_again_and_again_ends_with_its_last_good_checkpoint(
    tmp_path: Path, sets: tuple[Path, Path], spoil: Callable[[Spoil], None]
) -> None:
    told: list[str] = []
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=10), report=silent, settings=SETTINGS)
    before = weights(model)
    spoil(nan_at(15, rollbacks=99))
    with pytest.raises(TrainingError, match="lower learning rate 4 times did not help") as caught:
        run.run(job(model, sets, iterations=60), report=heard(told), settings=SETTINGS)
    assert "learning rate below 6e-05" in caught.value.fix
    assert len(told) == divergence.MAX_ROLLBACKS
    assert weights(model) == before


def test_collapsed_faces_send_training_back(
    tmp_path: Path, sets: tuple[Path, Path], spoil: Callable[[Spoil], None]
) -> None:
    told: list[str] = []
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=20), report=silent, settings=SETTINGS)
    seen = DivergenceMonitor(best_contrast={"bert": 0.5})  # as after some hundred iterations
    store.amend(store.find(model / "checkpoints")[-1], {"watch": seen.as_dict()})

    def flatten(study: ModelState) -> None:
        if not study.monitor.rollbacks:
            torch.nn.init.zeros_(study.network.decoders[1].output.weight)

    spoil(flatten)
    run.run(job(model, sets, iterations=130), report=heard(told), settings=SETTINGS)
    assert told and told[0].startswith("The predicted faces of bert have collapsed to one flat colour, at")
    assert "back to iteration 20" in told[0]


def test_going_back_passes_over_checkpoints_of_a_doubtful_time_and_removes_them(
    tmp_path: Path, sets: tuple[Path, Path], spoil: Callable[[Spoil], None]
) -> None:
    model = tmp_path / "m.model"
    for stop in (5, 10):
        run.run(job(model, sets, iterations=stop), report=silent, settings=SETTINGS)
    store.amend(store.find(model / "checkpoints")[-1], {"sound": False})
    assert resume(job(model, sets), silent).iteration == 10, "a resume loses nothing"
    spoil(nan_at(12))
    run.run(job(model, sets, iterations=22), report=silent, settings=SETTINGS)
    assert [found.iteration for found in store.find(model / "checkpoints")] == [5, 22]


def test_going_back_to_a_checkpoint_that_was_damaged_meanwhile_is_an_error_not_a_new_beginning(
    tmp_path: Path, sets: tuple[Path, Path], spoil: Callable[[Spoil], None]
) -> None:
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=10), report=silent, settings=SETTINGS)

    def damage(study: ModelState) -> None:
        nan_at(12)(study)
        (store.find(model / "checkpoints")[-1].path / "weights.safetensors").write_bytes(b"")

    spoil(damage)
    with pytest.raises(TrainingError, match="not the file that was saved"):
        run.run(job(model, sets, iterations=40), report=silent, settings=SETTINGS)
    assert len(store.find(model / "checkpoints")) == 1
