"""The digital performers: repeatable, distinct, and honest about where everything is."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from understudy.demo import (
    Expression,
    Identity,
    Light,
    Performance,
    PerformanceFrame,
    Pose,
    Rendering,
    landmarks_of,
    render,
)

YUNET = Path(__file__).parents[3] / "shared" / "models" / "face_detection_yunet_2023mar.onnx"
A, B = Identity.from_seed(4), Identity.from_seed(1)
SIZE = (160, 160)


@lru_cache(maxsize=8)
def frame(seed: int = 4, yaw: float = 0.0, face: int | None = None, blink: float = 0.0) -> Rendering:
    acting = PerformanceFrame(pose=Pose(yaw=yaw), expression=Expression(blink_left=blink, blink_right=blink))
    other = None if face is None else Identity.from_seed(face)
    return render(Identity.from_seed(seed), acting, size=SIZE, face_identity=other)


def test_the_same_seed_gives_the_same_bits() -> None:
    acting = Performance.from_seed(3).at(17.5)
    first, second = (render(Identity.from_seed(4), acting, size=(96, 128)) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.landmarks, second.landmarks)


def test_different_seeds_give_different_performers() -> None:
    assert Identity.from_seed(4) != Identity.from_seed(5)
    assert np.abs(frame(4).pixels - frame(1).pixels).mean() > 0.02


def test_the_longest_nose_is_rendered() -> None:
    identity = Identity.from_seed(2856)
    assert identity.nose_length_cm - identity.nose_lift_cm > 0.53
    assert np.isfinite(render(identity, PerformanceFrame(), size=SIZE).pixels).all()


def test_pixels_and_mattes_have_the_promised_shape_and_range() -> None:
    shot = frame()
    assert shot.pixels.shape == (*SIZE, 3) and shot.pixels.dtype == np.float32
    assert np.isfinite(shot.pixels).all() and shot.pixels.min() >= 0.0
    for matte in (shot.face_matte, shot.head_matte):
        assert matte.shape == SIZE and matte.dtype == np.float32
        assert matte.min() >= 0.0 and matte.max() <= 1.0
    assert np.all(shot.face_matte <= shot.head_matte + 1e-5)
    assert 0.08 < shot.face_matte.mean() < 0.5


def test_landmarks_alone_are_those_of_the_frame() -> None:
    acting = Performance.from_seed(3).at(40.0)
    assert np.array_equal(landmarks_of(A, acting, SIZE), render(A, acting, size=SIZE).landmarks)


def test_landmarks_follow_the_ibug_order() -> None:
    points = frame().landmarks
    assert points.shape == (68, 2) and points.dtype == np.float32
    assert points.min() > 0 and points.max() < SIZE[0] - 1
    assert np.all(np.diff(points[0:17, 0]) > 0)
    assert points[8, 1] == pytest.approx(points[:, 1].max(), abs=0.6)
    assert points[36:42, 0].max() < points[27, 0] < points[42:48, 0].min()
    assert points[36, 0] < points[39, 0] < points[42, 0] < points[45, 0]
    assert points[19, 1] < points[37, 1] < points[41, 1] < points[33, 1] < points[51, 1] < points[57, 1]
    assert points[48, 0] < points[51, 0] < points[54, 0]


def test_blinking_brings_the_lids_together() -> None:
    def gap(points: np.ndarray) -> float:
        return float(points[[40, 41, 46, 47], 1].mean() - points[[37, 38, 43, 44], 1].mean())

    assert gap(frame(blink=1.0).landmarks) < 0.15 * gap(frame().landmarks)


def test_opening_the_mouth_parts_the_inner_lips_and_shows_the_dark() -> None:
    wide = render(A, PerformanceFrame(expression=Expression(mouth_open=1.0)), size=SIZE)
    assert wide.landmarks[66, 1] - wide.landmarks[62, 1] > 6.0
    assert frame().landmarks[66, 1] - frame().landmarks[62, 1] < 1.0


def test_a_truth_equals_its_plate_outside_the_face() -> None:
    plate, truth = frame(4), frame(4, face=1)
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    inside = (np.maximum(plate.face_matte, truth.face_matte) > 0) | (plate.head_matte != truth.head_matte)
    y0, y1 = rows[inside].min(), rows[inside].max()
    x0, x1 = columns[inside].min(), columns[inside].max()
    margin = 14
    outside = (rows < y0 - margin) | (rows > y1 + margin) | (columns < x0 - margin) | (columns > x1 + margin)
    assert np.array_equal(plate.pixels[outside], truth.pixels[outside])
    core = plate.face_matte > 0.99
    assert np.abs(plate.pixels - truth.pixels)[core].mean() > 0.01
    tones = [shot.pixels[core].mean(0) for shot in (plate, truth)]
    assert np.allclose(tones[0], tones[1], rtol=0.25)


def test_a_truth_of_oneself_is_the_plate() -> None:
    assert np.array_equal(frame(4).pixels, frame(4, face=4).pixels)


def test_yaw_turns_the_face_to_the_right_of_the_picture() -> None:
    def nose_offset(points: np.ndarray) -> float:
        return float(points[30, 0] - points[[36, 45], 0].mean())

    assert nose_offset(frame(yaw=30.0).landmarks) > 4.0 > -4.0 > nose_offset(frame(yaw=-30.0).landmarks)


def test_exposure_scales_light_in_stops() -> None:
    brighter = render(A, PerformanceFrame(light=replace(Light(), exposure=1.0)), size=SIZE)
    face = frame().face_matte > 0.99
    ratio = brighter.pixels[face].mean() / frame().pixels[face].mean()
    assert ratio == pytest.approx(2.0, rel=0.02)


def test_a_performance_is_smooth_and_keeps_its_yaw_limit() -> None:
    acting = Performance.from_seed(8, max_yaw=35.0)
    yaw = np.array([acting.at(f).pose.yaw for f in np.arange(0, 400, 0.5)])
    assert np.abs(yaw).max() <= 35.0 and np.ptp(yaw) > 25.0
    assert np.abs(np.diff(yaw)).max() < 3.0
    expressions = [acting.at(f).expression for f in range(400)]
    assert max(e.mouth_open for e in expressions) > 0.4
    assert max(e.blink_left for e in expressions) > 0.9 and min(e.blink_left for e in expressions) == 0.0
    assert max(e.smile for e in expressions) > 0.4


@pytest.mark.skipif(not YUNET.is_file(), reason="the face detector is not at ../shared/models")
@pytest.mark.parametrize("yaw", [-60.0, -30.0, 0.0, 30.0, 60.0])
def test_a_real_detector_finds_the_face(yaw: float) -> None:
    import cv2

    shot = frame(yaw=yaw)
    encoded = (np.clip(shot.pixels, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)[..., ::-1].copy()
    encoded = cv2.resize(encoded, (320, 320), interpolation=cv2.INTER_CUBIC)
    _, faces = cv2.FaceDetectorYN.create(str(YUNET), "", (320, 320), 0.6).detect(encoded)
    assert faces is not None and len(faces) == 1
    x, y, w, h = faces[0, :4] / 2.0
    nose = shot.landmarks[30]
    assert x - 4 < nose[0] < x + w + 4 and y < nose[1] < y + h
