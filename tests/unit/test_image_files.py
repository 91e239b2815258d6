"""Image files: what is kept, what is refused, and what a full disk does."""

from __future__ import annotations

import os
import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from understudy.core.errors import PlateError
from understudy.image.colour_space import SPACE_ATTRIBUTE
from understudy.image.exr import read_image, read_metadata, write_image
from understudy.image.frame import Box, Frame


def overscan_frame(storage: str = "half") -> Frame:
    """A frame with everything that must survive: overscan, a layer, strange values and a header."""
    noise = np.random.default_rng(1).normal(0.3, 1.0, (12, 22, 5)).astype(np.float16).astype(np.float32)
    noise[0, 0, 0] = 30.0
    noise[1, 1] = (np.nan, np.inf, -np.inf, -0.0, 65504.0)
    return Frame(
        noise,
        ("R", "G", "B", "A", "depth.Z"),
        Box(-3, -2, 19, 10),
        Box(0, 0, 16, 8),
        "ACEScg",
        pixel_aspect=2.0,
        metadata={
            "comment": "take 4",
            "count": 7,
            "gain": 1.5,
            "understudy:matrix": tuple(float(x) for x in range(12)),
        },
        storage=storage,
    )


def assert_same_frame(got: Frame, wanted: Frame) -> None:
    assert got.data_window == wanted.data_window
    assert got.display_window == wanted.display_window
    assert got.channels == wanted.channels
    assert got.colour_space == wanted.colour_space
    assert got.storage == wanted.storage
    assert dict(got.channel_storage) == dict(wanted.channel_storage)
    assert got.pixel_aspect == wanted.pixel_aspect
    assert {key: got.metadata.get(key) for key in wanted.metadata} == dict(wanted.metadata)
    assert got.pixels.tobytes() == wanted.pixels.tobytes()


@pytest.mark.parametrize("storage", ["half", "float"])
@pytest.mark.parametrize("compression", ["none", "rle", "zips", "zip", "piz"])
def test_an_exr_comes_back_bit_for_bit(tmp_path: Path, storage: str, compression: str) -> None:
    frame = overscan_frame(storage)
    write_image(tmp_path / "a.exr", frame, compression=compression)
    assert_same_frame(read_image(tmp_path / "a.exr"), frame)


@pytest.mark.parametrize("storage", ["half", "float"])
def test_channels_picked_out_of_others_are_written_as_any(tmp_path: Path, storage: str) -> None:
    frame = overscan_frame(storage)
    picked = replace(frame, pixels=frame.pixels[..., [2, 0, 1, 4]], channels=("R", "G", "B", "A"))
    assert not picked.pixels.flags.c_contiguous
    write_image(tmp_path / "a.exr", picked)
    assert read_image(tmp_path / "a.exr").pixels.tobytes() == picked.pixels.tobytes()


def test_every_half_there_is_survives(tmp_path: Path) -> None:
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256, 1)
    box = Box(0, 0, 256, 256)
    write_image(tmp_path / "a.exr", Frame(halves.astype(np.float32), ("Z",), box, box, "raw"))
    stored = oiio.ImageInput.open(str(tmp_path / "a.exr")).read_image("half")
    assert stored.tobytes() == halves.tobytes()
    assert read_image(tmp_path / "a.exr").pixels.astype(np.float16).tobytes() == halves.tobytes()


def test_a_float_depth_beside_half_colour_keeps_both_types(tmp_path: Path) -> None:
    frame = overscan_frame()
    frame.pixels[..., 4] = np.float32(1.0000001)
    frame = replace(frame, channel_storage={"depth.Z": "float"})
    write_image(tmp_path / "a.exr", frame)
    assert_same_frame(read_image(tmp_path / "a.exr"), frame)


def test_a_value_beyond_half_saturates_and_infinity_stays(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 3), 1e6, np.float32)
    pixels[0, 0] = (np.inf, -1e6, -np.inf)
    write_image(tmp_path / "a.exr", Frame.from_rgb(pixels, colour_space="ACEScg"))
    back = read_image(tmp_path / "a.exr").pixels
    assert back[0, 0].tolist() == [np.inf, -65504.0, -np.inf]
    assert back[1, 1, 0] == 65504.0


