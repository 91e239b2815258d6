"""Heads in any position: the same face is found however the picture is turned, and a bad fit says so."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.core.settings import Settings
from understudy.face.detect.boxes import RoughFace
from understudy.face.detect.fit import Fit, key_points, level_region
from understudy.face.detect.mesh import first_region
from understudy.face.detect.protocol import DetectedFace
from understudy.face.detect.yunet import YuNetDetector
from understudy.face.template import BASE
from understudy.image import colour
from understudy.image.plate import open_plate


@pytest.fixture(scope="module")
def detector(shared: Path) -> YuNetDetector:
    return YuNetDetector(Settings(models=shared / "models"))


@pytest.fixture(scope="module")
def performers(shared: Path) -> dict[str, np.ndarray]:
    """A frame of filmed performers, and one of a rendered one; the head about a third of it."""
    found = {}
    for name, rows in (
        ("real/performer_a.mp4", 1080),
        ("real/performer_b.mp4", 1080),
        ("performers/testA.mp4", 0),
    ):
        _, picture = cv2.VideoCapture(str(shared / "footage" / name)).read()
        if rows:
            picture = cv2.resize(picture[200 : 200 + rows], (480, 480), interpolation=cv2.INTER_AREA)
        found[name] = np.ascontiguousarray(picture[..., ::-1])
    return found


def rolled(picture: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture turned clockwise about its middle, and the (2, 3) matrix that does it."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), borderValue=(110, 110, 110)), matrix


def error_percent(face: DetectedFace, upright: DetectedFace, matrix: np.ndarray) -> float:
    expected = upright.landmarks @ matrix[:, :2].T + matrix[:, 2]
    return float(np.hypot(*(face.landmarks - expected).T).mean()) / upright.size_px * 100


@pytest.mark.parametrize("degrees", [60, 100, 135, 180, 270])
def test_landmarks_turn_along_with_the_head(
    detector: YuNetDetector, performers: dict[str, np.ndarray], degrees: float
) -> None:
    for name, picture in performers.items():
        (upright,) = detector.detect(picture)
        turned, matrix = rolled(picture, degrees)
        (face,) = detector.detect(turned)
        assert error_percent(face, upright, matrix) < 3, name
        assert face.confidence > 0.9


@pytest.mark.parametrize("degrees", [-135, 135])
def test_a_small_head_on_the_diagonal_is_found(shared: Path, detector: YuNetDetector, degrees: float) -> None:
    # The glance sees it so badly that it is worth nothing; the closer look sees it.
    with closing(open_plate(str(shared / "footage" / "real" / "small_head.gif"))) as plate:
        frame = plate.read(50)
    picture = colour.to_display(frame.rgb(), frame.colour_space)
    picture = cv2.copyMakeBorder(picture, 140, 140, 35, 35, cv2.BORDER_REPLICATE)
    (upright,) = detector.detect(picture)
    turned, matrix = rolled(picture, degrees)
    (face,) = detector.detect(turned)
    assert error_percent(face, upright, matrix) < 1 and face.confidence > 0.9


def test_a_quarter_turn_is_as_exact_as_none(
    detector: YuNetDetector, performers: dict[str, np.ndarray]
) -> None:
    picture = performers["real/performer_a.mp4"]
    (upright,) = detector.detect(picture)
    for turn in (1, 2, 3):
        (face,) = detector.detect(np.ascontiguousarray(np.rot90(picture, turn)))
        back = face.landmarks.astype(np.float64)
        for _ in range(turn):
            back = np.stack([picture.shape[0] - 1 - back[:, 1], back[:, 0]], axis=1)
        assert np.hypot(*(back - upright.landmarks).T).mean() / upright.size_px < 0.006


def test_one_who_lies_beside_one_who_stands_is_found(
    detector: YuNetDetector, performers: dict[str, np.ndarray]
) -> None:
    standing, lying = performers["real/performer_a.mp4"], np.rot90(performers["real/performer_b.mp4"])
    faces = detector.detect(np.concatenate([standing, lying], axis=1))
    assert len(faces) == 2
    rolls = sorted(abs(level_region(face.landmarks, 0.5).angle) for face in faces)
    assert rolls[0] < 0.2 and abs(rolls[1] - np.pi / 2) < 0.2


def test_upright_faces_keep_the_bits_of_the_upright_look(
    detector: YuNetDetector, performers: dict[str, np.ndarray]
) -> None:
    for picture in performers.values():
        (rough,) = detector._boxes.detect(picture)
        (face,) = detector.detect(picture)
        mesh, presence = detector._settle(picture, rough)
        assert np.array_equal(face.landmarks, detector._fit(picture, rough).points)
        assert (face.score, face.confidence) == (rough.score, presence) and len(mesh) >= 468


def test_a_frame_says_the_same_whatever_was_looked_at_before(
    shared: Path, detector: YuNetDetector, performers: dict[str, np.ndarray]
) -> None:
    turned, _ = rolled(performers["real/performer_b.mp4"], 100)
    alone = YuNetDetector(Settings(models=shared / "models")).detect(turned)
    for picture in performers.values():
        detector.detect(picture)
    after = detector.detect(turned)
    assert [one.landmarks.tobytes() for one in after] == [one.landmarks.tobytes() for one in alone]


def test_an_upside_down_fit_has_less_quality_than_the_right_one(
    detector: YuNetDetector, performers: dict[str, np.ndarray]
) -> None:
    for picture in performers.values():
        (rough,) = detector._boxes.detect(picture)
        hanging = np.ascontiguousarray(picture[::-1, ::-1])
        wrong = [detector._fit(hanging, one) for one in detector._boxes.detect(hanging)]
        right = detector._fit(picture, rough)
        assert right.confidence > 0.9
        assert all(one.quality < right.quality - 0.01 for one in wrong)


def fit(points: np.ndarray, seen: RoughFace | None, *, alone: bool = False) -> Fit:
    mesh = np.zeros((468, 3), np.float32)
    rough = RoughFace((0, 0, 100, 100), 0.9, np.zeros((4, 2)), alone=alone)
    return Fit(rough, mesh, points, 1.0, seen)


def test_confidence_falls_as_the_two_networks_part() -> None:
    points = (BASE * 100).astype(np.float32)
    extent = float(np.ptp(points, axis=0).max())

    def confidence(share: float, score: float = 0.92) -> float:
        moved = np.add(key_points(points), (share * extent, 0))
        return fit(points, RoughFace((0, 0, 100, 100), score, moved)).confidence

    falling = [confidence(share) for share in (0.0, 0.1, 0.16, 0.2, 0.3)]
    assert falling[:2] == [1.0, 1.0] and falling[1] > falling[2] > falling[3] > falling[4] > 0
    assert confidence(0.0, 0.75) < 0.5
    assert fit(points, None).confidence < 0.5
    assert fit(points, None).holds and not fit(points, None, alone=True).holds


def test_a_level_region_turns_with_the_face() -> None:
    for degrees in (0, 50, 130, 180, -90):
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        region = level_region(((BASE - 0.5) @ turn.T * 100 + 300).astype(np.float32), 0.5)
        assert abs(np.angle(np.exp(1j * (region.angle - angle)))) < 0.02
        assert region.edge > 190


def test_the_eyes_of_a_profile_say_nothing_of_its_roll() -> None:
    beside = np.array([[50.0, 40], [52, 30], [60, 60], [55, 80]])
    rough = RoughFace((0, 0, 100, 100), 0.9, beside, angle=np.pi / 2)
    assert first_region(rough).angle == np.pi / 2
