"""What was found in a plate's frames, kept as it is found: a run that is stopped or killed goes on.

`.NAME.track.found` or `.NAME.faceset.found`, beside what the run writes, is a SQLite file with a row for each
frame. A row holds only for the same frame (by size, time of change and inode of its file), the same detector
with the same model files, and the same options. Once the track or the face set is written its rows go, and
with the last one the file. The journal saves time and nothing else: where it cannot be written the run goes
on without it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from understudy import __version__
from understudy.core import atomic, database
from understudy.core.content import ContentHashes
from understudy.core.errors import FaceError
from understudy.core.progress import Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.detect.identify import detector_digest
from understudy.face.detect.protocol import DetectedFace
from understudy.jobs.fields import DetectionFields, PlateFields
from understudy.shots import face_text

SECONDS_BETWEEN_WRITES = 2.0
"""A kill costs what was found since the last write; a write costs some milliseconds."""
# A file that changed this recently may change again within the same tick of its file system's clock.
_SETTLED_NS = 2_000_000_000
_KIND = database.Kind("journal of found faces", FaceError)
_COLUMNS = ("frame", "asked", "file", "sha256", "faces")
_SCHEMAS = {1: {"found": _COLUMNS}}
_SCHEMA = """CREATE TABLE found (
    frame INTEGER NOT NULL, asked TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL,
    faces TEXT NOT NULL, PRIMARY KEY (frame, asked));"""
# What does not change what is found in a frame.
_NOT_OF_A_FRAME = {"plate", "frames", "face", "reference", "face_box", "smoothing_frames"}


class Journal:
    """The faces found so far, frame by frame; use it in a `with` statement.

    Args:
        path: The file; None to keep nothing.
        asked: Digest of the detector and the options.
        contents: Digests of files.
        report: Is warned once where the journal cannot be written.
    """

    def __init__(self, path: Path | None, asked: str, contents: ContentHashes, report: Reporter) -> None:
        self._path, self._asked, self._contents, self._report = path, asked, contents, report
        self._waiting: list[tuple[Any, ...]] = []
        self._written = time.monotonic()
        self._file: tuple[Path, str] = (Path(), "")

    @classmethod
    def open(
        cls,
        output: Path,
        job: DetectionFields,
        detector: str,
        *,
        known: Path,
        meaning: str = "",
        report: Reporter,
        settings: Settings,
    ) -> Journal:
        """The journal of what a job writes.

        Args:
            output: The track or the face set.
            job: Its options.
            detector: The opened detector's name.
            known: The table of the detector `known`.
            meaning: What beside its files decides the plate's pixels.

        Raises:
            FaceError: a file of the journal's name is there and is none.
        """
        contents = ContentHashes(settings.cache)
        shared = {*DetectionFields.model_fields, *PlateFields.model_fields} - _NOT_OF_A_FRAME
        options = job.model_dump(mode="json", include=shared)
        by = detector_digest(detector, settings, known=known, contents=contents)
        asked = hashlib.sha256(
            json.dumps([__version__, by, options, meaning], sort_keys=True).encode()
        ).hexdigest()
        path = journal_path(output)
        if path.exists():
            database.connect(path, _KIND, _SCHEMAS).close()
        return cls(path, asked, contents, report)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def recorded(self, frame: int, file: Path) -> list[DetectedFace] | None:
        """What was found in a frame before; None where it must be looked for.

        Args:
            frame: Its number.
            file: The file that holds it.
        """
        self._file = (file, _stamp(file))
        if self._path is None or not self._path.exists() or not self._file[1]:
            return None
        try:
            with closing(database.connect(self._path, _KIND, _SCHEMAS)) as connection:
                row = connection.execute(
                    "SELECT file, sha256, faces FROM found WHERE frame = ? AND asked = ?",
                    (frame, self._asked),
                ).fetchone()
        except (FaceError, sqlite3.Error):
            return None  # it saves time only: the frame is looked at again
        if row is None or not self._is_same(*map(str, row[:2])):
            return None
        return face_text.parse(str(row[2]))

    def add(self, frame: int, faces: Sequence[DetectedFace]) -> list[DetectedFace]:
        """Keep what was found in the frame that `recorded` was asked for last.

        Returns:
            The faces as they will be read again, so that a run that goes on gives the same bits.
        """
        text = face_text.written(faces)
        file, stamp = self._file
        if self._path is not None and stamp:
            recent = time.time_ns() - json.loads(stamp)[1] < _SETTLED_NS
            sha256 = self._contents.of(file) if recent else ""
            self._waiting.append((frame, self._asked, stamp, sha256, text))
            if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
                self._write()
        return face_text.parse(text) or list(faces)

    def _is_same(self, stamp: str, sha256: str) -> bool:
        """Whether the frame's file holds what it did; one that was new then is read again."""
        if sha256:
            return self._contents.of(self._file[0]) == sha256
        return stamp == self._file[1]

    def _write(self) -> None:
        if self._path is None or not self._waiting:
            return
        try:
            if not self._path.exists():
                with atomic.replacing(self._path) as partial:
                    database.connect_new(partial, _SCHEMA, max(_SCHEMAS)).close()
            with closing(database.connect(self._path, _KIND, _SCHEMAS)) as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)", self._waiting)
        except (FaceError, sqlite3.Error, OSError) as exc:
            self._report(Warned(f"What is found cannot be kept for a run that goes on: {exc}"))
            self._path = None
        self._waiting.clear()
        self._written = time.monotonic()


def journal_path(output: Path) -> Path:
    """Where the journal of a track or a face set lies: hidden, beside it."""
    return Path(output).with_name(f".{Path(output).name}.found")


def forget(output: Path, frames: Iterable[int]) -> None:
    """Drop what was kept of frames that are written now; the file goes with its last row.

    Another run that writes other frames of the same output keeps its rows.
    """
    path = journal_path(output)
    if not path.exists():
        return
    try:
        with closing(database.connect(path, _KIND, _SCHEMAS)) as connection, connection:
            connection.executemany("DELETE FROM found WHERE frame = ?", [(frame,) for frame in frames])
            left = connection.execute("SELECT COUNT(*) FROM found").fetchone()[0]
    except (FaceError, sqlite3.Error):
        return  # what stays costs some room, and is of no harm to a later run
    if left == 0:
        path.unlink(missing_ok=True)


def _stamp(file: Path) -> str:
    """A file's size, time of change and inode; empty for one that is not there."""
    try:
        facts = file.stat()
    except OSError:
        return ""
    return json.dumps([facts.st_size, facts.st_mtime_ns, facts.st_ino])
