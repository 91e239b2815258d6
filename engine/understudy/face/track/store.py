"""A shot's faces over time, on disk: landmarks and placement by frame and face, and what was set by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from understudy.core import atomic, database
from understudy.core.errors import FaceError
from understudy.core.names import DEFAULT_FACE, is_face_name
from understudy.face import align
from understudy.face.detect.protocol import FaceBox, Points
from understudy.face.track.on_raster import on_raster
from understudy.face.track.smooth import TrackedFace
from understudy.image.raster import Raster
from understudy.image.sequence import FrameRange

__all__ = ["MATRIX_COVERAGE", "MATRIX_SIZE", "SCHEMA_VERSION", "FaceTrack", "Faces", "Track", "TrackedFace"]

_KIND = database.Kind("track", FaceError)
SCHEMA_VERSION = 2
MATRIX_COVERAGE, MATRIX_SIZE = "full", 256
"""The crop that a track file's `plate_to_aligned` is for; `align.rescale` leads to other sizes."""

_BOX = ("box_left", "box_top", "box_right", "box_bottom")
_COLUMNS = ("landmarks", "plate_to_aligned", "confidence", "by_hand", *_BOX)
_SCHEMAS = {
    1: {"about": ("key", "value"), "faces": ("frame", *_COLUMNS)},
    2: {"about": ("key", "value"), "faces": ("frame", "face", *_COLUMNS)},
}
_FACES = """CREATE TABLE faces (
    frame INTEGER NOT NULL, face TEXT NOT NULL, landmarks BLOB NOT NULL, plate_to_aligned BLOB NOT NULL,
    confidence REAL NOT NULL, by_hand INTEGER NOT NULL,
    box_left REAL NOT NULL, box_top REAL NOT NULL, box_right REAL NOT NULL, box_bottom REAL NOT NULL,
    PRIMARY KEY (frame, face))"""
_SCHEMA = f"CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL); {_FACES};"
_UPGRADES = {
    1: (
        "ALTER TABLE faces RENAME TO faces_1",
        _FACES,
        f"INSERT INTO faces SELECT frame, '{DEFAULT_FACE}', {', '.join(_COLUMNS)} FROM faces_1",
        "DROP TABLE faces_1",
    )
}
_SELECT = f"SELECT frame, {{face}}, {', '.join(_COLUMNS)} FROM faces ORDER BY frame"
_INSERT = "INSERT OR REPLACE INTO faces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

Faces = Mapping[str, Mapping[int, TrackedFace]]
"""Names of faces to frame numbers to faces."""


@dataclass(frozen=True)
class FaceTrack:
    """One face through one shot.

    Attributes:
        name: Its name in the track.
        detector: The back end that found it.
        faces: Frame number to face, in order; frames without it are absent.
        raster: The plate's raster, which landmarks are counted in; None where the track does not say it.
    """

    name: str
    detector: str
    faces: Mapping[int, TrackedFace]
    raster: Raster | None = None


