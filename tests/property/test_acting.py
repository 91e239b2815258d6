"""What a director asks of eyes, brows and mouth: along the face's own axes, under every pose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_frame import NEEDED, inputs_of
from understudy.face.acting import Acting, act
from understudy.face.landmarks import BROWS, EYES, LIDS, LIPS, MIRROR, MOUTH
from understudy.face.pose import MEAN, camera
from understudy.image.frame import FloatImage
from understudy.swap.job import SwapJob
from understudy.swap.stages import acting as stage
from understudy.swap.stages.acting import ActingParameters

KNOBS = tuple(ActingParameters.model_fields)
UP, DOWN = (list(side) for side in zip(*LIDS, strict=True))
LIP_UP, LIP_DOWN = (list(side) for side in zip(*LIPS, strict=True))
share = st.floats(-1, 1)
acts = st.builds(Acting, share, share, share, share, share)


def seen(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, scale: float = 100.0) -> FloatImage:
    """The mean face with its mouth a little open, as a camera sees the head turned."""
    points = MEAN.copy()
    points[[*range(55, 60), *LIP_DOWN], 1] += 0.05
    return np.asarray(points @ view(yaw, pitch, roll, scale).T + 300, np.float32)


def view(yaw: float, pitch: float, roll: float, scale: float = 100.0) -> np.ndarray:
    """(2, 3) the weak perspective of a head turned by these radians."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(scale * (about_z @ about_x @ about_y)[:2])


def gaps(points: FloatImage, upper: list[int], lower: list[int]) -> np.ndarray:
    return np.asarray(np.linalg.norm(points[upper] - points[lower], axis=1))


def test_nothing_that_is_asked_for_changes_nothing() -> None:
    landmarks = seen()
    assert act(landmarks, Acting()) is landmarks
    assert stage.directed(ActingParameters(), landmarks, 2.0) is landmarks
    plain, zeros = (
        inputs_of(3, SwapJob.model_validate({**NEEDED, **dict.fromkeys(names, 0.0)}), 20, (40, 30), 0.5)
        for names in ((), KNOBS)
    )
    assert plain.prediction is not None and zeros.prediction is not None
    assert plain.prediction.directed is plain.prediction.landmarks
    assert plain.prediction.face.tobytes() == zeros.prediction.face.tobytes()


@pytest.mark.parametrize("yaw", [-0.7, 0.0, 0.5])
def test_the_camera_of_a_turned_head_is_found(yaw: float) -> None:
    found = camera(MEAN @ view(yaw, 0.1, -0.4).T + 50)
    np.testing.assert_allclose(found, view(yaw, 0.1, -0.4), atol=1e-6)


@settings(deadline=None)
@given(acts, st.floats(-3.1, 3.1), st.floats(0.3, 4), st.floats(-500, 500))
def test_a_rolled_face_of_any_size_acts_as_an_upright_one(asked, roll, scale, shift):
    upright = seen(yaw=0.4, pitch=-0.2)
    turn = scale * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    rolled = act(np.asarray(upright @ turn.T + shift, np.float32), asked)
    np.testing.assert_allclose(rolled, act(upright, asked) @ turn.T + shift, atol=0.02 * scale)


@settings(deadline=None)
@given(acts, st.floats(-0.8, 0.8))
def test_both_sides_of_a_face_act_alike(asked, yaw):
    face = seen(yaw=yaw)
    mirrored = (np.asarray([600, 0], np.float32) + face * np.asarray([-1, 1], np.float32))[list(MIRROR)]
    moved, other = act(face, asked) - face, act(np.ascontiguousarray(mirrored), asked) - mirrored
    np.testing.assert_allclose(other, (moved * [-1, 1])[list(MIRROR)], atol=0.02)


