"""Flow, and keyframes carried along it: signs, sums, trust, cuts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moving import FIRST, HEIGHT, WIDTH, seen, texture
from understudy.core.errors import FaceError, PlateError
from understudy.face.template import BASE
from understudy.face.warp import moved_landmarks
from understudy.image import colour
from understudy.image.frame import Box
from understudy.patch import boxes, flow, guides, paint
from understudy.patch.correspondence import Correspondence
from understudy.patch.flow import Motion
from understudy.patch.guides import GuideInputs, GuideWeights
from understudy.patch.state import FramePatch, Keyframe, PropagationOptions
from understudy.patch.task import SynthesisOptions

BOX = Box(0, 0, WIDTH, HEIGHT)
SCENE = texture()
INNER = np.s_[16:-16, 16:-16]


def frame(number, **how):
    return colour.encode(seen(SCENE, number, **how), "ACEScg")


def constant(x, y, height=40, width=50):
    shift = np.empty((height, width, 2), np.float32)
    shift[...] = (x, y)
    return Motion(shift, np.ones((height, width), np.float32))


def test_a_known_drift_is_found_with_its_sign():
    motion = flow.between(frame(FIRST + 1), frame(FIRST))
    # The scene moved right by 1.7 and up by 0.6 since the frame before: what is here lay left of it, lower.
    assert np.median(motion.shift[INNER], axis=(0, 1)) == pytest.approx([-1.7, 0.6], abs=0.15)
    assert motion.trust[INNER].mean() > 0.95


def test_flow_has_the_same_bits_with_any_number_of_threads():
    threads = cv2.getNumThreads()
    try:
        found = []
        for count in (1, 2, 3):
            cv2.setNumThreads(count)
            found.append(flow.between(frame(FIRST + 3), frame(FIRST)))
    finally:
        cv2.setNumThreads(threads)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].shift, other.shift)
        np.testing.assert_array_equal(found[0].trust, other.trust)


def test_a_dark_shot_is_followed_as_well_as_a_bright_one():
    dark = [colour.encode(seen(SCENE, FIRST + n) / 500, "ACEScg") for n in (1, 0)]
    assert np.median(flow.between(*dark).shift[INNER][..., 0]) == pytest.approx(-1.7, abs=0.2)


def test_steps_add_up_with_their_sign():
    """A forward position guide with the wrong sign, or one that is not accumulated, is a known mistake."""
    correspondence = Correspondence.start(Box(0, 0, 50, 40), np.ones((40, 50), np.float32))
    for motion in (constant(-2, 1), constant(-3, 0), constant(0.5, 4)):
        correspondence = correspondence.compose(motion)
    np.testing.assert_allclose(correspondence.shift, np.broadcast_to([-4.5, 5], (40, 50, 2)), atol=1e-5)


def test_a_keyframe_carried_over_frames_shows_what_the_frame_shows():
    key = frame(FIRST)
    correspondence = Correspondence.start(BOX, np.ones((HEIGHT, WIDTH), np.float32))
    for number in range(FIRST + 1, FIRST + 7):
        correspondence = correspondence.compose(flow.between(frame(number), frame(number - 1)))
        correspondence = correspondence.refined(frame(number), key, BOX)
    apart = np.abs(correspondence.sample_keyframe(key, BOX, sharp=True) - frame(FIRST + 6))
    still = np.abs(key - frame(FIRST + 6))
    assert np.median(apart[INNER]) < 0.05 * np.median(still[INNER])


def test_locking_takes_the_drift_out():
    key, last = frame(FIRST), frame(FIRST + 4)
    exact = flow.between(last, key)
    off = Correspondence(
        BOX, exact.shift + np.float32(0.8), exact.trust, np.ones((HEIGHT, WIDTH), np.float32)
    )
    both = (off, off.refined(last, key, BOX))
    apart = [np.abs(one.sample_keyframe(key, BOX, sharp=True) - last)[INNER].mean() for one in both]
    assert apart[1] < 0.5 * apart[0]


def test_a_correction_is_drawn_with_and_not_summed_up():
    """Fed back into the steps, corrections that follow noise on smooth skin pull a fix apart."""
    whole = np.ones((HEIGHT, WIDTH), np.float32)
    pictures = [frame(FIRST), frame(FIRST + 1)]
    patches = [
        FramePatch(FIRST + n, BOX, picture, picture, None, np.zeros((HEIGHT, WIDTH), bool))
        for n, picture in enumerate(pictures)
    ]
    key = Keyframe(FIRST, BOX, pictures[0] + np.float32(0.1), pictures[0], pictures[0], whole, whole)
    before = paint.begin(key, patches[0])
    motion = flow.between(pictures[1], pictures[0])
    off = Motion(motion.shift + np.float32(0.4), motion.trust)
    options = PropagationOptions(
        GuideWeights(), SynthesisOptions(), everywhere=False, preview=False, extent_px=WIDTH
    )
    after = paint.advance(key, patches[1], before, off, options)
    np.testing.assert_array_equal(after.correspondence.shift, before.correspondence.compose(off).shift)
    wanted = pictures[1] + np.float32(0.1)
    assert (
        np.abs(after.propagated.picture - wanted)[INNER].mean() < 0.003
    )  # drawn where it belongs all the same


def test_position_is_a_float_and_differs_at_every_pixel():
    """A position guide that is 0 everywhere by an integer modulo is a known mistake."""
    flat = np.zeros((12, 16, 3), np.float32)
    place = guides.identity(12, 16)
    side = GuideInputs(flat, flat, None, place, flat)
    moved = GuideInputs(flat, flat, None, place + np.float32([0.25, -0.5]), flat)
    ones = np.ones((12, 16), np.float32)
    made = guides.build(
        side, moved, GuideWeights(position=2), plate_validity=ones, temporal_validity=ones, extent_px=16
    )
    position = made.source[..., 3:5]
    assert len(np.unique(position.reshape(-1, 2), axis=0)) == 12 * 16
    np.testing.assert_allclose((made.target - made.source)[..., 3], 0.25 / 16, rtol=1e-4)
    np.testing.assert_allclose((made.target - made.source)[..., 4], -0.5 / 16, rtol=1e-4)


def test_a_weight_divides_by_its_channels():
    ones = np.ones((8, 8), np.float32)
    black, white = (np.full((8, 8, 3), value, np.float32) for value in (0.0, 1 / guides.DISPLAY_SCALE))
    place = guides.identity(8, 8)
    weights = GuideWeights(plate=6, edge=0, position=0, temporal=0)
    made = guides.build(
        GuideInputs(black, black, None, place, black),
        GuideInputs(black, white, None, place, black),
        weights,
        plate_validity=ones,
        temporal_validity=ones,
        extent_px=8,
    )
    np.testing.assert_allclose(((made.target - made.source) ** 2).sum(axis=2), 6, rtol=1e-5)


def test_what_is_hidden_is_not_trusted_and_moves_with_what_surrounds_it():
    here, there = frame(FIRST + 1), frame(FIRST)
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    hidden[40:80, 60:100] = True
    here[hidden] = 0.3  # something that stands still lies over the scene
    there[hidden] = 0.3
    motion = flow.between(here, there, hidden_here=hidden, hidden_there=hidden)
    assert motion.trust[hidden].max() == 0
    assert np.median(motion.shift[hidden], axis=0) == pytest.approx([-1.7, 0.6], abs=0.3)


def test_what_appears_is_not_trusted():
    there, here = frame(FIRST), frame(FIRST)
    there[30:90, 50:90] = frame(FIRST + 40)[30:90, 50:90]  # an object that is gone on the next frame
    motion = flow.between(here, there)
    assert motion.trust[35:85, 55:85].mean() < 0.5 < motion.trust[:20].mean()


def test_a_prior_leads_where_flow_alone_cannot():
    far = frame(FIRST, speed=(0, 0))
    moved = np.roll(far, 45, axis=1)
    prior = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    prior[..., 0] = -45
    led = flow.between(moved, far, prior=prior)
    inner = np.s_[10:-10, 60:-10]
    assert np.abs(led.shift[inner][..., 0] + 45).mean() < 0.2
    assert led.trust[inner].mean() > 0.9


def test_a_cut_is_seen_and_motion_is_none():
    other = colour.encode(seen(texture(seed=9), FIRST), "ACEScg")
    assert flow.is_cut(other, frame(FIRST))
    assert not flow.is_cut(frame(FIRST + 2), frame(FIRST))
    assert not flow.is_cut(frame(FIRST + 1, speed=(14, 0)), frame(FIRST, speed=(14, 0)))
    brighter = frame(FIRST + 1) + np.float32(0.04)  # a lamp goes on
    assert not flow.is_cut(brighter, frame(FIRST))


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(PlateError, match="no optical flow"):
        flow.between(frame(FIRST), frame(FIRST)[:-1])


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_filling_keeps_what_is_known_and_stays_in_its_range(height, width, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=(height, width, 2)).astype(np.float32)
    weight = (random.random((height, width)) < 0.4).astype(np.float32)
    filled = flow.fill(values, weight)
    known = weight > 0
    np.testing.assert_array_equal(filled[known], values[known])
    if known.any():
        assert filled.min() >= values[known].min() - 1e-4
        assert filled.max() <= values[known].max() + 1e-4
    else:
        assert not filled.any()


@given(*[st.integers(-6, 12) for _ in range(4)])
@settings(max_examples=25, deadline=None)
def test_another_rectangle_holds_the_same_where_both_lie(x0, y0, x1, y1):
    old = Box(0, 0, 9, 7)
    new = Box(min(x0, x1), min(y0, y1), max(x0, x1) + 1, max(y0, y1) + 1)
    values = np.arange(63, dtype=np.float32).reshape(7, 9)
    moved = boxes.reframe(values, old, new)
    inside = boxes.overlap(old, new)
    for y in range(new.height):
        for x in range(new.width):
            if inside[y, x]:
                assert moved[y, x] == values[y + new.y0, x + new.x0]


def test_landmarks_lead_the_skin_and_leave_the_rest():
    here = (BASE * 80 + 40).astype(np.float32)
    there = here + np.float32([6, -3])
    shift = moved_landmarks(here, there, Box(0, 0, 400, 160))
    for x, y in here[27:60].round().astype(int):
        assert shift[y, x] == pytest.approx([6, -3], abs=0.3)
    assert not shift[:, 330:].any()
    with pytest.raises(FaceError):
        moved_landmarks(here, there[:5], Box(0, 0, 4, 4))
