"""`understudy extract`: one performer's faces, aligned, as a face set to train on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from understudy.core.content import ContentHashes
from understudy.core.errors import PlateError
from understudy.core.progress import Failed, Finished, Progress, Reporter
from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.crop import cut
from understudy.face.faceset.origins import origin_of
from understudy.face.faceset.store import FaceRecord, FaceSet
from understudy.face.pose import pose
from understudy.face.sharpness import sharpness
from understudy.face.track.on_raster import on_raster
from understudy.face.track.store import TrackedFace
from understudy.image.plate import Plate, chosen_frames, open_plate
from understudy.image.raster import Raster
from understudy.image.taken import taken
from understudy.jobs import files
from understudy.jobs.shots import ExtractJob
from understudy.provenance import releases
from understudy.shots import journal, true_shape

# Crops of a size that the plate gives are between these, and one of these steps.
_SMALLEST_PX, _LARGEST_PX, _STEP_PX = 256, 1024, 32
# Nearly all faces are stored as large as they are; a few closer ones would blow all crops up.
_LARGE_FACE = 0.9


def run(job: ExtractJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Write a face set; frames of a plate that are extracted again replace their earlier faces.

    The plate is read twice, to track and to crop: the placement is smoothed over time, so a crop can only be
    cut once the frames after it are tracked, and thousands of frames do not fit in memory.

    Raises:
        PlateError: the plate cannot be opened.
        FaceError: no face is in it, or the set holds another identity or coverage.
        ReleaseError: the release is unreadable, or does not allow training today.
    """
    files.guard(job)
    permission = _permission(job)
    opened = open_plate(job.plate, colour_space=job.colour_space, report=report)
    with closing(taken(opened, job.reading, report)) as plate:
        frames = chosen_frames(plate, job.frames)
        raster = true_shape.raster_of(plate, frames)
        detection = true_shape.detect(
            job, plate, frames, raster, output=job.faceset, report=report, settings=settings
        )
        (faces,) = detection.faces
        faceset = FaceSet.create(
            job.faceset,
            identity=job.identity,
            coverage=job.coverage,
            crop_size=_crop_size(job, faces, raster),
            release_digest=permission,
            detector=detection.detector,
        )
        failed = list(detection.failed_frames)
        with faceset:
            origin = origin_of(faceset, plate, list(faces), ContentHashes(settings.cache))
            source = CropSource(plate, raster, origin, job.face)
            failed += _write(faceset, source, faces, report)
    journal.forget(job.faceset, frames)
    result = {
        "faceset": str(job.faceset),
        "identity": job.identity,
        **detection.told([job.face], frames, failed, report),
    }
    report(Finished(result))
    return result


@dataclass(frozen=True)
class CropSource:
    """Where crops are cut from.

    Attributes:
        plate: Opened.
        made_on: The raster that the faces' landmarks are in; None where it is the frame's.
        origin: The plate's name in the face set.
        face: The face's name in the face set.
    """

    plate: Plate
    made_on: Raster | None
    origin: str
    face: str


def _write(
    faceset: FaceSet, source: CropSource, faces: Mapping[int, TrackedFace], report: Reporter
) -> list[int]:
    """Cut and add every face; the frames that could not be read."""
    failed = []
    for done, (number, face) in enumerate(faces.items()):
        report(Progress("write faces", done, len(faces), f"frame {number}"))
        try:
            add_face(faceset, source, number, face)
        except PlateError as exc:
            report(Failed(exc.as_dict(), number))
            failed.append(number)
    return failed


def add_face(faceset: FaceSet, source: CropSource, number: int, face: TrackedFace) -> None:
    """Cut one frame's face, in true shape, and add it to the set."""
    frame = source.plate.read(number)
    face = on_raster(face, source.made_on, Raster.of(frame), source.plate.where(number))
    matrix = align.plate_to_aligned(
        face.landmarks,
        coverage=faceset.coverage,
        size=faceset.crop_size,
        pixel_aspect=frame.pixel_aspect,
    )
    crop = cut(frame, matrix, faceset.crop_size)
    yaw, pitch, _ = pose(align.in_true_shape(face.landmarks, frame.pixel_aspect))
    record = FaceRecord(
        frame=number,
        origin=source.origin,
        face=source.face,
        landmarks_aligned=align.transform(face.landmarks, matrix).astype(np.float32),
        plate_to_aligned=matrix,
        confidence=face.confidence,
        sharpness=sharpness(crop),
        yaw=yaw,
        pitch=pitch,
    )
    faceset.add(record, crop)


def _crop_size(job: ExtractJob, faces: Mapping[int, TrackedFace], raster: Raster | None) -> int:
    """The job's size; else that of a set that is there, or the faces' own size in the plate."""
    if job.crop_size:
        return job.crop_size
    if (job.faceset / "faces.sqlite").exists():
        with FaceSet.open(job.faceset) as there:
            return there.crop_size
    aspect = 1.0 if raster is None else raster.pixel_aspect
    edges = []
    for face in faces.values():
        matrix = align.plate_to_aligned(
            face.landmarks, coverage=job.coverage, size=_SMALLEST_PX, pixel_aspect=aspect
        )
        edges.append(_SMALLEST_PX / min(align.magnifications(matrix)))
    wanted = float(np.quantile(edges, _LARGE_FACE)) if edges else 0
    return int(np.clip(math.ceil(wanted / _STEP_PX) * _STEP_PX, _SMALLEST_PX, _LARGEST_PX))


def _permission(job: ExtractJob) -> str:
    """Digest of the performer's release, none without one; a face set is there to be trained on."""
    if job.release is None:
        return ""
    granted = releases.load(job.release)
    granted.require("train", date.today())
    return granted.digest
