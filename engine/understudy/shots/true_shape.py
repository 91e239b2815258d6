"""Faces are looked for in true shape, on one raster: that of the first frame, in square pixels.

A face in pixels that are not square does not look like a face to a network, and does not turn and scale as a
head does. Landmarks are returned in the plate's own pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from understudy.core.errors import PlateError
from understudy.core.progress import Reporter
from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.track.on_raster import on_raster
from understudy.face.track.smooth import TrackedFace
from understudy.image.frame import Box, FloatImage, Frame
from understudy.image.plate import DerivedPlate, Plate
from understudy.image.raster import Raster
from understudy.image.sequence import FrameRange
from understudy.jobs.fields import DetectionFields
from understudy.shots.detect_and_track import Detection, detect_and_track

_KNOWN = "known"


def raster_of(plate: Plate, frames: FrameRange) -> Raster | None:
    """The raster of the first frame that can be read; None where none can."""
    for number in frames:
        try:
            return Raster.of(plate.read(number))
        except PlateError:
            continue  # told when its turn comes
    return None


def detect(
    job: DetectionFields,
    plate: Plate,
    frames: FrameRange,
    raster: Raster | None,
    *,
    output: Path,
    count: int = 1,
    taken: Mapping[int, Sequence[TrackedFace]] | None = None,
    taken_on: Raster | None = None,
    report: Reporter,
    settings: Settings,
) -> Detection:
    """`detect_and_track` in true shape; faces, boxes and landmarks are in the pixels of `raster`.

    Frames of another size are scaled to the first one's; one of another shape is a failed frame.

    Args:
        raster: As `raster_of` gives it.
        taken: Frame number to faces that are tracked already, and not looked for.
        taken_on: The raster of these; None where their track does not say it.

    Raises:
        FaceError: as `detect_and_track`, or the faces that are tracked already are of another picture.
    """
    if raster is None or job.detector == _KNOWN:
        # The table of `known` is in the plate's own pixels.
        shape, seen = raster or Raster(0, 0, 1, 1), plate
        true = shape
    else:
        shape, true = raster, raster.squared
        seen = TrueShape(plate, raster)
    where = plate.where(frames.first)
    points = {
        number: [_moved(face, taken_on, shape, true, where).landmarks for face in faces]
        for number, faces in (taken or {}).items()
    }
    if job.face_box is not None and true != shape:
        left, top, right, bottom = job.face_box
        corners = align.transform([[left, top], [right, bottom]], shape.to(true))
        job = job.model_copy(update={"face_box": tuple(float(value) for value in corners.ravel())})
    found = detect_and_track(
        job, seen, frames, output=output, count=count, taken=points, report=report, settings=settings
    )
    if true == shape:
        return found
    back = [
        {number: on_raster(face, true, shape, where) for number, face in one.items()} for one in found.faces
    ]
    return replace(found, faces=back)


class TrueShape(DerivedPlate):
    """A plate whose frames are scaled to one raster in square pixels.

    Args:
        plate: Opened.
        raster: That of its first frame, in its own pixels.
    """

    def __init__(self, plate: Plate, raster: Raster) -> None:
        super().__init__(plate)
        self._raster, self._true = raster, raster.squared

    @property
    def meaning(self) -> str:
        """What decides its pixels: the plate's, and the raster."""
        return f"{self._plate.meaning} on {self._true.as_text()}"

    def read(self, frame: int) -> Frame:
        """One frame in true shape; PlateError where it shows another shape than the first."""
        read = self._plate.read(frame)
        own = Raster.of(read)
        if own == self._true:
            return read
        if not own.same_shape(self._raster):
            raise PlateError(
                f"This frame is {own}, those before {self._raster}: their shapes differ.",
                where=read.origin or self._plate.where(frame),
                fix="track the frames of each size by themselves",
            )
        return scaled(read, self._true, align.compose(self._raster.to(self._true), own.to(self._raster)))


def scaled(frame: Frame, raster: Raster, matrix: align.Matrix) -> Frame:
    """The frame's colours on another raster of square pixels; other channels are left out.

    Args:
        frame: As it was read.
        raster: The new one.
        matrix: (2, 3) from the frame's pixels to the new ones.
    """
    window = frame.data_window
    low = align.transform([[window.x0 - 0.5, window.y0 - 0.5]], matrix)[0] + 0.5
    high = align.transform([[window.x1 - 0.5, window.y1 - 0.5]], matrix)[0] + 0.5
    left, top, right, bottom = (round(float(value)) for value in (*low, *high))
    box = Box(left, top, max(left + 1, right), max(top + 1, bottom))
    display = Box(raster.left, raster.top, raster.left + raster.width, raster.top + raster.height)
    pixels = _resized(frame.rgb(), box, low, high)
    return replace(
        frame,
        pixels=pixels,
        channels=("R", "G", "B"),
        layer=None,
        parts=(),
        channel_storage={},
        data_window=box,
        display_window=display,
        pixel_aspect=1.0,
    )


def _resized(rgb: FloatImage, box: Box, low: np.ndarray, high: np.ndarray) -> FloatImage:
    """Colours that lie between two corners, on the whole pixels of a box."""
    size = (box.width, box.height)
    height, width = rgb.shape[:2]
    smaller = box.width < width or box.height < height
    made = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    exact = np.array([box.x0, box.y0, box.x1, box.y1], np.float64)
    if np.allclose(exact, [*low, *high], atol=1e-6):
        return np.ascontiguousarray(made, np.float32)
    # The corners lie between pixels, as those of an overscan do: from the box's pixels to where they are.
    span = (high - low) / [box.width, box.height]
    shift = low - [box.x0, box.y0] + 0.5 * span - 0.5
    matrix = np.array([[span[0], 0.0, shift[0]], [0.0, span[1], shift[1]]])
    moved = cv2.warpAffine(made, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(moved, np.float32)


def _moved(
    face: TrackedFace, made_on: Raster | None, raster: Raster, true: Raster, where: object
) -> TrackedFace:
    return on_raster(on_raster(face, made_on, raster, where), raster, true, where)
