"""`understudy track`: where the faces of a shot lie, written as a track."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from understudy.core.content import ContentHashes
from understudy.core.paths import as_text
from understudy.core.progress import Finished, Reporter
from understudy.core.settings import Settings
from understudy.face.track.smooth import TrackedFace
from understudy.face.track.store import Track
from understudy.image.plate import chosen_frames, open_plate
from understudy.image.taken import taken
from understudy.jobs import files
from understudy.jobs.shots import TrackJob
from understudy.shots import existing_track, journal, true_shape


def run(job: TrackJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Write the track of one face or of several.

    In a track that is there already, faces of other names are kept and not looked for again. So are frames
    that are not asked for now, that cannot be read now, or that were set by hand.

    Raises:
        PlateError: the plate cannot be opened.
        FaceError: no face is in it, no detector can be had, or the track that is there is of another plate
            or, in frames that are kept, of another detector.
    """
    files.guard(job)
    names = face_names(job)
    opened = open_plate(job.plate, colour_space=job.colour_space, report=report)
    with closing(taken(opened, job.reading, report)) as plate:
        frames = chosen_frames(plate, job.frames)
        contents = ContentHashes(settings.cache)
        there = existing_track.opened(job, plate, frames, contents, report)
        raster = true_shape.raster_of(plate, frames)
        detection = true_shape.detect(
            job,
            plate,
            frames,
            raster,
            output=job.track,
            count=job.faces,
            taken=_taken(there, names),
            taken_on=None if there is None else there.raster,
            report=report,
            settings=settings,
        )
        faces = {name: list(face.values()) for name, face in zip(names, detection.faces, strict=False)}
        track = Track.create(
            job.track,
            plate=as_text(job.plate),
            faces=faces,
            detector=detection.detector,
            identity=existing_track.identity_after(there, plate, faces, contents),
            searched=set(frames) - set(detection.failed_frames),
            replace_all=job.existing == "replace",
            raster=raster,
        )
    journal.forget(job.track, frames)
    told = detection.told(list(faces), frames, detection.failed_frames, report)
    report(Finished(result := _result(job, track, list(faces), told)))
    return result


def face_names(job: TrackJob) -> list[str]:
    """The names of the faces that a job tracks: one bare, several numbered from 1, from left to right."""
    if job.faces == 1:
        return [job.face]
    return [f"{job.face}{number}" for number in range(1, job.faces + 1)]


def _result(job: TrackJob, track: Track, names: list[str], told: dict[str, Any]) -> dict[str, Any]:
    result = {"track": str(job.track), **told, "faces": sum(len(track.faces[name]) for name in names)}
    if len(track.faces) > 1:
        result["frames_by_face"] = {name: len(face) for name, face in track.faces.items()}
    return result


def _taken(there: Track | None, names: list[str]) -> dict[int, list[TrackedFace]]:
    """By frame the faces that the track has under other names."""
    tracked: dict[int, list[TrackedFace]] = {}
    for name, faces in there.faces.items() if there else ():
        for frame, face in faces.items():
            if name not in names:
                tracked.setdefault(frame, []).append(face)
    return tracked
