"""Fixes on stereo, grey and anamorphic plates, and with mattes and frames of other sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import moving
from exr_parts import Made, parts_of, write_parts
from moving import FIRST, HEIGHT, WIDTH
from propagated import out, run
from understudy.core.progress import Failed, Warned
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Box, Frame

COUNT = 3
LAST = FIRST + COUNT - 1


def failures(events):
    return {event.frame: event.error["what"] for event in events if isinstance(event, Failed)}


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """The usual shot with its fix, and what comes out."""
    folder = tmp_path_factory.mktemp("flat")
    moving.write_shot(folder, COUNT)
    for path in folder.glob("*.exr"):
        write_image(path, replace(read_image(path), storage="half"))
    run(folder)
    return folder


def eyes(path, one, other, *, joined):
    """A stereo EXR: two parts, or one with the right view's channels under its name."""
    halves = [read_image(each).rgb().astype(np.float16) for each in (one, other)]
    if joined:
        names = ("R", "G", "B", "right.R", "right.G", "right.B")
        write_parts(path, [Made("main", names, np.dstack(halves), {"multiView": ("left", "right")})])
    else:
        pairs = zip(("left", "right"), halves, strict=True)
        write_parts(path, [Made(name, ("R", "G", "B"), rgb, {"view": name}) for name, rgb in pairs])


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("stereo_fix", [False, True])
@pytest.mark.parametrize("view", ["left", "right"])
def test_a_fix_goes_into_the_view_that_is_named_and_the_other_stays(tmp_path, flat, joined, stereo_fix, view):
    other = tmp_path / "other.exr"
    noise = np.random.default_rng(1).uniform(0.1, 1, (HEIGHT, WIDTH, 3)).astype(np.float32)
    moving.write(other, noise, storage="half")
    order = (lambda one: (one, other)) if view == "left" else (lambda one: (other, one))
    for path in flat.glob("plate.*.exr"):
        eyes(tmp_path / path.name, *order(path), joined=joined)
    fix = flat / f"fix.{FIRST}.exr"
    if stereo_fix:
        eyes(tmp_path / fix.name, *order(fix), joined=joined)
    else:
        (tmp_path / fix.name).write_bytes(fix.read_bytes())
    result, events = run(tmp_path, **({"view": "right"} if view == "right" else {}))
    assert result["failed_frames"] == [], failures(events)
    told = [event.message for event in events if isinstance(event, Warned) and "view" in event.message]
    assert len(told) == (1 if view == "left" else 0)
    prefix = "right." if joined and view == "right" else ""
    untouched = "right." if joined and view == "left" else ""
    for number in range(FIRST, LAST + 1):
        parts = parts_of(tmp_path / f"out.{number}.exr")
        assert [name for name, _, _ in parts] == (["main"] if joined else ["left", "right"])
        mine, its = (parts[0], parts[0]) if joined else (parts if view == "left" else parts[::-1])
        wanted = out(flat, number).rgb()
        for index, name in enumerate("RGB"):
            assert mine[1][prefix + name] == ("half", wanted[..., index].astype(np.float16).tobytes())
            assert its[1][untouched + name][1] == noise[..., index].astype(np.float16).tobytes()


def test_a_grey_plate_stays_one_channel_and_gets_the_fixs_luminance(tmp_path):
    moving.write_shot(tmp_path, COUNT)
    for path in tmp_path.glob("*.exr"):
        frame = read_image(path)
        write_image(
            path, replace(frame, pixels=np.ascontiguousarray(frame.pixels[..., 1:2]), channels=("Y",))
        )
    result, _ = run(tmp_path)
    assert result["failed_frames"] == []
    for number in (FIRST, LAST):
        made, truth = out(tmp_path, number), moving.truth(number)[..., 1]
        plate = moving.seen(moving.texture(), number)[..., 1]
        assert made.channels == ("Y", "confidence.A")
        apart, before = np.abs(made.pixels[..., 0] - truth).mean(), np.abs(plate - truth).mean()
        assert apart < 0.2 * before, number


def matte_of(left, top, width, height, full):
    box = Box(left, top, left + width, top + height)
    return Frame(np.ones((height, width, 1), np.float32), ("A",), box, Box(0, 0, *full), "raw")


def test_an_autocropped_matte_is_the_whole_one_and_one_of_another_size_is_refused(tmp_path, flat):
    whole = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    whole[50:70, 60:90] = 1
    display = Box(0, 0, WIDTH, HEIGHT)
    mattes = {
        "whole": Frame(whole, ("A",), display, display, "raw"),
        "crop": matte_of(60, 50, 30, 20, (WIDTH, HEIGHT)),
        "twice": matte_of(120, 100, 60, 40, (2 * WIDTH, 2 * HEIGHT)),
    }
    made = {}
    for name, frame in mattes.items():
        folder = tmp_path / name
        folder.mkdir()
        for path in [*flat.glob("plate.*.exr"), *flat.glob("fix.*.exr")]:
            (folder / path.name).write_bytes(path.read_bytes())
        for number in range(FIRST, LAST + 1):
            write_image(folder / f"matte.{number}.exr", frame)
        result, events = run(folder, matte=str(folder / "matte.%04d.exr"))
        if name == "twice":
            assert result["failed_frames"] == [FIRST, FIRST + 1, LAST]
            assert set(failures(events).values()) == {"The matte is 320×240, the plate 160×120."}
            assert not list(folder.glob("out.*"))
        else:
            assert result["failed_frames"] == []
            made[name] = [out(folder, number).pixels for number in range(FIRST, LAST + 1)]
    for one, other in zip(made["whole"], made["crop"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_swapped_frames_of_another_size_are_refused_and_a_shifted_display_window_is_not(tmp_path, flat):
    for name, frame_of in (
        ("small", lambda one: replace(one, pixels=one.pixels[:-4], **windows(0, 0, WIDTH, HEIGHT - 4))),
        ("moved", lambda one: replace(one, **windows(7, -5, WIDTH, HEIGHT))),
    ):
        folder = tmp_path / name
        folder.mkdir()
        for path in flat.glob("plate.*.exr"):
            (folder / path.name).write_bytes(path.read_bytes())
            write_image(folder / path.name.replace("plate", "swap"), frame_of(read_image(path)))
        fix = flat / f"fix.{FIRST}.exr"
        (folder / fix.name).write_bytes(fix.read_bytes())
        result, events = run(folder, swapped=str(folder / "swap.%04d.exr"))
        if name == "small":
            assert result["written"] == 0
            assert set(failures(events).values()) == {"The swapped frame is 160×116, the plate 160×120."}
        else:
            assert result["failed_frames"] == [], failures(events)
            np.testing.assert_array_equal(out(folder, LAST).rgb(), out(flat, LAST).rgb())


def windows(left, top, width, height):
    box = Box(left, top, left + width, top + height)
    return {"data_window": box, "display_window": box}


def test_a_fix_does_not_go_to_a_frame_of_another_size(tmp_path, flat):
    for path in [*flat.glob("plate.*.exr"), *flat.glob("fix.*.exr")]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    large = np.kron(read_image(tmp_path / f"plate.{LAST}.exr").rgb(), np.ones((2, 2, 1), np.float32))
    moving.write(tmp_path / f"plate.{LAST}.exr", large)
    result, events = run(tmp_path)
    assert (result["written"], result["failed_frames"]) == (COUNT - 1, [LAST])
    assert failures(events)[LAST] == (
        f"Frame {LAST} is 320×240, frame {LAST - 1} 160×120: a fix does not go from one to the other."
    )
