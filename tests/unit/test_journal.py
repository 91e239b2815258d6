"""A track or an extraction that is stopped goes on from what it had found, and gives the same bits."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from known_plate import SETTINGS, write_plate
from understudy.core.errors import FaceError
from understudy.core.progress import Cancelled, Event, Progress, silent
from understudy.face.detect.protocol import DetectedFace, box_round
from understudy.face.faceset.store import FaceSet
from understudy.face.track.store import Track
from understudy.jobs.shots import ExtractJob, TrackJob
from understudy.shots import extract, face_text, track
from understudy.shots.journal import journal_path

FRAMES = 8


def stop_at(stage: str, done: int) -> Any:
    def report(event: Event) -> None:
        if isinstance(event, Progress) and (event.stage, event.done) == (stage, done):
            raise Cancelled

    return report


@pytest.fixture
def plate(tmp_path: Path) -> str:
    pattern = write_plate(tmp_path / "plate", FRAMES)
    for file in (tmp_path / "plate").iterdir():
        os.utime(file, (1e9, 1e9))
    return pattern


def track_job(plate: str, path: Path, **changes: Any) -> TrackJob:
    return TrackJob(plate=plate, track=path, detector="known", minimum_face_px=4, **changes)


def rows(output: Path) -> list[int]:
    with closing(sqlite3.connect(journal_path(output))) as connection:
        return [row[0] for row in connection.execute("SELECT frame FROM found ORDER BY frame")]


def spoil(output: Path, statement: str) -> None:
    with closing(sqlite3.connect(journal_path(output))) as connection, connection:
        connection.execute(statement)


def same(first: Path, second: Path) -> bool:
    one, two = Track.open(first).face().faces, Track.open(second).face().faces
    return list(one) == list(two) and all(
        one[n].landmarks_digest == two[n].landmarks_digest and one[n].box == two[n].box for n in one
    )


def test_a_stopped_track_keeps_what_it_found_and_ends_like_one_that_was_not(
    tmp_path: Path, plate: str
) -> None:
    whole, stopped = tmp_path / "whole.track", tmp_path / "stopped.track"
    track.run(track_job(plate, whole), report=silent, settings=SETTINGS)
    with pytest.raises(Cancelled):
        track.run(track_job(plate, stopped), report=stop_at("detect faces", 5), settings=SETTINGS)
    assert rows(stopped) == [1, 2, 3, 4, 5] and not stopped.exists()
    track.run(track_job(plate, stopped), report=silent, settings=SETTINGS)
    assert same(whole, stopped)
    assert not journal_path(stopped).exists() and not journal_path(whole).exists()


def test_what_was_found_is_not_looked_for_again(tmp_path: Path, plate: str) -> None:
    path = tmp_path / "a.track"
    with pytest.raises(Cancelled):
        track.run(track_job(plate, path), report=stop_at("detect faces", 5), settings=SETTINGS)
    # Frame 2 can be read no more, and its file still looks as it did: only the journal knows its face.
    file = Path(plate % 2)
    stat = file.stat()
    file.write_bytes(bytes(stat.st_size))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    result = track.run(track_job(plate, path), report=silent, settings=SETTINGS)
    assert (result["faces"], result["failed_frames"]) == (FRAMES, [])


def _other_content(plate: str, path: Path) -> TrackJob:
    source, place = Path(plate % 3), Path(plate % 2)
    shutil.copy(source, place)
    return track_job(plate, path)


def _other_option(plate: str, path: Path) -> TrackJob:
    return track_job(plate, path, colour_space="ACEScct")


def _other_model(plate: str, path: Path) -> TrackJob:
    table = Path(plate).parent / "landmarks.json"
    table.write_text(table.read_text() + " ")
    return track_job(plate, path)


@pytest.mark.parametrize(
    ("change", "kept"),
    [(_other_content, 4), (_other_option, 0), (_other_model, 0)],
    ids=["content", "option", "model"],
)
def test_another_plate_option_or_model_is_looked_for_again(
    tmp_path: Path, plate: str, change: Any, kept: int
) -> None:
    path = tmp_path / "a.track"
    with pytest.raises(Cancelled):
        track.run(track_job(plate, path), report=stop_at("detect faces", 5), settings=SETTINGS)
    # What comes from the journal can be told by its score.
    spoil(path, "UPDATE found SET faces = replace(faces, '\"score\": 1.0', '\"score\": 0.25')")
    job = change(plate, path)
    with pytest.raises(Cancelled):
        track.run(job, report=stop_at("detect faces", 6), settings=SETTINGS)
    with closing(sqlite3.connect(journal_path(path))) as connection:
        asked = connection.execute("SELECT asked FROM found WHERE frame = 6").fetchone()[0]
        texts = connection.execute("SELECT faces FROM found WHERE asked = ?", (asked,)).fetchall()
    assert len(texts) == 6
    assert sum('"score": 0.25' in text for (text,) in texts) == kept


def test_a_stopped_extraction_goes_on_and_gives_the_same_set(tmp_path: Path, plate: str) -> None:
    def job(name: str) -> ExtractJob:
        return ExtractJob(
            plate=plate, faceset=tmp_path / name, detector="known", minimum_face_px=4, crop_size=64
        )

    extract.run(job("whole.faceset"), report=silent, settings=SETTINGS)
    for stage, done in (("detect faces", 3), ("detect faces", 6), ("write faces", 4)):
        with pytest.raises(Cancelled):
            extract.run(job("stopped.faceset"), report=stop_at(stage, done), settings=SETTINGS)
        assert rows(tmp_path / "stopped.faceset")
    extract.run(job("stopped.faceset"), report=silent, settings=SETTINGS)
    with FaceSet.open_for_training(tmp_path / "whole.faceset") as whole:
        wanted, names = whole.digest(), [one.crop for one in whole.records()]
    with FaceSet.open_for_training(tmp_path / "stopped.faceset") as stopped:
        assert stopped.digest() == wanted
    assert sorted(path.name for path in (tmp_path / "stopped.faceset" / "crops").iterdir()) == sorted(names)
    assert not journal_path(tmp_path / "stopped.faceset").exists()


def test_a_killed_run_loses_only_what_was_not_written_yet(tmp_path: Path, plate: str) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from understudy.core.settings import Settings\n"
        "from understudy.jobs.shots import TrackJob\n"
        "from understudy.shots import journal, track\n"
        "journal.SECONDS_BETWEEN_WRITES = 0.0\n"
        "def report(event):\n"
        "    if getattr(event, 'done', 0) == 6:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "job = TrackJob(plate=sys.argv[1], track=Path(sys.argv[2]), detector='known', minimum_face_px=4)\n"
        "track.run(job, report=report, settings=Settings(models=Path('unused')))\n"
    )
    path = tmp_path / "a.track"
    child = subprocess.run([sys.executable, "-c", script, plate, str(path)], check=False, timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert rows(path) == [1, 2, 3, 4, 5, 6]
    track.run(track_job(plate, path), report=silent, settings=SETTINGS)
    track.run(track_job(plate, tmp_path / "whole.track"), report=silent, settings=SETTINGS)
    assert same(path, tmp_path / "whole.track")


def test_a_foreign_file_in_the_journals_place_is_left_alone(tmp_path: Path, plate: str) -> None:
    path = tmp_path / "a.track"
    journal_path(path).write_text("notes")
    with pytest.raises(FaceError):
        track.run(track_job(plate, path), report=silent, settings=SETTINGS)
    assert journal_path(path).read_text() == "notes"


@pytest.mark.parametrize("value", ["", "[", "[1]", "[{}]", '[{"box": 1}]', "[" * 100_000, "null"])
def test_a_row_of_something_else_is_no_face(value: str) -> None:
    assert face_text.parse(value) is None


def test_every_field_of_a_face_comes_back_bit_for_bit() -> None:
    points = np.random.default_rng(1).normal(100, 1 / 3, (68, 2)).astype(np.float32)
    face = DetectedFace(box=box_round(points), score=1 / 3, landmarks=points, confidence=0.1 + 0.2)
    (read,) = face_text.parse(face_text.written([face])) or []
    for field in fields(DetectedFace):
        one, two = getattr(face, field.name), getattr(read, field.name)
        assert np.array_equal(one, two) and type(one) is type(two)
