"""The labels of digital performers: where they lie, that they sum to 1, and that pixels stay as they were."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from understudy.demo import Expression, Identity, PerformanceFrame, Pose, render
from understudy.demo.beard import Beard
from understudy.demo.render import Labelled, backdrop, render_labelled
from understudy.face import regions

SIZE = (160, 160)
SHORT, LONG = Identity.from_seed(904), Identity.from_seed(901)
FULL = Beard(seed=3, cheeks=0.8, chin=1.0, moustache=1.0, length_cm=0.8, density=0.9)


@lru_cache(maxsize=8)
def frame(identity: Identity = SHORT, yaw: float = 0.0, beard: Beard | None = None) -> Labelled:
    return render_labelled(identity, PerformanceFrame(pose=Pose(yaw=yaw)), size=SIZE, beard=beard)


def at(labelled: Labelled, point: np.ndarray) -> np.ndarray:
    """Matte of the pixels round a place."""
    x, y = np.round(point).astype(int)
    return labelled.regions[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))


@pytest.mark.parametrize("yaw", [0.0, 40.0])
def test_labels_change_no_pixel(yaw: float) -> None:
    plain = render(SHORT, PerformanceFrame(pose=Pose(yaw=yaw)), size=SIZE)
    labelled = frame(yaw=yaw)
    assert np.array_equal(labelled.rendering.pixels, plain.pixels)
    assert np.array_equal(labelled.rendering.face_matte, plain.face_matte)


def test_coverage_sums_to_one_and_has_soft_edges() -> None:
    mattes = frame().regions
    assert mattes.shape == (*SIZE, len(regions.REGIONS)) and mattes.dtype == np.float32
    assert np.allclose(mattes.sum(-1), 1.0, atol=1e-5) and mattes.min() >= -1e-6
    soft = (mattes.max(-1) < 0.95).mean()
    assert 0.01 < soft < 0.2


def test_what_is_no_background_is_the_head() -> None:
    for labelled in (frame(), frame(yaw=40.0), frame(LONG)):
        head = 1.0 - labelled.regions[..., regions.BACKGROUND]
        assert np.allclose(head, labelled.rendering.head_matte, atol=1e-5)


def test_every_region_lies_where_the_landmarks_say() -> None:
    labelled = frame()
    marks = labelled.rendering.landmarks
    for eye in (marks[36:42].mean(0), marks[42:48].mean(0)):
        assert at(labelled, eye)[regions.EYES] > 0.9
    assert at(labelled, marks[30])[regions.SKIN] > 0.95
    assert at(labelled, marks[19:21].mean(0))[regions.BROWS] > 0.3
    assert at(labelled, (marks[57] + marks[66]) / 2)[regions.LIPS] > 0.8
    chin, eyes = marks[8], marks[36:48].mean(0)
    assert at(labelled, chin - 0.06 * (chin - eyes))[regions.SKIN] > 0.9
    assert at(labelled, chin + 0.15 * (chin - eyes))[regions.NECK] > 0.9
    assert at(labelled, eyes - 0.75 * (chin - eyes))[regions.HAIR] > 0.9


def test_ears_are_labelled_where_hair_leaves_them_free() -> None:
    assert frame().regions[..., regions.EAR].sum() > 40
    assert frame(LONG).regions[..., regions.EAR].sum() == 0


def test_the_inner_mouth_opens_and_the_eyes_close() -> None:
    acting = PerformanceFrame(expression=Expression(mouth_open=0.8, blink_left=1.0, blink_right=1.0))
    moved = render_labelled(SHORT, acting, size=SIZE).regions.sum((0, 1))
    still = frame().regions.sum((0, 1))
    assert moved[regions.INNER_MOUTH] > 5 * still[regions.INNER_MOUTH] + 50
    assert moved[regions.EYES] < 0.4 * still[regions.EYES]


def test_a_beard_grows_on_cheeks_and_chin_and_nowhere_else() -> None:
    bare, bearded = frame(), frame(beard=FULL)
    assert bare.regions[..., regions.BEARD].sum() == 0
    beard = bearded.regions[..., regions.BEARD]
    marks = bearded.rendering.landmarks
    eyes, chin = marks[36:48].mean(0), marks[8]
    assert at(bearded, chin)[regions.BEARD] > 0.7
    assert at(bearded, (marks[51] + marks[33]) / 2)[regions.BEARD] > 0.4
    above = int(eyes[1] + 0.15 * (chin - eyes)[1])
    assert beard[:above].sum() < 0.01 * beard.sum()
    assert not np.array_equal(bare.rendering.pixels, bearded.rendering.pixels)


def test_the_performer_stands_before_the_backdrop() -> None:
    labelled = frame()
    behind = (1.0 - labelled.alpha[..., None]) * backdrop(SHORT, SIZE)
    assert np.allclose(labelled.foreground + behind, labelled.rendering.pixels, atol=1e-5)
    assert labelled.alpha[0, 0] == 0.0 and labelled.alpha[80, 80] == 1.0
