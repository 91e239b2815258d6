"""`understudy track`: the face's placement through a shot, written as a track."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from understudy.core.progress import Finished, Reporter
from understudy.core.settings import Settings
from understudy.face.track.store import Track
from understudy.image.plate import chosen_frames, open_plate
from understudy.jobs.shots import TrackJob
from understudy.shots.detect_and_track import find_performer


def run(job: TrackJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Write the track of one face; frames set by hand in an existing track are kept.

    Raises:
        PlateError: the plate cannot be opened.
        FaceError: no face is in it, or no detector can be had.
    """
    with closing(open_plate(job.plate, colour_space=job.colour_space)) as plate:
        frames = chosen_frames(plate, job.frames)
        found = find_performer(job, plate, frames, report=report, settings=settings)
        track = Track.create(
            job.track, plate=job.plate, faces=list(found.faces.values()), detector=found.detector
        )
    result = {
        "track": str(job.track),
        "frames": len(frames),
        "faces": len(track.faces),
        "detector": found.detector,
        "failed_frames": found.failed_frames,
    }
    report(Finished(result))
    return result
