"""The model folder: NAME.model/ and its model.json.

model.json       architecture, identities, coverage, face-set digests, releases
checkpoints/     see checkpoint.py
history.sqlite   losses and validation by iteration, and notes of what happened
previews/        a sheet a preview
tensorboard/     the same figures for TensorBoard
export/          ONNX files with their cards
training.lock    see lock.py
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from understudy import atomic
from understudy.errors import TrainingError
from understudy.train.nets import Architecture

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Description:
    """What model.json says.

    Attributes:
        name: The folder's name without its suffix.
        architecture: Shape of the network; its identities are (destination, source).
        coverage: How much of the head a face holds.
        facesets: Digest of each identity's face set when the model was begun.
        releases: Digest of each identity's likeness release, "" where there is none.
        landmarks: The detector whose landmarks it was trained on.
    """

    name: str
    architecture: Architecture
    coverage: str
    facesets: dict[str, str]
    releases: dict[str, str]
    landmarks: str

    @property
    def destination(self) -> int:
        """The decoder of the performer who acts in the plate."""
        return 0

    @property
    def source(self) -> int:
        """The decoder of the performer whose face goes in."""
        return 1


def checkpoints(folder: Path) -> Path:
    """Where the checkpoints lie."""
    return folder / "checkpoints"


def write(folder: Path, description: Description) -> None:
    """Write model.json."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": description.name,
        "architecture": description.architecture.as_dict(),
        "coverage": description.coverage,
        "facesets": description.facesets,
        "releases": description.releases,
        "landmarks": description.landmarks,
    }
    atomic.write_text(folder / "model.json", json.dumps(document, indent=1))


def read(folder: Path) -> Description | None:
    """Read model.json, None where the folder has none yet.

    Raises:
        TrainingError: it is unreadable or from a later version.
    """
    path = folder / "model.json"
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text())
        version = int(document["schema_version"])
        if version > SCHEMA_VERSION:
            raise TrainingError(
                f"The model was written by a later version of Understudy (schema {version}).",
                where=path,
                fix="update Understudy",
            )
        return _description(document)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise TrainingError(
            f"The model's description is unreadable: {exc}.",
            where=path,
            fix="restore model.json from a backup, or train into another folder",
        ) from exc


def _description(document: dict[str, Any]) -> Description:
    shape = dict(document["architecture"])
    shape["identities"] = tuple(str(name) for name in shape["identities"])
    return Description(
        str(document["name"]),
        Architecture(**shape),
        str(document["coverage"]),
        {str(k): str(v) for k, v in document["facesets"].items()},
        {str(k): str(v) for k, v in document["releases"].items()},
        str(document["landmarks"]),
    )


_TABLES = """
CREATE TABLE IF NOT EXISTS figures (
    iteration INTEGER, name TEXT, value REAL, PRIMARY KEY (iteration, name));
CREATE TABLE IF NOT EXISTS notes (iteration INTEGER, written_at REAL, note TEXT);
"""


class History:
    """Figures by iteration, in SQLite and for TensorBoard, and notes of what happened.

    Raises:
        TrainingError: the history is damaged, from a later version, or cannot be written; from any method.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = folder / "history.sqlite"
        try:
            self._table = sqlite3.connect(self._path)
        except sqlite3.Error as exc:
            raise self._unusable(exc) from exc
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
            raise self._unusable(exc) from exc

    def note(self, iteration: int, text: str) -> None:
        """Record in words what happened at an iteration, with the time (seconds since 1970)."""
        try:
            with self._table:
                self._table.execute("INSERT INTO notes VALUES (?, ?, ?)", (iteration, time.time(), text))
        except sqlite3.Error as exc:
            raise self._unusable(exc) from exc

    def close(self) -> None:
        """Write what is buffered."""
        self._table.close()
        self._board.close()

    def _open(self) -> None:
        try:
            version = self._table.execute("PRAGMA user_version").fetchone()[0]
            if version <= SCHEMA_VERSION:
                self._table.execute("PRAGMA journal_mode=WAL")
                self._table.executescript(f"{_TABLES} PRAGMA user_version={SCHEMA_VERSION};")
                self._table.execute("SELECT iteration, name, value FROM figures LIMIT 1")
        except sqlite3.Error as exc:
            raise self._unusable(exc) from exc
        if version > SCHEMA_VERSION:
            raise TrainingError(
                f"The history was written by a later version of Understudy (schema {version}).",
                where=self._path,
                fix="update Understudy",
            )

    def _unusable(self, exc: Exception) -> TrainingError:
        return TrainingError(
            f"The history cannot be used: {exc}.",
            where=self._path,
            fix="see that the disk has room; if it has, move the file away and training begins a new one",
        )
