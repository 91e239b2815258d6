"""A face set: the aligned faces of one performer on disk, with where each came from.

`NAME.faceset/` holds `faces.sqlite`, the index, and `crops/`, one 16-bit RGB PNG a face in the encoded space.
A crop is written before its row, under a name that no other crop has, and the one it replaces is removed
after the row's commit: a run that is killed leaves rows whose crops are all there.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from understudy.core import atomic, database
from understudy.core.errors import FaceError
from understudy.core.names import DEFAULT_FACE
from understudy.face import align
from understudy.face.faceset import crops, records
from understudy.face.faceset.records import FaceRecord
from understudy.image.plate_identity import PlateIdentity, parse

__all__ = ["SCHEMA_VERSION", "FaceRecord", "FaceSet"]

_KIND = database.Kind("face set", FaceError)
SCHEMA_VERSION = 2
_BATCH = 64
_PLATE = "plate "
_ABOUT = ("identity", "coverage", "crop_size", "release_digest", "detector")
_COLUMNS_1 = tuple(column for column in records.COLUMNS if column != "face")
_SCHEMAS = {
    1: {"about": ("key", "value"), "faces": _COLUMNS_1},
    2: {"about": ("key", "value"), "faces": records.COLUMNS},
}
_FACES = """CREATE TABLE faces (
    origin TEXT NOT NULL, frame INTEGER NOT NULL, face TEXT NOT NULL, crop TEXT NOT NULL,
    crop_sha256 TEXT NOT NULL, landmarks_aligned BLOB NOT NULL, plate_to_aligned BLOB NOT NULL,
    confidence REAL NOT NULL, sharpness REAL NOT NULL, yaw REAL NOT NULL, pitch REAL NOT NULL,
    PRIMARY KEY (origin, frame, face))"""
_SCHEMA = f"CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL); {_FACES};"
_NAMED = ", ".join(f"'{DEFAULT_FACE}' AS face" if one == "face" else one for one in records.COLUMNS)
_UPGRADES = {
    1: (
        "ALTER TABLE faces RENAME TO faces_1",
        _FACES,
        f"INSERT INTO faces SELECT {_NAMED} FROM faces_1",
        "DROP TABLE faces_1",
    )
}
_INSERT = f"INSERT OR REPLACE INTO faces VALUES ({', '.join('?' * len(records.COLUMNS))})"


@dataclass
class FaceSet:
    """The faces of one performer. Close it, or use it in a `with` statement, so that all rows are kept.

    Attributes:
        path: The folder, NAME.faceset.
        identity: The performer's name.
        coverage: How much of the head a crop holds.
        crop_size: A crop's edge in pixels.
        release_digest: Digest of the performer's likeness release; empty without one.
        detector: The back end whose landmarks these are; one set never mixes two.
        painted: Whether crops are read as somebody painted them; else one that has changed is refused.
    """

    path: Path
    identity: str
    coverage: str
    crop_size: int
    release_digest: str
    detector: str
    _connection: sqlite3.Connection = field(repr=False)
    _replaced: list[str] = field(default_factory=list, repr=False)
    _pending: int = field(default=0, repr=False)
    painted: bool = False

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        identity: str,
        coverage: str,
        crop_size: int,
        release_digest: str = "",
        detector: str = "",
    ) -> FaceSet:
        """Begin a face set, or go on with one that agrees in identity, coverage and all the rest.

        Raises:
            FaceError: a face set there disagrees or is damaged, or the folder cannot be written.
        """
        path = Path(path)
        align.template(coverage)  # its error names the coverages there are
        values = (identity, coverage, str(crop_size), release_digest, detector)
        about = dict(zip(_ABOUT, values, strict=True))
        index = path / "faces.sqlite"
        if not index.exists():
            with database.guarded(path, _KIND):
                (path / "crops").mkdir(parents=True, exist_ok=True)
                with atomic.replacing(index) as partial:
                    _write_new(partial, about)
            return cls.open(path)
        faces = cls.open(path)
        for key, wanted in about.items():
            found = str(getattr(faces, key))
            if found != wanted:
                faces.close()
                raise FaceError(
                    f"The face set's {key.replace('_', ' ')} is {found!r}, not {wanted!r}.",
                    where=path,
                    fix="write to another face set, or use the same value",
                )
        return faces

    @classmethod
    def open(cls, path: Path) -> FaceSet:
        """Open a face set; the rows are read later.

        Raises:
            FaceError: it is missing, foreign, damaged, or from a newer version.
        """
        path = Path(path)
        connection = database.connect(path / "faces.sqlite", _KIND, _SCHEMAS)
        try:
            with database.guarded(path, _KIND):
                about = dict(connection.execute("SELECT key, value FROM about").fetchall())
            identity, coverage, digits, release, detector = (str(about[key]) for key in _ABOUT)
            align.template(coverage)
            size = int(digits)
            if not 16 <= size <= 8192:
                raise ValueError(size)
            return cls(path, identity, coverage, size, release, detector, connection)
        except (KeyError, ValueError, TypeError) as exc:
            connection.close()
            raise FaceError(
                "The face set's description is damaged.", where=path, fix="extract the faces again"
            ) from exc
        except BaseException:
            connection.close()
            raise

    @classmethod
    def open_for_training(cls, path: Path) -> FaceSet:
        """Open a face set of which every crop must be there.

        Raises:
            FaceError: as `open` says; or the set is empty, or crops are missing.
        """
        faces = cls.open(path)
        try:
            faces.require_crops()
        except BaseException:
            faces.close()
            raise
        return faces

    def __len__(self) -> int:
        with database.guarded(self.path, _KIND):
            return int(self._connection.execute("SELECT COUNT(*) FROM faces").fetchone()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, record: FaceRecord, crop: NDArray[np.floating[Any]]) -> FaceRecord:
        """Write one face; the same face in the same frame of the same origin is replaced.

        A set of an older version becomes one of this version.

        Args:
            record: The face; its `crop` and `crop_sha256` are set here.
            crop: (crop_size, crop_size, 3) encoded space; stored within 0..1, NaN as 0.

        Returns:
            The record as stored.

        Raises:
            FaceError: a shape is wrong, a number is not finite, or the disk is full.
        """
        face = records.checked(record, self.path)
        data = crops.encode(crop, self.crop_size)
        digest = hashlib.sha256(data).hexdigest()
        name = f"{_prefix(face)}_{face.frame:08d}_{digest[:12]}.png"
        stored = replace(face, crop=name, crop_sha256=digest)
        with database.guarded(self.path, _KIND):
            atomic.write_bytes(self.path / "crops" / name, data)
            database.upgrade(self._connection, _UPGRADES)
            key = (face.origin, face.frame, face.face)
            old = self._connection.execute(
                "SELECT crop FROM faces WHERE origin = ? AND frame = ? AND face = ?", key
            ).fetchone()
            # A crop that comes back within a batch is no longer replaced.
            self._replaced = [other for other in self._replaced if other != name]
            if old and old[0] != name and crops.is_own_name(str(old[0])):
                self._replaced.append(str(old[0]))
            self._connection.execute(_INSERT, records.to_row(stored))
        self._pending += 1
        if self._pending >= _BATCH:
            self.commit()
        return stored

    def plates(self) -> dict[str, PlateIdentity]:
        """The plates whose place and content the set remembers, by the origin of their faces."""
        with database.guarded(self.path, _KIND):
            rows = self._connection.execute(
                "SELECT key, value FROM about WHERE key LIKE ? ORDER BY key", (f"{_PLATE}%",)
            ).fetchall()
        found = {str(key).removeprefix(_PLATE): parse(str(value)) for key, value in rows}
        return {origin: plate for origin, plate in found.items() if plate is not None}

    def remember_plate(self, origin: str, plate: PlateIdentity) -> None:
        """Remember which plate an origin is; kept with the faces that are added next."""
        with database.guarded(self.path, _KIND):
            database.upgrade(self._connection, _UPGRADES)
            insert = "INSERT OR REPLACE INTO about VALUES (?, ?)"
            self._connection.execute(insert, (_PLATE + origin, plate.as_text()))
        self._pending += 1

    def commit(self) -> None:
        """Keep what was added, and remove the crops that it replaced."""
        with database.guarded(self.path, _KIND):
            self._connection.commit()
            for name in self._replaced:
                crops.remove(self.path / "crops", name)
        self._replaced.clear()
        self._pending = 0

    def close(self) -> None:
        """Keep what was added and let go of the file."""
        try:
            if self._pending:
                self.commit()
        finally:
            self._connection.close()

    def records(self) -> list[FaceRecord]:
        """Every face, by origin, frame and name.

        Raises:
            FaceError: a row is damaged.
        """
        with database.guarded(self.path, _KIND):
            columns = _NAMED if database.version_of(self._connection) == 1 else "*"
            query = f"SELECT {columns} FROM faces ORDER BY origin, frame, face"
            rows = self._connection.execute(query).fetchall()
        return records.from_rows(rows, self.path)

    def read_crop(self, record: FaceRecord) -> NDArray[np.float32]:
        """(crop_size, crop_size, 3) float32 of the encoded space.

        Raises:
            FaceError: the crop is missing or damaged, or is not the one that was written.
        """
        wanted = "" if self.painted else record.crop_sha256
        return crops.read(self.path / "crops", record.crop, self.crop_size, wanted)

    def changed_crops(self) -> list[str]:
        """File names of the crops that are not as they were written."""
        folder = self.path / "crops"
        return [one.crop for one in self.records() if not crops.is_written(folder, one.crop, one.crop_sha256)]

    def check(self) -> list[str]:
        """File names of the crops that are missing."""
        with database.guarded(self.path, _KIND):
            wanted = [str(row[0]) for row in self._connection.execute("SELECT crop FROM faces ORDER BY crop")]
            folder = self.path / "crops"
            there = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
        return [name for name in wanted if name not in there]

    def require_crops(self) -> None:
        """Fail unless the set holds faces and all their crops are there.

        Raises:
            FaceError: it is empty, or crops are missing; the message has their count and the first names.
        """
        missing = self.check()
        if missing:
            names = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            raise FaceError(
                f"{len(missing)} of the face set's {len(self)} crops are missing: {names}.",
                where=self.path / "crops",
                fix="put them back, or extract the faces again",
            )
        if not len(self):
            raise FaceError(
                "The face set is empty.",
                where=self.path,
                fix="extract a plate that shows the performer",
            )

    def digest(self) -> str:
        """SHA-256 in hexadecimal over the description, the rows and the crops' digests.

        A set whose faces all have the default name has the digest that version 1 gave it.
        """
        whole = hashlib.sha256()
        for key in _ABOUT:
            whole.update(f"{key}={getattr(self, key)}\0".encode())
        with database.guarded(self.path, _KIND):
            face = f"'{DEFAULT_FACE}'" if database.version_of(self._connection) == 1 else "face"
            query = f"SELECT origin, frame, crop_sha256, landmarks_aligned, {face} AS face FROM faces"
            for *row, name in self._connection.execute(f"{query} ORDER BY origin, frame, face"):
                named = row if name == DEFAULT_FACE else [*row, name]
                whole.update(repr(tuple(named)).encode())
        return whole.hexdigest()


def _prefix(face: FaceRecord) -> str:
    """How the names of an origin's crops begin; two faces of one frame never share a crop."""
    words = face.origin if face.face == DEFAULT_FACE else f"{face.origin}\0{face.face}"
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:8]


def _write_new(path: Path, about: dict[str, str]) -> None:
    connection = database.connect_new(path, _SCHEMA, SCHEMA_VERSION)
    try:
        with connection:
            connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
    finally:
        connection.close()
