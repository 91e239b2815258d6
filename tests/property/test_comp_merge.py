"""Merges, light and the membrane they share: nothing outside the matte, nothing invented inside it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.comp.colour import illumination
from understudy.comp.colour.matrix import ColourMatch
from understudy.comp.merge import membrane, multiband
from understudy.comp.merge.paste import over
from understudy.core.errors import JobError, PlateError

quick = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10_000)
sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))
hostile = st.sampled_from([np.nan, np.inf, -np.inf, 60000.0, -4.0])


def picture(seed, shape, sigma=3.0):
    noise = np.random.default_rng(seed).normal(size=(*shape, 3)).astype(np.float32)
    return (0.4 + 0.2 * cv2.GaussianBlur(noise, (0, 0), sigma).reshape(*shape, 3)).astype(np.float32)


def blob(shape, hard=False):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    middle = [(edge - 1) / 2 for edge in shape]
    distance = np.hypot((y - middle[0]) / max(shape[0], 2), (x - middle[1]) / max(shape[1], 2))
    soft = np.clip((0.4 - distance) * 8, 0, 1)
    return (soft > 0.5).astype(np.float32) if hard else soft.astype(np.float32)


def difference(face, plate, matte, radius_px):
    """What to add to a face that gets no colour match."""
    seen = illumination.measure(face, plate, matte, radius_px=radius_px)
    return seen.lacking(ColourMatch.identity(), matte.shape)


def merges(plate, face, matte):
    colours, support = multiband.multiband(plate, face, matte)
    return {
        "multiband": over(plate, colours, support),
        "gradient": over(plate, membrane.gradient(plate, face, matte), matte),
    }


@quick
@given(seeds, sizes, hostile, st.booleans())
def test_no_merge_touches_the_plate_outside_the_matte(seed, size, value, hard):
    plate, face, matte = picture(seed, size), picture(seed + 1, size), blob(size, hard)
    plate[size[0] // 2, size[1] // 2, seed % 3] = value
    for name, merged in merges(plate, face, matte).items():
        outside = matte == 0
        assert np.array_equal(merged[outside], plate[outside]), name
        assert np.isfinite(merged[np.isfinite(plate).all(axis=2)]).all(), name


@quick
@given(seeds, sizes)
def test_a_face_that_is_the_plate_changes_nothing(seed, size):
    plate = picture(seed, size)
    for name, merged in merges(plate, plate.copy(), blob(size)).items():
        np.testing.assert_allclose(merged, plate, atol=2e-6, err_msg=name)


@quick
@given(seeds, st.floats(-0.2, 0.2))
def test_a_gradient_merge_takes_away_an_even_difference(seed, shift):
    plate = picture(seed, (64, 48))
    moved = membrane.gradient(plate, plate + np.float32(shift), blob((64, 48)))
    np.testing.assert_allclose(moved, plate, atol=1e-4)


def test_a_multiband_merge_keeps_fine_detail_and_blends_broad_tone():
    plate = np.full((128, 128, 3), 0.3, np.float32)
    checks = 0.01 * (np.indices((128, 128)).sum(axis=0) % 2 * 2 - 1).astype(np.float32)
    face = plate + 0.2 + checks[..., None]
    matte = blob((128, 128), hard=True)
    merged = merges(plate, face, matte)["multiband"]
    row = merged[64, :, 0]
    plain = over(plate, face, matte)[64, :, 0]
    smooth = cv2.GaussianBlur(row[None], (0, 0), 2)[0]
    steepest = np.abs(np.diff(smooth)).max()
    assert steepest < 0.7 * np.abs(np.diff(cv2.GaussianBlur(plain[None], (0, 0), 2)[0])).max()
    middle = (row - smooth)[56:72]
    assert np.abs(middle).max() == pytest.approx(0.01, rel=0.1)


def test_hair_that_the_network_drew_beyond_the_matte_does_not_come_in():
    plate, matte = np.full((96, 96, 3), 0.4, np.float32), blob((96, 96))
    face = plate.copy()
    dark = np.where(matte[..., None] > 0, face, 0.0).astype(np.float32)
    for name, merged in merges(plate, dark, matte).items():
        np.testing.assert_allclose(merged, plate, atol=5e-3, err_msg=name)


def test_the_membrane_agrees_with_a_dense_solve():
    random = np.random.default_rng(3)
    height, width = 13, 17
    data = random.normal(size=(height, width, 3)).astype(np.float32)
    weight = (random.random((height, width)) < 0.3).astype(np.float32) * 0.7
    count = height * width
    system, wanted = np.zeros((count, count)), np.zeros((count, 3))
    for y in range(height):
        for x in range(width):
            here = y * width + x
            system[here, here] += weight[y, x]
            wanted[here] += weight[y, x] * data[y, x]
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < height and u < width:
                    there = v * width + u
                    system[[here, there], [here, there]] += 1
                    system[[here, there], [there, here]] -= 1
    exact = np.linalg.solve(system, wanted).reshape(height, width, 3)
    solved = membrane.membrane(data, weight)
    assert np.abs(solved - exact).max() < 0.03 * np.abs(exact).max()


def test_a_large_membrane_follows_a_ramp_from_its_border_alone():
    y, x = np.mgrid[:500, :400].astype(np.float32)
    ramp = np.stack([x / 400, y / 500, (x + y) / 900], axis=2)
    weight = np.zeros((500, 400), np.float32)
    weight[[0, 1, -2, -1]] = weight[:, [0, 1, -2, -1]] = 1.0
    assert np.abs(membrane.membrane(ramp, weight) - ramp).max() < 0.01


@quick
@given(seeds, sizes)
def test_a_membrane_invents_no_new_extremes(seed, size):
    data = picture(seed, size)
    weight = (np.random.default_rng(seed).random(size) < 0.2).astype(np.float32)
    solved, known = membrane.membrane(data, weight), data[weight > 0]
    assert (
        not solved.any()
        if len(known) == 0
        else (solved.min() >= known.min() - 1e-4 and solved.max() <= known.max() + 1e-4)
    )


@quick
@given(seeds, st.floats(0.5, 40))
def test_the_light_of_a_face_that_is_the_plate_is_none(seed, radius):
    plate = picture(seed, (40, 50))
    assert not difference(plate, plate.copy(), blob((40, 50)), radius_px=radius).any()


def test_light_brings_a_shade_over_and_leaves_detail():
    face = picture(1, (120, 120), sigma=1.5)
    shade = np.linspace(-0.1, 0.1, 120, dtype=np.float32)[None, :, None]
    lit = face + difference(face, face + shade, blob((120, 120)), radius_px=6)
    inside = blob((120, 120)) > 0.99
    np.testing.assert_allclose(lit[inside], (face + shade)[inside], atol=6e-3)


@quick
@given(seeds, hostile)
def test_light_is_finite_and_deaf_to_what_lies_outside_the_matte(seed, value):
    plate, face, matte = picture(seed, (40, 40)), picture(seed + 1, (40, 40)), blob((40, 40))
    calm = difference(face, plate, matte, radius_px=4)
    plate[0, 0] = value
    assert np.array_equal(difference(face, plate, matte, radius_px=4), calm)
    plate[20, 20] = np.nan
    assert np.isfinite(difference(face, plate, matte, radius_px=4)).all()


def test_what_does_not_fit_is_refused():
    plate, matte = np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.float32)
    for merge in (multiband.multiband, membrane.gradient):
        with pytest.raises(PlateError, match="do not fit"):
            merge(plate, plate[:7], matte)
    with pytest.raises(PlateError, match="do not fit"):
        membrane.membrane(plate, matte[:7])
    with pytest.raises(JobError, match="light radius"):
        difference(plate, plate, matte, radius_px=0)
    assert not difference(plate, plate + 1, matte, radius_px=1).any()
