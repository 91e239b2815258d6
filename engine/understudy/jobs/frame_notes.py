"""Which frames of a run were skipped or doubtful, as ranges: at the end of a verb, and in its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from understudy.core.errors import FaceError
from understudy.core.progress import Reporter, Warned
from understudy.face.track.smooth import TrackedFace
from understudy.face.track.store import FaceTrack
from understudy.image.sequence import FrameRange

DOUBTFUL_CONFIDENCE = 0.5
"""Detections below this are listed; a face that was set by hand is never doubtful."""


def require_faces(track: FaceTrack, plate: FrameRange, path: Path) -> None:
    """Stop where a track holds no face on any frame of the plate: it is of another shot.

    The whole plate counts, not the frames that a job asks for: a farm's chunk may lie before the face comes.

    Raises:
        FaceError: it holds none.
    """
    if any(number in plate for number in track.faces):
        return
    there = f"its frames are {FrameRange(tuple(track.faces))}" if track.faces else "it is empty"
    raise FaceError(
        f"The track has no face {track.name!r} on any frame of the plate ({plate}): {there}.",
        where=path,
        fix="track this plate, or choose the plate and the track of one shot with the same frame numbers",
    )


def of_faces(
    frames: Iterable[int],
    tracks: Sequence[Mapping[int, TrackedFace]],
    *,
    failed: Iterable[int] = (),
    others: Iterable[int] = (),
) -> dict[str, str]:
    """What is to be told of a run's frames by the faces on them, as ranges; only what there is.

    Args:
        frames: The frames of the run.
        tracks: For each face of the run, frame number to face.
        failed: Frames that were lost, which are told elsewhere.
        others: Frames with a face that was left out.

    Returns:
        `frames_without_face`: no face is on them. `frames_of_others`: a face is, of somebody else.
        `doubtful_frames`: the detector was not sure of one.
    """
    lost = set(failed)
    left = [number for number in frames if number not in lost]
    bare = [number for number in left if not any(number in faces for faces in tracks)]
    doubtful = [
        number for number in left if any(_is_doubtful(faces[number]) for faces in tracks if number in faces)
    ]
    known = set(others)
    return ranges(
        frames_without_face=[number for number in bare if number not in known],
        frames_of_others=[number for number in bare if number in known],
        doubtful_frames=doubtful,
    )


def ranges(**frames: Sequence[int]) -> dict[str, str]:
    """Lists of frames by name as ranges; empty ones are left out."""
    return {name: str(FrameRange(tuple(numbers))) for name, numbers in frames.items() if numbers}


def tell(notes: Mapping[str, str], report: Reporter) -> Mapping[str, str]:
    """Report each list once, as a warning, for whoever shows no results; gives the lists back."""
    for name, frames in notes.items():
        report(Warned(f"{_SENTENCES[name]}: {frames}."))
    return notes


_SENTENCES = {
    "frames_without_face": "Frames without a face",
    "frames_of_others": "Frames with somebody else's face alone",
    "doubtful_frames": "Doubtful frames, which should be looked at",
}
NAMES = tuple(_SENTENCES)
"""Under which names a result lists such frames."""


def _is_doubtful(face: TrackedFace) -> bool:
    return not face.by_hand and face.confidence < DOUBTFUL_CONFIDENCE