def test_header_types_survive_a_second_writing(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(4, 4, 3, "half")
    spec.attribute("smpte:TimeCode", oiio.TypeTimeCode, (18356486, 4294967295))
    spec.attribute("FramesPerSecond", oiio.TypeDesc("rational"), (24000, 1001))
    spec.attribute("worldToCamera", oiio.TypeDesc("matrix"), tuple(float(x) for x in range(16)))
    write_oiio(tmp_path / "a.exr", spec, np.zeros((4, 4, 3), np.float16))
    write_image(tmp_path / "b.exr", read_image(tmp_path / "a.exr"))
    types = {
        p.name: (str(p.type), p.value)
        for p in oiio.ImageInput.open(str(tmp_path / "b.exr")).spec().extra_attribs
    }
    assert types["smpte:TimeCode"] == ("timecode", (18356486, 4294967295))
    assert types["FramesPerSecond"] == ("rational", (24000, 1001))
    assert types["worldToCamera"][0] == "matrix"
    assert read_metadata(tmp_path / "b.exr") == read_image(tmp_path / "b.exr").metadata
    assert not any(name.startswith("oiio:") for name in read_metadata(tmp_path / "b.exr"))


def test_header_values_that_no_exr_can_hold_do_not_stop_a_frame(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "big": 2**40,
        "none": (),
        "long": (1, 2, 3, 4),
        "nan": float("nan"),
        "double": 1.1,
    }
    frame = replace(overscan_frame(), metadata=values)
    write_image(tmp_path / "a.exr", frame)
    got = read_metadata(tmp_path / "a.exr")
    assert got["big"] == str(2**40)
    assert got["long"] == (1.0, 2.0, 3.0, 4.0)
    assert got["double"] == pytest.approx(1.1)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".dpx"])
@pytest.mark.parametrize("storage", ["uint8", "uint10", "uint12", "uint16"])
def test_integer_pictures_come_back_with_the_same_numbers(tmp_path: Path, suffix: str, storage: str) -> None:
    top = 2 ** int(storage[4:]) - 1
    numbers = np.resize(np.arange(top + 1), (128, 180, 3))
    pixels = numbers.astype(np.float32) / np.float32(top)
    path = tmp_path / f"a{suffix}"
    write_image(path, Frame.from_rgb(pixels, colour_space="sRGB - Texture", storage=storage))
    back = read_image(path)
    expected = "uint16" if suffix == ".png" and storage != "uint8" else storage
    assert back.storage == expected
    assert np.array_equal(np.rint(back.pixels * top), numbers)
    write_image(path, back)
    assert np.array_equal(read_image(path).pixels, back.pixels)


def test_a_png_keeps_straight_alpha_and_an_exr_made_of_it_is_premultiplied(tmp_path: Path) -> None:
    rgba = np.zeros((3, 4, 4), np.float32)
    rgba[..., :3] = 1.0
    rgba[..., 3] = np.float32(51 / 255)
    frame = replace(Frame.from_rgb(rgba, colour_space="sRGB - Texture", storage="uint8"), premultiplied=False)
    write_image(tmp_path / "a.png", frame)
    back = read_image(tmp_path / "a.png")
    assert not back.premultiplied
    assert np.array_equal(back.pixels, rgba)
    write_image(tmp_path / "a.exr", back)
    premultiplied = read_image(tmp_path / "a.exr")
    assert premultiplied.premultiplied
    assert premultiplied.pixels[0, 0] == pytest.approx([0.2] * 4, abs=1e-4)


def test_other_formats_take_the_display_window(tmp_path: Path) -> None:
    frame = overscan_frame()
    colour = replace(frame, pixels=np.ascontiguousarray(frame.pixels[..., :3]), channels=("R", "G", "B"))
    write_image(tmp_path / "a.png", colour)
    back = read_image(tmp_path / "a.png")
    assert back.data_window == back.display_window == Box(0, 0, 16, 8)
    assert back.pixels == pytest.approx(np.clip(colour.pixels[2:10, 3:19], 0, 1), abs=1e-5)


def test_a_format_that_cannot_hold_a_channel_refuses(tmp_path: Path) -> None:
    with pytest.raises(PlateError, match=r"depth\.Z"):
        write_image(tmp_path / "a.png", overscan_frame())
    with pytest.raises(PlateError, match="not an image format"):
        write_image(tmp_path / "a.webp", overscan_frame())
    assert list(tmp_path.iterdir()) == []


