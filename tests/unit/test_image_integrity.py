"""A finished frame is one that reads: damaged copies are told from whole ones, in every format."""

from __future__ import annotations

import os
import platform
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from understudy.core.processor import instructions
from understudy.core.progress import Event, Warned
from understudy.image.exr import read_image, read_metadata, write_image
from understudy.image.frame import Frame
from understudy.image.integrity import DIGEST, PIXELS, looks_whole, pixels_digest, place_of
from understudy.provenance.finished import FinishedFrames
from understudy.provenance.stamp import PROCESSOR, with_stamp

WANTED = "a" * 64
SUFFIXES = (".exr", ".png", ".tif", ".dpx")


def written(path: Path, *, storage: str = "half", compression: str = "zips", **changes: Any) -> Path:
    pixels = np.random.default_rng(1).random((60, 80, 3), np.float32)
    frame = Frame.from_rgb(pixels, colour_space="ACEScg", storage=storage)
    frame = replace(frame, metadata={DIGEST: WANTED}, **changes)
    write_image(path, frame, compression=compression)
    return path


def finished(path: Path, cache: Path | None = None, *, verify: bool = False) -> bool:
    return FinishedFrames(cache, verify=verify).header(path, WANTED) is not None


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("storage", ["uint8", "uint10", "uint12", "uint16", "half", "float"])
def test_a_frame_that_was_written_is_finished_and_another_is_not(
    tmp_path: Path, suffix: str, storage: str
) -> None:
    path = written(tmp_path / f"a{suffix}", storage=storage)
    frame = read_image(path)
    place = place_of(frame.data_window, frame.display_window)
    assert pixels_digest(frame.pixels, frame.channels, place) == read_metadata(path)[PIXELS]
    assert finished(path) and FinishedFrames(None).header(path, "b" * 64) is None


@pytest.mark.parametrize("compression", ["zips", "zip", "piz", "none"])
def test_every_compression_is_looked_at_alike(tmp_path: Path, compression: str) -> None:
    path = written(tmp_path / "a.exr", compression=compression)
    assert looks_whole(path) and finished(path)


def _truncated(data: bytearray) -> bytearray:
    return data[: len(data) * 2 // 3]


def _one_byte_short(data: bytearray) -> bytearray:
    return data[:-1]


def _longer(data: bytearray) -> bytearray:
    return data + bytes(100)


def _tail_of_zeros(data: bytearray) -> bytearray:
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    return data


def _hole(data: bytearray) -> bytearray:
    middle = len(data) // 2
    data[middle : middle + 512] = bytes(512)
    return data


DAMAGES = (_truncated, _one_byte_short, _tail_of_zeros, _hole)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compression", ["zips", "none"])
def test_a_copy_that_broke_off_is_no_finished_frame(
    tmp_path: Path, suffix: str, damage: Any, compression: str
) -> None:
    path, cache = written(tmp_path / f"a{suffix}", compression=compression), tmp_path / "cache"
    FinishedFrames(cache).remember(path)
    assert finished(path, cache)
    path.write_bytes(damage(bytearray(path.read_bytes())))
    assert not finished(path, cache) and not finished(path)


@pytest.mark.parametrize("damage", [_truncated, _one_byte_short, _longer, _tail_of_zeros])
def test_the_structure_alone_tells_most_damage_of_an_exr_file(tmp_path: Path, damage: Any) -> None:
    path = written(tmp_path / "a.exr")
    path.write_bytes(damage(bytearray(path.read_bytes())))
    assert not looks_whole(path)


def test_a_remembered_frame_is_read_again_when_it_is_asked_for(tmp_path: Path) -> None:
    path, cache = written(tmp_path / "a.exr", compression="none"), tmp_path / "cache"
    FinishedFrames(cache).remember(path)
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[-20:-16] = b"\1\2\3\4"  # a bit error of a disk: no time changes
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert finished(path, cache) and not finished(path, cache, verify=True)


def test_values_that_are_no_numbers_do_not_make_a_frame_unfinished(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).random((8, 8, 4), np.float32)
    pixels[0, 0], pixels[1, 1], pixels[2, 2], pixels[3, 3] = np.nan, np.inf, 1e30, -0.0
    frame = Frame.from_rgb(pixels, colour_space="ACEScg")
    for changes in ({}, {"storage": "float"}, {"channel_storage": {"A": "float"}}):
        write_image(tmp_path / "a.exr", replace(frame, metadata={DIGEST: WANTED}, **changes))
        assert finished(tmp_path / "a.exr")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".jpg"])