@pytest.mark.parametrize("yaw", [-0.9, 0.0, 0.6])
@pytest.mark.parametrize("knob", ["brows", "smile", "mouth_width"])
def test_a_turned_head_moves_as_it_would_in_space(knob: str, yaw: float) -> None:
    """The mouth's depth shows as its width goes: the front sees its middle, the side its corners."""
    pose = (yaw, 0.2, 0.1)
    moved = act(seen(*pose), Acting(**{knob: 1.0})) - seen(*pose)
    sides = [act(seen(one), Acting(**{knob: 1.0})) - seen(one) for one in (0.0, np.pi / 2)]
    # Right and down as seen from the front, away as seen from one side.
    space = np.concatenate([sides[0], -sides[1][:, :1]], axis=1) / 100
    if knob == "smile":
        space[EYES] = moved[EYES] = 0  # lids go to each other
    np.testing.assert_allclose(moved, space @ view(*pose).T, atol=0.02)
    assert np.abs(moved).max() > 3


@settings(deadline=None)
@given(acts, st.floats(-0.8, 0.8), st.floats(-0.4, 0.4))
def test_eyes_and_mouth_shut_altogether_whatever_else_is_asked(asked, yaw, pitch):
    shut = act(seen(yaw, pitch), asked._replace(eyes_open=-1.0, mouth_open=-1.0))
    assert gaps(shut, UP, DOWN).max() < 1e-3
    assert gaps(shut, LIP_UP, LIP_DOWN).max() < 1e-3


def test_wider_eyes_leave_a_blink_shut() -> None:
    open_eyes = seen()
    shut = act(open_eyes, Acting(eyes_open=-1.0))
    np.testing.assert_allclose(act(shut, Acting(eyes_open=1.0)), shut, atol=1e-3)
    wider = gaps(act(open_eyes, Acting(eyes_open=1.0)), UP, DOWN) / gaps(open_eyes, UP, DOWN)
    np.testing.assert_allclose(wider, 1.25, atol=0.01)


def test_a_mouth_opens_by_less_where_it_is_open() -> None:
    """By 16 millimetres from shut, on a face whose eyes' outer corners lie 91 apart."""
    shut = act(seen(), Acting(mouth_open=-1.0))
    opened = [shut]
    for _ in range(4):
        opened.append(act(opened[-1], Acting(mouth_open=1.0)))
    steps = np.diff([gaps(one, LIP_UP, LIP_DOWN)[1] for one in opened]) * 0.91
    assert steps[0] == pytest.approx(16.2, abs=0.3)
    assert (np.diff(steps) < 0).all() and (steps > 0).all()
    assert opened[1][8, 1] - shut[8, 1] > 10, "the chin goes along"


@pytest.mark.parametrize(
    ("knob", "points"),
    [("eyes_open", EYES), ("brows", BROWS), ("mouth_width", MOUTH)],
)
@pytest.mark.parametrize("asked", [-1.0, 1.0])
def test_a_knob_moves_its_own_feature_alone(knob: str, points: slice, asked: float) -> None:
    moved = act(seen(0.3), Acting(**{knob: asked})) != seen(0.3)
    assert moved[points].any()
    moved[points] = False
    assert not moved.any()


def test_an_anamorphic_plate_acts_in_true_shape() -> None:
    asked = ActingParameters(smile=60, mouth_open=40, brows=-50)
    true = seen(0.5, roll=0.3)
    squeezed = np.asarray(((true + 0.5) / [2, 1]) - 0.5, np.float32)
    wanted = (stage.directed(asked, true, 1.0) + 0.5) / [2, 1] - 0.5
    np.testing.assert_allclose(stage.directed(asked, squeezed, 2.0), wanted, atol=1e-3)


def test_hull_and_box_cover_the_plates_face_and_the_one_that_acts() -> None:
    changes = {"matte_hull": True, "matte_box": True, "mouth_open": 100.0}
    plain, opened = (
        inputs_of(3, SwapJob.model_validate({**NEEDED, **changes, **more}), 20, (40, 30), 0.5).mattes
        for more in ({"mouth_open": 0.0}, {})
    )
    assert plain is not None and opened is not None
    for name in ("hull", "box"):
        before, after = plain.single[name], opened.single[name]
        assert (after >= before).all(), "the plate's chin stays covered"
        assert after.sum() > 1.02 * before.sum(), "and the new one is covered too"