def write_oiio(path: Path, spec: Any, pixels: Any) -> None:
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec)
    assert output.write_image(pixels)
    assert output.close()


def write_parts(path: Path, *parts: tuple[str, tuple[str, ...], Box]) -> None:
    specs = []
    for name, channels, box in parts:
        spec = oiio.ImageSpec(box.width, box.height, len(channels), "half")
        spec.x, spec.y, spec.full_x, spec.full_y, spec.full_width, spec.full_height = (
            box.x0,
            box.y0,
            0,
            0,
            8,
            6,
        )
        spec.channelnames = channels
        spec.attribute("oiio:subimagename", name)
        specs.append(spec)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), tuple(specs)), output.geterror()
    for index, spec in enumerate(specs):
        if index:
            assert output.open(str(path), spec, "AppendSubimage"), output.geterror()
        assert output.write_image(np.full((spec.height, spec.width, spec.nchannels), index + 1, np.float16))
    assert output.close()


def test_parts_are_joined_under_their_names(tmp_path: Path) -> None:
    whole = Box(0, 0, 8, 6)
    write_parts(tmp_path / "a.exr", ("rgba", ("R", "G", "B"), whole), ("depth", ("Z",), Box(2, 1, 6, 7)))
    frame = read_image(tmp_path / "a.exr")
    assert frame.channels == ("R", "G", "B", "depth.Z")
    assert frame.data_window == Box(0, 0, 8, 7)
    assert frame.pixels[..., 3].sum() == 2 * 4 * 6
    assert frame.pixels[1, 2].tolist() == [1, 1, 1, 2]


def test_a_part_that_already_names_its_layer_is_not_named_twice(tmp_path: Path) -> None:
    whole = Box(0, 0, 8, 6)
    write_parts(tmp_path / "a.exr", ("rgb", ("R", "G", "B"), whole), ("depth", ("depth.Z", "id"), whole))
    assert read_image(tmp_path / "a.exr").channels == ("R", "G", "B", "depth.id", "depth.Z")


def test_object_numbers_keep_all_their_bits_beside_half_colours(tmp_path: Path) -> None:
    numbers = np.random.default_rng(3).integers(0, 2**32, (6, 8), dtype=np.uint32)
    whole = Frame(
        np.dstack([np.full((6, 8), 0.25, np.float32), numbers.view(np.float32)]),
        ("Y", "object.id"),
        Box(0, 0, 8, 6),
        Box(0, 0, 8, 6),
        "ACEScg",
        channel_storage={"object.id": "uint"},
    )
    write_image(tmp_path / "a.exr", whole)
    write_image(tmp_path / "b.exr", read_image(tmp_path / "a.exr"), compression="piz")
    source = oiio.ImageInput.open(str(tmp_path / "b.exr"))
    kinds = dict(zip(source.spec().channelnames, map(str, source.spec().channelformats), strict=True))
    assert kinds == {"Y": "half", "object.id": "uint"}
    place = list(source.spec().channelnames).index("object.id")
    stored = source.read_image(0, 0, place, place + 1, "uint")
    source.close()
    np.testing.assert_array_equal(stored[..., 0], numbers)


def test_a_missing_empty_or_wrong_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(PlateError, match="missing"):
        read_image(tmp_path / "no.exr")
    with pytest.raises(PlateError, match="cannot be read"):
        read_image(tmp_path)
    (tmp_path / "empty.exr").touch()
    with pytest.raises(PlateError, match="empty"):
        read_image(tmp_path / "empty.exr")
    (tmp_path / "text.exr").write_text("these are words, not pixels\n" * 40)
    with pytest.raises(PlateError, match="not an EXR"):
        read_metadata(tmp_path / "text.exr")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    write_image(tmp_path / "a.exr", overscan_frame())
    (tmp_path / "a.exr").chmod(0)
    with pytest.raises(PlateError, match="Permission"):
        read_image(tmp_path / "a.exr")


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif", ".dpx"])
def test_a_truncated_file_is_an_error_at_every_length(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(2).random((40, 30, 3), np.float32)
    write_image(tmp_path / f"a{suffix}", Frame.from_rgb(noise, colour_space="raw"))
    whole = (tmp_path / f"a{suffix}").read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for length in [*range(0, 600, 7), *range(600, len(whole) - 1, len(whole) // 60)]:
        cut.write_bytes(whole[:length])
        with pytest.raises(PlateError):
            read_image(cut)


@pytest.mark.parametrize("compression", ["none", "zips", "piz", "dwaa"])
def test_a_damaged_exr_reads_or_is_an_error(tmp_path: Path, compression: str) -> None:
    write_image(tmp_path / "a.exr", overscan_frame(), compression=compression)
    flip_bits_and_read(tmp_path / "a.exr", times=300)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".dpx", ".jpg"])
def test_a_damaged_picture_reads_or_is_an_error(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(2).random((12, 10, 3), np.float32)
    write_image(tmp_path / f"a{suffix}", Frame.from_rgb(noise, colour_space="raw", storage="uint8"))
    flip_bits_and_read(tmp_path / f"a{suffix}", times=200)


def flip_bits_and_read(path: Path, *, times: int) -> None:
    whole = path.read_bytes()
    chance = random.Random(3)
    for _ in range(times):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 1, 1, 4))):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            read_image(path)
        except PlateError:
            continue


