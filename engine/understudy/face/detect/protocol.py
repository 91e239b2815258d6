"""What every detector gives back, and what every detector is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import FaceError

Points = NDArray[np.float32]
Rgb8 = NDArray[np.uint8]
FaceBox = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """One face in one picture.

    Convention: pixels, x right, y down, pixel centres at integers.

    Attributes:
        box: (left, top, right, bottom) round the landmarks.
        score: The detector's own score, 0 to 1.
        landmarks: (68, 2) float32 in the order of iBUG 300-W.
        confidence: How sure the detector is that the landmarks lie on a face, 0 to 1.
        thumbnail: (16, 16, 3) uint8 of the whole frame, by which cuts are told; detectors leave it out.
    """

    box: FaceBox
    score: float
    landmarks: Points
    confidence: float
    thumbnail: NDArray[np.uint8] | None = None

    @property
    def size_px(self) -> float:
        """The longer edge of the box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


class FaceDetector(Protocol):
    """Detects faces in a picture, with their landmarks."""

    @property
    def name(self) -> str:
        """The detector's name, as `--detector` takes it."""
        ...

    def detect(self, image: Rgb8, *, frame: int | None = None) -> list[DetectedFace]:
        """Every face in the picture, the largest first; an empty list where there is none.

        Args:
            image: (H, W, 3) uint8 sRGB.
            frame: The frame's number; only `known` needs it.

        Raises:
            FaceError: the picture is not (H, W, 3) uint8, or the detector failed.
        """
        ...


def check_picture(image: NDArray[Any]) -> Rgb8:
    """The picture itself, contiguous, when it is one.

    Raises:
        FaceError: it is not (H, W, 3) uint8 with at least one pixel.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise FaceError(
            f"A detector was given an array of shape {image.shape} and type {image.dtype}.",
            fix="give an (H, W, 3) uint8 picture, such as colour.to_display makes",
        )
    return np.ascontiguousarray(image)


def box_round(points: NDArray[np.floating[Any]]) -> FaceBox:
    """(left, top, right, bottom) round (N, 2) points."""
    left, top = points[:, :2].min(axis=0)
    right, bottom = points[:, :2].max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def overlap(first: FaceBox, second: FaceBox) -> float:
    """Area that two boxes share, divided by the area they cover together."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return shared / max(areas - shared, 1e-9)
