"""What `extract` and `track` share: detect faces in every frame, associate them, smooth their placement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.errors import FaceError, PlateError
from understudy.core.progress import Failed, Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.detect.detectors import DetectedFace, FaceDetector, open_detector
from understudy.face.detect.protocol import Points, Rgb8
from understudy.face.track.associate import associate, without
from understudy.face.track.cuts import thumbnail
from understudy.face.track.described import Described, is_clear
from understudy.face.track.smooth import TrackedFace, smooth
from understudy.face.track.stretches import Stretch, stretches
from understudy.face.track.verdicts import Association, Wanted
from understudy.image import colour
from understudy.image.exr import read_image
from understudy.image.plate import Plate
from understudy.image.sequence import FrameRange
from understudy.jobs import frame_notes
from understudy.jobs.fields import DetectionFields
from understudy.shots import who
from understudy.shots.journal import Journal


@dataclass(frozen=True)
class Detection:
    """What a plate held.

    Attributes:
        faces: For each performer, from left to right, a face a frame, in order; at least one performer.
        failed_frames: The frames that could not be read.
        detector: The detector's name.
        association: Which stretches of frames are whose, and why.
    """

    faces: list[dict[int, TrackedFace]]
    failed_frames: list[int]
    detector: str
    association: Association

    def told(
        self, names: Sequence[str], frames: FrameRange, failed: Sequence[int], report: Reporter
    ) -> dict[str, Any]:
        """What the result says of the frames and the stretches.

        Args:
            names: The performers', from left to right.
            frames: Those that were asked for.
            failed: Those that could not be read.
            report: Is warned of frames without a face and of doubtful ones.
        """
        return {
            "frames": len(frames),
            "faces": len(self.faces[0]),
            "detector": self.detector,
            "failed_frames": list(failed),
            "stretches": who.rows(self.association, names),
            **frame_notes.tell(
                frame_notes.of_faces(frames, self.faces, failed=failed, others=self.association.left_out()),
                report,
            ),
        }


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
    association = _performers(job, plate, detections, detector, count, report, settings)
    if not association.performers:
        raise _nobody(association, plate, frames, other=bool(taken))
    for number in frames:
        if not detections.get(number) and number not in failed:
            report(Warned("No face was found in this frame.", number))
    who.tell(association, job, count, report=report)
    faces = [_smoothed(parts, job) for parts in association.performers]
    return Detection(faces, failed, detector.name, association)


def _performers(
    job: DetectionFields,
    plate: Plate,
    detections: Mapping[int, Sequence[DetectedFace]],
    detector: FaceDetector,
    count: int,
    report: Reporter,
    settings: Settings,
) -> Association:
    found = stretches(detections)
    reference = _reference(job, detector)
    network = who.recogniser(found, reference=reference is not None, report=report, settings=settings)
    wanted = Wanted(count, job.face_box, reference and reference[0].landmarks)
    if network is None:
        return associate(found, wanted)
    if reference is not None:
        face, picture = reference
        rows = who.describe(network, picture, [face.landmarks])
        wanted = replace(wanted, described=Described(rows, is_clear(face)))
    parts, described = who.Describer(network, plate, report).all(found)
    return associate(parts, wanted, described)


def _nobody(association: Association, plate: Plate, frames: FrameRange, *, other: bool) -> FaceError:
    near = [one for one in association.verdicts if one.distance is not None]
    if near:
        best = min(near, key=lambda one: one.distance or 0.0)
        unclear = "" if best.sure else ", and is not seen clearly or not in the reference"
        return FaceError(
            "The reference's performer was not recognised in these frames: "
            f"the nearest face is {best.distance:.2f} away{unclear}.",
            where=plate.name,
            fix="give another picture of the performer, or a face box",
        )
    return FaceError(
        f"No {'other ' if other else ''}face was found in {len(frames)} frames.",
        where=plate.name,
        fix="check the colour space, lower the minimum face size, or give a face box",
    )


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
        small = thumbnail(image)
        faces = [
            replace(_moved(face, offset), thumbnail=small) for face in detector.detect(image, frame=number)
        ]
        large = [face for face in faces if face.size_px >= job.minimum_face_px]
        detections[number] = found.add(number, large)
    report(Progress("detect faces", len(frames), len(frames)))
    return detections, failed


def _smoothed(parts: Sequence[Stretch], job: DetectionFields) -> dict[int, TrackedFace]:
    """The performer's faces, smoothed within each unbroken run: never across a cut or a gap."""
    frames = sorted(frame for one in parts for frame in one.faces)
    step = int(np.median(np.diff(frames))) if len(frames) > 1 else 1
    smoothed = [
        face
        for part in parts
        for run in _runs(part, max(1, step))
        for face in smooth(run, frames=job.smoothing_frames)
    ]
    return {face.frame: face for face in sorted(smoothed, key=lambda one: one.frame)}


def _runs(part: Stretch, step: int) -> Iterator[list[TrackedFace]]:
    """A stretch's faces without the gaps in it."""
    run: list[TrackedFace] = []
    for frame, face in sorted(part.faces.items()):
        if run and frame - run[-1].frame > step:
            yield run
            run = []
        run.append(TrackedFace(frame, face.landmarks, face.confidence, False, face.box))
    yield run


def _moved(face: DetectedFace, offset: np.ndarray) -> DetectedFace:
    """From the data window's pixels to the plate's own coordinates."""
    if not offset.any():
        return face
    left, top, right, bottom = face.box
    x, y = float(offset[0]), float(offset[1])
    return replace(face, box=(left + x, top + y, right + x, bottom + y), landmarks=face.landmarks + offset)


def _reference(job: DetectionFields, detector: FaceDetector) -> tuple[DetectedFace, Rgb8] | None:
    """The largest face of the reference picture, and the picture."""
    if job.reference is None:
        return None
    picture = read_image(job.reference)
    image = colour.to_display(picture.rgb(), picture.colour_space)
    faces = detector.detect(image)
    if not faces:
        raise FaceError(
            "No face was found in the reference picture.",
            where=job.reference,
            fix="give a picture in which the performer's face is large and in front",
        )
    return max(faces, key=lambda face: face.size_px), image
