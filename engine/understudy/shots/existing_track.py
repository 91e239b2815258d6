"""A track that is there before a shot is tracked: whether it is of this plate, and what of it stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from understudy.core.content import ContentHashes
from understudy.core.errors import FaceError
from understudy.core.progress import Reporter, Warned
from understudy.face.track.store import Track, TrackedFace
from understudy.image.plate import Plate
from understudy.image.plate_identity import holds, identity, parse, place_of, same
from understudy.image.sequence import FrameRange
from understudy.jobs.shots import TrackJob

_FIX = "write another track; or choose with `existing` to extend this one all the same, or to replace it"


def opened(
    job: TrackJob, plate: Plate, frames: FrameRange, contents: ContentHashes, report: Reporter
) -> Track | None:
    """The track that a job goes on with; None where there is none, or where it is to be replaced.

    Raises:
        FaceError: it is of another plate and the job does not say what to do; or it cannot be read.
    """
    if not job.track.exists() or job.existing == "replace":
        return None
    there = Track.open(job.track)
    if job.existing == "check":
        _require_same_plate(there, plate, frames, contents, report)
    return there


def identity_after(
    there: Track | None,
    plate: Plate,
    faces: Mapping[str, Sequence[TrackedFace]],
    contents: ContentHashes,
) -> str:
    """The plate's identity for the track that is written, by samples of old frames and new ones."""
    numbers = [face.frame for each in faces.values() for face in each]
    for each in there.faces.values() if there else ():
        numbers += list(each)
    return identity(plate, numbers, contents).as_text()


def _require_same_plate(
    there: Track, plate: Plate, frames: FrameRange, contents: ContentHashes, report: Reporter
) -> None:
    known = parse(there.identity)
    kept = sorted({number for each in there.faces.values() for number in each} - set(frames))
    if known is None:
        _require_same_place(there, plate, kept, report)
        return
    if not same(plate, known, contents):
        raise FaceError(
            f"The track is of another plate, {known.place}.",
            where=f"{there.path}, plate {plate.name}",
            fix=_FIX,
        )
    if kept and holds(plate, known, contents) is False:
        report(
            Warned(
                "The plate holds other pixels than when the track was made; "
                f"frames {FrameRange(tuple(kept))} keep the faces of then."
            )
        )


def _require_same_place(there: Track, plate: Plate, kept: Sequence[int], report: Reporter) -> None:
    """What can be told of a track of an earlier release, which knows its plate by the typed text alone."""
    here = place_of(plate.name)
    folders = (Path(), there.path.parent)
    if not there.plate or any(_place(folder / there.plate) == here for folder in folders):
        if kept and not Path(there.plate).is_absolute():
            report(
                Warned(f"Frames {FrameRange(tuple(kept))} keep faces of {there.plate}, by its name alone.")
            )
        return
    if kept:
        raise FaceError(
            f"The track was made from {there.plate}, and nothing in it tells whether that is this plate.",
            where=f"{there.path}, plate {plate.name}",
            fix=_FIX,
        )
    report(Warned(f"The track was made from {there.plate}; all of its frames are tracked again."))


def _place(path: Path) -> str:
    return place_of(str(path))
