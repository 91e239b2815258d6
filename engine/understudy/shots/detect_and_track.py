"""What `extract` and `track` share: detect faces in every frame, associate them, smooth their placement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from understudy.core.errors import FaceError, PlateError
from understudy.core.progress import Failed, Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.detect.detectors import DetectedFace, FaceDetector, open_detector
from understudy.face.detect.protocol import Points
from understudy.face.track.associate import associate, without
from understudy.face.track.smooth import TrackedFace, smooth
from understudy.image import colour
from understudy.image.exr import read_image
from understudy.image.plate import Plate
from understudy.image.sequence import FrameRange
from understudy.jobs.fields import DetectionFields
from understudy.shots.journal import Journal


@dataclass(frozen=True)
class Detection:
    """What a plate held.

    Attributes:
        faces: For each performer, from left to right, a face a frame, in order; at least one performer.
        failed_frames: The frames that could not be read.
        detector: The detector's name.
    """

    faces: list[dict[int, TrackedFace]]
    failed_frames: list[int]
    detector: str


def detect_and_track(
    job: DetectionFields,
    plate: Plate,
    frames: FrameRange,
    *,
    output: Path,
    count: int = 1,
    taken: Mapping[int, Sequence[Points]] | None = None,
    report: Reporter,
    settings: Settings,
) -> Detection:
    """Detect in every frame, associate the faces of performers, smooth their placement.

    What is found is kept beside `output` as it is found; the caller forgets it once `output` is written.

    Args:
        output: What the run writes.
        count: How many performers to look for.
        taken: Frame number to (68, 2) landmarks of faces that are tracked already, and not looked for.

    Raises:
        FaceError: no frame holds such a face, or the reference picture holds none.
    """
    known = known_table(plate, frames)
    detector = open_detector(job.detector, settings, known=known)
    with Journal.open(
        output,
        job,
        detector.name,
        known=known,
        meaning=plate.meaning,
        report=report,
        settings=settings,
    ) as found:
        detections, failed = _detections(job, plate, frames, detector, found, report)
    if taken:
        detections = without(detections, taken)
    performers = associate(
        detections,
        count=count,
        reference_box=job.face_box,
        reference_landmarks=_reference(job, detector),
    )
    if not performers:
        raise FaceError(
            f"No {'other ' if taken else ''}face was found in {len(frames)} frames.",
            where=plate.name,
            fix="check the colour space, lower the minimum face size, or give a face box",
        )
    if len(performers) < count:
        report(Warned(f"{len(performers)} of {count} faces were found."))
    seen = set.union(*(set(one) for one in performers))
    for number in frames:
        if number not in seen and number not in failed:
            report(Warned("No face was found in this frame.", number))
    return Detection([_smoothed(one, job) for one in performers], failed, detector.name)


def known_table(plate: Plate, frames: FrameRange) -> Path:
    """Where a renderer that knows its landmarks leaves them: landmarks.json beside the frames."""
    return plate.file(frames.first).parent / "landmarks.json"


def _detections(
    job: DetectionFields,
    plate: Plate,
    frames: FrameRange,
    detector: FaceDetector,
    found: Journal,
    report: Reporter,
) -> tuple[dict[int, list[DetectedFace]], list[int]]:
    """The faces of each frame that are large enough, and the frames that could not be read."""
    detections: dict[int, list[DetectedFace]] = {}
    failed: list[int] = []
    for done, number in enumerate(frames):
        report(Progress("detect faces", done, len(frames), f"frame {number}"))
        kept = found.recorded(number, plate.file(number))
        if kept is not None:
            detections[number] = kept
            continue
        try:
            frame = plate.read(number)
        except PlateError as exc:
            report(Failed(exc.as_dict(), number))
            failed.append(number)
            continue
        image = colour.to_display(frame.rgb(), frame.colour_space)
        offset = np.array([frame.data_window.x0, frame.data_window.y0], np.float32)
        faces = [_moved(face, offset) for face in detector.detect(image, frame=number)]
        large = [face for face in faces if face.size_px >= job.minimum_face_px]
        detections[number] = found.add(number, large)
    report(Progress("detect faces", len(frames), len(frames)))
    return detections, failed


def _smoothed(faces: Mapping[int, DetectedFace], job: DetectionFields) -> dict[int, TrackedFace]:
    tracked = [
        TrackedFace(frame, face.landmarks, face.confidence, False, face.box) for frame, face in faces.items()
    ]
    return {face.frame: face for face in smooth(tracked, frames=job.smoothing_frames)}


def _moved(face: DetectedFace, offset: np.ndarray) -> DetectedFace:
    """From the data window's pixels to the plate's own coordinates."""
    if not offset.any():
        return face
    left, top, right, bottom = face.box
    x, y = float(offset[0]), float(offset[1])
    return replace(face, box=(left + x, top + y, right + x, bottom + y), landmarks=face.landmarks + offset)


def _reference(job: DetectionFields, detector: FaceDetector) -> Points | None:
    if job.reference is None:
        return None
    picture = read_image(job.reference)
    faces = detector.detect(colour.to_display(picture.rgb(), picture.colour_space))
    if not faces:
        raise FaceError(
            "No face was found in the reference picture.",
            where=job.reference,
            fix="give a picture in which the performer's face is large and in front",
        )
    return max(faces, key=lambda face: face.size_px).landmarks
