"""MediaPipe's face mesh through OpenCV's own TFLite reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from understudy.face import align
from understudy.face.detect.boxes import RoughFace, read_net
from understudy.face.detect.protocol import Points, Rgb8

_ROI_SCALE = 1.5
# The eyes' outer corners, which MediaPipe levels the second pass by.
_LEFT_CORNER, _RIGHT_CORNER = 33, 263


@dataclass(frozen=True)
class Region:
    """A rotated square of the picture: where the mesh net looks.

    Attributes:
        centre: Its middle in pixels.
        edge: Its edge in pixels.
        angle: Radians that the face's eye line is turned clockwise in the picture.
    """

    centre: tuple[float, float]
    edge: float
    angle: float

    def matrix(self, size: int) -> align.Matrix:
        """(2, 3) from the picture's pixels to those of a `size`×`size` crop."""
        scale = size / self.edge
        cosine, sine = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        linear = np.array([[cosine, sine], [-sine, cosine]])
        middle = np.full(2, (size - 1) / 2)
        return np.column_stack([linear, middle - linear @ np.array(self.centre)])


def first_region(face: RoughFace, scale: float = _ROI_SCALE) -> Region:
    """Where to look first: the box made larger by a factor, the eyes level."""
    left, top, right, bottom = face.box
    line = face.points[1] - face.points[0]
    angle, apart = np.arctan2(line[1], line[0]), np.hypot(line[0], line[1])
    edge = max(right - left, bottom - top)
    # In profile the eyes fall together and their line means nothing.
    trusted = angle if apart > 0.15 * edge else face.angle
    return Region(((left + right) / 2, (top + bottom) / 2), scale * edge, float(trusted))


def next_region(mesh: Points) -> Region:
    """Where to look after a first pass: MediaPipe's rule, 1.5 times the mesh's own box, the eyes level."""
    line = mesh[_RIGHT_CORNER, :2] - mesh[_LEFT_CORNER, :2]
    angle = float(np.arctan2(line[1], line[0]))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    level = mesh[:, :2].astype(np.float64) @ turn.T
    low, high = level.min(axis=0), level.max(axis=0)
    centre = turn.T @ ((low + high) / 2)
    return Region((float(centre[0]), float(centre[1])), _ROI_SCALE * float((high - low).max()), angle)


class FaceMesh:
    """The landmark net: 478 vertices at 256 px, or the older 468 at 192 px.

    Source:
        Kartynnik et al. 2019, Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs.
    """

    def __init__(self, path: Path) -> None:
        self._net: Any = read_net(lambda where: cv2.dnn.readNetFromTFLite(str(where)), path)
        self._outputs = self._net.getUnconnectedOutLayersNames()
        self.size = 256 if "Identity" in self._outputs else 192

    def read(self, image: Rgb8, region: Region) -> tuple[Points, float]:
        """The mesh in the picture's pixels, and the net's presence score.

        Args:
            image: (H, W, 3) uint8 RGB.
            region: Where to look.

        Returns:
            (478, 3) or (468, 3) float32, and 0..1.
        """
        matrix = region.matrix(self.size)
        crop = align.warp(image, matrix, self.size).astype(np.float32) / 255
        self._net.setInput(np.ascontiguousarray(crop.transpose(2, 0, 1))[None])
        outputs = [np.asarray(one).reshape(-1) for one in self._net.forward(self._outputs)]
        flat = max(outputs, key=len)
        # The presence comes first of the nets' one-number outputs; a second one is the tongue's.
        logit = float(next(one[0] for one in outputs if len(one) == 1))
        vertices = flat.reshape(-1, 3).astype(np.float64)
        # The net's coordinates count from the crop's corner: half a pixel from the centre's convention.
        vertices[:, :2] = align.transform(vertices[:, :2] - 0.5, align.invert(matrix))
        vertices[:, 2] *= region.edge / self.size
        return vertices.astype(np.float32), float(1 / (1 + np.exp(-np.clip(logit, -50, 50))))
