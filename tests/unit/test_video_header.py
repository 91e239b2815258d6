"""What a video says: matrix, range, mirrors, alpha, pixel aspect, times, time code, other streams."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from understudy.core.progress import Event, Warned
from understudy.image.plate import open_plate
from understudy.image.video import Video

WIDTH, HEIGHT = 64, 48
# Skin, saturated red and green, in thirds.
PATCHES = ((200, 140, 110), (200, 40, 40), (40, 180, 60))
MATRICES = {
    "bt709": (1, 0.2126, 0.0722),
    "bt470bg": (5, 0.299, 0.114),
    "smpte170m": (6, 0.299, 0.114),
    "bt2020nc": (9, 0.2627, 0.0593),
}


def picture(height: int = HEIGHT) -> np.ndarray:
    """(height, 63, 3) uint8."""
    return np.repeat(np.repeat(np.array(PATCHES, np.uint8)[None], height, axis=0), 21, axis=1)


def planes(rgb: np.ndarray, red: float, blue: float, *, full: bool) -> np.ndarray:
    """(3, H, W) uint8 of Y'CbCr (ITU-R BT.601 and the like), by the weights of red and blue."""
    coded = rgb.astype(np.float64) / 255
    luma = coded @ [red, 1 - red - blue, blue]
    differences = (coded[..., 2] - luma) / (2 * (1 - blue)), (coded[..., 0] - luma) / (2 * (1 - red))
    scale, base, span = (255, 0, 255) if full else (219, 16, 224)
    stacked = [luma * scale + base, *(one * span + 128 for one in differences)]
    return np.round(np.stack(stacked)).clip(0, 255).astype(np.uint8)