@dataclass(frozen=True)
class Track:
    """The faces of one shot.

    Attributes:
        path: The file, NAME.track.
        plate: The plate that it was made from, as the job named it.
        detector: The back end that found the faces.
        faces: For each face by its name, frame number to face, in order; frames without it are absent.
        identity: The plate's place and content as JSON; empty in a track of an earlier release.
        raster: The plate's raster, which landmarks are counted in; None where the track does not say it.
    """

    path: Path
    plate: str
    detector: str
    faces: Faces
    identity: str = ""
    raster: Raster | None = None

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        plate: str,
        faces: Mapping[str, Sequence[TrackedFace]],
        detector: str,
        identity: str = "",
        searched: Collection[int] | None = None,
        replace_all: bool = False,
        raster: Raster | None = None,
    ) -> Track:
        """Write faces into a track, atomically.

        Of a track that is there already, faces of other names are kept, and so are the frames of these faces
        that were set by hand or that were not searched now.

        Args:
            path: File to write; what is there must be a track of ours, or nothing.
            plate: The plate's name.
            faces: For each name at most one face a frame.
            detector: The back end's name.
            identity: The plate's place and content as JSON.
            searched: The frames in which the faces were looked for; all when None.
            replace_all: Keep nothing of a track that is there.
            raster: The plate's; faces that are kept from another size of it are scaled to this one.

        Raises:
            FaceError: a face is not 68 finite points, the file there is no track, what is kept of it is of
                another detector or of a plate of another shape, or the disk is full.
        """
        path = Path(path)
        merged = {name: {one.frame: _checked(one, path) for one in each} for name, each in faces.items()}
        if path.exists():
            there = cls.open(path)
            if not replace_all:
                raster = raster or there.raster
                _keep(merged, there, detector, searched, raster)
        ordered = _ordered(merged)
        about = {"plate": plate, "detector": detector, "identity": identity, "content": _content(ordered)}
        if raster is not None:
            about["raster"] = raster.as_text()
        with (
            database.guarded(path, _KIND),
            atomic.replacing(path) as partial,
            closing(database.connect_new(partial, _SCHEMA, SCHEMA_VERSION)) as connection,
            connection,
        ):
            connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            connection.executemany(_INSERT, _rows(ordered, raster))
        return cls(path, plate, detector, ordered, identity, raster)

    @classmethod
    def open(cls, path: Path) -> Track:
        """Read a track; one of version 1 holds one face, of the default name.

        Raises:
            FaceError: the file is missing, foreign, damaged, changed by others, or from a newer version.
        """
        path = Path(path)
        with (
            closing(database.connect(path, _KIND, _SCHEMAS)) as connection,
            database.guarded(path, _KIND),
        ):
            about = {str(key): str(value) for key, value in connection.execute("SELECT * FROM about")}
            name = "face" if database.version_of(connection) > 1 else f"'{DEFAULT_FACE}'"
            rows = connection.execute(_SELECT.format(face=name)).fetchall()
        faces: dict[str, dict[int, TrackedFace]] = {}
        for row in rows:
            face_name, face = _face(row, path)
            faces.setdefault(face_name, {})[face.frame] = face
        ordered = _ordered(faces)
        if about.get("content", "") not in ("", _content(ordered)):
            raise FaceError(
                "The track's faces are not those that were written into it: its digest differs.",
                where=path,
                fix="take the file from a backup, or track the shot again",
            )
        plate, detector, identity = (about.get(key, "") for key in ("plate", "detector", "identity"))
        return cls(path, plate, detector, ordered, identity, Raster.parse(about.get("raster", "")))

    def face(self, name: str | None = None) -> FaceTrack:
        """One face of the shot.

        Args:
            name: Its name; left out, the only face there is, or the one of the default name.

        Raises:
            FaceError: there is none of that name, or several to choose from.
        """
        if name is None and not self.faces:
            return FaceTrack(DEFAULT_FACE, self.detector, {}, self.raster)
        sole = next(iter(self.faces)) if len(self.faces) == 1 else DEFAULT_FACE
        chosen = sole if name is None else name
        if chosen not in self.faces:
            there = ", ".join(self.faces) or "none"
            what = "The track has several faces." if name is None else f"The track has no face {name!r}."
            raise FaceError(what, where=self.path, fix=f"name one of its faces: {there}")
        return FaceTrack(chosen, self.detector, self.faces[chosen], self.raster)

    def with_faces(self, faces: Mapping[str, Sequence[TrackedFace]]) -> Track:
        """Write faces that were set by hand, all of them or none, and give back the track with them.

        Args:
            faces: For each name at most one face a frame; each takes the place of what was there.

        Raises:
            FaceError: a face is not 68 finite points, or the file is no track any more or cannot be written.
        """
        by_hand = {
            name: {face.frame: _checked(replace(face, by_hand=True), self.path) for face in each}
            for name, each in faces.items()
        }
        merged = {name: dict(each) for name, each in self.faces.items()}
        for name, each in by_hand.items():
            merged.setdefault(name, {}).update(each)
        ordered = _ordered(merged)
        with (
            closing(database.connect(self.path, _KIND, _SCHEMAS)) as connection,
            database.guarded(self.path, _KIND),
            connection,
        ):
            database.upgrade(connection, _UPGRADES)
            connection.executemany(_INSERT, _rows(by_hand, self.raster))
            connection.execute("INSERT OR REPLACE INTO about VALUES ('content', ?)", (_content(ordered),))
        return Track(self.path, self.plate, self.detector, ordered, self.identity, self.raster)


