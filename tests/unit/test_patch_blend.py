"""Two keyframes' results made one, and where to paint next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.core.errors import PlateError
from understudy.patch import blend, quality

RANDOM = np.random.default_rng(5)


def noise(seed, height=40, width=48):
    return np.random.default_rng(seed).normal(0.4, 0.1, (height, width, 3)).astype(np.float32)


def sure(value, height=40, width=48):
    return np.full((height, width), value, np.float32)


@given(st.integers(2, 24), st.integers(2, 24), st.floats(0.01, 50))
@settings(max_examples=20, deadline=None)
def test_screened_poisson_solves_its_equation(height, width, weight):
    values, other = noise(1, height, width), noise(2, height, width)
    across, down = np.diff(other, axis=1), np.diff(other, axis=0)
    solved = blend.screened(values, across, down, weight).astype(np.float64)
    # The gradient of the energy is zero: (v − values) − weight · div(∇v − wanted) = 0.
    apart_x, apart_y = np.diff(solved, axis=1) - across, np.diff(solved, axis=0) - down
    rest = solved - values
    rest[:, :-1] -= weight * apart_x
    rest[:, 1:] += weight * apart_x
    rest[:-1] -= weight * apart_y
    rest[1:] += weight * apart_y
    assert np.abs(rest).max() < 1e-4 * (1 + weight)


def test_its_own_gradients_give_a_picture_back():
    picture = noise(3)
    same = blend.screened(picture, np.diff(picture, axis=1), np.diff(picture, axis=0), 9.0)
    np.testing.assert_allclose(same, picture, atol=1e-5)


def test_equal_results_stay_as_they_are():
    picture = noise(4) + 3  # far above white
    made, confidence = blend.two(picture, picture, sure(0.7), sure(0.5), 0.4)
    np.testing.assert_allclose(made, picture, atol=2e-3)
    assert ((confidence > 0.5) & (confidence < 0.7)).all()


def test_time_decides_between_equals_and_confidence_over_time():
    first, second = noise(6), noise(7)
    early, _ = blend.two(first, second, sure(0.9), sure(0.9), 0.1)
    late, _ = blend.two(first, second, sure(0.9), sure(0.9), 0.9)
    doubted, _ = blend.two(first, second, sure(0.02), sure(0.9), 0.1)
    assert np.abs(early - first).mean() < 0.1 * np.abs(early - second).mean()
    assert np.abs(late - second).mean() < 0.1 * np.abs(late - first).mean()
    assert np.abs(doubted - second).mean() < 0.1 * np.abs(doubted - first).mean()


def test_the_choice_follows_confidence_from_place_to_place():
    """A switch that never fires is a known mistake: both sides of the picture must be chosen somewhere."""
    first, second = noise(8), noise(9)
    left = sure(0.05)
    left[:, :24] = 0.95
    made, _ = blend.two(first, second, left, left[:, ::-1].copy(), 0.5)
    near = [
        np.abs(made - one)[:, part].mean() for one in (first, second) for part in (np.s_[:12], np.s_[36:])
    ]
    assert near[0] < 0.2 * near[1]
    assert near[3] < 0.2 * near[2]


def test_a_blend_keeps_contrast():
    first, second = noise(10), noise(11)
    mean = 0.5 * (first + second)
    made = blend._with_contrast(first, second, sure(0.5))
    inner = np.s_[8:-8, 8:-8]
    assert mean[inner].std() < 0.75 * first[inner].std()  # what a plain mean does
    assert made[inner].std() == pytest.approx(first[inner].std(), rel=0.12)


def test_results_of_two_sizes_are_refused():
    with pytest.raises(PlateError, match="blended"):
        blend.two(noise(1), noise(1)[:-1], sure(1), sure(1), 0.5)


def test_nothing_is_asked_for_where_all_is_sure():
    assert quality.next_keyframes({n: 0.9 for n in range(1, 9)}, [4], wanted=0.6) == ()


def test_the_worst_stretch_comes_first_and_its_middle_is_named():
    confidence = {n: 0.9 for n in range(1, 101)}
    confidence |= {n: 0.1 for n in range(40, 61)} | {n: 0.5 for n in range(80, 86)}
    named = quality.next_keyframes(confidence, [1], wanted=0.6)
    assert 45 <= named[0] <= 55
    assert any(80 <= one <= 85 for one in named[1:])


@given(
    st.dictionaries(st.integers(-50, 50), st.floats(0, 1), min_size=1, max_size=40),
    st.lists(st.integers(-50, 50), max_size=4),
    st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_named_frames_are_short_ones_each_once_and_never_painted(confidence, painted, wanted):
    named = quality.next_keyframes(confidence, painted, wanted=wanted)
    assert len(set(named)) == len(named) <= 10
    assert not set(named) & set(painted)
    assert set(named) <= set(confidence)
    assert bool(named) == any(c < wanted - 1e-9 for n, c in confidence.items() if n not in painted)