def write(
    path: Path,
    frames: list[av.VideoFrame],
    codec: str,
    pix_fmt: str,
    change: Callable[[Any], None] | None = None,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pix_fmt
        if change is not None:
            change(stream)
        for number, frame in enumerate(frames):
            if frame.pts is None:
                frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def moving(count: int, **encoder: str) -> tuple[list[av.VideoFrame], Callable[[Any], None]]:
    """Frames that are brighter from left to right and from frame to frame."""
    ramp = np.linspace(20, 120, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    frames = [
        av.VideoFrame.from_ndarray(np.round(ramp + 2 * number).astype(np.uint8), "rgb24")
        for number in range(count)
    ]

    def change(stream: Any) -> None:
        stream.options = encoder

    return frames, change


@pytest.mark.parametrize("full", [False, True], ids=["legal", "full"])
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("lines", [48, 1080])
def test_a_matrix_that_is_named_is_the_one_whatever_the_size(
    tmp_path: Path, name: str, full: bool, lines: int
) -> None:
    number, red, blue = MATRICES[name]
    frame = av.VideoFrame.from_ndarray(planes(picture(lines), red, blue, full=full), "yuv444p")
    frame.colorspace, frame.color_range = number, 2 if full else 1

    def change(stream: Any) -> None:
        stream.codec_context.colorspace, stream.codec_context.color_range = number, 2 if full else 1

    path = write(tmp_path / "a.mkv", [frame], "ffv1", "yuv444p", change)
    with Video(path) as video:
        pixels = video.read(1).pixels * 255
    for patch, column in zip(PATCHES, (10, 31, 52), strict=True):
        assert pixels[lines // 2, column] == pytest.approx(patch, abs=1.5)


# Rows of the display matrix in a track header, 16.16 and 2.30 (ISO/IEC 14496-12); EXIF's number of each.
DISPLAYS = {
    2: ((-1, 0), (0, 1)),
    3: ((-1, 0), (0, -1)),
    4: ((1, 0), (0, -1)),
    6: ((0, 1), (-1, 0)),
    8: ((0, -1), (1, 0)),
}


@pytest.mark.parametrize("orientation", DISPLAYS)
def test_turned_and_mirrored_videos_are_upright(tmp_path: Path, orientation: int) -> None:
    frames, change = moving(2)
    path = write(tmp_path / "a.mp4", frames, "libx264", "yuv420p", change)
    with Video(path) as video:
        plain = video.read(2).pixels
    (a, b), (c, d) = DISPLAYS[orientation]
    data = path.read_bytes()
    place = data.index(b"tkhd") + 4 + 40
    right = WIDTH if -1 in (a, b) else 0
    below = HEIGHT if -1 in (c, d) else 0
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, right << 16, below << 16, 1 << 30)
    path.write_bytes(data[:place] + matrix + data[place + 36 :])
    with Video(path) as video:
        assert video.orientation == orientation
        turned = video.read(2).pixels
    wanted = {
        2: plain[:, ::-1],
        3: plain[::-1, ::-1],
        4: plain[::-1],
        6: np.rot90(plain, -1),
        8: np.rot90(plain, 1),
    }[orientation]
    np.testing.assert_array_equal(turned, wanted)


@pytest.mark.parametrize(("codec", "suffix"), [("png", ".mov"), ("ffv1", ".mkv"), ("qtrle", ".mov")])
def test_alpha_is_read_and_not_multiplied(tmp_path: Path, codec: str, suffix: str) -> None:
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 255, 64
    kind = {"ffv1": "bgra", "qtrle": "argb"}.get(codec, "rgba")
    frame = av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format=kind)
    with Video(write(tmp_path / f"a{suffix}", [frame], codec, kind)) as video:
        read = video.read(1)
    assert read.channels == ("R", "G", "B", "A") and not read.premultiplied
    assert read.pixels[5, 5] == pytest.approx([1, 0, 0, 64 / 255], abs=1e-6)


def test_a_sample_aspect_is_the_frames_pixel_aspect(tmp_path: Path) -> None:
    frames, change = moving(1)

    def squeezed(stream: Any) -> None:
        change(stream)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    with Video(write(tmp_path / "a.mp4", frames, "libx264", "yuv420p", squeezed)) as video:
        assert video.read(1).pixel_aspect == pytest.approx(4 / 3)


def test_a_time_code_counts_on_and_the_rate_is_told(tmp_path: Path) -> None:
    path, (frames, _) = tmp_path / "a.mov", moving(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.metadata["timecode"] = "10:11:12:22"
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with Video(path) as video:
        told = [video.read(number).metadata for number in (1, 2, 3)]
    assert [tuple(one["FramesPerSecond"]) for one in told] == [(24, 1)] * 3
    # SMPTE 12M: hours, minutes, seconds and frames in binary-coded decimals, two digits a byte.
    assert [f"{one['smpte:TimeCode'][0]:08x}" for one in told] == ["10111222", "10111223", "10111300"]


def test_frames_that_are_not_evenly_spaced_keep_their_times_and_say_so(tmp_path: Path) -> None:
    frames, change = moving(6)
    times = (0, 1, 2, 5, 9, 10)
    for frame, time in zip(frames, times, strict=True):
        frame.pts, frame.time_base = time, Fraction(1, 24)
    path = write(tmp_path / "a.mkv", frames, "libx264", "yuv420p", change)
    events: list[Event] = []
    plate = open_plate(str(path), report=events.append)
    seconds = [plate.read(number).metadata["understudy:seconds"] for number in plate.frames]
    plate.close()
    assert seconds == pytest.approx([time / 24 for time in times], abs=1e-3)
    assert any(isinstance(one, Warned) and "not evenly spaced" in one.message for one in events)


def test_a_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    path, (frames, _) = tmp_path / "a.mp4", moving(3)
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=24)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.mux(cover.encode(av.VideoFrame(32, 32, "yuvj420p")))
        container.mux(cover.encode())
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with Video(path) as video:
        assert str(video.frames) == "1-3" and video.size == (WIDTH, HEIGHT)


def test_a_stream_that_begins_between_key_frames_leaves_its_beginning_out_and_says_so(tmp_path: Path) -> None:
    frames, change = moving(48, g="12", bf="0", sc_threshold="0")
    whole = write(tmp_path / "whole.ts", frames, "libx264", "yuv420p", change)
    data, packet = whole.read_bytes(), 188
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[packet * (len(data) // packet * 12 // 100) :])
    with Video(whole) as video, Video(cut) as rest:
        assert str(video.frames) == "1-48"
        left_out = rest.frames.first - 1
        assert 0 < left_out < 12 and any("left out" in one for one in rest.doubts)
        shift = 48 - rest.frames.last
        for number in (rest.frames.first, rest.frames.last):
            np.testing.assert_array_equal(rest.read(number).pixels, video.read(number + shift).pixels)
