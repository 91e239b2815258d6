"""A face's outline as a keyed shape in Nuke."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from nuke_tracked import FRAMES, RASTER, REFERENCE, Script, fresh, in_nuke, moved_by, write_shot

from understudy.jobs.shots import TrackJob
from understudy_host.errors import HostError
from understudy_nuke import roto, tracks


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrackJob:
    return write_shot(tmp_path_factory.mktemp("shot"))


@pytest.fixture
def document(job: TrackJob) -> dict[str, Any]:
    return fresh(job)


def bezier(points: list[roto.ControlPoint]) -> np.ndarray:
    """(N, 2) places along a closed cubic Bézier shape."""
    share = np.linspace(0, 1, 40, endpoint=False)[:, None]
    pieces = []
    for index, point in enumerate(points):
        after = points[(index + 1) % len(points)]
        a, d = np.array(point.centre), np.array(after.centre)
        b, c = a + point.right, d + after.left
        weights = ((1 - share) ** 3, 3 * share * (1 - share) ** 2, 3 * share**2 * (1 - share), share**3)
        pieces.append(sum(weight * place for weight, place in zip(weights, (a, b, c, d), strict=True)))
    return np.concatenate(pieces)


def distance(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """(N,) distances of points from a closed polygon's edge."""
    after = np.roll(polygon, -1, axis=0)
    steps = after - polygon
    apart = points[:, None] - polygon[None]
    share = np.clip((apart * steps).sum(axis=2) / (steps**2).sum(axis=1), 0, 1)
    return np.linalg.norm(apart - share[..., None] * steps, axis=2).min(axis=1)


def test_the_shape_follows_the_outline_of_the_hull(document: dict[str, Any]) -> None:
    shapes = roto.outline(document, RASTER)
    assert list(shapes) == list(FRAMES)
    for frame, points in shapes.items():
        hull = np.array([in_nuke(place) for place in document["faces"]["face"][str(frame)]["hull"]])
        assert len(points) == roto.POINTS
        assert distance(np.array([point.centre for point in points]), hull).max() < 1e-6
        # A hundredth of the face's width, which the matte's feather is many times of.
        assert distance(bezier(points), hull).max() < 0.01 * np.ptp(hull[:, 0])


def test_each_point_of_the_shape_stays_with_its_part_of_the_face(document: dict[str, Any]) -> None:
    shapes = roto.outline(document, RASTER)
    script = Script(tracks.transform(document, RASTER, reference_frame=REFERENCE))
    start = np.array([point.centre for point in shapes[REFERENCE]])
    for frame, points in shapes.items():
        carried = moved_by(script, script.nodes[0][1], frame, start)
        assert np.abs(carried - [point.centre for point in points]).max() < 0.05
    chin = in_nuke(document["faces"]["face"]["1001"]["landmarks"][8])
    assert np.argmin([math.dist(point.centre, chin) for point in shapes[1001]]) == 0


def test_a_shape_of_too_few_points_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(HostError, match="too few"):
        roto.outline(document, RASTER, count=7)


class Keys:
    """Stands in for AnimControlPoint, and knows nothing beyond the method that the reference names."""

    __slots__ = ("keys",)

    def __init__(self) -> None:
        self.keys: dict[float, tuple[float, float, float]] = {}

    def addPositionKey(self, time: float, position: Vector) -> None:
        self.keys[time] = position.values


class Vector:
    """Stands in for CVec3."""

    __slots__ = ("values",)

    def __init__(self, x: float, y: float, z: float) -> None:
        self.values = (x, y, z)


class Control:
    """Stands in for ShapeControlPoint, with the reference's attributes alone."""

    __slots__ = (
        *("center", "leftTangent", "rightTangent"),
        *("featherCenter", "featherLeftTangent", "featherRightTangent"),
    )

    def __init__(self, x: float, y: float) -> None:
        for name in self.__slots__:
            setattr(self, name, Keys())


class Shape:
    """Stands in for Shape."""

    __slots__ = ("_points", "name")

    def __init__(self, knob: Knob) -> None:
        assert isinstance(knob, Knob)
        self._points: list[Control] = []

    def append(self, point: Control) -> None:
        self._points.append(point)

    def __getitem__(self, index: int) -> Control:
        return self._points[index]

    def __len__(self) -> int:
        return len(self._points)


class Layer:
    """Stands in for Layer; as in Nuke it keeps what a shape is when it comes."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: list[tuple[str, list[dict[str, dict[float, Any]]]]] = []

    def append(self, shape: Shape) -> None:
        points = [shape[index] for index in range(len(shape))]
        copied = [{name: dict(getattr(one, name).keys) for name in Control.__slots__} for one in points]
        self.kept.append((shape.name, copied))


class Knob:
    """Stands in for CurveKnob."""

    __slots__ = ("rootLayer", "told")

    def __init__(self) -> None:
        self.rootLayer, self.told = Layer(), 0

    def changed(self) -> None:
        self.told += len(self.rootLayer.kept)


class Node(dict[str, Knob]):
    __slots__ = ("name",)

    def setName(self, name: str) -> None:
        self.name = name


class Nuke:
    """Stands in for the modules nuke and nuke.rotopaint: Nuke cannot be had where the tests run."""

    Shape, ShapeControlPoint, CVec3 = Shape, Control, Vector

    def createNode(self, kind: str, *, inpanel: bool) -> Node:
        assert kind == "Roto" and not inpanel
        return Node(curves=Knob())


def test_the_roto_node_gets_a_key_for_every_point_and_frame(document: dict[str, Any]) -> None:
    nuke = Nuke()
    node = roto.draw(document, RASTER, nuke=nuke, rotopaint=nuke)
    ((name, points),) = node["curves"].rootLayer.kept
    assert (node.name, name, len(points), node["curves"].told) == ("FaceRoto", "face", roto.POINTS, 1)
    for frame, shape in roto.outline(document, RASTER).items():
        for keyed, point in zip(points, shape, strict=True):
            assert keyed["center"][frame] == (*point.centre, 1.0)
            assert keyed["leftTangent"][frame] == keyed["featherLeftTangent"][frame] == (*point.left, 0.0)
            assert keyed["rightTangent"][frame] == keyed["featherRightTangent"][frame] == (*point.right, 0.0)
            assert keyed["featherCenter"] == {}