@pytest.mark.parametrize("size", [2**31 - 2, 2**20, 60_000])
def test_an_absurd_size_is_refused(tmp_path: Path, size: int) -> None:
    write_image(tmp_path / "a.exr", overscan_frame())
    data = (tmp_path / "a.exr").read_bytes()
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        at = data.index(name) + len(name) + 4
        data = data[:at] + struct.pack("<4i", 0, 0, size, size) + data[at + 16 :]
    (tmp_path / "a.exr").write_bytes(data)
    with pytest.raises(PlateError):
        read_image(tmp_path / "a.exr")


def test_a_png_that_claims_a_huge_size_is_refused(tmp_path: Path) -> None:
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", 200_000, 200_000, 16, 6, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (head, body, b"IEND")
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(PlateError):
        read_image(tmp_path / "a.png")


def test_a_deep_exr_is_refused(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(4, 4, 2, "float")
    spec.channelnames, spec.deep = ("Z", "A"), True
    deep = oiio.DeepData()
    deep.init(16, 2, (oiio.TypeDesc("float"),) * 2, ("Z", "A"))
    output = oiio.ImageOutput.create(str(tmp_path / "a.exr"))
    assert output.open(str(tmp_path / "a.exr"), spec)
    output.write_deep_image(deep)
    output.close()
    with pytest.raises(PlateError, match="deep"):
        read_image(tmp_path / "a.exr")


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlateError, match="cannot be written"):
        write_image(tmp_path / "file" / "a.exr", overscan_frame())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif", ".dpx"])
def test_a_full_disk_leaves_the_old_file(small_disk: Path, suffix: str) -> None:
    path = small_disk / f"a{suffix}"
    small = np.full((8, 8, 3), 0.5, np.float32)
    write_image(path, Frame.from_rgb(small, colour_space="raw"))
    old = path.read_bytes()
    for height in (200, 290, 330, 500):
        noise = np.random.default_rng(height).random((height, 300, 3), np.float32)
        try:
            write_image(path, Frame.from_rgb(noise, colour_space="raw", storage="half"))
        except PlateError as error:
            assert "disk is full" in error.what
            assert path.read_bytes() == old
        else:
            assert read_image(path).pixels == pytest.approx(noise, abs=1e-3)
            path.write_bytes(old)
    assert [entry.name for entry in small_disk.iterdir()] == [path.name]
    noise = np.random.default_rng(0).random((900, 900, 3), np.float32)
    with pytest.raises(PlateError, match="disk is full"):
        write_image(path, Frame.from_rgb(noise, colour_space="raw"))


def test_an_exr_remembers_its_colour_space_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    frame = Frame.from_rgb(np.full((4, 4, 3), 0.5, np.float32), colour_space="sRGB - Texture")
    write_image(tmp_path / "a.exr", frame)
    read = read_image(tmp_path / "a.exr")
    assert read.colour_space == "sRGB - Texture"
    assert SPACE_ATTRIBUTE not in read.metadata
    assert read_image(tmp_path / "a.exr", colour_space="ACEScg").colour_space == "ACEScg"
    write_image(tmp_path / "b.exr", replace(frame, colour_space="no such space"))
    assert read_image(tmp_path / "b.exr").colour_space == "ACEScg"
