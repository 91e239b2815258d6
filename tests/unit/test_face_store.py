"""Tracks and face sets on disk."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from understudy.core.errors import FaceError
from understudy.face import align
from understudy.face.faceset.store import FaceRecord, FaceSet
from understudy.face.track.store import Track, TrackedFace

VERSION_1 = Path(__file__).parents[1] / "golden" / "v1"
FACE = (align.TEMPLATE * 200 + 50).astype(np.float32)


def tracked(frame: int, *, by_hand: bool = False, shift: float = 0.0) -> TrackedFace:
    return TrackedFace(frame, FACE + np.float32(shift), 0.9, by_hand, (50.0, 50.0, 250.0, 250.0))


def record(frame: int, origin: str = "plate.mp4") -> FaceRecord:
    return FaceRecord(frame, origin, FACE, np.eye(2, 3), 0.9, 0.1)


def crop(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((64, 64, 3), np.float32)


def test_a_track_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.track"
    Track.create(path, plate="p.mp4", faces={"face": [tracked(3), tracked(1)]}, detector="yunet")
    track = Track.open(path)
    faces = track.face().faces
    assert (track.plate, track.detector, list(faces)) == ("p.mp4", "yunet", [1, 3])
    assert np.array_equal(faces[3].landmarks, FACE)


def test_tracking_again_keeps_faces_set_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.track"
    Track.create(path, plate="p", faces={"face": [tracked(1), tracked(2)]}, detector="yunet")
    Track.open(path).with_faces({"face": [tracked(2, shift=7)]})
    Track.create(path, plate="p", faces={"face": [tracked(1), tracked(2)]}, detector="yunet")
    faces = Track.open(path).face().faces
    assert faces[2].by_hand and np.array_equal(faces[2].landmarks, FACE + np.float32(7))
    assert not faces[1].by_hand


def test_a_track_holds_several_faces_by_name_and_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.track"
    Track.create(
        path, plate="p", faces={"hero": [tracked(1)], "villain": [tracked(1, shift=90)]}, detector="x"
    )
    Track.open(path).with_faces({"villain": [tracked(1, shift=7)]})
    track = Track.open(path)
    assert list(track.faces) == ["hero", "villain"]
    assert np.array_equal(track.face("hero").faces[1].landmarks, FACE)
    assert track.face("villain").faces[1].by_hand
    with pytest.raises(FaceError, match="several faces") as caught:
        track.face()
    assert "hero, villain" in caught.value.fix
    with pytest.raises(FaceError, match="no face 'nobody'"):
        track.face("nobody")


def test_writing_one_face_keeps_the_others_of_the_same_detector(tmp_path: Path) -> None:
    path = tmp_path / "a.track"
    Track.create(path, plate="p", faces={"hero": [tracked(1)]}, detector="yunet")
    Track.create(path, plate="p", faces={"villain": [tracked(2)]}, detector="yunet")
    assert {name: list(faces) for name, faces in Track.open(path).faces.items()} == {
        "hero": [1],
        "villain": [2],
    }
    before = path.read_bytes()
    with pytest.raises(FaceError, match="'hero' is of the detector 'yunet'"):
        Track.create(path, plate="p", faces={"villain": [tracked(2)]}, detector="fan")
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "a.b", "1st", "x" * 33, "hero\n", "Зоя"])
def test_a_face_has_a_name_that_layers_can_begin_with(tmp_path: Path, name: str) -> None:
    with pytest.raises(FaceError, match="cannot be called"):
        Track.create(tmp_path / "a.track", plate="p", faces={name: [tracked(1)]}, detector="yunet")
    assert not (tmp_path / "a.track").exists()


def test_a_track_of_version_1_is_upgraded_by_a_correction_and_untouched_by_reading(tmp_path: Path) -> None:
    path = tmp_path / "face.track"
    shutil.copy(VERSION_1 / "face.track", path)
    before, data = Track.open(path), path.read_bytes()
    assert path.read_bytes() == data and version(path) == 1
    before.with_faces({"face": [replace(before.face().faces[1], landmarks=FACE)]})
    assert version(path) == 2
    after = Track.open(path).face().faces
    assert np.array_equal(after[1].landmarks, FACE) and after[1].by_hand
    assert after[2].landmarks_digest == before.face().faces[2].landmarks_digest
    spoil(path, "UPDATE faces SET face = 'a.b'")
    with pytest.raises(FaceError, match="not a name"):
        Track.open(path)


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    connection.close()
    return found


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_foreign_file_is_no_track(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.track"
    path.write_bytes(content)
    with pytest.raises(FaceError):
        Track.open(path)
    with pytest.raises(FaceError):
        Track.create(path, plate="p", faces={"face": [tracked(1)]}, detector="yunet")
    assert path.read_bytes() == content


def spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("PRAGMA user_version = 99", "newer"),
        ("PRAGMA application_id = 5", "not a track"),
        ("UPDATE faces SET landmarks = x'00'", "frame 1"),
        ("UPDATE faces SET landmarks = 'text'", "frame 1"),
        ("UPDATE faces SET confidence = 'text'", "frame 1"),
        ("UPDATE faces SET box_left = 9e999", "frame 1"),
        ("DROP TABLE about", "not a track"),
        ("CREATE TRIGGER t AFTER INSERT ON faces BEGIN SELECT 1; END", "not a track"),
    ],
)
def test_a_spoilt_track_is_one_clear_error(tmp_path: Path, statement: str, said: str) -> None:
    path = tmp_path / "a.track"
    Track.create(path, plate="p", faces={"face": [tracked(1)]}, detector="yunet")
    spoil(path, statement)
    with pytest.raises(FaceError, match=said):
        Track.open(path)


def test_a_face_set_gives_its_crops_back(tmp_path: Path) -> None:
    path = tmp_path / "a.faceset"
    with FaceSet.create(path, identity="ann", coverage="full", crop_size=64) as faces:
        faces.add(record(1), crop())
    with FaceSet.open_for_training(path) as faces:
        assert (len(faces), faces.identity, faces.coverage, faces.crop_size) == (1, "ann", "full", 64)
        (stored,) = faces.records()
        assert np.abs(faces.read_crop(stored) - crop()).max() <= 0.5 / 65535 + 1e-6


def test_adding_a_frame_again_replaces_it_and_changes_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.faceset"
    digests = []
    for seed in (0, 1, 0):
        with FaceSet.create(path, identity="ann", coverage="full", crop_size=64) as faces:
            faces.add(record(1), crop(seed))
            digests.append(faces.digest())
    assert digests[0] == digests[2] != digests[1]
    assert len(list((path / "crops").iterdir())) == 1


def test_two_faces_of_one_frame_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.faceset"
    with FaceSet.create(path, identity="ann", coverage="full", crop_size=64) as faces:
        faces.add(record(1), crop())
        alone = faces.digest()
        faces.add(replace(record(1), face="mirror"), crop())
        assert faces.digest() != alone
    with FaceSet.create(path, identity="ann", coverage="full", crop_size=64) as faces:
        faces.add(replace(record(1), face="mirror"), crop(1))
    with FaceSet.open_for_training(path) as faces:
        kept = {one.face: faces.read_crop(one) for one in faces.records()}
    assert np.abs(kept["face"] - crop()).max() < 1e-4 and np.abs(kept["mirror"] - crop(1)).max() < 1e-4


def test_a_face_set_of_version_1_is_upgraded_by_what_is_added(tmp_path: Path) -> None:
    path = tmp_path / "face.faceset"
    shutil.copytree(VERSION_1 / "face.faceset", path)
    with FaceSet.open(path) as faces:
        before, digest = faces.records(), faces.digest()
    assert version(path / "faces.sqlite") == 1
    with FaceSet.open(path) as faces:
        faces.add(record(9, before[0].origin), crop())
        assert len(faces.records()) == len(before) + 1
    assert version(path / "faces.sqlite") == 2
    with FaceSet.open_for_training(path) as faces:
        after = faces.records()
        assert [one.crop for one in after[: len(before)]] == [one.crop for one in before]
        assert all(one.face == "face" for one in after) and faces.digest() != digest
    spoil(path / "faces.sqlite", "DELETE FROM faces WHERE frame = 9")
    with FaceSet.open(path) as faces:
        assert faces.digest() == digest


def test_a_crop_that_comes_back_within_a_batch_stays(tmp_path: Path) -> None:
    with FaceSet.create(tmp_path / "a.faceset", identity="a", coverage="full", crop_size=64) as faces:
        for seed in (0, 1, 0):
            faces.add(record(1), crop(seed))
        faces.commit()
        assert faces.check() == []


def test_a_face_set_that_disagrees_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.faceset"
    FaceSet.create(path, identity="ann", coverage="full", crop_size=64).close()
    with pytest.raises(FaceError, match="identity is 'ann'"):
        FaceSet.create(path, identity="ben", coverage="full", crop_size=64)


def test_deleted_crops_are_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.faceset"
    with FaceSet.create(path, identity="ann", coverage="full", crop_size=64) as faces:
        for frame in range(6):
            faces.add(record(frame), crop(frame))
    gone = sorted((path / "crops").iterdir())[:4]
    for each in gone:
        each.unlink()
    with pytest.raises(FaceError, match="4 of the face set's 6 crops are missing") as caught:
        FaceSet.open_for_training(path)
    assert gone[0].name in str(caught.value)


@pytest.mark.parametrize("name", ["../faces.sqlite", "/etc/passwd", "a.txt", "x/../b.png"])
def test_a_crop_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.faceset"
    with FaceSet.create(path, identity="ann", coverage="full", crop_size=64) as faces:
        faces.add(record(1), crop())
    spoil(path / "faces.sqlite", f"UPDATE faces SET crop = '{name}'")
    with FaceSet.open(path) as faces, pytest.raises(FaceError):
        faces.read_crop(faces.records()[0])


@pytest.mark.parametrize("kind", ["foreign name", "other content"])
def test_a_tampered_row_never_removes_somebodys_picture(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.faceset"
    with FaceSet.create(path, identity="ann", coverage="full", crop_size=64) as faces:
        stored = faces.add(record(1), crop())
    name = "holiday.png" if kind == "foreign name" else stored.crop.replace(stored.crop[-16:-4], "0" * 12)
    picture = path / "crops" / name
    picture.write_bytes(b"the only picture of that day")
    spoil(path / "faces.sqlite", f"UPDATE faces SET crop = '{name}'")
    with FaceSet.open(path) as faces:
        faces.add(record(1), crop(5))
    assert picture.read_bytes() == b"the only picture of that day"


def test_a_damaged_crop_is_one_clear_error(tmp_path: Path) -> None:
    with FaceSet.create(tmp_path / "a.faceset", identity="ann", coverage="full", crop_size=64) as faces:
        stored = faces.add(record(1), crop())
        where = faces.path / "crops" / stored.crop
        where.write_bytes(where.read_bytes()[:200])
        with pytest.raises(FaceError, match="damaged"):
            faces.read_crop(stored)


def test_opening_takes_as_much_longer_as_a_set_is_larger(tmp_path: Path) -> None:
    points, matrix = FACE.astype("<f4").tobytes(), np.eye(2, 3).astype("<f8").tobytes()
    quickest: dict[int, float] = {}
    for count in (5_000, 50_000):
        path = tmp_path / f"{count}.faceset"
        FaceSet.create(path, identity="ann", coverage="full", crop_size=64).close()
        rows = [("p", n, "face", f"{n}.png", "", points, matrix, 1.0, 0.1, 0.0, 0.0) for n in range(count)]
        connection = sqlite3.connect(path / "faces.sqlite")
        with connection:
            connection.executemany("INSERT INTO faces VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)
        connection.close()
        for _ in range(3):
            started = time.process_time()
            with FaceSet.open(path) as faces:
                assert len(faces.records()) == count
            spent = time.process_time() - started
            quickest[count] = min(quickest.get(count, spent), spent)
    # Ten times as many; a work that grows with the square would take a hundred times as long.
    assert quickest[50_000] < 40 * quickest[5_000]


def test_a_killed_run_leaves_a_valid_set(tmp_path: Path) -> None:
    path = tmp_path / "a.faceset"
    script = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from understudy.face import align\n"
        "from understudy.face.faceset.store import FaceRecord, FaceSet\n"
        "faces = FaceSet.create(Path(sys.argv[1]), identity='a', coverage='full', crop_size=64)\n"
        "crop = np.zeros((64, 64, 3), np.float32)\n"
        "for n in range(100000):\n"
        "    faces.add(FaceRecord(n, 'p', align.TEMPLATE, np.eye(2, 3), 1.0, 0.1), crop)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(path)])
    crops = path / "crops"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (crops.is_dir() and len(os.listdir(crops)) > 100):
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with FaceSet.open_for_training(path) as faces:
        assert len(faces) >= 64
        assert faces.read_crop(faces.records()[-1]).shape == (64, 64, 3)
