"""`understudy points`: a track's faces as one document for a host, and corrections by hand back into it.

Convention: pixels of the plate, x right, y down, pixel centres at integers, counted from the display window's
top left pixel, as in the track. A host that counts otherwise converts on its own side.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from understudy.comp.mattes import matte
from understudy.core import atomic, documents
from understudy.core.errors import FaceError, JobError, UnderstudyError
from understudy.core.names import FACE_NAME
from understudy.core.progress import Finished, Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.core.strict import Strict
from understudy.face import align
from understudy.face.detect.protocol import Points
from understudy.face.template import BASE, WEIGHTS
from understudy.face.track.correct import follow_moved
from understudy.face.track.smooth import moved_box
from understudy.face.track.store import Track, TrackedFace
from understudy.image.sequence import FrameRange
from understudy.jobs import files
from understudy.jobs.shots import PointsJob

SCHEMA_VERSION = 2
COVERAGE = "full"
"""The coverage whose aligned square a face's four corners are of."""
LARGEST_PX = 1e6
_KIND = documents.Kind(
    "document of points",
    JobError,
    "take the document that `understudy points --action read` writes, and change its faces",
    largest_bytes=256_000_000,
    newest=SCHEMA_VERSION,
)
# Other programs round coordinates more coarsely: a smaller difference is not a correction.
_SAME_PX = 1e-4

_Number = Annotated[float, Field(strict=True, ge=-LARGEST_PX, le=LARGEST_PX, allow_inf_nan=False)]
_Point = tuple[_Number, _Number]
_FrameText = Annotated[str, Field(pattern=r"^(0|-?[1-9][0-9]{0,8})$")]
_IndexText = Annotated[str, Field(pattern=r"^([0-9]|[1-5][0-9]|6[0-7])$")]
_NameText = Annotated[str, Field(pattern=FACE_NAME)]
_Key = tuple[int, str]


class _Face(Strict):
    """One frame's face; what only the host reads is let through."""

    by_hand: Annotated[bool, Field(strict=True)] = False
    landmarks: Annotated[tuple[_Point, ...], Field(min_length=68, max_length=68)] | None = None
    moved: dict[_IndexText, _Point] = Field(default_factory=dict)
    confidence: Any = None
    hull: Any = None
    placement: Any = None
    corners: Any = None


class _Document(Strict):
    """Version 2: faces by name and frame."""

    schema_version: Literal[2]
    track: str = ""
    plate: str = ""
    detector: str = ""
    faces: dict[_NameText, dict[_FrameText, _Face]]

    def by_hand(self) -> dict[_Key, _Face]:
        """The faces that are marked as set by hand, by frame and name, in order."""
        marked = {
            (int(frame), name): face
            for name, faces in self.faces.items()
            for frame, face in faces.items()
            if face.by_hand
        }
        return dict(sorted(marked.items(), key=lambda item: item[0]))


class _Document1(Strict):
    """Version 1: the frames of one face."""

    schema_version: Literal[1]
    track: str = ""
    plate: str = ""
    detector: str = ""
    faces: dict[_FrameText, _Face]


