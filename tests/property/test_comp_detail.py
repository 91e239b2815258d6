"""Grain, sharpness and resolution are measured as they are and given back as they were measured."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.comp.detail import grain, sharpness
from understudy.core.errors import JobError, PlateError

quick = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10_000)


def slopes(size=160):
    """A smooth picture from dark to bright."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    return np.stack([0.25 + 0.3 * x, 0.3 + 0.2 * x + 0.05 * y, 0.3 + 0.25 * x], axis=2)


def noise(seed, shape, size_px=0.0):
    white = np.random.default_rng(seed).standard_normal((*shape, 3)).astype(np.float32)
    if size_px:
        white = cv2.GaussianBlur(white, (0, 0), size_px)
        white /= white.std()
    return white


def neighbour(size_px):
    """What a Gaussian of that size gives the next pixel, against its own: sizes under 0.3 are all none."""
    return np.exp(-0.5 / size_px**2) if size_px > 0 else 0.0


@quick
@given(seeds, st.floats(0.002, 0.03), st.sampled_from([0.0, 0.6, 1.0]))
def test_grain_of_a_known_strength_and_size_is_measured(seed, strength, size_px):
    seen = grain.measure(slopes() + np.float32(strength) * noise(seed, (160, 160), size_px))
    assert seen.mean == pytest.approx([strength] * 3, rel=0.25)
    assert neighbour(seen.size_px) == pytest.approx(neighbour(size_px), abs=0.12)


@quick
@given(seeds, st.floats(0.004, 0.02))
def test_given_grain_measures_like_the_plates(seed, strength):
    seen = grain.measure(slopes() + np.float32(strength) * noise(seed, (160, 160), 0.7))
    given_back = grain.measure(grain.add(slopes(), seen, amount=1.0, seed=seed, frame=5))
    assert given_back.mean == pytest.approx(seen.mean, rel=0.25)
    assert neighbour(given_back.size_px) == pytest.approx(neighbour(seen.size_px), abs=0.12)


def test_grain_that_grows_with_the_level_is_told_apart():
    clean = slopes()
    seen = grain.measure(clean + noise(1, (160, 160)) * 0.02 * (clean.mean(axis=2, keepdims=True) - 0.2))
    assert seen.deviation[-1].mean() > 2 * seen.deviation[0].mean()


def test_edges_and_slopes_are_no_grain():
    picture = slopes()
    picture[40:80, 40:80] += 0.2
    assert grain.measure(picture).mean.max() < 1e-3


@quick
@given(seeds, st.integers(0, 5000))
def test_a_frames_grain_is_always_the_same_and_another_frames_is_not(seed, frame):
    seen = grain.Grain(np.array([0.4]), np.full((1, 3), 0.01), 0.5)
    first, again = (grain.add(slopes(32), seen, amount=1, seed=seed, frame=frame) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, grain.add(slopes(32), seen, amount=1, seed=seed, frame=frame + 1))


@pytest.mark.parametrize("shape", [(1, 1), (4, 30), (9, 9)])
def test_a_picture_too_small_to_tell_has_no_grain(shape):
    picture = np.full((*shape, 3), 0.4, np.float32)
    seen = grain.measure(picture)
    assert np.array_equal(grain.add(picture, seen, amount=1, seed=1, frame=1), picture)


def test_grain_does_not_spread_what_is_no_number():
    picture = slopes() + 0.01 * noise(2, (160, 160))
    clean = grain.measure(picture).mean
    picture[::9, ::9] = np.nan
    assert grain.measure(picture).mean == pytest.approx(clean, rel=0.3)


@quick
@given(seeds, st.floats(0.8, 3.0))
def test_a_soft_face_is_sharpened_and_a_sharp_one_softened(seed, blur):
    fine = 0.4 + 0.05 * noise(seed, (96, 96), 1.0)
    soft = cv2.GaussianBlur(fine, (0, 0), blur)
    everywhere, none = np.ones((96, 96), np.float32), np.zeros(3, np.float32)
    assert sharpness.matching_sharpness(soft, fine, everywhere, 1.5, grain=none) > 30
    amount = sharpness.matching_sharpness(fine, soft, everywhere, 1.5, grain=none)
    assert -100 <= amount < -15
    if amount > -99:  # one Gaussian can soften only so far
        done = sharpness.sharpen(fine, amount, 1.5)
        assert abs(sharpness.matching_sharpness(done, soft, everywhere, 1.5, grain=none)) < 3


def test_a_face_as_sharp_as_its_plate_is_left_alone_and_grain_is_no_sharpness():
    fine = 0.4 + 0.03 * noise(3, (96, 96), 1.5)
    everywhere = np.ones((96, 96), np.float32)
    assert sharpness.matching_sharpness(fine, fine.copy(), everywhere, 1.5, grain=np.zeros(3)) == 0
    grainy = fine + 0.01 * noise(4, (96, 96))
    amount = sharpness.matching_sharpness(fine, grainy, everywhere, 1.5, grain=np.full(3, 0.01))
    assert abs(amount) < 12


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 50, 3), (64, 64, 3)])
@pytest.mark.parametrize("percent", [0.0, 40.0, 100.0])
def test_degrading_keeps_the_shape_and_the_tone(shape, percent):
    picture = 0.4 + 0.05 * noise(1, shape[:2])
    out = sharpness.degrade(picture, percent)
    assert out.shape == shape
    assert out.mean() == pytest.approx(picture.mean(), abs=0.01)
    if percent == 0:
        assert np.array_equal(out, picture)


def test_denoising_smooths_noise_and_keeps_an_edge():
    step = np.full((64, 64, 3), 0.3, np.float32)
    step[:, 32:] = 0.6
    noisy = step + 0.01 * noise(5, (64, 64))
    out = sharpness.denoise(noisy, 100.0, 2.0)
    assert (out - step)[:, 4:28].std() < 0.5 * (noisy - step)[:, 4:28].std()
    assert out[:, 33:].mean() - out[:, :31].mean() == pytest.approx(0.3, abs=0.01)


def test_values_out_of_range_are_refused():
    picture = slopes(16)
    nothing = grain.measure(picture)
    for call in (
        lambda: sharpness.degrade(picture, 101),
        lambda: sharpness.denoise(picture, -1, 2),
        lambda: grain.add(picture, nothing, amount=-1, seed=1, frame=1),
        lambda: sharpness.matching_sharpness(picture, picture, picture[..., 0], 0, grain=np.zeros(3)),
    ):
        with pytest.raises(JobError):
            call()
    with pytest.raises(PlateError):
        grain.measure(picture[..., 0])
