"""Find one performer's face through a plate: detect, follow, smooth. Shared by `extract` and `track`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from understudy.core.errors import FaceError, PlateError
from understudy.core.progress import Failed, Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.detect.detectors import DetectedFace, FaceFinder, open_finder
from understudy.face.track.smooth import smooth
from understudy.face.track.store import TrackedFace, follow, tracked
from understudy.image import colour
from understudy.image.exr import read_image
from understudy.image.plate import Plate
from understudy.image.sequence import FrameRange
from understudy.jobs.fields import FindFields


@dataclass(frozen=True)
class Found:
    """What a plate held: a face a frame, and the frames that could not be read."""

    faces: dict[int, TrackedFace]
    failed_frames: list[int]
    detector: str


def find_performer(
    job: FindFields,
    plate: Plate,
    frames: FrameRange,
    *,
    report: Reporter,
    settings: Settings,
    finder: FaceFinder | None = None,
) -> Found:
    """Detect in every frame, follow one face, smooth its placement.

    Args:
        finder: A finder to use in place of the job's detector.

    Raises:
        FaceError: no frame holds a face, or the reference picture holds none.
    """
    finder = finder or open_finder(job.detector, settings, known=known_table(plate, frames))
    detections: dict[int, list[DetectedFace]] = {}
    failed: list[int] = []
    for done, number in enumerate(frames):
        report(Progress("find faces", done, len(frames), f"frame {number}"))
        try:
            frame = plate.read(number)
        except PlateError as exc:
            report(Failed(exc.as_dict(), number))
            failed.append(number)
            continue
        image = colour.to_display(frame.rgb(), frame.colour_space)
        offset = np.array([frame.data_window.x0, frame.data_window.y0], np.float32)
        found = [_moved(face, offset) for face in finder.find(image, frame=number)]
        detections[number] = [face for face in found if face.size_px >= job.minimum_face_px]
    report(Progress("find faces", len(frames), len(frames)))
    followed = follow(detections, reference_box=job.face_box, reference_landmarks=_reference(job, finder))
    if not followed:
        raise FaceError(
            f"No face was found in {len(frames)} frames.",
            where=plate.name,
            fix="check the colour space, lower the minimum face size, or give a face box",
        )
    for number in frames:
        if number not in followed and number not in failed:
            report(Warned("No face was found in this frame.", number))
    steady = smooth(tracked(followed), frames=job.smoothing_frames)
    return Found({face.frame: face for face in steady}, failed, finder.name)


def known_table(plate: Plate, frames: FrameRange) -> Path:
    """Where a renderer that knows its landmarks leaves them: landmarks.json beside the frames."""
    return plate.file(frames.first).parent / "landmarks.json"


def _moved(face: DetectedFace, offset: np.ndarray) -> DetectedFace:
    """From the data window's pixels to the plate's own coordinates."""
    if not offset.any():
        return face
    left, top, right, bottom = face.box
    x, y = float(offset[0]), float(offset[1])
    mesh = None if face.mesh is None else face.mesh + np.array([x, y, 0.0], np.float32)
    return replace(
        face, box=(left + x, top + y, right + x, bottom + y), landmarks=face.landmarks + offset, mesh=mesh
    )


def _reference(job: FindFields, finder: FaceFinder) -> np.ndarray | None:
    if job.reference is None:
        return None
    picture = read_image(job.reference)
    faces = finder.find(colour.to_display(picture.rgb(), picture.colour_space))
    if not faces:
        raise FaceError(
            "No face was found in the reference picture.",
            where=job.reference,
            fix="give a picture in which the performer's face is large and in front",
        )
    return max(faces, key=lambda face: face.size_px).landmarks
