"""Colour conversions: names, exactness, and values beyond 0 to 1."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from understudy.comp.colour import grade
from understudy.core.errors import ColourError
from understudy.image import colour
from understudy.image.colour_space import by_type
from understudy_host import live_numbers


def test_the_pinned_configuration_has_the_spaces_we_name() -> None:
    for name in (colour.ENCODED, colour.SCENE_LINEAR, colour.DISPLAY, "Linear Rec.709 (sRGB)"):
        assert name in colour.spaces()
        assert colour.check_space(name) == name
    assert colour.check_space("lin_rec709_srgb") == "Linear Rec.709 (sRGB)"
    assert colour.check_space("Raw") == "raw"


@pytest.mark.parametrize("name", ["", "ACESgc", "linear", "sRGB-Texture", "\0"])
def test_an_unknown_space_is_an_error_with_near_names(name: str) -> None:
    with pytest.raises(ColourError) as caught:
        colour.convert(np.zeros((1, 3), np.float32), name, "ACEScg")
    assert "use one of" in caught.value.fix
    if name == "ACESgc":
        assert "ACEScg" in caught.value.fix


def test_the_default_space_goes_by_the_file() -> None:
    assert by_type(Path("a.EXR")).space == "ACEScg"
    assert by_type("a.png").space == by_type("a.mp4").space == "sRGB - Texture"
    assert by_type("a.exr", "Linear Rec.2020").space == "Linear Rec.2020"


def test_the_encoding_is_acescct() -> None:
    grey = np.full((1, 3), 0.18, np.float32)
    assert colour.encode(grey, "ACEScg") == pytest.approx((np.log2(0.18) + 9.72) / 17.52, abs=1e-5)
    assert colour.encode(grey * 0, "ACEScg") == pytest.approx(0.0729055, abs=1e-5)


def test_srgb_is_decoded_by_its_curve() -> None:
    half = np.full((1, 3), 0.5, np.float32)
    linear = colour.convert(half, "sRGB - Texture", "Linear Rec.709 (sRGB)")
    assert linear == pytest.approx(((0.5 + 0.055) / 1.055) ** 2.4, abs=1e-5)


@pytest.mark.parametrize("space", ["ACEScct", "sRGB - Texture", "Linear Rec.709 (sRGB)"])
def test_values_beyond_the_unit_range_survive(space: str) -> None:
    rgb = np.array([[30.0, 8.0, 0.2], [-0.2, 0.5, 1.5], [300.0, 300.0, 300.0]], np.float32)
    there = colour.convert(rgb, "ACEScg", space)
    assert there.max() > 1.0
    assert colour.convert(there, space, "ACEScg") == pytest.approx(rgb, rel=1e-3, abs=1e-4)


def test_a_conversion_leaves_its_input_and_keeps_shapes() -> None:
    for shape in ((3,), (0, 3), (4, 3), (4, 5, 3), (2, 4, 5, 3)):
        rgb = np.full(shape, 0.25, np.float32)
        converted = colour.convert(rgb, "sRGB - Texture", "ACEScg")
        assert converted.shape == shape
        assert converted.dtype == np.float32
        assert np.all(rgb == 0.25)
    strided = np.random.default_rng(1).random((6, 8, 4), np.float32)[::2, ::2, :3]
    assert np.array_equal(
        colour.encode(strided, "ACEScg"), colour.encode(np.ascontiguousarray(strided), "ACEScg")
    )
    with pytest.raises(ColourError, match="shape"):
        colour.convert(np.zeros((4, 4), np.float32), "ACEScg", "ACEScct")


def test_data_and_equal_spaces_pass_through_bit_for_bit() -> None:
    rgb = np.array([[np.nan, np.inf, -5.0]], np.float32)
    for names in (("raw", "ACEScg"), ("ACEScg", "Raw"), ("ACEScg", "acescg")):
        converted = colour.convert(rgb, *names)
        assert converted.tobytes() == rgb.tobytes()
        assert converted is not rgb


def test_a_picture_to_look_at_is_clipped_and_has_no_nan() -> None:
    linear = np.array([[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [30.0, 30.0, 30.0], [np.nan] * 3]], np.float32)
    shown = colour.to_display(linear, "ACEScg")
    assert shown.dtype == np.uint8
    assert shown[0, :, 1].tolist() == [0, 255, 255, 0]
    levels = np.arange(256, dtype=np.float32).reshape(1, 256, 1).repeat(3, axis=2) / np.float32(255)
    assert np.array_equal(colour.to_display(levels, "sRGB - Texture")[0, :, 0], np.arange(256))


def test_threads_share_a_conversion() -> None:
    rgb = np.random.default_rng(1).random((64, 64, 3), np.float32)
    expected = colour.encode(rgb, "ACEScg")
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: colour.encode(rgb, "ACEScg"), range(40)):
            assert np.array_equal(result, expected)


def test_acescct_by_the_configuration_by_the_grade_and_by_the_plugin_is_one_curve() -> None:
    """The plugin imports nothing of the engine and keeps the constants itself; the curve is the judge."""
    exponents = np.array([-6, -4, -1, 0, 3, 6], np.float32)
    greys = np.repeat(np.exp2(exponents)[:, None], 3, axis=1).astype(np.float32)
    curve = colour.convert(greys, "ACEScg", colour.ENCODED)[:, 0]
    assert np.abs(curve - (exponents * grade.STOP + grade.WHITE)).max() < 1e-6
    assert np.abs(curve - (exponents + live_numbers.SHIFT_STOPS) / live_numbers.STOPS).max() < 1e-6
    dark = np.full((1, 3), live_numbers.BREAK / 2, np.float32)
    line = live_numbers.BREAK_ENCODED - live_numbers.SLOPE * live_numbers.BREAK / 2
    assert abs(float(colour.convert(dark, "ACEScg", colour.ENCODED)[0, 0]) - line) < 1e-6
