"""A shot's face over time, on disk: landmarks and placement for each frame, and which were set by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from understudy.core import atomic, database
from understudy.core.errors import FaceError
from understudy.face import align
from understudy.face.detect.protocol import DetectedFace, FaceBox, Points
from understudy.face.track.associate import follow
from understudy.face.track.smooth import TrackedFace, smooth

__all__ = [
    "MATRIX_COVERAGE",
    "MATRIX_SIZE",
    "SCHEMA_VERSION",
    "Track",
    "TrackedFace",
    "follow",
    "smooth",
    "tracked",
]

SCHEMA_VERSION = 1
MATRIX_COVERAGE, MATRIX_SIZE = "full", 256
"""The crop that a track file's `plate_to_aligned` is for; `canonical.rescale` leads to other sizes."""

_TABLES = {
    "about": ("key", "value"),
    "faces": (
        *("frame", "landmarks", "plate_to_aligned", "confidence", "by_hand"),
        *("box_left", "box_top", "box_right", "box_bottom"),
    ),
}
_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE faces (
    frame INTEGER PRIMARY KEY, landmarks BLOB NOT NULL, plate_to_aligned BLOB NOT NULL,
    confidence REAL NOT NULL, by_hand INTEGER NOT NULL,
    box_left REAL NOT NULL, box_top REAL NOT NULL, box_right REAL NOT NULL, box_bottom REAL NOT NULL);
"""
_INSERT = "INSERT OR REPLACE INTO faces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Track:
    """One face through one shot.

    Attributes:
        path: The file, NAME.track.
        plate: The plate that it was made from, as the job named it.
        detector: The back end that found the faces.
        faces: Frame number to face, in order; frames without one are absent.
    """

    path: Path
    plate: str
    detector: str
    faces: Mapping[int, TrackedFace]

    @classmethod
    def create(cls, path: Path, *, plate: str, faces: Sequence[TrackedFace], detector: str) -> Track:
        """Write a track, atomically. Faces that were set by hand in a track already there are kept.

        Args:
            path: File to write; what is there must be a track of ours, or nothing.
            plate: The plate's name.
            faces: At most one a frame.
            detector: The back end's name.

        Raises:
            FaceError: a face is not 68 finite points, the file there is no track, or the disk is full.
        """
        path = Path(path)
        merged = {face.frame: _checked(face, path) for face in faces}
        if path.exists():
            merged |= {face.frame: face for face in cls.open(path).faces.values() if face.by_hand}
        ordered = {frame: merged[frame] for frame in sorted(merged)}
        about = {"plate": plate, "detector": detector}
        with (
            database.guarded(path, "track"),
            atomic.replacing(path) as partial,
            closing(database.connect_new(partial, _SCHEMA, SCHEMA_VERSION)) as connection,
            connection,
        ):
            connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            connection.executemany(_INSERT, [_row(face) for face in ordered.values()])
        return cls(path, plate, detector, MappingProxyType(ordered))

    @classmethod
    def open(cls, path: Path) -> Track:
        """Read a track.

        Raises:
            FaceError: the file is missing, foreign, damaged, or from a newer version.
        """
        path = Path(path)
        with (
            closing(database.connect(path, "track", _TABLES, SCHEMA_VERSION)) as connection,
            database.guarded(path, "track"),
        ):
            about = {str(key): str(value) for key, value in connection.execute("SELECT * FROM about")}
            rows = connection.execute("SELECT * FROM faces ORDER BY frame").fetchall()
        faces = {face.frame: face for face in (_face(row, path) for row in rows)}
        return cls(path, about.get("plate", ""), about.get("detector", ""), MappingProxyType(faces))

    def with_face(self, face: TrackedFace) -> Track:
        """Write one face that was set by hand, and give back the track with it."""
        return self.with_faces([face])

    def with_faces(self, faces: Sequence[TrackedFace]) -> Track:
        """Write faces that were set by hand, all of them or none, and give back the track with them.

        Args:
            faces: At most one a frame; each takes the place of what its frame had.

        Raises:
            FaceError: a face is not 68 finite points, or the file is no track any more or cannot be written.
        """
        by_hand = {face.frame: _checked(replace(face, by_hand=True), self.path) for face in faces}
        rows = [_row(face) for face in by_hand.values()]
        with (
            closing(database.connect(self.path, "track", _TABLES, SCHEMA_VERSION)) as connection,
            database.guarded(self.path, "track"),
            connection,
        ):
            connection.executemany(_INSERT, rows)
        merged = dict(self.faces) | by_hand
        ordered = {frame: merged[frame] for frame in sorted(merged)}
        return Track(self.path, self.plate, self.detector, MappingProxyType(ordered))


def tracked(faces: Mapping[int, DetectedFace]) -> list[TrackedFace]:
    """What `follow` gave, as faces of a track, in order."""
    return [
        TrackedFace(frame, face.landmarks, face.confidence, False, face.box)
        for frame, face in sorted(faces.items())
    ]


def _row(face: TrackedFace) -> tuple[Any, ...]:
    matrix = align.plate_to_aligned(face.landmarks, coverage=MATRIX_COVERAGE, size=MATRIX_SIZE)
    landmarks = np.ascontiguousarray(face.landmarks, "<f4").tobytes()
    placement = np.ascontiguousarray(matrix, "<f8").tobytes()
    return (face.frame, landmarks, placement, face.confidence, int(face.by_hand), *map(float, face.box))


def _face(row: tuple[Any, ...], path: Path) -> TrackedFace:
    frame, blob, _, confidence, by_hand, *box = row
    try:
        landmarks = np.frombuffer(blob, "<f4").reshape(68, 2).astype(np.float32)
        left, top, right, bottom = map(float, box)
        face = TrackedFace(
            int(frame), landmarks, float(confidence), bool(by_hand), (left, top, right, bottom)
        )
    except (ValueError, TypeError) as exc:
        raise _damaged(path, frame) from exc
    return _checked(face, path)


def _checked(face: TrackedFace, path: Path) -> TrackedFace:
    points: Points = np.asarray(face.landmarks, np.float32)
    box: FaceBox = face.box
    numbers = np.array([face.confidence, *box], np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all() or not np.isfinite(numbers).all():
        raise _damaged(path, face.frame)
    return TrackedFace(int(face.frame), points, float(face.confidence), bool(face.by_hand), box)


def _damaged(path: Path, frame: object) -> FaceError:
    return FaceError(
        f"The track's face of frame {frame} is not 68 landmarks and a box of finite numbers.",
        where=path,
        fix="track the shot again",
    )