def test_the_same_frame_gives_the_same_bytes_at_any_time(tmp_path: Path, suffix: str) -> None:
    first = written(tmp_path / f"a{suffix}").read_bytes()
    time.sleep(1.05)  # headers tell whole seconds
    assert written(tmp_path / f"b{suffix}").read_bytes() == first


def test_the_plates_own_time_passes_through(tmp_path: Path) -> None:
    frame = Frame.from_rgb(np.zeros((4, 4, 3), np.float32), colour_space="ACEScg")
    write_image(tmp_path / "plain.exr", frame)
    assert "DateTime" not in read_metadata(tmp_path / "plain.exr")
    write_image(tmp_path / "a.exr", replace(frame, metadata={"DateTime": "2019:05:04 03:02:01"}))
    assert read_metadata(tmp_path / "a.exr")["DateTime"] == "2019:05:04 03:02:01"


def test_a_text_that_carries_the_digests_keeps_what_stood_there(tmp_path: Path) -> None:
    frame = Frame.from_rgb(np.zeros((4, 4, 3), np.float32), colour_space="ACEScg", storage="uint8")
    told = {"ImageDescription": "shot 10\ntake 2", DIGEST: WANTED}
    for _ in range(2):
        write_image(tmp_path / "a.tif", replace(frame, metadata=told))
        told = read_metadata(tmp_path / "a.tif")
        assert (told["ImageDescription"], told[DIGEST]) == ("shot 10\ntake 2", WANTED)


@pytest.mark.parametrize("length", [0, 3, 9, 200, 2000])
def test_what_is_hardly_an_exr_file_is_not_whole(tmp_path: Path, length: int) -> None:
    path = written(tmp_path / "a.exr")
    path.write_bytes(path.read_bytes()[:length])
    assert not looks_whole(path) and not finished(path)
    path.write_bytes(b"\x76\x2f\x31\x01" + os.urandom(length))
    assert not finished(path)


@pytest.mark.parametrize("key", [b"displayWindow", b"dataWindow"])
def test_a_window_that_lies_elsewhere_is_found(tmp_path: Path, key: bytes) -> None:
    path = written(tmp_path / "a.exr", compression="none")
    data = bytearray(path.read_bytes())
    place = data.index(key) + len(key) + len(b"\0box2i\0") + 4
    left, top, right, bottom = struct.unpack_from("<4i", data, place)
    moved = int(key == b"dataWindow")  # as a whole; the other one grows
    struct.pack_into("<4i", data, place, left + moved, top, right + 1, bottom)
    path.write_bytes(data)
    assert not finished(path)


def test_frames_that_another_kind_of_processor_made_are_kept_and_told(tmp_path: Path) -> None:
    plain = Frame.from_rgb(np.ones((4, 4, 3), np.float32), colour_space="ACEScg", storage="half")
    own = with_stamp(plain, "a.exr", {DIGEST: WANTED})
    assert own.metadata[PROCESSOR] == instructions()
    other = replace(own, metadata={**own.metadata, PROCESSOR: "riscv64 RVV"})
    for name, frame in {"own": own, "other": other, "another": other}.items():
        write_image(tmp_path / f"{name}.exr", frame)
    frames = FinishedFrames(None)
    assert all(frames.header(path, WANTED) for path in tmp_path.iterdir())
    events: list[Event] = []
    assert frames.told(events.append) == {
        "processor": instructions(),
        "other_processors": {"riscv64 RVV": 2},
    }
    (warned,) = events
    assert isinstance(warned, Warned) and "2 by riscv64 RVV" in warned.message


def test_instructions_that_are_taken_away_are_not_named() -> None:
    widest = instructions().split()[-1]
    asked = [
        sys.executable,
        "-P",
        "-c",
        "from understudy.core.processor import instructions as i; print(i())",
    ]
    told = subprocess.run(
        asked, env={**os.environ, "OPENCV_CPU_DISABLE": widest}, capture_output=True, text=True, check=True
    )
    assert told.stdout.split()[0] == platform.machine() and told.stdout.strip() != instructions()
