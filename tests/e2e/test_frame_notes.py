"""Which frames had no face or a doubtful one is told; a track without the plate's frames is an error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rendered import FRAMES, SETTINGS, Shot, render
from understudy.core.errors import FaceError
from understudy.core.progress import Event, Warned, silent
from understudy.face.track.store import Track
from understudy.image.exr import read_image, write_image
from understudy.jobs.shots import TrackJob
from understudy.shots import track as tracking
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return render(tmp_path_factory.mktemp("shot"))


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


def test_frames_without_a_face_and_doubtful_ones_are_listed_and_the_run_is_fine(
    tmp_path: Path, shot: Shot
) -> None:
    track_path = with_faces(shot, tmp_path / "some.track", {3: 0.2})
    result, events = swap(shot.job(tmp_path, track=track_path))
    assert (result["frames_without_face"], result["doubtful_frames"]) == ("1-2", "3")
    assert (result["written"], result["exit_code"]) == (FRAMES, 0)
    told = [event.message for event in events if isinstance(event, Warned)]
    assert any("without a face: 1-2" in message for message in told)
    assert read_image(tmp_path / "out.0001.exr").pixels.tobytes() == shot.plate(1).pixels.tobytes()


def test_a_farms_chunk_before_the_face_comes_is_fine(tmp_path: Path, shot: Shot) -> None:
    track_path = with_faces(shot, tmp_path / "late.track", {3: 1.0})
    result, _ = swap(shot.job(tmp_path, track=track_path, frames="1-2"))
    assert (result["frames_without_face"], result["exit_code"]) == ("1-2", 0)
    assert "doubtful_frames" not in result


def test_tracking_lists_the_frames_in_which_no_face_was_found(tmp_path: Path, shot: Shot) -> None:
    known = json.loads((shot.root / "plate" / "landmarks.json").read_text())
    plate = tmp_path / "plate.%04d.exr"
    for number in range(1, FRAMES + 1):
        write_image(Path(str(plate) % number), shot.plate(number))
    known["landmarks"].pop("2")
    (tmp_path / "landmarks.json").write_text(json.dumps(known))
    job = TrackJob(plate=str(plate), track=tmp_path / "gap.track", detector="known")
    result = tracking.run(job, report=silent, settings=SETTINGS)
    assert (result["faces"], result["frames_without_face"]) == (2, "2")
