"""The two networks that detect a face's box and key points: YuNet, or BlazeFace where YuNet is missing.

Both are run on scaled copies of the picture; boxes come back in the picture's own pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import FaceError
from understudy.core.paths import reachable
from understudy.face.detect.protocol import FaceBox, Rgb8, overlap


@dataclass(frozen=True)
class RoughFace:
    """A face's box with its key points.

    Attributes:
        box: (left, top, right, bottom) in pixels.
        score: The network's, 0 to 1.
        points: (4, 2) pixels: the eye that lies left in the picture as the network saw it, the other eye, the
            nose's tip, the middle of the mouth.
        angle: Radians by which what the network saw lies turned clockwise in the picture.
        alone: Whether only a turned look saw it.
    """

    box: FaceBox
    score: float
    points: NDArray[np.float64]
    angle: float = 0.0
    alone: bool = False


class BoxDetector(Protocol):
    """Detects boxes."""

    def detect(self, image: Rgb8) -> list[RoughFace]:
        """Rough faces in an (H, W, 3) uint8 RGB picture, the best score first."""
        ...

    def look(self, image: Rgb8, edge: int) -> list[RoughFace]:
        """The same by one quick look at the picture, its longer edge scaled to `edge` pixels."""
        ...


def distinct(faces: list[RoughFace], *, limit: float = 0.35) -> list[RoughFace]:
    """The best of those that overlap, the best score first."""
    kept: list[RoughFace] = []
    for face in sorted(faces, key=lambda one: -one.score):
        if all(overlap(face.box, other.box) < limit for other in kept):
            kept.append(face)
    return kept


def read_net(reader: Any, path: Path) -> Any:
    """A network through one of OpenCV's readers.

    Raises:
        FaceError: the file is not such a network.
    """
    try:
        with reachable(path) as name:
            return reader(Path(name))
    except cv2.error as exc:
        raise FaceError(
            "A detector's model file cannot be read.",
            where=path,
            fix="run `understudy models verify`, then fetch the file again",
        ) from exc


class YuNet:
    """OpenCV's FaceDetectorYN.

    The net knows faces of 10 to 300 px. Plates are seen at 640 px first, which is quick and holds a hero's
    face at any distance; closer only when nothing sure was found. Small pictures are enlarged.

    Source:
        Wu, Peng & Yu 2023, YuNet: A Tiny Millisecond-level Face Detector.
    """

    _LONG_EDGES = (640, 1600)
    _SURE = 0.75

    def __init__(self, path: Path, *, threshold: float = 0.6) -> None:
        def create(where: Path) -> Any:
            return cv2.FaceDetectorYN.create(str(where), "", (320, 320), threshold, 0.3, 500)

        self._net: Any = read_net(create, path)

    def detect(self, image: Rgb8) -> list[RoughFace]:
        """As `BoxDetector.detect` says."""
        bgr = image[..., ::-1]
        found: list[RoughFace] = []
        for scale in self._scales(*image.shape[:2]):
            found.extend(self._at(bgr, scale))
            if any(face.score >= self._SURE for face in found):
                break
        return distinct(found)

    def look(self, image: Rgb8, edge: int) -> list[RoughFace]:
        """As `BoxDetector.look` says."""
        return distinct(list(self._at(image[..., ::-1], edge / max(image.shape[:2]))))

    def _scales(self, height: int, width: int) -> list[float]:
        longest = max(height, width)
        if longest < self._LONG_EDGES[0]:
            return [min(4.0, self._LONG_EDGES[0] / longest)]
        return [edge / longest for edge in self._LONG_EDGES if edge <= 1.2 * longest]

    def _at(self, bgr: NDArray[np.uint8], scale: float) -> Iterator[RoughFace]:
        height, width = bgr.shape[:2]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(bgr, size, interpolation=method)
        # The net's steps are 32 px: on slivers below two of them OpenCV gives chance numbers back.
        right, below = (max(64, -(-edge // 32) * 32) - edge for edge in size)
        small = cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_CONSTANT)
        self._net.setInputSize((size[0] + right, size[1] + below))
        _, rows = self._net.detect(small)
        ratio = np.array([width / size[0], height / size[1]])
        for row in () if rows is None else rows:
            if not np.isfinite(row).all() or min(row[2:4]) < 2:
                continue
            corner, extent = row[:2] * ratio, row[2:4] * ratio
            five = row[4:14].reshape(5, 2) * ratio
            box = (*map(float, corner), *map(float, corner + extent))
            points = _key_points(five[0], five[1], five[2], (five[3] + five[4]) / 2)
            yield RoughFace(box, float(row[14]), points)  # type: ignore[arg-type]


class BlazeFace:
    """MediaPipe's short-range face detector.

    It sees 128×128 pixels and wants a face of a fifth of that at least, so that the picture is scanned in
    square tiles that overlap by half, from the whole picture down to a few face sizes.

    Source:
        Bazarevsky et al. 2019, BlazeFace; anchors and decoding as MediaPipe's
        face_detection_short_range graph has them.
    """

    _EDGE = 128
    _OUTPUTS = ("regressors", "classificators")

    def __init__(self, path: Path, *, threshold: float = 0.6) -> None:
        self._net: Any = read_net(lambda where: cv2.dnn.readNetFromTFLite(str(where)), path)
        self._threshold = threshold
        self._anchors = np.concatenate([_anchors(16, 2), _anchors(8, 6)])

    def detect(self, image: Rgb8) -> list[RoughFace]:
        """As `BoxDetector.detect` says."""
        height, width = image.shape[:2]
        longest, shortest = max(height, width), min(height, width)
        found: list[RoughFace] = []
        for edge in sorted({longest, shortest, round(shortest / 2)}, reverse=True):
            if edge < 32 and edge != longest:
                continue
            for left, top in _tiles(width, height, edge):
                found.extend(self._at(image, left, top, edge))
        return distinct(found)

    def look(self, image: Rgb8, edge: int) -> list[RoughFace]:
        """As `BoxDetector.look` says; the network's own 128 px are the only size it has."""
        return distinct(list(self._at(image, 0, 0, max(image.shape[:2]))))

    def _at(self, image: Rgb8, left: int, top: int, edge: int) -> Iterator[RoughFace]:
        tile = image[top : top + edge, left : left + edge]
        scale = self._EDGE / edge
        size = (max(1, round(tile.shape[1] * scale)), max(1, round(tile.shape[0] * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas = np.zeros((self._EDGE, self._EDGE, 3), np.float32)
        canvas[: size[1], : size[0]] = cv2.resize(tile, size, interpolation=method)
        self._net.setInput(np.ascontiguousarray(canvas.transpose(2, 0, 1))[None] / 127.5 - 1)
        regressors, scores = self._net.forward(self._OUTPUTS)
        score = 1 / (1 + np.exp(-np.clip(scores.reshape(-1), -50, 50)))
        for index in np.flatnonzero(score >= self._threshold):
            anchor = self._anchors[index]
            row = regressors[0, index] / self._EDGE
            centre = (row[:2] + anchor) * edge
            half = row[2:4] * edge / 2
            if not np.isfinite(row).all() or half.min() < 1:
                continue
            points = _key_points(*((row[4:12].reshape(4, 2) + anchor) * edge + (left, top)))
            low, high = centre - half, centre + half
            box = (float(low[0]) + left, float(low[1]) + top, float(high[0]) + left, float(high[1]) + top)
            yield RoughFace(box, float(score[index]), points)


def _key_points(*points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(4, 2) of two eyes in any order, nose and mouth; the eyes in the picture's order."""
    first, second, nose, mouth = np.asarray(points, np.float64)
    left, right = sorted((first, second), key=lambda eye: (eye[0], eye[1]))
    return np.stack([left, right, nose, mouth])


def _anchors(cells: int, count: int) -> NDArray[np.float64]:
    """(cells² · count, 2) centres in 0..1 of one layer's anchors, row by row."""
    line = (np.arange(cells) + 0.5) / cells
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0)


def _tiles(width: int, height: int, edge: int) -> Iterator[tuple[int, int]]:
    """Top-left corners of square tiles that cover the picture and overlap by half."""
    for top in _starts(height, edge):
        for left in _starts(width, edge):
            yield left, top


def _starts(length: int, edge: int) -> list[int]:
    if edge >= length:
        return [0]
    count = int(np.ceil((length - edge) / (edge / 2))) + 1
    return [round(at) for at in np.linspace(0, length - edge, count)]
