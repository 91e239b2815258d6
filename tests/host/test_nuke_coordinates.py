"""Points between the engine's raster and Nuke's, and the text of Nuke's curves."""

from __future__ import annotations

import contextlib
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tcl import tkinter

from understudy_host.errors import HostError
from understudy_nuke import curves
from understudy_nuke.coordinates import from_host, to_host


def test_a_pixels_centre_lies_at_one_half_from_the_lower_left_corner() -> None:
    assert to_host(0, 0, 1080) == (0.5, 1079.5)
    assert to_host(1919, 1079, 1080) == (1919.5, 0.5)
    assert to_host(-0.5, -0.5, 1080) == (0.0, 1080.0)


def test_a_half_size_proxys_edges_lie_on_the_full_plates_edges() -> None:
    assert to_host(-0.5, -0.5, 540, scale=2) == to_host(-0.5, -0.5, 1080)
    assert to_host(959.5, 539.5, 540, scale=2) == to_host(1919.5, 1079.5, 1080)


def test_square_units_count_wide_pixels_wide() -> None:
    assert to_host(99.5, 0, 100, pixel_aspect=2.0) == (200.0, 99.5)


@given(
    x=st.floats(-1e4, 1e4),
    y=st.floats(-1e4, 1e4),
    height=st.integers(1, 10_000),
    aspect=st.floats(0.25, 4),
    scale=st.floats(0.1, 8),
)
def test_the_way_back_undoes_the_way_there(
    x: float, y: float, height: int, aspect: float, scale: float
) -> None:
    back = from_host(*to_host(x, y, height, aspect, scale), height, aspect, scale)
    assert np.allclose(back, (x, y), atol=1e-6)


@pytest.mark.parametrize(
    "values", [(0, 1, 1), (math.nan, 1, 1), (100, 0, 1), (100, 1, -1), (100, 1, math.inf)]
)
def test_a_plate_without_measures_is_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(HostError, match="above 0"):
        to_host(1, 2, *values)
    with pytest.raises(HostError, match="above 0"):
        from_host(1, 2, *values)


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("curve x1001 12.5 x1002 13", {1001: 12.5, 1002: 13}),
        ("curve x1001 1 2 3", {1001: 1, 1002: 2, 1003: 3}),
        ("curve x10 1 x12 2 3", {10: 1, 12: 2, 14: 3}),
        ("curve 4 5", {0: 4, 1: 5}),
        ("curve K x1 -1e-05", {1: -1e-05}),
        ("curve i C x1 1 s0.5 t-2 u1 v1 L l x5 .5", {1: 1, 5: 0.5}),
        ("curve", {}),
    ],
)
def test_curves_are_read_as_nuke_writes_them(words: str, keys: dict[float, float]) -> None:
    assert curves.keys_of(words) == keys


@pytest.mark.parametrize(
    "words", ["", "960", "curve+10 x1 1", "curve x1 frame", "parent.Tracker1.x", "curve x1 nan"]
)
def test_what_is_no_curve_of_keys_is_refused(words: str) -> None:
    with pytest.raises(HostError, match="not a curve of keys"):
        curves.keys_of(words)


@given(st.dictionaries(st.integers(-1000, 10**6), st.floats(-1e5, 1e5), min_size=1, max_size=20))
def test_a_curve_comes_back_to_a_millionth(keys: dict[int, float]) -> None:
    text = curves.curve(keys)
    assert not re.search(r"\de", text)
    back = curves.keys_of(text[1:-1])
    assert list(back) == sorted(keys)
    assert all(abs(back[frame] - value) <= 0.51e-6 for frame, value in keys.items())


@given(st.text(alphabet='{}" \\a[$', max_size=30))
def test_lists_are_taken_apart_as_tcl_does_or_refused(text: str) -> None:
    try:
        words = curves.words_of(text)
    except HostError:
        return
    assert all(isinstance(word, str) for word in words)
    plain = not set(text) & set('"\\')
    if plain:
        # Tcl is stricter about what follows a closing brace.
        with contextlib.suppress(tkinter.TclError):
            assert words == list(tkinter.Tcl().splitlist(text))
