"""A skin bank: a performer's sharpest, most varied faces, from which a swap takes fine detail.

`NAME.skin` lies beside the exported model NAME.onnx. It is one SQLite file: each face has its landmarks, a
small picture of it in canonical position, by which faces are chosen, and its crop as the face set holds it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core import atomic, database
from understudy.core.errors import FaceError
from understudy.face import align
from understudy.face.faceset import crops
from understudy.face.skin.canonical import PREVIEW_SIZE
from understudy.image.frame import FloatImage

SCHEMA_VERSION = 1
MOST_FACES = 20000
_KIND = database.Kind("skin bank", FaceError)
# hashlib names no type of its own.
Hash = Any
_ABOUT = ("identity", "coverage", "crop_size", "release_digest", "detector", "digest")
_COLUMNS = ("number", "landmarks", "preview", "crop", "crop_sha256")
_SCHEMAS = {1: {"about": ("key", "value"), "faces": _COLUMNS}}
_SCHEMA = """CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE faces (number INTEGER PRIMARY KEY, landmarks BLOB NOT NULL, preview BLOB NOT NULL,
    crop BLOB NOT NULL, crop_sha256 TEXT NOT NULL);"""
_PREVIEW_BYTES = PREVIEW_SIZE * PREVIEW_SIZE * 3 * 2
_LANDMARK_BYTES = 68 * 2 * 4


def bank_path(model: Path) -> Path:
    """The path of an exported model's skin bank: swap_fp32.skin for swap_fp32.onnx."""
    return Path(model).with_suffix(".skin")


@dataclass(frozen=True)
class BankFace:
    """One face as it is written into a bank.

    Attributes:
        landmarks: (68, 2) float32 shares of the crop's edge.
        preview: (PREVIEW_SIZE, PREVIEW_SIZE, 3) float32 encoded, in canonical position.
        png: The crop as a 16-bit RGB PNG in the encoded space.
    """

    landmarks: NDArray[np.float32]
    preview: FloatImage
    png: bytes


def write(
    path: Path,
    faces: Iterable[BankFace],
    *,
    identity: str,
    coverage: str,
    crop_size: int,
    release_digest: str,
    detector: str,
) -> int:
    """Write a bank, atomically; a bank that is there is replaced.

    Returns:
        How many faces were written.

    Raises:
        FaceError: the disk is full, or the folder cannot be written.
    """
    about = {
        "identity": identity,
        "coverage": coverage,
        "crop_size": str(crop_size),
        "release_digest": release_digest,
        "detector": detector,
    }
    whole, count = _digest_of(about), 0
    with database.guarded(path, _KIND), atomic.replacing(path) as partial:
        connection = database.connect_new(partial, _SCHEMA, SCHEMA_VERSION)
        try:
            with connection:
                for count, face in enumerate(faces, 1):
                    row = _to_row(count - 1, face)
                    _count(whole, row[1], row[2], row[4])
                    connection.execute("INSERT INTO faces VALUES (?, ?, ?, ?, ?)", row)
                about["digest"] = whole.hexdigest()
                connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        finally:
            connection.close()
    return count


def _digest_of(about: Mapping[str, str]) -> Hash:
    """The digest of a bank, begun with its description; each face is counted in by `_count`."""
    return hashlib.sha256(repr([about[key] for key in _ABOUT[:-1]]).encode())


def _count(whole: Hash, landmarks: bytes, preview: bytes, crop_sha256: str) -> None:
    for part in (landmarks, preview, crop_sha256.encode()):
        whole.update(part)


def _to_row(number: int, face: BankFace) -> tuple[int, bytes, bytes, bytes, str]:
    landmarks = np.ascontiguousarray(face.landmarks, "<f4").tobytes()
    preview = np.ascontiguousarray(face.preview, "<f2").tobytes()
    return number, landmarks, preview, face.png, hashlib.sha256(face.png).hexdigest()


