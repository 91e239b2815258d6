"""A face's outline as a shape of a Roto node, keyed on every frame.

Shapes are made through Nuke's own API: the text of the `curves` knob holds flags and attributes that change
from release to release.

Convention: as in `tracks`; what is handed to Nuke went through `plate.Raster`.

Source:
    Foundry, Nuke Python API Reference: nuke.rotopaint.Shape, ShapeControlPoint and AnimControlPoint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from understudy_host.errors import HostError
from understudy_nuke.coordinates import Point, Raster
from understudy_nuke.tracks import Document, faces_of

POINTS = 24


class ControlPoint(NamedTuple):
    """A point of a closed Bézier shape in Nuke's coordinates; tangents are offsets from the centre."""

    centre: Point
    left: Point
    right: Point


def outline(document: Document, raster: Raster, *, count: int = POINTS) -> dict[int, list[ControlPoint]]:
    """The face's outline on every frame, with equally many points that keep their place on the face.

    The first lies below the face's middle, at the chin; the others follow at even angles about the middle, as
    the head is turned, so that each stays with its part of the face.

    Args:
        count: Points of the shape, 8 or more.

    Raises:
        HostError: the document is not usable, or there are too few points.
    """
    if count < 8:
        raise HostError(f"{count} points are too few for a face.", fix="take 8 or more")
    shapes = {}
    for frame, face in faces_of(document).items():
        (across, _, _), (down, _, _) = face["placement"]
        ring = _ring(face["hull"], math.atan2(down, across), count)
        shapes[frame] = _bezier([raster.to_host(point) for point in ring])
    return shapes


def draw(
    document: Document,
    raster: Raster,
    *,
    nuke: Any,
    rotopaint: Any,
    count: int = POINTS,
    name: str = "FaceRoto",
) -> Any:
    """Make a Roto node with the face's outline and give it back.

    Args:
        nuke: The module `nuke`.
        rotopaint: The module `nuke.rotopaint`.
        count: As for `outline`.

    Raises:
        HostError: the document is not usable.
    """
    shapes = outline(document, raster, count=count)
    node = nuke.createNode("Roto", inpanel=False)
    node.setName(name)
    knob = node["curves"]
    shape = rotopaint.Shape(knob)
    shape.name = "face"
    for point in next(iter(shapes.values())):
        shape.append(rotopaint.ShapeControlPoint(*point.centre))
    for frame, points in shapes.items():
        for index, point in enumerate(points):
            _key(shape[index], frame, point, rotopaint)
    # Last, because a layer keeps a copy of what is put into it.
    knob.rootLayer.append(shape)
    knob.changed()
    return node


def _key(control: Any, frame: int, point: ControlPoint, rotopaint: Any) -> None:
    """Key a point, and its feather's tangents with it: a feather that kept straight sides would show."""
    # The third component is 1 for a place and 0 for a direction.
    control.center.addPositionKey(frame, rotopaint.CVec3(*point.centre, 1.0))
    for tangent, offset in (
        (control.leftTangent, point.left),
        (control.rightTangent, point.right),
        (control.featherLeftTangent, point.left),
        (control.featherRightTangent, point.right),
    ):
        tangent.addPositionKey(frame, rotopaint.CVec3(*offset, 0.0))


def _bezier(points: Sequence[Point]) -> list[ControlPoint]:
    """A smooth closed curve through points (Catmull-Rom): the tangents run along the neighbours."""
    curve = []
    for index, point in enumerate(points):
        before, after = points[index - 1], points[(index + 1) % len(points)]
        along = (after[0] - before[0]) / 6, (after[1] - before[1]) / 6
        curve.append(ControlPoint(point, (-along[0], -along[1]), along))
    return curve


def _ring(polygon: Sequence[Sequence[float]], roll: float, count: int) -> list[Point]:
    """Where rays from the middle of a convex polygon leave it: the first down the face, then clockwise."""
    middle = _middle(polygon)
    angles = (roll + math.pi / 2 + 2 * math.pi * step / count for step in range(count))
    return [_leaves(polygon, middle, (math.cos(angle), math.sin(angle))) for angle in angles]


def _middle(polygon: Sequence[Sequence[float]]) -> Point:
    """The centre of a polygon's area."""
    area = x = y = 0.0
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]]):
        cross = ax * by - bx * ay
        area, x, y = area + cross, x + (ax + bx) * cross, y + (ay + by) * cross
    if abs(area) < 1e-9:
        raise HostError("The face's outline has no area.", fix="track the shot again")
    return x / (3 * area), y / (3 * area)


def _leaves(polygon: Sequence[Sequence[float]], start: Point, towards: Point) -> Point:
    """Where a ray from inside a convex polygon crosses its edge."""
    farthest = 0.0
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]]):
        edge_x, edge_y = bx - ax, by - ay
        apart_x, apart_y = ax - start[0], ay - start[1]
        crossing = towards[0] * edge_y - towards[1] * edge_x
        if crossing == 0:
            continue
        along = (apart_x * edge_y - apart_y * edge_x) / crossing
        share = (apart_x * towards[1] - apart_y * towards[0]) / crossing
        if -1e-9 <= share <= 1 + 1e-9:
            farthest = max(farthest, along)
    return start[0] + farthest * towards[0], start[1] + farthest * towards[1]