def _keep(
    faces: dict[str, dict[int, TrackedFace]],
    there: Track,
    detector: str,
    searched: Collection[int] | None,
    raster: Raster | None,
) -> None:
    """Add to the faces what a track that is there already must not lose, in the raster that is written."""
    for name, before in there.faces.items():
        each = dict(before)
        if raster is not None:
            each = {n: on_raster(one, there.raster, raster, there.path) for n, one in before.items()}
        by_hand = {frame: face for frame, face in each.items() if face.by_hand}
        found = faces.get(name, {})
        gone = () if name not in faces else each if searched is None else searched
        kept = {frame: face for frame, face in each.items() if frame not in gone}
        if any(not face.by_hand for face in kept.values()) and there.detector != detector:
            which = "" if name not in faces else f" of the frames {FrameRange(tuple(kept))}"
            raise FaceError(
                f"The track's face {name!r}{which} is of the detector {there.detector!r}, not {detector!r}.",
                where=there.path,
                fix=f"choose the detector {there.detector}, track all frames, or write another track",
            )
        faces[name] = {**found, **kept, **by_hand}


def _content(faces: Faces) -> str:
    """SHA-256 in hexadecimal of all faces: names, frames, landmarks, and what else is read of them."""
    whole = hashlib.sha256()
    for name, each in faces.items():
        for face in each.values():
            numbers = (name, face.frame, face.confidence, face.by_hand, *map(float, face.box))
            whole.update(repr(numbers).encode())
            whole.update(np.ascontiguousarray(face.landmarks, "<f4").tobytes())
    return whole.hexdigest()


def _ordered(faces: Mapping[str, Mapping[int, TrackedFace]]) -> Faces:
    return MappingProxyType(
        {
            name: MappingProxyType({frame: faces[name][frame] for frame in sorted(faces[name])})
            for name in sorted(faces)
        }
    )


def _rows(faces: Mapping[str, Mapping[int, TrackedFace]], raster: Raster | None) -> list[tuple[Any, ...]]:
    aspect = 1.0 if raster is None else raster.pixel_aspect
    return [_row(name, face, aspect) for name, each in faces.items() for face in each.values()]


def _row(name: str, face: TrackedFace, pixel_aspect: float) -> tuple[Any, ...]:
    if not is_face_name(name):
        raise FaceError(
            f"A face cannot be called {name[:40]!r}.",
            fix="use up to 32 letters, digits and _, a letter first",
        )
    matrix = align.plate_to_aligned(
        face.landmarks, coverage=MATRIX_COVERAGE, size=MATRIX_SIZE, pixel_aspect=pixel_aspect
    )
    landmarks = np.ascontiguousarray(face.landmarks, "<f4").tobytes()
    placement = np.ascontiguousarray(matrix, "<f8").tobytes()
    return (face.frame, name, landmarks, placement, face.confidence, int(face.by_hand), *map(float, face.box))


def _face(row: tuple[Any, ...], path: Path) -> tuple[str, TrackedFace]:
    frame, name, blob, _, confidence, by_hand, *box = row
    try:
        landmarks = np.frombuffer(blob, "<f4").reshape(68, 2).astype(np.float32)
        left, top, right, bottom = map(float, box)
        face = TrackedFace(
            int(frame), landmarks, float(confidence), bool(by_hand), (left, top, right, bottom)
        )
    except (ValueError, TypeError, OverflowError) as exc:
        raise _damaged(path, frame) from exc
    if not isinstance(name, str) or not is_face_name(name):
        raise _damaged(path, frame)
    return name, _checked(face, path)


def _checked(face: TrackedFace, path: Path) -> TrackedFace:
    points: Points = np.asarray(face.landmarks, np.float32)
    box: FaceBox = face.box
    numbers = np.array([face.confidence, *box], np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all() or not np.isfinite(numbers).all():
        raise _damaged(path, face.frame)
    return TrackedFace(int(face.frame), points, float(face.confidence), bool(face.by_hand), box)


def _damaged(path: Path, frame: object) -> FaceError:
    return FaceError(
        f"A face of frame {frame} of the track is not a name, 68 landmarks and a box of finite numbers.",
        where=path,
        fix="track the shot again",
    )
