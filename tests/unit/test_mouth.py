"""The plate's own teeth between the new lips: where they show, how they get there, and in whose colours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_frame import complete
from understudy.comp import mouth
from understudy.comp.colour import methods
from understudy.core.errors import FaceError
from understudy.core.progress import silent
from understudy.face import align
from understudy.face.template import BASE
from understudy.face.track.smooth import TrackedFace
from understudy.image.frame import FloatImage, Frame
from understudy.inference.predictor import PredictedFaces, Predictor
from understudy.swap import pipeline
from understudy.swap.job import SwapJob

SIZE = 128


def face(gap: float, *, x: float = 0.0, y: float = 0.0, scale: float = 1.0) -> FloatImage:
    """Landmarks in the middle of the raster, the inner lips `gap` of the mouth's width apart."""
    points = (BASE - BASE.mean(axis=0)) * SIZE * 0.6
    width = np.linalg.norm(points[60] - points[64])
    middle = points[[60, 64], 1].mean()
    for upper, lower in zip((61, 62, 63), (67, 66, 65), strict=True):
        points[upper, 1], points[lower, 1] = middle - gap * width / 2, middle + gap * width / 2
    return np.asarray(points * scale + SIZE / 2 + [x, y], np.float32)


def inside(lips: FloatImage) -> FloatImage:
    """Where the polygon of the inner lips is, with one pixel round it."""
    raster = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(raster, [np.round(lips[60:68] * 16).astype(np.int32)], 1, shift=4)
    return cv2.dilate(raster, np.ones((3, 3), np.uint8)).astype(np.float32)


@settings(deadline=None)
@given(
    st.floats(0, 0.8),
    st.floats(0, 0.8),
    st.floats(-6, 6),
    st.floats(-6, 6),
    st.floats(0.7, 1.4),
)
def test_it_shows_between_the_new_lips_only_and_never_in_a_shut_mouth(own_gap, new_gap, x, y, scale):
    own, new = face(own_gap), face(new_gap, x=x, y=y, scale=scale)
    shown = mouth.opening(own, new, SIZE)
    assert shown.shape == (SIZE, SIZE) and shown.dtype == np.float32
    assert shown.min() >= 0 and shown.max() <= 1
    assert not shown[inside(new) == 0].any()
    if min(own_gap, new_gap) < 0.02:
        assert not shown.any()
    if min(own_gap, new_gap) > 0.3:
        assert shown.max() > 0.6


def test_a_mouth_that_opens_shows_more_without_a_jump():
    shown = [float(mouth.opening(face(gap), face(gap), SIZE).sum()) for gap in np.linspace(0, 0.5, 101)]
    steps = np.diff(shown)
    assert (steps >= -1e-3).all() and shown[0] == 0
    assert steps.max() < 0.04 * shown[-1]


@settings(deadline=None)
@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0.5, 2), st.floats(0, 0.8))
def test_the_mouth_is_carried_to_where_the_new_one_is(x, y, scale, gap):
    own, new = face(gap), face(gap, x=x, y=y, scale=scale)
    matrix = mouth.carrying(own, new)
    carried = own[60:68] @ matrix[:, :2].T + matrix[:, 2]
    far = np.linalg.norm(carried - new[60:68], axis=1).max()
    # What draws the fit towards no stretch costs a little of the way to another scale.
    assert far <= 0.02 + 0.03 * abs(scale - 1) * np.linalg.norm(own[60] - own[64])
    assert np.linalg.det(matrix[:, :2]) > 0.2


def test_a_shut_mouth_is_carried_without_being_stretched():
    shut, wide = face(0.0), face(0.6)
    for own, new in ((shut, wide), (wide, shut)):
        stretch = np.linalg.svd(mouth.carrying(own, new)[:, :2], compute_uv=False)
        assert stretch.max() < 1.5


def test_a_mouth_beyond_the_picture_shows_nothing_there():
    assert not mouth.opening(face(0.5, x=9000), face(0.5, x=9000), SIZE).any()
    assert not mouth.opening(face(0.5), face(0.5, y=1e30), SIZE).any()


def test_landmarks_that_are_none_are_refused():
    with pytest.raises(FaceError, match="68 finite landmarks"):
        mouth.opening(np.zeros((5, 2), np.float32), face(0.5), SIZE)


@pytest.mark.parametrize("method", ["mean", "reinhard", "linear", "histogram", "iterative", "sliced"])
def test_what_a_match_does_can_be_undone(method: str) -> None:
    random = np.random.default_rng(3)
    one, other = (
        cv2.GaussianBlur(random.normal(at, 0.25, (64, 64, 3)).astype(np.float32), (0, 0), 2)
        for at in (0.35, 0.5)
    )
    weight = np.ones((64, 64), np.float32)
    solved = methods.solve(method, one, other, weight)
    assert np.abs(solved.apply(one) - one).mean() > 0.05
    assert np.abs(solved.apply(solved.undo(other)) - other).mean() < 2e-3


def network(predicted_at: FloatImage, to_network: Any) -> Predictor:
    """Predicts a flat face whose features lie where they are told to."""
    flat, matte = np.full((1, 64, 64, 3), 0.3, np.float32), np.ones((1, 64, 64), np.float32)
    places = predicted_at @ to_network[:, :2].T + to_network[:, 2]
    swapped = PredictedFaces(flat, matte, flat, matte, places[None].astype(np.float32))
    card = SimpleNamespace(size=64, coverage="full", source="a", destination="b")
    return cast(Predictor, SimpleNamespace(card=card, predict=lambda *_, **__: swapped))


@pytest.mark.parametrize("method", ["none", "mean", "linear", "histogram"])
def test_the_plates_teeth_come_out_as_the_plate_has_them(method: str) -> None:
    job = SwapJob.model_validate(
        {
            "plate": "a.%04d.exr",
            "track": "a.track",
            "model": "a.onnx",
            "output": "b.%04d.exr",
            "plate_mouth": 100.0,
            "colour_method": method,
            "feather": 0.0,
        }
    )
    random = np.random.default_rng(1)
    pixels = cv2.GaussianBlur(random.gamma(2, 0.1, (SIZE, SIZE, 3)).astype(np.float32), (0, 0), 3)
    frame = Frame.from_rgb(pixels, colour_space="ACEScg")
    own = face(0.5)
    tracked = TrackedFace(1, own, 1.0, False, (0, 0, 1, 1))
    to_network = align.plate_to_aligned(own, coverage="full", size=64)
    one = complete(job, frame, (None, tracked, None), network(own, to_network))
    with_teeth, without = (
        pipeline.make_frame(changed, one, report=silent).pixels
        for changed in (job, job.model_copy(update={"plate_mouth": 0.0}))
    )
    shown = mouth.opening(own, own, SIZE)
    core, away = shown > 0.99, inside(own) == 0
    assert core.sum() > 20
    off = np.abs(with_teeth[core] / pixels[core] - 1)
    assert np.median(off) < 0.02 < np.median(np.abs(without[core] / pixels[core] - 1))
    far = cv2.erode(away.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert np.array_equal(with_teeth[far], without[far])