def run(job: PointsJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Write a track's faces as a document, or put a document's corrections into the track, marked by hand.

    Raises:
        FaceError: the track cannot be read, has no face of the name or in the frames, or a correction is
            not a face.
        JobError: the document's name does not end in .json, it is not of a version that we read, or what
            is written is an input or a foreign file.
    """
    files.guard(job)
    track = Track.open(job.track)
    frames = None if job.frames is None else FrameRange.parse(job.frames)
    act = read if job.action == "read" else correct
    result = {"track": str(job.track), "document": str(job.document)}
    result |= act(track, job.document, name=job.face, frames=frames, report=report)
    report(Finished(result))
    return result


def read(
    track: Track, path: Path, *, name: str | None, frames: FrameRange | None, report: Reporter
) -> dict[str, Any]:
    """Write the document of a track's faces, atomically.

    Args:
        name: The face to write; all of them when None.

    Raises:
        FaceError: the track has no face of that name, or none in these frames.
        JobError: the path does not end in .json.
    """
    if path.suffix.lower() != ".json":
        raise JobError("A document of points is a .json file.", where=path, fix="name it face.json, say")
    chosen = _chosen(track, name, frames)
    if not chosen:
        there = sorted({number for faces in track.faces.values() for number in faces})
        fix = f"choose among {FrameRange(tuple(there))}" if there else "track the shot again"
        asked = "" if frames is None else f" in the frames {frames}"
        raise FaceError(f"The track has no face{asked}.", where=track.path, fix=fix)
    aspect = _pixel_aspect(track)
    faces: dict[str, dict[str, Any]] = {}
    for done, ((number, face_name), face) in enumerate(chosen.items()):
        report(Progress("read points", done, len(chosen), f"frame {number}"))
        faces.setdefault(face_name, {})[str(number)] = _written(face, aspect)
    document = {
        "schema_version": SCHEMA_VERSION,
        "track": str(track.path),
        "plate": track.plate,
        "detector": track.detector,
        "faces": faces,
    }
    atomic.write_text(path, documents.dump(document) + "\n")
    report(Progress("read points", len(chosen), len(chosen)))
    return {"faces": len(chosen), "by_hand": sum(face.by_hand for face in chosen.values())}


def correct(
    track: Track, path: Path, *, name: str | None, frames: FrameRange | None, report: Reporter
) -> dict[str, Any]:
    """Put the faces that a document marks as set by hand into the track; all of them or none are written.

    A face that equals the track's is left alone. Where a face names only some landmarks as `moved`, the
    others follow as `face.track.correct.follow_moved` says.

    Args:
        name: The face to correct; all of the document's when None. A document of version 1 names none: its
            face is then this one, or the track's only face.

    Raises:
        FaceError: landmarks do not form a face, or the face is not in the track.
        JobError: the document cannot be read, or is of no version that we read.
    """
    document = _read(path, track, name)
    if document.plate and document.plate != track.plate:
        names = f"the document is of {document.plate}, the track of {track.plate}"
        report(Warned(f"The document names another plate than the track: {names}."))
    chosen = {
        (number, face_name): face
        for (number, face_name), face in document.by_hand().items()
        if name in (None, face_name) and (frames is None or number in frames)
    }
    corrected: dict[str, list[TrackedFace]] = {}
    for done, ((number, face_name), face) in enumerate(chosen.items()):
        report(Progress("correct points", done, len(chosen), f"frame {number}"))
        before = _face_of(track, number, face_name, path)
        after = _landmarks(face, before, path, _pixel_aspect(track))
        if np.abs(after - before.landmarks).max() > _SAME_PX:
            moved = TrackedFace(number, after, before.confidence, True, moved_box(before, after))
            corrected.setdefault(face_name, []).append(moved)
    if corrected:
        track.with_faces(corrected)
    else:
        report(Warned("No face of the document is marked as set by hand and differs from the track."))
    report(Progress("correct points", len(chosen), len(chosen)))
    numbers = [face.frame for faces in corrected.values() for face in faces]
    return {"corrected": len(numbers), "frames": sorted(numbers)}


def _chosen(track: Track, name: str | None, frames: FrameRange | None) -> dict[_Key, TrackedFace]:
    """A track's faces by frame and name, in order."""
    faces = track.faces if name is None else {name: track.face(name).faces}
    chosen = {
        (number, face_name): face
        for face_name, each in faces.items()
        for number, face in each.items()
        if frames is None or number in frames
    }
    return dict(sorted(chosen.items(), key=lambda item: item[0]))


def _written(face: TrackedFace, pixel_aspect: float) -> dict[str, Any]:
    size = 256  # any: the corners are the square's, not its pixels'
    to_plate = align.invert(
        align.plate_to_aligned(face.landmarks, coverage=COVERAGE, size=size, pixel_aspect=pixel_aspect)
    )
    low, high = -0.5, size - 0.5
    corners = align.transform([[low, low], [high, low], [high, high], [low, high]], to_plate)
    return {
        # The shortest decimals that round back to this float32: an unchanged document changes nothing.
        "landmarks": [[float(str(x)), float(str(y))] for x, y in face.landmarks],
        "confidence": face.confidence,
        "by_hand": face.by_hand,
        "hull": _rounded(matte.outline(face.landmarks)),
        "placement": _placement(face.landmarks, pixel_aspect).tolist(),
        "corners": _rounded(corners),
    }


def _pixel_aspect(track: Track) -> float:
    return track.raster.pixel_aspect if track.raster else 1.0


def _placement(landmarks: NDArray[np.float32], pixel_aspect: float) -> align.Matrix:
    """(2, 3) from the brow-to-lip square to the plate: turned and scaled in true shape, then squeezed."""
    if pixel_aspect == 1:
        return align.similarity(BASE, landmarks, WEIGHTS)
    square = align.squaring(pixel_aspect)
    true = align.similarity(BASE, align.transform(landmarks, square), WEIGHTS)
    return align.compose(align.invert(square), true)


def _rounded(points: NDArray[np.float64]) -> list[list[float]]:
    rows: list[list[float]] = points.round(4).tolist()
    return rows


def _read(path: Path, track: Track, name: str | None) -> _Document:
    values = documents.read(path, _KIND)
    version = values.get("schema_version")
    if version not in (1, SCHEMA_VERSION):
        said = str(version)[:20]
        what = f"The document of points has version {said}; this Understudy reads {SCHEMA_VERSION}."
        raise JobError(what, where=path, fix=_KIND.fix)
    try:
        if version != 1:
            return _Document.model_validate(values)
        old = _Document1.model_validate(values)
    except ValidationError as exc:
        raise _refused(exc, path) from exc
    return _Document(
        schema_version=2,
        track=old.track,
        plate=old.plate,
        detector=old.detector,
        faces={track.face(name).name: old.faces},
    )


def _refused(exc: ValidationError, path: Path) -> UnderstudyError:
    first = exc.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:20] for part in first["loc"])
    kind = FaceError if first["loc"][:1] == ("faces",) else JobError
    return kind(
        f"The document of points is not as it should be: {first['msg']}.",
        where=f"{path}: {place}",
        fix=_KIND.fix,
    )


