"""Runs through the command line and the worker end alike: one exit code, and nothing is done twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rendered import FRAMES, SETTINGS, Shot, render
from understudy.core.errors import FaceError, PlateError
from understudy.core.progress import Event, Warned, silent
from understudy.face.track.store import Track
from understudy.image.exr import read_image, write_image
from understudy.jobs.frame_notes import NAMES
from understudy.jobs.shots import TrackJob
from understudy.shots import track as tracking
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob

DEMO = [
    "--training-frames",
    "8",
    "--shot-frames",
    "2",
    "--size",
    "32",
    "--minutes",
    "0.03",
    "--detector",
    "known",
]
ENVIRONMENT = {
    **os.environ,
    "UNDERSTUDY_MODELS": "nowhere",
    "UNDERSTUDY_DEVICE": "cpu",
    "UNDERSTUDY_THREADS": "1",
}


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    """A shot whose second frame cannot be read."""
    made = render(tmp_path_factory.mktemp("shot"))
    Path(made.frames("plate") % 2).write_bytes(b"no picture")
    return made


def command(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "understudy.app.cli", *words]
    return subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=280)


def results(text: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in text.splitlines()]
    return [event["result"] for event in events if event["kind"] == "result"]


@pytest.mark.parametrize("verb", ["swap", "track"])
def test_the_process_ends_with_the_exit_code_that_its_json_tells(
    tmp_path: Path, shot: Shot, verb: str
) -> None:
    words = ["--plate", shot.frames("plate")]
    if verb == "swap":
        words += ["--track", str(shot.root / "plate.track"), "--model", str(shot.model)]
        words += ["--output", str(tmp_path / "out.%04d.exr")]
    else:
        words += ["--track", str(tmp_path / "new.track"), "--detector", "known"]
    ended = command(verb, *words, "--json")
    (result,) = results(ended.stdout)
    assert result["failed_frames"] == [2]
    assert ended.returncode == result["exit_code"] == PlateError.exit_code
    assert ended.stderr == "1 frame failed; the others are written.\n"


def test_the_worker_tells_the_same_exit_code(tmp_path: Path, shot: Shot) -> None:
    job = shot.job(tmp_path).model_dump(mode="json")
    request = {"jsonrpc": "2.0", "id": 1, "method": "run", "params": {"verb": "swap", "job": job}}
    with subprocess.Popen(
        [sys.executable, "-m", "understudy.app.cli", "serve"],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin and child.stdout
        child.stdin.write(json.dumps(request) + "\n")
        child.stdin.flush()
        while "id" not in (answer := json.loads(child.stdout.readline())):
            pass
        child.stdin.close()
    assert answer["result"]["written"] == FRAMES - 1
    assert answer["result"]["exit_code"] == PlateError.exit_code


def test_the_demo_is_read_by_a_person_does_nothing_twice_and_makes_what_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    first = command("demo", "--output", str(folder), *DEMO)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert any(line.split()[:2] == ["look", "PSNR"] and " dB " in line for line in lines)
    assert not any(len(word.partition(".")[2]) > 6 and word[:1].isdigit() for word in first.stdout.split())
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = command("demo", "--output", str(folder), *DEMO)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert [path for path in before if after[path] != before[path]] == []
    lost = [folder / "swap" / "swap.0002.exr", folder / "truth" / "truth.0001.exr", folder / "plate.track"]
    for path in lost:
        path.unlink()
    (result,) = results(command("demo", "--output", str(folder), *DEMO, "--json").stdout)
    assert all(path.exists() for path in lost)
    assert result["score"]["frames"] == 2


def swap(job: SwapJob) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    return swap_run.run(job, report=events.append, settings=SETTINGS), events


def with_faces(shot: Shot, path: Path, frames: dict[int, float]) -> Path:
    """A track with the shot's first face on the given frames, each with a confidence."""
    face = Track.open(shot.root / "plate.track").face().faces[1]
    faces = [replace(face, frame=number, confidence=sure) for number, sure in frames.items()]
    Track.create(path, plate="plate", faces={"face": faces}, detector="known")
    return path


@pytest.mark.parametrize("frames", [{1001: 1.0, 1002: 1.0}, {}])
def test_a_track_without_a_frame_of_the_plate_is_an_error_and_writes_nothing(
    tmp_path: Path, shot: Shot, frames: dict[int, float]
) -> None:
    track_path = with_faces(shot, tmp_path / "other.track", frames)
    with pytest.raises(FaceError, match=r"no face 'face' on any frame of the plate \(1-3\)") as told:
        swap(shot.job(tmp_path, track=track_path))
    assert told.value.where == str(track_path)
    assert list(tmp_path.glob("*.exr")) == []


def test_frames_without_a_face_and_doubtful_ones_are_listed(tmp_path: Path, shot: Shot) -> None:
    track_path = with_faces(shot, tmp_path / "some.track", {3: 0.2})
    result, events = swap(shot.job(tmp_path, track=track_path))
    assert (result["frames_without_face"], result["doubtful_frames"]) == ("1", "3")
    assert (result["written"], result["exit_code"]) == (FRAMES - 1, PlateError.exit_code)
    told = [event.message for event in events if isinstance(event, Warned)]
    assert any("without a face: 1." in message for message in told)
    assert read_image(tmp_path / "out.0001.exr").pixels.tobytes() == shot.plate(1).pixels.tobytes()


def test_a_farms_chunk_before_the_face_comes_is_fine(tmp_path: Path, shot: Shot) -> None:
    track_path = with_faces(shot, tmp_path / "late.track", {3: 1.0})
    result, _ = swap(shot.job(tmp_path, track=track_path, frames="1"))
    assert (result["frames_without_face"], result["exit_code"]) == ("1", 0)
    assert "doubtful_frames" not in result


def test_tracking_lists_the_frames_in_which_no_face_was_found(tmp_path: Path, shot: Shot) -> None:
    known = json.loads((shot.root / "plate" / "landmarks.json").read_text())
    plate = tmp_path / "plate.%04d.exr"
    for number in range(1, FRAMES + 1):
        write_image(Path(str(plate) % number), shot.plate(1))
    known["landmarks"].pop("2")
    (tmp_path / "landmarks.json").write_text(json.dumps(known))
    job = TrackJob(plate=str(plate), track=tmp_path / "gap.track", detector="known")
    result = tracking.run(job, report=silent, settings=SETTINGS)
    assert (result["faces"], result["frames_without_face"]) == (2, "2")


@pytest.mark.parametrize(
    ("confidence", "frames", "listed"),
    [(1.0, (1, 3), []), (0.2, (1, 3), ["doubtful_frames"]), (1.0, (1,), ["frames_without_face"])],
)
def test_with_strict_the_exit_code_tells_of_frames_to_look_at(
    tmp_path: Path, shot: Shot, confidence: float, frames: tuple[int, ...], listed: list[str]
) -> None:
    track_path = with_faces(shot, tmp_path / "own.track", dict.fromkeys(frames, confidence))
    words = ["swap", "--plate", shot.frames("plate"), "--track", str(track_path), "--model", str(shot.model)]
    words += ["--output", str(tmp_path / "out.%04d.exr"), "--frames", "1,3", "--json"]
    assert command(*words).returncode == 0
    ended = command(*words, "--strict")
    (result,) = results(ended.stdout)
    assert [name for name in NAMES if name in result] == listed
    assert ended.returncode == (10 if listed else 0) and ("--strict" in ended.stderr) == bool(listed)
