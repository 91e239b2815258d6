"""What goes wrong when a fix is propagated, and what an artist is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import moving
from moving import FIRST, HEIGHT, WIDTH
from propagated import job, out, run, stops_apart, where_painted
from understudy.core.errors import JobError, PlateError
from understudy.core.progress import Failed, Warned
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Box, Frame
from understudy.jobs.propagation import PropagateJob


def test_a_keyframe_of_another_size(tmp_path):
    moving.write_shot(tmp_path, 3)
    moving.write(tmp_path / f"fix.{FIRST}.exr", moving.truth(FIRST)[:-2])
    result, events = run(tmp_path)
    assert result["failed_frames"] == [FIRST, FIRST + 1, FIRST + 2]
    said = next(event for event in events if isinstance(event, Failed)).error
    assert "160×118" in said["what"] and "160×120" in said["what"]


def test_no_keyframe_in_range(tmp_path):
    moving.write_shot(tmp_path, 3)
    (tmp_path / f"fix.{FIRST}.exr").rename(tmp_path / "fix.0007.exr")
    with pytest.raises(JobError, match="No keyframe is of a frame of the plate: 7 painted"):
        run(tmp_path)


def test_nothing_painted(tmp_path):
    moving.write_shot(tmp_path, 3)
    moving.write(tmp_path / f"fix.{FIRST}.exr", moving.seen(moving.texture(), FIRST))
    result, events = run(tmp_path)
    assert len(result["failed_frames"]) == 3
    assert any("Nothing is painted" in event.error["what"] for event in events if isinstance(event, Failed))


def test_a_region_that_leaves_the_frame(tmp_path):
    scene = moving.texture()
    fixed = scene.copy()
    fixed[128:150, 226:240] = 0.6
    speed = (14.0, 0.0)
    for number in range(FIRST, FIRST + 6):
        moving.write(tmp_path / f"plate.{number}.exr", moving.seen(scene, number, speed=speed))
    moving.write(tmp_path / f"fix.{FIRST}.exr", moving.seen(fixed, FIRST, speed=speed))
    result, _ = run(tmp_path)
    assert result["failed_frames"] == []
    np.testing.assert_array_equal(out(tmp_path, FIRST + 5).rgb(), out(tmp_path, FIRST + 5, "plate").rgb())


def test_a_fix_of_one_pixel(tmp_path):
    moving.write_shot(tmp_path, 3)
    rgb = moving.seen(moving.texture(), FIRST)
    rgb[60, 80] = 3.0
    moving.write(tmp_path / f"fix.{FIRST}.exr", rgb)
    result, _ = run(tmp_path)
    assert result["failed_frames"] == []
    np.testing.assert_allclose(out(tmp_path, FIRST).rgb()[60, 80], 3.0, rtol=1e-3)


def test_numbers_that_are_none_are_taken_as_unpainted_and_told(tmp_path):
    moving.write_shot(tmp_path, 3)
    rgb = moving.truth(FIRST)
    rgb[50:54, 80:84] = np.nan
    rgb[0, 0] = np.inf
    moving.write(tmp_path / f"fix.{FIRST}.exr", rgb)
    result, events = run(tmp_path)
    assert result["failed_frames"] == []
    assert any(
        "17 pixels of the keyframe are NaN or infinite" in e.message for e in events if isinstance(e, Warned)
    )
    for number in range(FIRST, FIRST + 3):
        assert np.isfinite(out(tmp_path, number).pixels).all()


def test_a_cut_is_refused_with_its_frames(tmp_path):
    moving.write_shot(tmp_path, 4)
    other = moving.texture(seed=11)
    for number in range(FIRST + 4, FIRST + 6):
        moving.write(tmp_path / f"plate.{number}.exr", moving.seen(other, number))
    result, events = run(tmp_path)
    assert result["failed_frames"] == [FIRST + 4, FIRST + 5]
    assert result["written"] == 4
    assert result["exit_code"] == PlateError.exit_code
    said = next(event for event in events if isinstance(event, Failed)).error["what"]
    assert f"a cut between frames {FIRST + 3} and {FIRST + 4}" in said


def test_a_cut_between_two_keyframes_parts_them(tmp_path):
    moving.write_shot(tmp_path, 3)
    other = moving.texture(seed=11)
    for number in range(FIRST + 3, FIRST + 6):
        moving.write(tmp_path / f"plate.{number}.exr", moving.seen(other, number))
    moving.write(tmp_path / f"fix.{FIRST + 5}.exr", moving.seen(moving.painted(other), FIRST + 5))
    result, _ = run(tmp_path)
    assert (result["failed_frames"], result["written"]) == ([], 6)
    mask = where_painted(FIRST + 2)
    made, right = out(tmp_path, FIRST + 2).rgb(), moving.truth(FIRST + 2)
    plate = moving.seen(moving.texture(), FIRST + 2)
    assert stops_apart(made[mask], right[mask]) < 0.2 * stops_apart(plate[mask], right[mask])


def test_a_range_of_one_frame(tmp_path):
    moving.write_shot(tmp_path, 1)
    result, _ = run(tmp_path)
    assert (result["written"], result["failed_frames"]) == (1, [])


def test_one_bad_frame_does_not_lose_the_others(tmp_path):
    moving.write_shot(tmp_path, 5)
    (tmp_path / f"plate.{FIRST + 2}.exr").write_bytes(b"no picture")
    result, _ = run(tmp_path)
    assert (result["failed_frames"], result["written"]) == ([FIRST + 2], 4)
    mask, right = where_painted(FIRST + 4), moving.truth(FIRST + 4)
    plate = moving.seen(moving.texture(), FIRST + 4)
    assert stops_apart(out(tmp_path, FIRST + 4).rgb()[mask], right[mask]) < 0.2 * stops_apart(
        plate[mask], right[mask]
    )


def test_a_frame_that_the_plate_does_not_have_is_told(tmp_path):
    moving.write_shot(tmp_path, 3)
    result, events = run(tmp_path, frames=f"{FIRST}-{FIRST + 4}")
    assert (result["failed_frames"], result["written"]) == ([FIRST + 3, FIRST + 4], 3)
    told = [event for event in events if isinstance(event, Failed)]
    assert [event.frame for event in told] == [FIRST + 3, FIRST + 4]
    assert f"Frame {FIRST + 3} of the plate is missing" in told[0].error["what"]


def test_frames_that_were_fixed_before_can_be_fixed_again(tmp_path):
    moving.write_shot(tmp_path, 2)
    run(tmp_path)
    again = out(tmp_path, FIRST).rgb()
    again[20:30, 100:120] *= 0.5
    moving.write(tmp_path / f"more.{FIRST}.exr", again)
    result, _ = run(
        tmp_path,
        swapped=str(tmp_path / "out.%04d.exr"),
        fix=str(tmp_path / "more.%04d.exr"),
        output=str(tmp_path / "twice.%04d.exr"),
    )
    assert result["failed_frames"] == []
    made = out(tmp_path, FIRST + 1, "twice")
    assert made.channels == ("R", "G", "B", "confidence.A")
    both = out(tmp_path, FIRST + 1).rgb()
    assert (made.rgb()[22:28, 104:118] / both[22:28, 104:118]).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["plate", "fix"])
def test_an_input_is_never_overwritten(tmp_path, name):
    moving.write_shot(tmp_path, 2)
    before = (tmp_path / f"{name}.{FIRST}.exr").read_bytes()
    with pytest.raises(JobError, match=f"The output would overwrite the {name}"):
        run(tmp_path, output=str(tmp_path / f"{name}.%04d.exr"))
    assert (tmp_path / f"{name}.{FIRST}.exr").read_bytes() == before


def test_a_patch_with_an_even_edge_is_refused():
    with pytest.raises(ValueError, match="odd edge"):
        PropagateJob(plate="a", fix="b", output="c", patch=4)


def test_data_windows_may_differ(tmp_path):
    """Overscan on the plate, a keyframe of the painted part only."""
    scene = moving.texture()
    display, wide = Box(8, 6, WIDTH - 8, HEIGHT - 6), Box(0, 0, WIDTH, HEIGHT)
    for number in range(FIRST, FIRST + 3):
        rgb = moving.seen(scene, number)
        write_image(
            tmp_path / f"plate.{number}.exr",
            Frame(rgb, ("R", "G", "B"), wide, display, "ACEScg", storage="float"),
        )
    part = Box(60, 40, 120, 90)
    painted = moving.truth(FIRST)[part.slices(wide)]
    write_image(
        tmp_path / f"fix.{FIRST}.exr",
        Frame(np.ascontiguousarray(painted), ("R", "G", "B"), part, display, "ACEScg", storage="float"),
    )
    run(tmp_path)
    made = out(tmp_path, FIRST + 2)
    assert made.data_window == wide
    mask, right = where_painted(FIRST + 2), moving.truth(FIRST + 2)
    plate = moving.seen(scene, FIRST + 2)
    assert stops_apart(made.rgb()[mask], right[mask]) < 0.2 * stops_apart(plate[mask], right[mask])


def test_killed_in_the_middle_finished_frames_stay(tmp_path):
    """A real process, killed once three frames are there; the next run does only the others."""
    moving.write_shot(tmp_path, 16)
    document = tmp_path / "job.json"
    document.write_text(json.dumps(job(tmp_path).model_dump(mode="json", exclude_defaults=True)))
    command = [sys.executable, "-m", "understudy.app.cli", "propagate", "--job", str(document)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(1200):
        if len(list(tmp_path.glob("out.*.exr"))) >= 3 or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("out.*.exr")}
    assert 3 <= len(done) < 16
    for name in done:
        assert read_image(tmp_path / name).pixels.shape == (HEIGHT, WIDTH, 4)
    result, _ = run(tmp_path)
    assert (result["unchanged"], result["written"]) == (len(done), 16 - len(done))
    assert all((tmp_path / name).stat().st_mtime_ns == when for name, when in done.items())
    assert not [
        name for name in os.listdir(tmp_path) if not name.startswith(("out.", "plate.", "fix.", "job."))
    ]