def _face_of(track: Track, number: int, name: str, path: Path) -> TrackedFace:
    faces = track.face(name).faces
    if number not in faces:
        raise FaceError(
            f"The document corrects frame {number}, in which the track has no face {name!r}.",
            where=path,
            fix="take the frame out of the document, or track it first",
        )
    return faces[number]


def _landmarks(face: _Face, before: TrackedFace, path: Path, pixel_aspect: float) -> Points:
    """A document's face in full."""
    base = before.landmarks if face.landmarks is None else np.array(face.landmarks, np.float32)
    moved: Mapping[int, tuple[float, float]] = {int(text): place for text, place in face.moved.items()}
    followed = follow_moved(_checked(base, before.frame, path), moved, pixel_aspect)
    return _checked(followed, before.frame, path)


def _checked(landmarks: Points, number: int, path: Path) -> Points:
    """The landmarks, where a face can be placed by them."""
    try:
        matrix = align.plate_to_aligned(landmarks, coverage=COVERAGE, size=256)
        placeable = bool(np.isfinite(matrix).all()) and align.magnification(matrix) > 0
    except FaceError:
        placeable = False
    if not placeable:
        raise FaceError(
            f"The landmarks of frame {number} do not form a face: no turn and scale brings them onto one.",
            where=path,
            fix="give the 68 landmarks in their order, or move single ones",
        )
    return landmarks
