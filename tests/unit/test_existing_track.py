"""Tracking a part of a shot keeps the rest of its track; a track of another plate is not mixed in."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from known_plate import SETTINGS, SPELLINGS, landmarks, write_plate
from understudy.core.errors import FaceError
from understudy.core.progress import Event, Warned
from understudy.face.detect.known import write_table
from understudy.face.track.store import Track, TrackedFace
from understudy.jobs.shots import TrackJob
from understudy.shots import track

FRAMES = 8


@pytest.fixture
def shot(tmp_path: Path) -> tuple[str, Path]:
    plate = write_plate(tmp_path / "s1", FRAMES)
    path = tmp_path / "t.track"
    run(plate, path)
    return plate, path


def run(plate: str, path: Path, **changes: Any) -> list[str]:
    events: list[Event] = []
    job = TrackJob(plate=plate, track=path, detector="known", minimum_face_px=4, **changes)
    track.run(job, report=events.append, settings=SETTINGS)
    return [event.message for event in events if isinstance(event, Warned)]


def faces(path: Path) -> dict[int, str]:
    return {number: face.landmarks_digest for number, face in Track.open(path).face().faces.items()}


def moved(plate: str, shift: float = 3.0) -> None:
    table = {number: landmarks(number, shift=shift) for number in range(1, FRAMES + 1)}
    write_table(Path(plate).parent / "landmarks.json", table)


def test_a_part_that_is_tracked_again_leaves_the_rest(shot: tuple[str, Path]) -> None:
    plate, path = shot
    before = faces(path)
    moved(plate)
    run(plate, path, frames="4-5")
    after = faces(path)
    assert list(after) == list(range(1, FRAMES + 1))
    assert [number for number in after if after[number] != before[number]] == [4, 5]


def test_a_frame_by_hand_and_one_that_cannot_be_read_now_stay(shot: tuple[str, Path]) -> None:
    plate, path = shot
    by_hand = TrackedFace(4, landmarks(40), 1.0, False, (0.0, 0.0, 9.0, 9.0))
    Track.open(path).with_faces({"face": [by_hand]})
    before = faces(path)
    moved(plate)
    Path(plate % 5).write_bytes(b"no picture")
    run(plate, path, frames="3-6")
    after = faces(path)
    assert [number for number in after if after[number] != before[number]] == [3, 6]


def test_a_frame_that_was_searched_and_holds_no_face_now_has_none(shot: tuple[str, Path]) -> None:
    plate, path = shot
    write_table(Path(plate).parent / "landmarks.json", {4: landmarks(4), 6: landmarks(6)})
    run(plate, path, frames="4-6")
    assert list(faces(path)) == [1, 2, 3, 4, 6, 7, 8]


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_one_plate_by_another_spelling_is_the_same(
    shot: tuple[str, Path], tmp_path: Path, spelt: Any
) -> None:
    plate, path = shot
    run(spelt(plate, tmp_path), path, frames="2")
    assert list(faces(path)) == list(range(1, FRAMES + 1))


def test_another_plate_of_the_same_names_is_refused_until_it_is_chosen(
    shot: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = shot
    write_plate(tmp_path / "s2", 3, seed=5)
    monkeypatch.chdir(tmp_path / "s2")
    before = path.read_bytes()
    for frames in (None, "1"):
        with pytest.raises(FaceError, match="another plate") as caught:
            run("p.%04d.exr", path, frames=frames)
        assert "existing" in caught.value.fix and path.read_bytes() == before
    run("p.%04d.exr", path, existing="extend")
    assert list(faces(path)) == list(range(1, FRAMES + 1))
    run("p.%04d.exr", path, existing="replace")
    assert list(faces(path)) == [1, 2, 3]


def test_frames_that_stay_must_be_of_the_same_detector(shot: tuple[str, Path]) -> None:
    plate, path = shot
    there = Track.open(path)
    os.unlink(path)
    Track.create(
        path,
        plate=there.plate,
        faces={"face": list(there.face().faces.values())},
        detector="fan",
        identity=there.identity,
    )
    with pytest.raises(FaceError, match=r"frames 1-3,5-8 is of the detector 'fan', not 'known'"):
        run(plate, path, frames="4")
    run(plate, path)
    assert Track.open(path).detector == "known"


def of_an_earlier_release(path: Path, plate: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM about WHERE key IN ('identity', 'content')")
        connection.execute("UPDATE about SET value = ? WHERE key = 'plate'", (plate,))


def test_a_track_of_an_earlier_release_is_extended_where_its_plate_is_known(shot: tuple[str, Path]) -> None:
    plate, path = shot
    of_an_earlier_release(path, plate)
    run(plate, path, frames="3")
    assert len(faces(path)) == FRAMES and json.loads(Track.open(path).identity)["samples"]
    of_an_earlier_release(path, "elsewhere/p.%04d.exr")
    with pytest.raises(FaceError, match="nothing in it tells"):
        run(plate, path, frames="3")
    assert any("all of its frames" in message for message in run(plate, path))


def test_a_plate_that_was_rendered_again_is_told(shot: tuple[str, Path]) -> None:
    plate, path = shot
    write_plate(Path(plate).parent, FRAMES, seed=9)
    assert any("other pixels" in message for message in run(plate, path, frames="3"))
    assert len(faces(path)) == FRAMES


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM faces WHERE frame = 2",
        "UPDATE faces SET landmarks = (SELECT landmarks FROM faces WHERE frame = 1) WHERE frame = 2",
        "UPDATE faces SET by_hand = 1 WHERE frame = 2",
        "UPDATE faces SET confidence = 0.5 WHERE frame = 2",
    ],
)
def test_faces_that_others_changed_are_noticed(shot: tuple[str, Path], statement: str) -> None:
    _, path = shot
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(FaceError, match="digest differs"):
        Track.open(path)


def test_corrections_renew_the_digest(shot: tuple[str, Path]) -> None:
    _, path = shot
    for number in (2, 3):
        there = Track.open(path)
        face = TrackedFace(
            number, there.face().faces[number].landmarks + np.float32(1), 1.0, True, (0, 0, 1, 1)
        )
        there.with_faces({"face": [face]})
    assert Track.open(path).face().faces[3].by_hand
