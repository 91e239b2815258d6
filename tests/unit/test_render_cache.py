"""What the render cache keeps is what a cold one would read, no more than it may hold, and never stale."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.image.plate import open_plate
from understudy.swap.cache import RenderCache


def write(folder: Path, number: int, value: float) -> None:
    pixels = np.full((4, 6, 3), value, np.float32)
    write_image(folder / f"plate.{number:04d}.exr", Frame.from_rgb(pixels, colour_space="ACEScg"))


@pytest.fixture
def plate(tmp_path: Path) -> str:
    for number in range(1, 5):
        write(tmp_path, number, number)
    return str(tmp_path / "plate.%04d.exr")


def test_a_frame_is_read_once_and_cannot_be_changed(plate: str) -> None:
    cache = RenderCache()
    with closing(open_plate(plate)) as opened:
        first = cache.frame(opened, 2, None)
        assert cache.frame(opened, 2, None) is first
    with pytest.raises(ValueError, match="read-only"):
        first.pixels[0, 0, 0] = 1.0


def test_a_frame_that_was_rendered_again_is_read_again(plate: str, tmp_path: Path) -> None:
    cache = RenderCache()
    with closing(open_plate(plate)) as opened:
        assert cache.frame(opened, 2, None).pixels[0, 0, 0] == 2.0
        write(tmp_path, 2, 7.0)
        os.utime(tmp_path / "plate.0002.exr", ns=(1, 1))  # the clock may be coarser than two writes
        assert cache.frame(opened, 2, None).pixels[0, 0, 0] == 7.0


def test_the_oldest_frames_go_when_the_room_is_full(plate: str) -> None:
    with closing(open_plate(plate)) as opened:
        one = opened.read(1).pixels.nbytes
        cache = RenderCache(frame_bytes=2 * one)
        kept = [cache.frame(opened, number, None) for number in (1, 2, 1, 3)]
        assert cache.frames.nbytes == 2 * one
        assert cache.frame(opened, 1, None) is kept[0]
        assert cache.frame(opened, 2, None) is not kept[1]


def test_another_colour_space_is_another_frame(plate: str) -> None:
    cache = RenderCache()
    with closing(open_plate(plate)) as opened:
        first = cache.frame(opened, 1, None)
    with closing(open_plate(plate, colour_space="ACES2065-1")) as opened:
        assert cache.frame(opened, 1, "ACES2065-1").colour_space != first.colour_space
