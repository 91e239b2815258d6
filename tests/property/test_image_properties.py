"""What holds for every frame range, pattern, colour and picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from understudy.core.errors import JobError, PlateError
from understudy.image import colour
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Box, Frame
from understudy.image.sequence import FrameRange, Pattern
from understudy.image.storage import BITS, from_stored, to_stored

numbers = st.sets(st.integers(-3000, 3000), min_size=1, max_size=40)


@given(numbers)
def test_a_range_reads_back_what_it_writes(frames: set[int]) -> None:
    frame_range = FrameRange(tuple(frames))
    assert FrameRange.parse(str(frame_range)) == frame_range
    assert list(frame_range) == sorted(frames)


@given(st.integers(-9999, 9999), st.integers(0, 500), st.integers(1, 9))
def test_a_stepped_range_reads_back(first: int, length: int, step: int) -> None:
    text = f"{first}-{first + length}x{step}"
    frame_range = FrameRange.parse(text)
    assert frame_range.numbers == tuple(range(first, first + length + 1, step))
    assert FrameRange.parse(str(frame_range)) == frame_range


@given(numbers, st.integers(-4000, 4000))
def test_the_nearest_run_is_part_of_the_range(frames: set[int], frame: int) -> None:
    frame_range = FrameRange(tuple(frames))
    run = frame_range.run_nearest(frame)
    nearest = min(abs(number - frame) for number in frames)
    assert set(run) <= frames
    assert min(abs(number - frame) for number in run) == nearest
    assert sorted(number for part in frame_range.runs() for number in part) == sorted(frames)


@given(st.text(alphabet="0123456789-x, ", max_size=20))
def test_any_text_is_a_range_or_an_error(text: str) -> None:
    try:
        frame_range = FrameRange.parse(text)
    except JobError:
        return
    assert FrameRange.parse(str(frame_range)) == frame_range


@given(st.text(max_size=20))
def test_any_text_is_a_pattern_or_an_error(text: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except PlateError:
        return
    assert pattern.path(1001) != pattern.path(1002)


@given(st.sampled_from(["%04d", "####", "@@@@", "%d", "#"]), st.integers(-99, 123456))
def test_a_frames_path_is_found_again(token: str, frame: int) -> None:
    name = Pattern.parse(f"a/b.{token}.exr").path(frame).name
    assert int(name.removeprefix("b.").removesuffix(".exr")) == frame


@given(st.sampled_from(sorted(BITS)), st.data())
def test_stored_integers_come_back(storage: str, data: st.DataObject) -> None:
    top = 2 ** BITS[storage] - 1
    values = np.array(data.draw(st.lists(st.integers(0, top), min_size=1, max_size=30)))
    pixels = values.astype(np.float32) / np.float32(top)
    again = from_stored(to_stored(pixels, storage), storage)
    assert np.array_equal(np.rint(again * top), values)


@given(hnp.arrays(np.uint16, 64))
def test_stored_halves_come_back_bit_for_bit(bits: np.ndarray) -> None:
    pixels = from_stored(bits.view(np.float16), "half")
    assert to_stored(pixels, "half").tobytes() == bits.tobytes()


@given(hnp.arrays(np.float32, (5, 3), elements=st.floats(0, 1, width=32)))
def test_display_colours_survive_the_encoded_space(rgb: np.ndarray) -> None:
    linear = colour.convert(rgb, "sRGB - Texture", "ACEScg")
    assert np.abs(colour.convert(linear, "ACEScg", "sRGB - Texture") - rgb).max() < 1e-5
    encoded = colour.encode(rgb, "sRGB - Texture")
    assert np.abs(colour.decode(encoded, "sRGB - Texture") - rgb).max() < 1e-5


@given(hnp.arrays(np.float32, (5, 3), elements=st.floats(-16, 60000, width=32)))
def test_scene_colours_survive_the_encoded_space(rgb: np.ndarray) -> None:
    back = colour.decode(colour.encode(rgb, "ACEScg"), "ACEScg")
    assert np.all(np.abs(back - rgb) <= 1e-3 * np.abs(rgb) + 1e-4)


@settings(max_examples=25)
@given(st.data())
def test_any_frame_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    x, y = data.draw(st.integers(-2000, 2000)), data.draw(st.integers(-2000, 2000))
    width, height = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    names = data.draw(
        st.sampled_from([("R", "G", "B"), ("R", "G", "B", "A"), ("Z",), ("R", "G", "B", "uv.u")])
    )
    storage = data.draw(st.sampled_from(["half", "float"]))
    raw = data.draw(hnp.arrays(np.uint16, (height, width, len(names))))
    frame = Frame(
        raw.view(np.float16).astype(np.float32),
        names,
        Box(x, y, x + width, y + height),
        Box(0, 0, data.draw(st.integers(1, 99)), data.draw(st.integers(1, 99))),
        "ACEScg",
        storage=storage,
    )
    path: Path = tmp_path_factory.mktemp("any") / "a.exr"
    write_image(path, frame)
    back = read_image(path)
    assert (back.channels, back.data_window, back.display_window) == (
        names,
        frame.data_window,
        frame.display_window,
    )
    assert back.storage == storage
    assert back.pixels.tobytes() == frame.pixels.tobytes()
