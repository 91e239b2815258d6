"""Plates: ranges, patterns, sequences, single images and videos, opened alike."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from understudy.core.errors import ColourError, JobError, PlateError
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Frame
from understudy.image.plate import open_plate, write_png
from understudy.image.sequence import FrameRange, Pattern
from understudy.image.video import Video


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1001-1004", (1001, 1002, 1003, 1004)),
        ("1001-1007x3", (1001, 1004, 1007)),
        ("1001-1008x3", (1001, 1004, 1007)),
        ("1001-1007:3", (1001, 1004, 1007)),
        (" 1005 , 1001 ", (1001, 1005)),
        ("1-3,2-5,9", (1, 2, 3, 4, 5, 9)),
        ("-5--3", (-5, -4, -3)),
        ("-2-1", (-2, -1, 0, 1)),
        ("-7", (-7,)),
    ],
)
def test_a_range_is_read(text: str, numbers: tuple[int, ...]) -> None:
    frame_range = FrameRange.parse(text)
    assert frame_range.numbers == numbers
    assert (frame_range.first, frame_range.last, len(frame_range)) == (numbers[0], numbers[-1], len(numbers))
    assert numbers[0] in frame_range
    assert 99999 not in frame_range


@pytest.mark.parametrize(
    "text",
    ["", ",", "1001-", "-", "a", "1-2-3", "10-1", "1-10x0", "1-10x-1", "1-99999999", "1.5", "1--", "9" * 40],
)
def test_what_is_no_range_is_an_error(text: str) -> None:
    with pytest.raises(JobError) as caught:
        FrameRange.parse(text)
    assert caught.value.fix


def test_a_reversed_range_is_told_how_to_be_written() -> None:
    with pytest.raises(JobError, match="backwards") as caught:
        FrameRange.parse("1100-1001")
    assert "1001-1100" in caught.value.fix


@pytest.mark.parametrize("token", ["%04d", "####", "@@@@"])
def test_a_pattern_names_files_and_finds_them(tmp_path: Path, token: str) -> None:
    for name in (
        "p.0001.exr",
        "p.0003.exr",
        "p.10001.exr",
        "p.-001.exr",
        "p.02.exr",
        "p.00004.exr",
        "q.0001.exr",
    ):
        (tmp_path / name).touch()
    pattern = Pattern.parse(str(tmp_path / f"p.{token}.exr"))
    assert pattern.path(7).name == "p.0007.exr"
    assert pattern.find().numbers == (-1, 1, 3, 10001)


def test_a_hash_or_at_sign_in_a_folder_is_a_name(tmp_path: Path) -> None:
    assert Pattern.parse("shot#1/a@b.%03d.png").path(2) == Path("shot#1/a@b.002.png")


@pytest.mark.parametrize("text", ["", "plate.exr", "a.%04d.%04d.exr", "a.##.##.exr", "%04d/a.exr"])
def test_what_is_no_pattern_is_an_error(text: str) -> None:
    with pytest.raises(PlateError):
        Pattern.parse(text)


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    for frame in (1001, 1002, 1004, 1005):
        pixels = np.full((4, 6, 3), frame / 1024, np.float32)
        write_image(tmp_path / f"plate.{frame}.exr", Frame.from_rgb(pixels, colour_space="ACEScg"))
    return tmp_path


def test_a_sequence_is_read_by_frame_number(sequence: Path) -> None:
    plate = open_plate(str(sequence / "plate.####.exr"), colour_space="lin_rec709_srgb")
    assert str(plate.frames) == "1001-1002,1004-1005"
    assert plate.read(1004).pixels[0, 0, 0] == np.float16(1004 / 1024)
    assert plate.read(1004).colour_space == "Linear Rec.709 (sRGB)"
    assert plate.where(1004).endswith("plate.1004.exr")
    plate.close()


def test_a_missing_frame_names_the_range_that_is_there(sequence: Path) -> None:
    plate = open_plate(str(sequence / "plate.%04d.exr"))
    with pytest.raises(PlateError, match="Frame 1003 of the plate is missing") as caught:
        plate.read(1003)
    assert caught.value.fix == "render frame 1003 again, or set the range to 1001-1002"
    assert caught.value.where.endswith("plate.1003.exr")
    with pytest.raises(PlateError) as caught:
        plate.read(1100)
    assert caught.value.fix.endswith("1004-1005")


def test_a_single_image_is_a_plate_of_one_frame(sequence: Path) -> None:
    plate = open_plate(str(sequence / "plate.1002.exr"))
    assert plate.frames.numbers == (1002,)
    assert plate.read(1002).pixels.shape == (4, 6, 3)
    with pytest.raises(PlateError, match="single image"):
        plate.read(1)


def test_a_folder_is_told_the_pattern_in_it(sequence: Path) -> None:
    with pytest.raises(PlateError, match="folder") as caught:
        open_plate(str(sequence))
    assert caught.value.fix == f"name {sequence}/plate.%04d.exr"


@pytest.mark.parametrize(
    "text", ["", " ", "a\0b.exr", "no.exr", "no.mp4", "no.%04d.exr", "*.exr", "a.####.doc"]
)
def test_what_is_no_plate_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(PlateError):
        open_plate(f"{tmp_path}/{text}" if text.strip() else text)


def test_an_unknown_colour_space_is_told_before_a_frame_is_read(sequence: Path) -> None:
    with pytest.raises(ColourError):
        open_plate(str(sequence / "plate.%04d.exr"), colour_space="ACESgc")


def test_a_preview_is_written_as_it_is(tmp_path: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    write_png(tmp_path / "a.png", rgb)
    assert np.array_equal(np.rint(read_image(tmp_path / "a.png").pixels * 255), rgb)
    with pytest.raises(PlateError):
        write_png(tmp_path / "a.jpg", rgb)
    with pytest.raises(PlateError):
        write_png(tmp_path / "a.png", rgb[..., 0])


def encode(
    path: Path, *, count: int = 40, codec: str = "libx264", pix_fmt: str = "yuv420p", **options: str
) -> Path:
    """A video whose frames tell their number: bars of grey, one bit each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 64, pix_fmt
        for number in range(count):
            bits = np.array([number >> bit & 1 for bit in range(8)], np.uint8) * 180 + 30
            picture = np.repeat(np.repeat(bits[None, :, None], 16, axis=1), 64, axis=0).repeat(3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        container.mux(stream.encode())
    return path


def number_of(frame: Frame) -> int:
    bars = frame.pixels[32, 8::16, 1]
    return sum(1 << bit for bit in range(8) if bars[bit] > 0.5)


VIDEOS: dict[str, Callable[[Path], Path]] = {
    "long groups": lambda folder: encode(folder / "a.mp4", g="250", bf="3"),
    "open groups": lambda folder: encode(folder / "a.mkv", g="9", bf="3", **{"x264-params": "open-gop=1"}),
    "transport stream": lambda folder: encode(folder / "a.ts", g="12", bf="2"),
    "no time stamps": lambda folder: encode(folder / "a.avi", codec="mpeg4", g="12", bf="2"),
    "intra": lambda folder: encode(folder / "a.mov", codec="mjpeg", pix_fmt="yuvj420p"),
}


@pytest.mark.parametrize("kind", VIDEOS)
def test_every_frame_of_a_video_is_the_one_asked_for(tmp_path: Path, kind: str) -> None:
    with Video(VIDEOS[kind](tmp_path)) as video:
        assert str(video.frames) == "1-40"
        order = list(video.frames)
        for _ in range(2):
            assert [number_of(video.read(frame)) for frame in order] == [frame - 1 for frame in order]
            random.Random(4).shuffle(order)
        assert video.size == (128, 64)


def test_a_deeper_video_keeps_its_bits(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv422p10le", count=3)
    with Video(path, first=1001) as video:
        frame = video.read(1003)
    assert frame.storage == "uint16"
    assert number_of(frame) == 2


@pytest.mark.parametrize(("lines", "weights"), [(480, (0.299, 0.114)), (1080, (0.2126, 0.0722))])
def test_an_unmarked_video_takes_the_matrix_of_its_lines(
    tmp_path: Path, lines: int, weights: tuple[float, float]
) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, lines, "yuv444p"
        planes = np.stack([np.full((lines, 32), level, np.uint8) for level in (120, 100, 150)])
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv444p")))
        container.mux(stream.encode())
    with Video(tmp_path / "a.mkv") as video:
        rgb = video.read(1).pixels[5, 5] * 255
    luma, blue, red = (120 - 16) / 219 * 255, (100 - 128) / 224 * 255, (150 - 128) / 224 * 255
    kr, kb = weights
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    assert rgb == pytest.approx([r, g, b], abs=1.01)


def test_a_rotated_video_is_upright(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", count=2)
    data = path.read_bytes()
    matrix = data.index(b"tkhd") + 4 + 40
    quarter_clockwise = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 64 << 16, 0, 1 << 30)
    path.write_bytes(data[:matrix] + quarter_clockwise + data[matrix + 36 :])
    with Video(path) as video:
        assert (video.size, video.orientation) == ((64, 128), 6)
        turned = video.read(2).pixels
    assert turned.shape == (128, 64, 3)
    assert turned[8, 32, 1] > 0.5 > turned[120, 32, 1]


def test_a_frame_beyond_a_video_names_its_range(tmp_path: Path) -> None:
    plate = open_plate(str(encode(tmp_path / "a.mp4", count=5)))
    for frame in (0, 6, -1):
        with pytest.raises(PlateError, match="no frame") as caught:
            plate.read(frame)
        assert "1-5" in caught.value.fix
    assert "frame 3" in plate.where(3)
    plate.close()
    with pytest.raises(PlateError, match="closed"):
        plate.read(3)


def test_a_bad_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    (tmp_path / "empty.mp4").touch()
    for name in ("text.mp4", "empty.mp4", "missing.mp4"):
        with pytest.raises(PlateError):
            Video(tmp_path / name)


def test_a_damaged_video_reads_or_is_an_error(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.mp4", g="10").read_bytes()
    chance = random.Random(5)
    for attempt in range(60):
        damaged = bytearray(whole if attempt % 3 else whole[: chance.randrange(len(whole))])
        for _ in range(4):
            if damaged:
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (tmp_path / "b.mp4").write_bytes(damaged)
        try:
            with Video(tmp_path / "b.mp4") as video:
                for frame in (video.frames.last, video.frames.first):
                    video.read(frame)
        except PlateError:
            continue


FOOTAGE = {
    "real/performer_a.mp4": (502, (1080, 1920)),
    "real/performer_b.mp4": (600, (1080, 1920)),
    "real/small_head.gif": (62, (480, 270)),
    "performers/hard.mp4": (120, (960, 540)),
}


@pytest.mark.parametrize("name", FOOTAGE)
def test_footage_is_read_exactly_in_any_order(shared: Path, name: str) -> None:
    count, size = FOOTAGE[name]
    with Video(shared / "footage" / name) as video:
        assert (len(video.frames), video.size) == (count, size)
        order = [*range(1, 13), count - 1, count]
        sequential = {frame: video.read(frame).pixels[::16, ::16].copy() for frame in order}
        random.Random(6).shuffle(order)
        for frame in order:
            assert np.array_equal(video.read(frame).pixels[::16, ::16], sequential[frame])
