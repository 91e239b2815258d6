"""Mattes beyond the landmarks' outline: sides, boxes, and what lies in front of a face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from understudy.comp.colour.robust_weights import robust_weights
from understudy.comp.mattes import matte, occlusion
from understudy.core.errors import FaceError, JobError, PlateError
from understudy.face.template import BASE
from understudy.image.strips import in_strips

quick = settings(max_examples=30, deadline=None)
widths = st.floats(0, 30)
mattes = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24),
    elements=st.floats(0, 1, width=32),
)
LANDMARKS = (BASE * 40 + 30).astype(np.float32)


def picture(seed, size=64):
    noise = np.random.default_rng(seed).normal(size=(size, size, 3)).astype(np.float32)
    return (0.4 + 0.1 * cv2.GaussianBlur(noise, (0, 0), 3)).astype(np.float32)


@quick
@given(mattes, widths, widths, widths, widths)
def test_a_feathered_side_never_leaves_the_matte_and_nothing_at_no_width(weight, top, bottom, left, right):
    out = matte.feather_sides(weight, top=top, bottom=bottom, left=left, right=right)
    assert (out <= weight).all() and (out >= 0).all()
    assert np.array_equal(matte.feather_sides(weight, top=0, bottom=0, left=0, right=0), weight)
    wider = matte.feather_sides(weight, top=top + 3, bottom=bottom, left=left, right=right)
    assert (wider <= out + 1e-6).all()


def test_a_feathered_side_is_a_ramp_there_and_leaves_the_other_sides_hard():
    square = np.zeros((40, 40), np.float32)
    square[8:32, 8:32] = 1
    out = matte.feather_sides(square, top=10, bottom=0, left=0, right=0)
    np.testing.assert_allclose(out[8:18, 20], np.arange(1, 11) / 10, atol=1e-6)
    assert (out[18:32, 8:32] == 1).all()
    turned = matte.feather_sides(square, top=0, bottom=0, left=0, right=10)
    np.testing.assert_allclose(turned, np.rot90(out, -1), atol=1e-7)


@pytest.mark.parametrize("width", [-1.0, np.nan, np.inf])
def test_a_side_cannot_be_feathered_by_what_is_no_width(width):
    with pytest.raises(JobError, match="feather"):
        matte.feather_sides(np.ones((4, 4), np.float32), top=0, bottom=width, left=0, right=0)


@quick
@given(st.floats(-200, 200))
def test_a_box_holds_the_hull_once_it_has_room_and_grows_with_its_padding(padding):
    covered = matte.rectangle(LANDMARKS, 100, padding_px=padding)
    assert (covered <= matte.rectangle(LANDMARKS, 100, padding_px=padding + 1)).all()
    if padding >= 1:
        assert (covered >= matte.hull(LANDMARKS, 100)).all()
    if padding < -30:
        assert not covered.any()


def test_a_box_needs_landmarks_and_a_number():
    with pytest.raises(FaceError, match="68 finite landmarks"):
        matte.rectangle(LANDMARKS[:9], 100)
    with pytest.raises(JobError, match="padding"):
        matte.rectangle(LANDMARKS, 100, padding_px=np.nan)


@quick
@given(st.integers(0, 1000), st.floats(-0.1, 0.1))
def test_a_face_as_the_model_knows_it_is_all_visible_in_any_exposure(seed, exposure):
    known = picture(seed)
    everywhere = np.ones(known.shape[:2], np.float32)
    assert occlusion.visible(known + np.float32(exposure), known, everywhere).min() > 0.99


@quick
@given(st.integers(0, 1000), st.sampled_from([-0.25, 0.25]))
def test_what_lies_in_front_of_a_face_is_left_out_and_the_rest_stays(seed, apart):
    known = picture(seed)
    plate = known.copy()
    plate[40:, 24:40] += np.float32(apart)
    seen = occlusion.visible(plate, known, np.ones(known.shape[:2], np.float32))
    assert seen[46:, 28:36].max() < 0.05
    assert seen[:30].min() > 0.95 and seen[:, :14].min() > 0.9


@quick
@given(st.integers(0, 1000), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_occlusion_is_finite_and_finds_nothing_where_no_face_is_expected(seed, value):
    plate, known = picture(seed), picture(seed + 1)
    plate[::7, ::5] = value
    nowhere = np.zeros(plate.shape[:2], np.float32)
    assert (occlusion.visible(plate, known, nowhere) == 1).all()
    seen = occlusion.visible(plate, known, nowhere + 1)
    assert np.isfinite(seen).all() and seen.min() >= 0 and seen.max() <= 1
    with pytest.raises(PlateError, match="do not fit"):
        occlusion.visible(plate, known[:9], nowhere)


@quick
@given(st.integers(0, 10_000))
def test_trust_is_welschs_weight_about_the_weighted_median(seed):
    random = np.random.default_rng(seed)
    face, plate = picture(seed, 32), picture(seed + 1, 32)
    weight = np.clip(random.normal(0.5, 0.5, (32, 32)), 0, 1).astype(np.float32)
    apart = plate.astype(np.float64).mean(axis=2) - face.astype(np.float64).mean(axis=2)
    order = np.argsort(apart.ravel())
    reached = np.cumsum(weight.ravel()[order].astype(np.float64))
    median = apart.ravel()[order][np.searchsorted(reached, reached[-1] / 2)]
    expected = weight * np.exp(-(((apart - median) / 0.08) ** 2))
    np.testing.assert_allclose(robust_weights(face, plate, weight), expected, atol=6e-3)


@quick
@given(st.integers(0, 500), st.integers(1, 9))
def test_strips_make_up_every_row_once(rows, threads):
    before = cv2.getNumThreads()
    seen: list[int] = []
    try:
        cv2.setNumThreads(threads)
        in_strips(lambda first, last: seen.extend(range(first, last)), rows)
    finally:
        cv2.setNumThreads(before)
    assert sorted(seen) == list(range(rows))
