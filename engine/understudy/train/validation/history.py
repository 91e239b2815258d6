"""The history of a training run: history.sqlite, and the same figures for TensorBoard.

    figures      iteration, name, value: the losses at every check, and what a validation measured
    validations  iteration, trained_seconds, written_at: when each validation was, in seconds of training over
                 all runs and in seconds since 1970
    notes        iteration, written_at, note: what happened, in words

A history of version 1 has no validations; it is read, and goes on as one of this version. Reading needs no
torch, so that a page or a farm can show the curves.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import TrainingError

SCHEMA_VERSION = 2
FILE = "history.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS figures (
    iteration INTEGER, name TEXT, value REAL, PRIMARY KEY (iteration, name));
CREATE TABLE IF NOT EXISTS notes (iteration INTEGER, written_at REAL, note TEXT);
CREATE TABLE IF NOT EXISTS validations (
    iteration INTEGER PRIMARY KEY, trained_seconds REAL, written_at REAL);
"""
_CURVES = """
SELECT name, iteration, trained_seconds, value FROM figures JOIN validations USING (iteration)
WHERE value IS NOT NULL AND name NOT LIKE 'loss/%' AND name NOT LIKE 'contrast/%'
ORDER BY name, iteration
"""


@dataclass(frozen=True, eq=False)
class Curve:
    """One figure of the validations.

    Attributes:
        iterations: (N,) int64, ascending.
        seconds: (N,) float64, trained so far, over all runs.
        values: (N,) float64, finite.
    """

    iterations: NDArray[np.int64]
    seconds: NDArray[np.float64]
    values: NDArray[np.float64]

    def until(self, count: int) -> Curve:
        """The first `count` points."""
        return Curve(self.iterations[:count], self.seconds[:count], self.values[:count])

    def since(self, iteration: int) -> Curve:
        """The points after an iteration."""
        later = self.iterations > iteration
        return Curve(self.iterations[later], self.seconds[later], self.values[later])


class History:
    """A model folder's history, open for writing.

    Raises:
        TrainingError: the history is damaged, from a later version, or cannot be written; from any method.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = folder / FILE
        try:
            self._table = sqlite3.connect(self._path)
        except sqlite3.Error as exc:
            raise _unusable(self._path, exc) from exc
        try:
            self._open()
            self._board = SummaryWriter(str(folder / "tensorboard"))
        except BaseException:
            self._table.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, iteration: int, figures: dict[str, float]) -> None:
        """Record figures of one iteration; the same iteration again replaces them."""
        rows = [(iteration, name, value) for name, value in figures.items()]
        try:
            with self._table:
                self._table.executemany("INSERT OR REPLACE INTO figures VALUES (?, ?, ?)", rows)
            for name, value in figures.items():
                self._board.add_scalar(name, value, iteration)
        except (sqlite3.Error, OSError) as exc:
            raise _unusable(self._path, exc) from exc

    def validated(self, iteration: int, figures: dict[str, float], *, trained_seconds: float) -> None:
        """Record what a validation measured, and when it was."""
        self.add(iteration, figures)
        row = (iteration, trained_seconds, time.time())
        try:
            with self._table:
                self._table.execute("INSERT OR REPLACE INTO validations VALUES (?, ?, ?)", row)
        except sqlite3.Error as exc:
            raise _unusable(self._path, exc) from exc

    def note(self, iteration: int, text: str) -> None:
        """Record a note about an iteration, with the time (seconds since 1970)."""
        try:
            with self._table:
                self._table.execute("INSERT INTO notes VALUES (?, ?, ?)", (iteration, time.time(), text))
        except sqlite3.Error as exc:
            raise _unusable(self._path, exc) from exc

    def forget_after(self, iteration: int) -> None:
        """Drop the validations after the one that training goes on from: their weights no longer exist.

        The losses stay until they are written anew, and the notes stay.
        """
        try:
            with self._table:
                self._table.execute("DELETE FROM validations WHERE iteration > ?", (iteration,))
        except sqlite3.Error as exc:
            raise _unusable(self._path, exc) from exc

    def curves(self) -> dict[str, Curve]:
        """The validations' figures by name."""
        return _curves(self._table, self._path)

    def close(self) -> None:
        """Write what is buffered."""
        self._table.close()
        self._board.close()

    def _open(self) -> None:
        _check_version(self._table, self._path)
        try:
            self._table.execute("PRAGMA journal_mode=WAL")
            self._table.executescript(f"{_TABLES} PRAGMA user_version={SCHEMA_VERSION};")
            self._table.execute("SELECT iteration, name, value FROM figures LIMIT 1")
            self._table.execute("SELECT iteration, trained_seconds FROM validations LIMIT 1")
        except sqlite3.Error as exc:
            raise _unusable(self._path, exc) from exc


def read(folder: Path) -> dict[str, Curve]:
    """The validations' figures of a model folder by name, also while it trains; none before the first.

    Raises:
        TrainingError: the history is damaged or from a later version.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        table = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as exc:
        raise _unusable(path, exc) from exc
    with closing(table):
        return _curves(table, path) if _check_version(table, path) > 1 else {}


def _curves(table: sqlite3.Connection, path: Path) -> dict[str, Curve]:
    try:
        rows = table.execute(_CURVES).fetchall()
        points: dict[str, list[tuple[int, float, float]]] = {}
        for name, *point in rows:
            points.setdefault(str(name), []).append((int(point[0]), float(point[1]), float(point[2])))
    except (sqlite3.Error, TypeError, ValueError) as exc:
        raise _unusable(path, exc) from exc
    return {name: _curve(listed) for name, listed in points.items()}


def _curve(points: list[tuple[int, float, float]]) -> Curve:
    iterations, seconds, values = zip(*points, strict=True)
    return Curve(np.array(iterations, np.int64), np.array(seconds, np.float64), np.array(values, np.float64))


def _check_version(table: sqlite3.Connection, path: Path) -> int:
    try:
        version = int(table.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as exc:
        raise _unusable(path, exc) from exc
    if version > SCHEMA_VERSION:
        raise TrainingError(
            f"The history was written by a later version of Understudy (schema {version}).",
            where=path,
            fix="update Understudy",
        )
    return version


def _unusable(path: Path, exc: Exception) -> TrainingError:
    return TrainingError(
        f"The history cannot be used: {exc}.",
        where=path,
        fix="see that the disk has room; if it has, move the file away and training begins a new one",
    )
