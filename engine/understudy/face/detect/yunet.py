"""The detector `yunet`: a box, then MediaPipe's face mesh, then the 68 landmarks off it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2

from understudy.core.errors import FaceError
from understudy.core.settings import Settings
from understudy.face import landmarks
from understudy.face.detect import models
from understudy.face.detect.boxes import BlazeFace, BoxDetector, RoughFace, YuNet
from understudy.face.detect.mesh import FaceMesh, first_region, next_region
from understudy.face.detect.protocol import (
    DetectedFace,
    Points,
    Rgb8,
    box_round,
    check_picture,
    overlap,
)

# The mesh's presence score falls towards profiles, where YuNet still detects a face. A mesh with a low score
# is kept where the box has a high one; its confidence says so in the track.
_PRESENT = 0.5
_DOUBTFUL = 0.02
_SURE_BOX = 0.8
# YuNet's boxes are tight and miss the back of a turned head: a wider first crop often succeeds there.
_FIRST_SCALES = (1.5, 2.0, 1.75)
_PASSES = 2
_SETTLED = 0.9


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
            found = [face for rough in self._boxes.detect(picture) for face in self._read(picture, rough)]
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

    def _read(self, image: Rgb8, rough: RoughFace) -> Iterator[DetectedFace]:
        mesh, presence = self._settle(image, rough)
        if presence < _PRESENT and not (rough.score >= _SURE_BOX and presence >= _DOUBTFUL):
            return
        points = landmarks.from_mesh(mesh)
        yield DetectedFace(box_round(mesh), rough.score, points, presence)

    def _settle(self, image: Rgb8, rough: RoughFace) -> tuple[Points, float]:
        """The mesh with the highest presence score; profiles and covered faces need more than two passes."""
        best: tuple[Points, float] | None = None
        for scale in _FIRST_SCALES:
            mesh, _ = self._mesh.read(image, first_region(rough, scale))
            for _ in range(_PASSES):
                mesh, presence = self._mesh.read(image, next_region(mesh))
                if best is None or presence > best[1]:
                    best = mesh, presence
                if presence >= _SETTLED:
                    return best
        assert best is not None
        return best


def _open_boxes(settings: Settings) -> BoxDetector:
    path = models.locate("yunet", settings)
    if path:
        return YuNet(path)
    return BlazeFace(models.first("blazeface_short_range", "yunet", settings=settings))
