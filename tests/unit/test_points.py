"""A track's faces as a document, and corrections by hand back into the track."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.app import cli, verbs
from understudy.comp.mattes import matte
from understudy.core.errors import FaceError, JobError, UnderstudyError
from understudy.core.progress import Event, Reporter, Warned, silent
from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.detect.known import write_table
from understudy.face.template import BASE
from understudy.face.track.correct import follow_moved
from understudy.face.track.store import Track, TrackedFace
from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.image.raster import Raster
from understudy.jobs.shots import PointsJob, TrackJob
from understudy.shots import points

SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
FRAMES = (1001, 1002, 1004)
NOSE, EYES = 30, (36, 45)


def landmarks(frame: int) -> np.ndarray:
    """A face that turns, grows and wanders a little from frame to frame."""
    step = frame - 1001
    angle, size = 0.1 + 0.03 * step, 90 + 2 * step
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((BASE - 0.5) @ turn.T + [120.3 + 3.7 * step, 110.1 - step]).astype(np.float32)


def face(frame: int, *, by_hand: bool = False) -> TrackedFace:
    found = landmarks(frame)
    low, high = found.min(axis=0), found.max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return TrackedFace(frame, found, 0.9, by_hand, box)


@pytest.fixture
def track(tmp_path: Path) -> Track:
    faces = [face(frame) for frame in FRAMES]
    return Track.create(tmp_path / "a.track", plate="p.%04d.exr", faces={"face": faces}, detector="yunet")


def run(track: Track, action: str, *, report: Reporter = silent, **values: Any) -> dict[str, Any]:
    document = track.path.with_suffix(".json")
    job = PointsJob(**{"track": track.path, "document": document, "action": action, **values})
    return verbs.run(job, report=report, settings=SETTINGS)


def document_of(track: Track) -> dict[str, Any]:
    run(track, "read")
    return json.loads(track.path.with_suffix(".json").read_text())


def correct(track: Track, faces: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    document = {"schema_version": 1, "faces": faces, **envelope}
    track.path.with_suffix(".json").write_text(json.dumps(document))
    return run(track, "correct")


def test_the_document_holds_the_tracks_faces_bit_for_bit(track: Track) -> None:
    document = document_of(track)
    assert (document["schema_version"], document["plate"], document["detector"]) == (2, "p.%04d.exr", "yunet")
    assert [int(text) for text in document["faces"]["face"]] == list(FRAMES)
    for text, found in document["faces"]["face"].items():
        assert np.array_equal(
            np.array(found["landmarks"], np.float32), track.face().faces[int(text)].landmarks
        )
        assert (found["confidence"], found["by_hand"]) == (0.9, False)


def test_the_outline_encloses_what_the_hull_matte_covers(track: Track) -> None:
    for text, found in document_of(track)["faces"]["face"].items():
        polygon = np.array(found["hull"])
        x, y = polygon.T
        area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
        covered = matte.hull(track.face().faces[int(text)].landmarks, (240, 260))
        assert area == pytest.approx(covered.sum(), rel=2e-3)
        middle = np.array([covered.sum(axis=0) @ np.arange(260), covered.sum(axis=1) @ np.arange(240)])
        assert np.allclose(centroid(polygon), middle / covered.sum(), atol=0.05)


def centroid(polygon: np.ndarray) -> np.ndarray:
    after = np.roll(polygon, -1, axis=0)
    cross = polygon[:, 0] * after[:, 1] - polygon[:, 1] * after[:, 0]
    return ((polygon + after) * cross[:, None]).sum(axis=0) / (3 * cross.sum())


def test_placement_and_corners_lay_the_squares_onto_the_face(track: Track) -> None:
    for text, found in document_of(track)["faces"]["face"].items():
        there = track.face().faces[int(text)].landmarks
        assert np.abs(align.transform(BASE, found["placement"]) - there).max() < 1e-3
        to_aligned = align.plate_to_aligned(there, coverage="full", size=100)
        low, high = -0.5, 99.5
        edges = [[low, low], [high, low], [high, high], [low, high]]
        assert np.abs(align.transform(found["corners"], to_aligned) - edges).max() < 1e-3


def test_placement_and_corners_of_an_anamorphic_plate_hold_its_squeeze(tmp_path: Path) -> None:
    """The face is turned and scaled in true shape, and then squeezed."""
    squeeze = align.invert(align.squaring(2.0))
    faces = [
        dataclasses.replace(
            face(frame), landmarks=align.transform(landmarks(frame), squeeze).astype(np.float32)
        )
        for frame in FRAMES
    ]
    raster = Raster(0, 0, 128, 256, 2.0)
    squeezed = Track.create(
        tmp_path / "a.track", plate="p.%04d.exr", faces={"face": faces}, detector="yunet", raster=raster
    )
    run(squeezed, "read")
    found = json.loads((tmp_path / "a.json").read_text())["faces"]["face"]
    for number in FRAMES:
        one = found[str(number)]
        placed = align.transform(BASE, np.array(one["placement"]))
        np.testing.assert_allclose(placed, one["landmarks"], atol=1e-3)
        flat = align.transform(np.array(one["corners"]), align.squaring(2.0))
        edges = np.linalg.norm(np.roll(flat, -1, axis=0) - flat, axis=1)
        np.testing.assert_allclose(edges, edges[0], rtol=1e-4)


def test_only_the_chosen_frames_are_read(track: Track) -> None:
    assert run(track, "read", frames="1002-1003")["faces"] == 1
    assert list(json.loads(track.path.with_suffix(".json").read_text())["faces"]["face"]) == ["1002"]
    with pytest.raises(FaceError, match="no face in the frames 7") as caught:
        run(track, "read", frames="7")
    assert caught.value.fix == "choose among 1001-1002,1004"


def test_reading_never_writes_over_a_track(track: Track) -> None:
    before = track.path.read_bytes()
    with pytest.raises(JobError, match="would overwrite the track"):
        run(track, "read", document=track.path)
    assert track.path.read_bytes() == before


def test_a_document_that_comes_back_unchanged_changes_nothing(track: Track) -> None:
    document = document_of(track)
    for found in document["faces"]["face"].values():
        found["by_hand"] = True
    track.path.with_suffix(".json").write_text(json.dumps(document))
    before, told = track.path.read_bytes(), list[Event]()
    assert run(track, "correct", report=told.append)["corrected"] == 0
    assert track.path.read_bytes() == before
    assert any(isinstance(event, Warned) for event in told)


def test_only_faces_marked_by_hand_and_changed_are_written(track: Track) -> None:
    document = document_of(track)
    for text in ("1001", "1002", "1004"):
        document["faces"]["face"][text]["landmarks"][NOSE][0] += 2.5
    for text in ("1002", "1004"):
        document["faces"]["face"][text]["by_hand"] = True
    track.path.with_suffix(".json").write_text(json.dumps(document))
    assert run(track, "correct", frames="1001-1002")["frames"] == [1002]
    faces = Track.open(track.path).face().faces
    assert [number for number, found in faces.items() if found.by_hand] == [1002]
    expected = landmarks(1002)
    expected[NOSE, 0] += np.float32(2.5)
    assert np.abs(faces[1002].landmarks - expected).max() < 1e-4
    assert np.array_equal(faces[1001].landmarks, landmarks(1001))
    assert (Track.open(track.path).plate, faces[1002].confidence) == ("p.%04d.exr", 0.9)


def test_a_face_corrected_before_can_be_corrected_again(track: Track) -> None:
    for place in ([130.25, 121.5], [128.5, 119.25]):
        assert correct(track, {"1002": {"by_hand": True, "moved": {str(NOSE): place}}})["corrected"] == 1
        assert Track.open(track.path).face().faces[1002].landmarks[NOSE].tolist() == place


def test_the_box_moves_with_the_face(track: Track) -> None:
    nose = landmarks(1002)[NOSE].astype(float) + np.array([10, -4])
    correct(track, {"1002": {"by_hand": True, "moved": {str(NOSE): nose.tolist()}}})
    moved = np.subtract(Track.open(track.path).face().faces[1002].box, track.face().faces[1002].box)
    assert np.abs(moved - [10, -4, 10, -4]).max() < 1e-3


def test_one_moved_landmark_shifts_the_face() -> None:
    before = landmarks(1001)
    target = before[NOSE] + np.float32([8, -3])
    after = follow_moved(before, {NOSE: (float(target[0]), float(target[1]))})
    assert np.abs(after - before - [8, -3]).max() < 1e-4
    assert np.array_equal(after[NOSE], target)


def test_landmarks_moved_far_apart_turn_and_scale_the_face() -> None:
    before = landmarks(1001)
    angle = 0.2
    linear = 1.15 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wanted = (before - 100) @ linear.T + [105, 96]
    after = follow_moved(before, {index: tuple(wanted[index]) for index in EYES})
    assert np.abs(after - wanted).max() < 1e-3


@given(turn=st.floats(-0.6, 0.6), size=st.floats(0.8, 1.3), aspect=st.sampled_from([2.0, 0.5]))
def test_on_an_anamorphic_plate_a_face_is_turned_in_true_shape(
    turn: float, size: float, aspect: float
) -> None:
    """The corners of both eyes and the chin, moved as a head turns, take every other landmark along."""
    squeeze = align.invert(align.squaring(aspect))
    before = landmarks(1001)
    rotate = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    after = (before - before.mean(axis=0)) @ rotate.T + before.mean(axis=0)
    here, there = (align.transform(one, squeeze) for one in (before, after))
    moved = {index: (float(there[index, 0]), float(there[index, 1])) for index in (36, 45, 8)}
    followed = follow_moved(here.astype(np.float32), moved, aspect)
    np.testing.assert_allclose(followed, there, atol=2e-2)


def test_landmarks_moved_beside_each_other_do_not_blow_the_face_up() -> None:
    # The inner lips opened three times as wide, which a similarity takes for a face three times as large.
    before = landmarks(1001)
    upper, lower = before[62].astype(float), before[66].astype(float)
    apart = lower - upper
    after = follow_moved(before, {62: tuple(upper - apart), 66: tuple(lower + apart)})
    assert np.allclose(after[[62, 66]], [upper - apart, lower + apart], atol=1e-4)
    assert np.abs(after[[36, 39, 42, 45]] - before[[36, 39, 42, 45]]).max() < 1.0
    outer_lip = after[57] - before[57]
    assert 0.3 * np.hypot(*apart) < np.hypot(*outer_lip) < np.hypot(*apart)


def test_landmarks_named_with_their_old_place_hold_the_face() -> None:
    before = landmarks(1001)
    held = {index: (float(before[index, 0]), float(before[index, 1])) for index in (36, 45, 30, 8)}
    corner = before[54].astype(float) + np.array([6, 2])
    after = follow_moved(before, {**held, 54: tuple(corner)})
    assert np.allclose(after[54], corner, atol=1e-4)
    assert np.array_equal(after[list(held)], before[list(held)])
    moved = np.hypot(*(after - before).T)
    assert moved[[53, 55]].min() > 2.5 and moved[[36, 37, 17, 0]].max() < 0.7


@given(
    st.dictionaries(
        st.integers(0, 67), st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=8
    )
)
def test_moved_landmarks_land_exactly_and_the_others_stay_finite(
    moved: dict[int, tuple[float, float]],
) -> None:
    after = follow_moved(landmarks(1001), moved)
    for index, place in moved.items():
        assert np.array_equal(after[index], np.float32(place))
    # Nothing is thrown farther than the moved points themselves were, times what similarity may magnify.
    reach = max(np.hypot(*np.subtract(place, landmarks(1001)[index])) for index, place in moved.items())
    assert np.isfinite(after).all() and np.abs(after - landmarks(1001)).max() <= 6 * reach + 1e-2


GOOD = {"by_hand": True, "moved": {"30": [130, 120]}}


def bent(change: Callable[[list[Any]], Any]) -> dict[str, Any]:
    rows: list[Any] = landmarks(1001).tolist()
    return {"by_hand": True, "landmarks": change(rows)}


@pytest.mark.parametrize(
    ("faces", "where"),
    [
        ({"1003": GOOD}, "frame 1003"),
        ({"1001": bent(lambda rows: rows[:67])}, "faces.1001.landmarks"),
        ({"1001": bent(lambda rows: [*rows, [1, 2]])}, "faces.1001.landmarks"),
        ({"1001": bent(lambda rows: [[1, 2, 3], *rows[1:]])}, "faces.1001.landmarks.0"),
        ({"1001": bent(lambda rows: [["1", 2], *rows[1:]])}, "faces.1001.landmarks.0"),
        ({"1001": bent(lambda rows: [[1e300, 2], *rows[1:]])}, "faces.1001.landmarks.0"),
        ({"1001": bent(lambda rows: [[True, 2], *rows[1:]])}, "faces.1001.landmarks.0"),
        ({"1001": bent(lambda rows: [[5, 5]] * 68)}, "frame 1001"),
        ({"1001": {**bent(lambda rows: [[5, 5]] * 68), "moved": {"30": [1, 2]}}}, "frame 1001"),
        ({"1001": {"by_hand": True, "moved": {"68": [1, 2]}}}, "faces.1001.moved"),
        ({"1001": {"by_hand": True, "moved": {"030": [1, 2]}}}, "faces.1001.moved"),
        ({"1001": {"by_hand": True, "moved": {"30": [1]}}}, "faces.1001.moved"),
        ({"1001": {"by_hand": True, "moved": [[1, 2]]}}, "faces.1001.moved"),
        ({"1001": {"by_hand": 1, "moved": {"30": [1, 2]}}}, "faces.1001.by_hand"),
        ({"1001": {"by_hand": True, "nose": [1, 2]}}, "faces.1001.nose"),
        ({"01001": GOOD}, "faces"),
        ({"1001.5": GOOD}, "faces"),
        ({"1001": None}, "faces.1001"),
        ([GOOD], "faces"),
    ],
)
def test_a_correction_that_is_no_face_is_refused_whole(track: Track, faces: Any, where: str) -> None:
    before = track.path.read_bytes()
    if isinstance(faces, dict):
        faces = {"1002": GOOD, **faces}
    with pytest.raises(FaceError) as caught:
        correct(track, faces)
    assert where in str(caught.value) and str(track.path.with_suffix(".json")) in caught.value.where
    assert caught.value.fix and track.path.read_bytes() == before


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "version None"),
        (
            b'{"schema_version": 2, "faces": {"1001": {"moved": {"30": [NaN, 1]}}}}',
            "NaN is not a JSON number",
        ),
        (b'{"schema_version": 2, "faces": {"1001": {"moved": {"30": [1e999, 1]}}}}', "too large"),
        (
            b'{"schema_version": 2, "faces": {"1001": {"moved": {"30": [1%s, 1]}}}}' % (b"0" * 400),
            "too large",
        ),
        (b'{"schema_version": 3, "faces": {}}', "newer version: schema 3"),
        (b'{"schema_version": 2, "faces": {"1001": {}}}', "not as it should be"),
        (b'{"schema_version": 2, "faces": {"face": {"x": {}}}}', "not as it should be"),
        (b'{"schema_version": 1}', "Field required"),
        (b'{"schema_version": 1, "faces": {}, "frames": {}}', "not as it should be"),
    ],
)
def test_a_foreign_document_is_one_clear_error(track: Track, data: bytes, said: str) -> None:
    document = track.path.with_suffix(".json")
    document.write_bytes(data)
    with pytest.raises(UnderstudyError, match=said) as caught:
        run(track, "correct")
    assert str(document) in caught.value.where and caught.value.fix


def test_a_missing_document_is_named(track: Track) -> None:
    with pytest.raises(JobError, match="No such file"):
        run(track, "correct")


def test_a_document_larger_than_any_shot_is_not_taken_in(
    track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "_KIND", dataclasses.replace(points._KIND, largest_bytes=100))
    with pytest.raises(JobError, match="not JSON"):
        correct(track, {"1001": GOOD}, plate="x" * 100)


def test_another_plates_document_is_taken_with_a_warning(track: Track) -> None:
    document = {"schema_version": 1, "plate": "other.%04d.exr", "faces": {"1001": GOOD}}
    track.path.with_suffix(".json").write_text(json.dumps(document))
    told = list[Event]()
    assert run(track, "correct", report=told.append)["corrected"] == 1
    assert any(isinstance(event, Warned) and "other.%04d.exr" in event.message for event in told)


def test_points_are_read_and_corrected_by_frame_and_face(tmp_path: Path) -> None:
    faces = {"hero": [face(1001), face(1002)], "villain": [face(1001)]}
    track = Track.create(tmp_path / "a.track", plate="p", faces=faces, detector="yunet")
    document = document_of(track)
    assert {name: list(found) for name, found in document["faces"].items()} == {
        "hero": ["1001", "1002"],
        "villain": ["1001"],
    }
    assert run(track, "read", face="villain")["faces"] == 1
    for each in document["faces"].values():
        each["1001"] = GOOD
    track.path.with_suffix(".json").write_text(json.dumps(document))
    assert run(track, "correct", face="villain")["frames"] == [1001]
    after = Track.open(track.path).faces
    assert after["villain"][1001].landmarks[30].tolist() == [130, 120]
    assert np.array_equal(after["hero"][1001].landmarks, landmarks(1001))
    assert run(track, "correct")["frames"] == [1001]  # the hero's; the villain's is there by now
    with pytest.raises(FaceError, match="several faces"):  # version 1 names none
        correct(track, {"1001": GOOD})
    with pytest.raises(FaceError, match="no face 'nobody'"):
        run(track, "read", face="nobody", document=tmp_path / "other.json")


def write_plates(folder: Path, faces: dict[int, Any]) -> TrackJob:
    for number in faces:
        picture = Frame.from_rgb(np.full((240, 560, 3), 0.2, np.float32), colour_space="ACEScg")
        write_image(folder / f"p.{number:04d}.exr", picture)
    write_table(folder / "landmarks.json", faces)
    return TrackJob(plate=str(folder / "p.%04d.exr"), track=folder / "a.track", detector="known")


def test_two_actors_are_tracked_at_once_or_one_after_the_other(tmp_path: Path) -> None:
    left = {number: landmarks(1000 + number) for number in range(1, 6)}
    right = {number: 1.2 * landmarks(1000 + number) + np.float32([250, 0]) for number in left}
    job = write_plates(tmp_path, {number: np.stack([right[number], left[number]]) for number in left})

    def tracked(**changes: Any) -> dict[str, Any]:
        changed = TrackJob.model_validate({**job.model_dump(), "smoothing_frames": 0, **changes})
        return verbs.run(changed, report=silent, settings=SETTINGS)

    both = tracked(faces=2)
    assert both["frames_by_face"] == {"face1": 5, "face2": 5} and both["faces"] == 10
    found = Track.open(job.track).faces
    assert np.allclose(found["face1"][3].landmarks, left[3], atol=1e-3)
    assert np.allclose(found["face2"][3].landmarks, right[3], atol=1e-3)
    other = tmp_path / "b.track"
    assert "frames_by_face" not in tracked(track=other)
    tracked(track=other, face="villain")
    found = Track.open(other).faces
    assert np.allclose(found["face"][3].landmarks, right[3], atol=1e-3)  # the larger one
    assert np.allclose(found["villain"][3].landmarks, left[3], atol=1e-3)
    with pytest.raises(FaceError, match="No other face"):
        tracked(track=other, face="third")
    with pytest.raises(ValueError, match="of one face"):
        tracked(faces=2, face_box=(0, 0, 9, 9))


def test_the_command_line_reads_and_corrects(track: Track, capsys: pytest.CaptureFixture[str]) -> None:
    document = track.path.with_name("face.json")
    words = ["points", "--track", str(track.path), "--document", str(document)]
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["result"]["faces"] == len(FRAMES)
    document.write_text(json.dumps({"schema_version": 1, "faces": {"1004": GOOD}}))
    assert cli.main([*words, "--action", "correct"]) == 0
    assert "corrected: 1" in capsys.readouterr().out
    assert Track.open(track.path).face().faces[1004].by_hand
    document.write_text(json.dumps({"schema_version": 1, "faces": {"1003": GOOD}}))
    assert cli.main([*words, "--action", "correct"]) == 5
    assert "  try: " in capsys.readouterr().err


def test_tracking_the_shot_again_keeps_what_was_corrected(tmp_path: Path) -> None:
    numbers = range(1, 6)
    for number in numbers:
        picture = Frame.from_rgb(np.full((240, 260, 3), 0.2, np.float32), colour_space="ACEScg")
        write_image(tmp_path / f"p.{number:04d}.exr", picture)
    write_table(tmp_path / "landmarks.json", {number: landmarks(1000 + number) for number in numbers})
    job = TrackJob(plate=str(tmp_path / "p.%04d.exr"), track=tmp_path / "a.track", detector="known")
    verbs.run(job, report=silent, settings=SETTINGS)
    first = Track.open(job.track)
    correct(first, {"3": {"by_hand": True, "moved": {"30": [140.5, 99.25], "8": [131.0, 190.0]}}})
    corrected = Track.open(job.track).face().faces[3].landmarks
    assert np.abs(corrected - first.face().faces[3].landmarks).max() > 5
    for smoothing in (0.0, 1.0, 5.0):
        again = job.model_copy(update={"smoothing_frames": smoothing})
        verbs.run(again, report=silent, settings=SETTINGS)
        faces = Track.open(job.track).face().faces
        assert [number for number, found in faces.items() if found.by_hand] == [3]
        assert np.array_equal(faces[3].landmarks, corrected)
        assert len(faces) == len(numbers)
    part = job.model_copy(update={"frames": "1-2"})
    verbs.run(part, report=silent, settings=SETTINGS)
    assert np.array_equal(Track.open(job.track).face().faces[3].landmarks, corrected)
