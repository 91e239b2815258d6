"""Which way up a face lies: the box network knows upright heads, so that the picture is turned for it.

A head that lies or hangs is missed by the box network or, worse, seen as an upright one with the chin for a
forehead; the mesh network follows such a box without a doubt. Every picture therefore gets a glance in the
other three quarter turns; where one of them sees a face about as well, the ways that it may lie are compared.
Everything here depends on the picture alone, so that a frame's face is the same in any range or chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from understudy.face import align
from understudy.face.detect.boxes import BoxDetector, RoughFace
from understudy.face.detect.mesh import Region, first_region
from understudy.face.detect.protocol import Rgb8, overlap

QUARTER = float(np.pi / 2)
# The glance is coarse, for speed; only where it shows no face that is worth a mesh a closer one follows.
_GLANCE_EDGE, _CLOSE_EDGE = 320, 640
# One face is compared with itself in a crop of this edge that it fills to this share.
_CROP_PX, CROP_SHARE = 160, 0.45
# The upright face is doubted where a turned one comes this near to its score. Upright performers lead by .05
# and more (real footage) or .02 and more (renders); upside down the wrong one leads by up to .04.
_NEAR = 0.1
# A face that only a turned look sees is worth a mesh from this score on.
_ALONE = 0.7
# Looks whose rolls differ by less lead to the same mesh, which levels itself; so many are worth a mesh.
_OTHER_ROLL, _WAYS = float(np.radians(35)), 3
_SAME = 0.2


def hypotheses(boxes: BoxDetector, image: Rgb8) -> list[list[RoughFace]]:
    """For each face that may be in a picture, the ways it may lie; the upright one first.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        One rough face alone where nothing contradicts it.
    """
    upright = boxes.detect(image)
    turned = list(_turned(boxes, image, _GLANCE_EDGE))
    if not upright and all(face.score < _ALONE for face in turned):
        turned = list(_turned(boxes, image, _CLOSE_EDGE))
    groups = [[face, *_rivals(boxes, image, face, turned)] for face in upright]
    rest = [face for face in turned if all(overlap(face.box, one.box) < _SAME for one in upright)]
    alone: list[RoughFace] = []
    for face in sorted(rest, key=lambda one: -one.score):
        if face.score >= _ALONE and all(overlap(face.box, one.box) < _SAME for one in alone):
            alone.append(face)
    return groups + [_marked(list(_ways(boxes, image, face)) or [face]) for face in alone]


def look_through(boxes: BoxDetector, image: Rgb8, region: Region) -> RoughFace | None:
    """The best face in the middle of a region, which is seen turned and at a size of `_CROP_PX`."""
    matrix = region.matrix(_CROP_PX)
    crop = align.warp(image, matrix, _CROP_PX)
    middle = (_CROP_PX - 1) / 2
    for face in boxes.look(crop, _CROP_PX):
        left, top, right, bottom = face.box
        if max(abs((left + right) / 2 - middle), abs((top + bottom) / 2 - middle)) < 0.2 * _CROP_PX:
            return _in_picture(face, matrix, region.angle)
    return None


def region_round(face: RoughFace, angle: float) -> Region:
    """A square round a face's box, turned by an angle, in which the face has the size that is compared."""
    left, top, right, bottom = face.box
    edge = max(right - left, bottom - top) / CROP_SHARE
    return Region(((left + right) / 2, (top + bottom) / 2), edge, angle)


def _rivals(boxes: BoxDetector, image: Rgb8, face: RoughFace, turned: list[RoughFace]) -> Iterator[RoughFace]:
    if any(overlap(one.box, face.box) >= _SAME and one.score > face.score - _NEAR for one in turned):
        # The face itself is the upright way: compared as it was found, it keeps its bits.
        yield from _ways(boxes, image, face, but=[_roll(face)])


def _marked(ways: list[RoughFace]) -> list[RoughFace]:
    return [replace(face, alone=True) for face in ways]


def _ways(
    boxes: BoxDetector, image: Rgb8, face: RoughFace, *, but: Sequence[float] = ()
) -> Iterator[RoughFace]:
    """The best looks at one face from eight sides, at most `_WAYS`, whose rolls differ from another's."""
    rolls = list(but)
    looks = [look_through(boxes, image, region_round(face, turn * QUARTER / 2)) for turn in range(8)]
    for seen in sorted((one for one in looks if one is not None), key=lambda one: -one.score):
        roll = _roll(seen)
        apart = [abs(float(np.angle(np.exp(1j * (roll - other))))) for other in rolls]
        if min(apart, default=np.pi) >= _OTHER_ROLL:
            rolls.append(roll)
            yield seen
        if len(rolls) - len(but) >= _WAYS:
            return


def _roll(face: RoughFace) -> float:
    """Radians that a rough face is turned clockwise in the picture."""
    return first_region(face).angle


def _turned(boxes: BoxDetector, image: Rgb8, edge: int) -> Iterator[RoughFace]:
    """What the three turned looks at the whole picture see, in the picture's own pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, edge / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small: Rgb8 = image
    if scale < 1:
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    matrix = align.resizing(size[0] / width, size[1] / height)
    for turn in range(1, 4):
        # A quarter turn counter-clockwise of a picture `across` wide takes (x, y) to (y, across - 1 - x).
        across = small.shape[1]
        matrix = align.compose(np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, across - 1.0]]), matrix)
        small = np.ascontiguousarray(np.rot90(small))
        for face in boxes.look(small, edge):
            yield _in_picture(face, matrix, turn * QUARTER)


def _in_picture(face: RoughFace, matrix: align.Matrix, angle: float) -> RoughFace:
    """A face that was seen through a matrix, in the picture's own pixels; its box stays a square's size."""
    back = align.invert(matrix)
    left, top, right, bottom = face.box
    corners = align.transform([[left, top], [right, bottom]], back)
    middle, half = (
        corners.mean(axis=0),
        align.magnification(back) * np.array([right - left, bottom - top]) / 2,
    )
    if round(angle / QUARTER) % 2:
        half = half[::-1]
    box = (*(middle - half).tolist(), *(middle + half).tolist())
    return replace(face, box=box, points=align.transform(face.points, back), angle=angle)