@dataclass(frozen=True, eq=False)
class SkinBank:
    """A bank, read: landmarks and previews are in memory, crops are read when they are asked for.

    Attributes:
        path: The file.
        identity: The performer's name.
        coverage: How much of the head a crop holds.
        crop_size: A crop's edge in pixels.
        release_digest: Digest of the performer's likeness release; empty without one.
        detector: Whose landmarks these are.
        digest: Of all faces, as written.
        landmarks: (N, 68, 2) float32 shares of the crop's edge.
        previews: (N, PREVIEW_SIZE, PREVIEW_SIZE, 3) float32 encoded, in canonical position.
    """

    path: Path
    identity: str
    coverage: str
    crop_size: int
    release_digest: str
    detector: str
    digest: str
    landmarks: NDArray[np.float32]
    previews: NDArray[np.float32]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a bank.

        Raises:
            FaceError: it is missing, foreign, damaged, empty, or from a newer version.
        """
        path = Path(path)
        try:
            with closing(database.connect(path, _KIND, _SCHEMAS)) as file, database.guarded(path, _KIND):
                about = dict(file.execute("SELECT key, value FROM about").fetchall())
                landmarks, previews = _read_small(file, _digest_of(about), about["digest"])
            identity, coverage, digits, release, detector, digest = (str(about[key]) for key in _ABOUT)
            size = int(digits)
            if coverage not in align.COVERAGES or not 16 <= size <= 8192:
                raise ValueError(size)
        except (KeyError, ValueError, TypeError) as exc:
            raise _damaged(path) from exc
        return cls(path, identity, coverage, size, release, detector, digest, landmarks, previews)

    def __len__(self) -> int:
        return len(self.landmarks)

    def read_crop(self, index: int) -> FloatImage:
        """(crop_size, crop_size, 3) float32 of the encoded space.

        Raises:
            FaceError: the crop is missing, damaged, or not the one that was written.
        """
        # Opened each time: a thread that opened it may not be the one that reads.
        with (
            closing(database.connect(self.path, _KIND, _SCHEMAS)) as file,
            database.guarded(self.path, _KIND),
        ):
            row = file.execute("SELECT crop, crop_sha256 FROM faces WHERE number = ?", (index,)).fetchone()
        if row is None or not isinstance(row[0], bytes) or hashlib.sha256(row[0]).hexdigest() != row[1]:
            raise _damaged(self.path)
        try:
            crop = crops.decode(row[0], self.crop_size)
        except cv2.error as exc:
            raise _damaged(self.path) from exc
        if crop is None:
            raise _damaged(self.path)
        return crop


def _read_small(
    connection: sqlite3.Connection, whole: Hash, digest: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Every face's landmarks and preview.

    Args:
        connection: Open.
        whole: The digest as the description begins it.
        digest: As it was recorded.

    Raises:
        ValueError: a row is damaged or is not the one that was written, there is no face, or too many.
    """
    asked = "SELECT number, landmarks, preview, crop_sha256 FROM faces ORDER BY number LIMIT ?"
    rows = connection.execute(asked, (MOST_FACES + 1,)).fetchall()
    if not 0 < len(rows) <= MOST_FACES:
        raise ValueError(len(rows))
    for at, (number, landmarks, preview, crop_sha256) in enumerate(rows):
        sized = isinstance(landmarks, bytes) and isinstance(preview, bytes)
        if number != at or not sized or (len(landmarks), len(preview)) != (_LANDMARK_BYTES, _PREVIEW_BYTES):
            raise ValueError(number)
        _count(whole, landmarks, preview, str(crop_sha256))
    if whole.hexdigest() != digest:
        raise ValueError(digest)
    points = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(-1, 68, 2)
    small = np.frombuffer(b"".join(row[2] for row in rows), "<f2")
    previews = small.reshape(-1, PREVIEW_SIZE, PREVIEW_SIZE, 3).astype(np.float32)
    if not (np.isfinite(points).all() and np.isfinite(previews).all() and np.abs(points).max() < 100):
        raise ValueError("not finite")
    return points.astype(np.float32), previews


def _damaged(path: Path) -> FaceError:
    return FaceError("The skin bank is damaged.", where=path, fix="export the model again")
