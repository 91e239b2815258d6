"""The history of every version is read, and the best checkpoint is told from the newest."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from small_training import SETTINGS, job, make_sets
from understudy.core.errors import TrainingError
from understudy.core.progress import silent
from understudy.train import run
from understudy.train.checkpoints import retention, selection, store
from understudy.train.validation import history
from understudy.train.validation.early_stopping import ERROR
from understudy.train.validation.history import History


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


def test_a_history_of_the_first_version_is_read_and_goes_on(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    model = tmp_path / "m.model"
    model.mkdir()
    connection = sqlite3.connect(model / "history.sqlite")
    connection.executescript(
        "CREATE TABLE figures (iteration INTEGER, name TEXT, value REAL, PRIMARY KEY (iteration, name));"
        "CREATE TABLE notes (iteration INTEGER, written_at REAL, note TEXT);"
        "INSERT INTO figures VALUES (1, 'held_out/absolute', 0.5); PRAGMA user_version=1;"
    )
    connection.close()
    assert history.read(model) == {}
    run.run(job(model, sets, iterations=2), report=silent, settings=SETTINGS)
    curves = history.read(model)
    assert curves["held_out/absolute"].iterations.tolist() == [2], "the older one has no time"
    connection = sqlite3.connect(model / "history.sqlite")
    assert connection.execute("SELECT value FROM figures WHERE iteration = 1").fetchone() == (0.5,)
    connection.close()


@pytest.mark.parametrize("damage", ["DROP TABLE validations", "UPDATE figures SET value = 'much'"])
def test_a_damaged_history_is_an_error_to_who_reads_it(tmp_path: Path, damage: str) -> None:
    with History(tmp_path) as written:
        written.validated(3, {ERROR: 0.1}, trained_seconds=1.0)
    connection = sqlite3.connect(tmp_path / "history.sqlite")
    with connection:
        connection.execute(damage)
    connection.close()
    with pytest.raises(TrainingError, match="The history cannot be used"):
        history.read(tmp_path)


def test_there_is_no_history_before_the_first_run(tmp_path: Path) -> None:
    assert history.read(tmp_path) == {}


def test_what_training_went_back_on_is_not_judged(tmp_path: Path) -> None:
    with History(tmp_path) as written:
        for iteration in (1, 2, 3):
            written.validated(iteration, {ERROR: 0.1 * iteration}, trained_seconds=iteration)
        written.forget_after(2)
        assert written.curves()[ERROR].iterations.tolist() == [1, 2]
    assert history.read(tmp_path)[ERROR].values.tolist() == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ([0.2, 0.1, 0.1005], 6),
        ([0.2, 0.1, 0.105], 4),
        ([None, None, 0.1], 6),
        ([0.1, 0.2, None], 6),
        (["nonsense", 0.1, 0.2], 4),
        ([-1.0, 0.1, 0.2], 4),
    ],
)
def test_the_newest_is_exported_unless_an_older_one_is_clearly_better(
    tmp_path: Path, errors: list[object], chosen: int
) -> None:
    for iteration, error in zip((2, 4, 6), errors, strict=True):
        path = tmp_path / f"{iteration:08d}"
        path.mkdir()
        state = {"schema_version": 1, "iteration": iteration, "digests": {}, "sound": True}
        (path / "state.json").write_text(json.dumps(state | {"held_out_error": error}))
    assert selection.choose(store.find(tmp_path)).iteration == chosen


def test_thinning_keeps_the_best_checkpoint() -> None:
    saved = [
        retention.Saved(Path(str(number)), number, number * 60.0, True, error)
        for number, error in enumerate([0.3, 0.1, 0.2, 0.2, 0.2])
    ]
    kept = retention.choose(saved, newest=1, now=300.0)
    assert [found.iteration for found in kept] == [1, 4]
    unknown = [retention.Saved(one.path, one.iteration, one.saved_at, True) for one in saved]
    assert [found.iteration for found in retention.choose(unknown, newest=1, now=300.0)] == [4]
