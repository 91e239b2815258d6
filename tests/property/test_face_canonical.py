"""Laws of the similarity transforms."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from understudy.face import align

scales = st.floats(0.05, 50)
angles = st.floats(-3.1, 3.1)
shifts = st.floats(-3000, 3000)
points = hnp.arrays(np.float64, (12, 2), elements=st.floats(-500, 500))


@st.composite
def matrices(draw: st.DrawFn) -> align.Matrix:
    scale, angle = draw(scales), draw(angles)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, draw(shifts)], [sine, cosine, draw(shifts)]])


@given(matrices(), points)
def test_the_inverse_leads_back(matrix: align.Matrix, these: np.ndarray) -> None:
    there = align.transform(these, matrix)
    assert np.allclose(align.transform(there, align.invert(matrix)), these, atol=1e-6)


@given(matrices(), matrices(), points)
def test_composing_is_doing_one_after_the_other(
    first: align.Matrix, second: align.Matrix, these: np.ndarray
) -> None:
    at_once = align.transform(these, align.compose(second, first))
    assert np.allclose(at_once, align.transform(align.transform(these, first), second), atol=1e-4)


@given(matrices())
def test_a_known_similarity_is_recovered(matrix: align.Matrix) -> None:
    source = align.TEMPLATE * 100
    found = align.similarity(source, align.transform(source, matrix), np.linspace(0.1, 1, 68))
    assert np.allclose(found, matrix, atol=1e-5)


@given(matrices(), st.integers(16, 1024), st.integers(16, 1024))
@settings(max_examples=50)
def test_rescaling_keeps_edges_on_edges(matrix: align.Matrix, small: int, large: int) -> None:
    scaled = align.rescale(matrix, small, large)
    corners = np.array([[-0.5, -0.5], [small - 0.5, small - 0.5]])
    plate = align.transform(corners, align.invert(matrix))
    expected = np.array([[-0.5, -0.5], [large - 0.5, large - 0.5]])
    assert np.allclose(align.transform(plate, scaled), expected, atol=1e-5)


@given(st.sampled_from(sorted(align.COVERAGES)), st.integers(32, 512), st.integers(32, 512))
def test_a_crop_of_another_size_is_the_same_crop(coverage: str, small: int, large: int) -> None:
    face = align.TEMPLATE * 300 + 40
    one = align.plate_to_aligned(face, coverage=coverage, size=small)
    other = align.plate_to_aligned(face, coverage=coverage, size=large)
    assert np.allclose(align.rescale(one, small, large), other, atol=1e-6)
