"""Grey plates: how grey a picture is, and the luminance that a face gets there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.face.crop import with_rgb_within
from understudy.image import colour, grey
from understudy.image.frame import Box, FloatImage, Frame

SPACES = ["ACEScg", "Linear Rec.709 (sRGB)", "sRGB - Texture"]
WHOLE = np.ones((16, 16), np.float32)
FACE = np.random.default_rng(2).uniform(0.02, 0.9, (16, 16, 3)).astype(np.float32)


@pytest.mark.parametrize("space", SPACES)
def test_luminance_is_of_light_and_white_stays_white(space: str) -> None:
    made = grey.without_colour(FACE, space)
    assert np.ptp(made, axis=2).max() == 0
    light = colour.convert(FACE, space, "ACEScg") @ np.float32([0.2722287, 0.6740818, 0.0536895])
    np.testing.assert_allclose(colour.convert(made, space, "ACEScg")[..., 1], light, atol=2e-4)
    np.testing.assert_allclose(grey.without_colour(np.ones((1, 1, 3), np.float32), space), 1, atol=2e-4)


@given(values=st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_what_is_grey_keeps_every_bit(values: list[float]) -> None:
    rgb = np.repeat(np.float32(values)[:, None, None], 3, axis=2)
    assert grey.without_colour(rgb, "ACEScg").tobytes() == rgb.tobytes()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("matte", [WHOLE, np.zeros_like(WHOLE), 0.3 * WHOLE], ids=["whole", "none", "weak"])
def test_a_grey_picture_is_grey_and_one_of_skin_is_not(space: str, matte: FloatImage) -> None:
    """Whatever the matte of the face says, and with the rounding of 8 bits."""
    codes = np.rint(FACE[..., :1] * 200) / 255 + np.float32([0, 1, -1]) / 255 * (FACE > 0.5)
    assert grey.grey_share(np.float32(np.repeat(FACE[..., :1], 3, axis=2)), space, matte) == 1
    if space == "sRGB - Texture":
        assert grey.grey_share(np.float32(codes), space, matte) > 0.5
    pale = np.float32([0.55, 0.5, 0.47]) * (0.5 + FACE[..., :1])
    assert grey.grey_share(np.float32(pale), space, matte) == 0
    assert grey.grey_share(np.zeros_like(FACE), space, matte) == 0, "black says nothing"


def test_towards_grey_ends_at_both_ends() -> None:
    assert grey.towards_grey(FACE, "ACEScg", 0) is FACE
    half, whole = (grey.towards_grey(FACE, "ACEScg", share) for share in (0.5, 1))
    np.testing.assert_allclose(half, (FACE + whole) / 2, atol=1e-6)


def test_a_channel_that_stands_for_all_three_gets_their_luminance_and_no_other_is_touched() -> None:
    box = Box(0, 0, 16, 16)
    pixels = np.random.default_rng(3).random((16, 16, 3)).astype(np.float32)
    frame = Frame(pixels, ("Z", "Y", "A"), box, box, "ACEScg")
    assert frame.grey and frame.rgb_index == (1, 1, 1)
    made = with_rgb_within(frame, Box(2, 3, 10, 12), FACE[3:12, 2:10])
    changed = (made.pixels != pixels).any(axis=(0, 1))
    assert changed.tolist() == [False, True, False]
    wanted = grey.without_colour(FACE, "ACEScg")[3:12, 2:10, 0]
    np.testing.assert_array_equal(made.pixels[3:12, 2:10, 1], wanted)
