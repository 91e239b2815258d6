"""The detector `yunet`: a box, then MediaPipe's face mesh, then the 68 landmarks off it."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.core.errors import FaceError
from understudy.core.settings import Settings
from understudy.face import landmarks
from understudy.face.detect import models
from understudy.face.detect.boxes import BlazeFace, BoxDetector, RoughFace, YuNet
from understudy.face.detect.fit import Fit, level_region
from understudy.face.detect.mesh import FaceMesh, Region, first_region, next_region
from understudy.face.detect.orientation import CROP_SHARE, hypotheses, look_through
from understudy.face.detect.protocol import (
    DetectedFace,
    Points,
    Rgb8,
    check_picture,
    overlap,
)

# YuNet's boxes are tight and miss the back of a turned head: a wider first crop often succeeds there.
_FIRST_SCALES = (1.5, 2.0, 1.75)
_PASSES = 2
_SETTLED = 0.9
# A mesh that has turned by more than this in its crop was read in a crop that was not level, and is read
# again. Upright faces turn by at most 3.1 degrees on filmed footage.
_LEVEL, _MORE_PASSES = float(np.radians(4)), 4


class YuNetDetector:
    """Detects faces by YuNet, or BlazeFace where YuNet's file is missing, and the face mesh.

    Raises:
        FaceError: no box detector's or no mesh's file is there, or one cannot be read.
    """

    name = "yunet"

    def __init__(self, settings: Settings) -> None:
        self._boxes = _open_boxes(settings)
        self._mesh = FaceMesh(models.first("face_mesh_478", "face_mesh_468", settings=settings))

    def detect(self, image: Rgb8, *, frame: int | None = None) -> list[DetectedFace]:
        """As `FaceDetector.detect` says."""
        picture = check_picture(image)
        try:
            found = [
                fit.face()
                for ways in hypotheses(self._boxes, picture)
                if (fit := self._best_fit(picture, ways)) is not None
            ]
        except cv2.error as exc:
            raise FaceError(
                "OpenCV could not run the face detector.",
                where=f"frame {frame}" if frame is not None else "",
                fix="run `understudy models verify`",
            ) from exc
        kept: list[DetectedFace] = []
        # Two boxes can lead to one and the same mesh.
        for face in sorted(found, key=lambda one: -one.confidence):
            if all(overlap(face.box, other.box) < 0.4 for other in kept):
                kept.append(face)
        return sorted(kept, key=lambda one: -one.size_px)

    def _best_fit(self, image: Rgb8, ways: list[RoughFace]) -> Fit | None:
        """The best of the ways that a face may lie; None where no mesh fits any of them."""
        best, *rivals = (self._fit(image, rough) for rough in ways)
        for fit in rivals:
            # Two ways that end on the same landmarks are one: which is taken would flicker.
            if fit.quality > best.quality and not fit.agrees(best):
                best = fit
        return best if best.holds else None

    def _fit(self, image: Rgb8, rough: RoughFace) -> Fit:
        mesh, presence = self._settle(image, rough)
        points = landmarks.from_mesh(mesh)
        seen = look_through(self._boxes, image, level_region(points, CROP_SHARE))
        return Fit(rough, mesh, points, presence, seen)

    def _settle(self, image: Rgb8, rough: RoughFace) -> tuple[Points, float]:
        """The mesh with the highest presence score; profiles and covered faces need more than two passes."""
        best: tuple[Points, float] | None = None
        for scale in _FIRST_SCALES:
            mesh, _ = self._mesh.read(image, first_region(rough, scale))
            for _ in range(_PASSES):
                region = next_region(mesh)
                mesh, presence = self._mesh.read(image, region)
                if best is None or presence > best[1]:
                    best = mesh, presence
                if presence >= _SETTLED:
                    return self._levelled(image, region, mesh, presence)
        assert best is not None
        return best

    def _levelled(self, image: Rgb8, region: Region, mesh: Points, presence: float) -> tuple[Points, float]:
        """The mesh read again until it lies level in its crop."""
        for _ in range(_MORE_PASSES):
            following = next_region(mesh)
            if abs(np.angle(np.exp(1j * (following.angle - region.angle)))) <= _LEVEL:
                break
            again, sure = self._mesh.read(image, following)
            if sure < _SETTLED:
                break
            region, mesh, presence = following, again, sure
        return mesh, presence


def _open_boxes(settings: Settings) -> BoxDetector:
    path = models.locate("yunet", settings)
    if path:
        return YuNet(path)
    return BlazeFace(models.first("blazeface_short_range", "yunet", settings=settings))
