"""A face's track as Nuke's nodes, and what an artist moved there back in the track."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nuke_tracked import (
    FRAMES,
    HEIGHT,
    RASTER,
    REFERENCE,
    SETTINGS,
    Script,
    correct,
    fresh,
    in_nuke,
    moved_by,
    read,
    write_shot,
)

from understudy.app import verbs
from understudy.core.progress import silent
from understudy.face.track.store import Track
from understudy.jobs.shots import TrackJob
from understudy_host.errors import HostError
from understudy_nuke import roto, tracks
from understudy_nuke.coordinates import Raster, from_host

PLUGIN = Path(__file__).resolve().parents[2] / "plugin"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrackJob:
    return write_shot(tmp_path_factory.mktemp("shot"))


@pytest.fixture
def document(job: TrackJob) -> dict[str, Any]:
    return fresh(job)


def test_the_trackers_curves_are_the_documents_landmarks(document: dict[str, Any]) -> None:
    script = Script(tracks.tracker(document, RASTER, reference_frame=REFERENCE))
    ((kind, knobs),) = script.nodes
    assert (kind, knobs["name"], knobs["reference_frame"]) == ("Tracker4", "FaceTracker", "1002")
    head, columns, rows = script.list(knobs["tracks"])
    names = [script.list(column)[3] for column in script.list(columns)]
    assert script.list(head) == ["1", "31", "8"] and len(names) == 31
    assert len(script.list(rows)) == 8
    for row, (name, index) in zip(script.list(rows), tracks.TRACKED.items(), strict=True):
        cells = dict(zip(names, script.list(row), strict=True))
        assert cells["name"] == name
        assert script.keys(cells["enable"].replace("curve K", "curve")) == {1001: 1}
        x, y = script.keys(cells["track_x"]), script.keys(cells["track_y"])
        assert list(x) == list(y) == list(FRAMES)
        for frame in FRAMES:
            wanted = in_nuke(document["faces"]["face"][str(frame)]["landmarks"][index])
            assert np.abs([x[frame], y[frame]] - wanted).max() < 1e-6
        assert {cells[flag] for flag in "TRS"} == {"1" if index in tracks.RIGID else "0"}


def test_the_names_of_the_points_say_where_they_are_in_the_picture(document: dict[str, Any]) -> None:
    places = {
        name: in_nuke(document["faces"]["face"]["1001"]["landmarks"][i]) for name, i in tracks.TRACKED.items()
    }
    order = ("eye_left_outer", "eye_left_inner", "eye_right_inner", "eye_right_outer")
    assert sorted(order, key=lambda name: places[name][0]) == list(order)
    assert places["mouth_left"][0] < places["nose_tip"][0] < places["mouth_right"][0]
    assert places["chin"][1] < places["mouth_left"][1] < places["nose_tip"][1] < places["eye_left_inner"][1]


def test_frames_without_a_face_are_left_out_of_the_curves(document: dict[str, Any]) -> None:
    del document["faces"]["face"]["1002"]
    script = Script(tracks.tracker(document, RASTER))
    rows = script.list(script.list(script.nodes[0][1]["tracks"])[2])
    assert list(script.keys(script.list(rows[0])[2])) == [1001, 1003, 1004]


def test_the_pins_are_the_documents_corners_from_the_lower_left_round(document: dict[str, Any]) -> None:
    script = Script(tracks.corner_pin(document, RASTER, square_px=512))
    ((kind, knobs),) = script.nodes
    assert kind == "CornerPin2D"
    square = {"from1": [0, 0], "from2": [512, 0], "from3": [512, 512], "from4": [0, 512]}
    assert {name: [float(word) for word in script.list(knobs[name])] for name in square} == square
    for frame in FRAMES:
        top_left, top_right, bottom_right, bottom_left = document["faces"]["face"][str(frame)]["corners"]
        for pin, corner in enumerate((bottom_left, bottom_right, top_right, top_left), start=1):
            assert np.abs(script.places(knobs[f"to{pin}"])[frame] - in_nuke(corner)).max() < 1e-6
    pins = [script.places(knobs[f"to{pin}"])[1001] for pin in (1, 2, 3, 4)]
    assert pins[0][0] < pins[1][0] and pins[0][1] < pins[3][1] and pins[1][1] < pins[2][1]


def test_a_pin_with_a_reference_frame_does_nothing_there(document: dict[str, Any]) -> None:
    script = Script(tracks.corner_pin(document, RASTER, reference_frame=REFERENCE))
    for pin in (1, 2, 3, 4):
        knobs = script.nodes[0][1]
        start = [float(word) for word in script.list(knobs[f"from{pin}"])]
        assert np.array_equal(start, script.places(knobs[f"to{pin}"])[REFERENCE])


def test_the_transform_carries_the_reference_frames_face_onto_every_frames(document: dict[str, Any]) -> None:
    script = Script(tracks.transform(document, RASTER, reference_frame=REFERENCE))
    ((kind, knobs),) = script.nodes
    assert kind == "Transform" and "invert_matrix" not in knobs
    there = {
        frame: np.array([in_nuke(p) for p in document["faces"]["face"][str(frame)]["landmarks"]])
        for frame in FRAMES
    }
    for frame in FRAMES:
        assert np.abs(moved_by(script, knobs, frame, there[REFERENCE]) - there[frame]).max() < 2e-3
    assert np.array_equal(moved_by(script, knobs, REFERENCE, there[REFERENCE]), there[REFERENCE])
    # The face turns clockwise on the screen: 0.05 radians a frame, and Nuke counts the other way.
    (turn,) = script.list(knobs["rotate"])
    assert script.keys(turn)[1003] == pytest.approx(-math.degrees(0.05), abs=1e-3)


def test_a_stabilising_transform_is_the_same_one_inverted(document: dict[str, Any]) -> None:
    still = Script(tracks.transform(document, RASTER, stabilise=True)).nodes[0][1]
    following = Script(tracks.transform(document, RASTER)).nodes[0][1]
    assert still == {**following, "invert_matrix": "true"}


def test_a_face_that_turns_over_does_not_jump_by_a_whole_turn() -> None:
    faces = {}
    for step in range(40):
        angle = math.radians(15 * step)
        cosine, sine = 90 * math.cos(angle), 90 * math.sin(angle)
        faces[str(step)] = {"placement": [[cosine, -sine, 100], [sine, cosine, 100]]}
    script = Script(tracks.transform({"schema_version": 1, "faces": faces}, RASTER, reference_frame=20))
    (turn,) = script.list(script.nodes[0][1]["rotate"])
    assert np.allclose(list(script.keys(turn).values()), [-15 * (step - 20) for step in range(40)], atol=1e-5)


@pytest.mark.parametrize("whole", [True, False], ids=["node", "knob"])
def test_a_trackers_positions_are_read_from_its_text(document: dict[str, Any], *, whole: bool) -> None:
    text = tracks.tracker(document, RASTER)
    told = text if whole else Script(text).nodes[0][1]["tracks"]
    positions = tracks.tracker_positions(told)
    assert list(positions) == list(tracks.TRACKED)
    for name, index in tracks.TRACKED.items():
        assert list(positions[name]) == list(FRAMES)
        for frame, place in positions[name].items():
            assert (
                np.abs(place - in_nuke(document["faces"]["face"][str(frame)]["landmarks"][index])).max()
                < 1e-6
            )


def test_a_place_needs_keys_of_both_its_coordinates_on_a_whole_frame(document: dict[str, Any]) -> None:
    text = tracks.tracker(document, RASTER, points={"chin": 8})
    (_, y) = re.findall(r"\{curve (x1001 [^}]+ x1004 [^}]+)\}", text)
    positions = tracks.tracker_positions(text.replace(y, "x1001 30 x1002.5 31 x1003 32"))
    assert list(positions["chin"]) == [1001, 1003]


@pytest.mark.parametrize("text", ["", "Tracker4", "Tracker4 {", "{ 1 31 0 }", "Blur {\n size 3\n}"])
def test_what_is_no_tracker_is_refused(text: str) -> None:
    with pytest.raises(HostError):
        tracks.tracker_positions(text)


@pytest.mark.parametrize("raster", [RASTER, Raster(HEIGHT, 1.0, 2.0), Raster(HEIGHT, 2.0, 0.5)])
def test_points_moved_in_nuke_come_back_into_the_track_and_stay_there(
    job: TrackJob, document: dict[str, Any], raster: Raster
) -> None:
    positions = tracks.tracker_positions(tracks.tracker(document, raster))
    wanted = {("nose_tip", 1002): (4.25, -3.5), ("mouth_left", 1002): (-2.0, 1.0), ("chin", 1004): (0.5, 6.0)}
    for (name, frame), shift in wanted.items():
        x, y = positions[name][frame]
        positions[name][frame] = (x + shift[0], y + shift[1])
    x, y = positions["eye_left_outer"][1002]
    positions["eye_left_outer"][1002] = (x + 0.004, y)  # less than a hand moves: the eye stays
    told = tracks.correction(document, positions, raster)
    assert list(told["faces"]["face"]) == ["1002", "1004"]
    assert correct(job, told)["frames"] == [1002, 1004]

    corrected = read(job)
    assert [text for text, face in corrected["faces"]["face"].items() if face["by_hand"]] == [
        "1002",
        "1004",
    ]
    for name, index in tracks.TRACKED.items():
        for frame in FRAMES:
            found = corrected["faces"]["face"][str(frame)]["landmarks"][index]
            if (name, frame) in wanted:
                apart = np.subtract(raster.to_host(found), positions[name][frame])
                assert np.abs(apart).max() < 1e-3
            else:
                assert found == document["faces"]["face"][str(frame)]["landmarks"][index]
    verbs.run(job.model_copy(update={"smoothing_frames": 2.0}), report=silent, settings=SETTINGS)
    again = Track.open(job.track).face().faces
    for frame in (1002, 1004):
        kept = np.array(corrected["faces"]["face"][str(frame)]["landmarks"], np.float32)
        assert again[frame].by_hand and np.array_equal(again[frame].landmarks, kept)
    assert not again[1003].by_hand


def test_points_that_stayed_correct_nothing(job: TrackJob, document: dict[str, Any]) -> None:
    positions = tracks.tracker_positions(tracks.tracker(document, RASTER))
    told = tracks.correction(document, positions, RASTER)
    assert told["faces"] == {} and told["plate"] == job.plate
    assert correct(job, told)["corrected"] == 0


def test_any_landmark_can_be_tracked_under_a_name(job: TrackJob, document: dict[str, Any]) -> None:
    names = {"brow": 19, "lip_top": 51}
    positions = tracks.tracker_positions(tracks.tracker(document, RASTER, points=names))
    positions["brow"][1001] = (50.0, 170.0)
    correct(job, tracks.correction(document, positions, RASTER, points=names))
    assert np.allclose(Track.open(job.track).face().faces[1001].landmarks[19], from_host(50.0, 170.0, HEIGHT))


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ({"nose": {1001: (1, 2)}}, "No landmark is called 'nose'"),
        ({"nose_tip": {999: (1, 2)}}, "no face in frame 999"),
        ({"nose_tip": {1001: (math.nan, 2)}}, "no place in frame 1001"),
    ],
)
def test_moved_points_the_document_does_not_know_are_refused(
    document: dict[str, Any], moved: tracks.Moved, said: str
) -> None:
    with pytest.raises(HostError, match=said) as caught:
        tracks.correction(document, moved, RASTER)
    assert caught.value.fix


def test_a_document_of_one_face_of_several_or_of_version_1_is_read(document: dict[str, Any]) -> None:
    faces = document["faces"]["face"]
    wanted = tracks.tracker(document, RASTER)
    assert tracks.tracker({"schema_version": 1, "faces": faces}, RASTER) == wanted
    assert tracks.tracker({**document, "faces": {"hero": faces}}, RASTER) == wanted
    assert tracks.tracker({**document, "faces": {"face": faces, "villain": {}}}, RASTER) == wanted
    positions = tracks.tracker_positions(wanted)
    positions["chin"][1002] = (5.0, 5.0)
    told = tracks.correction({**document, "faces": {"hero": faces}}, positions, RASTER)
    assert list(told["faces"]) == ["hero"]
    with pytest.raises(HostError, match="several faces"):
        tracks.tracker({**document, "faces": {"hero": faces, "villain": faces}}, RASTER)


@pytest.mark.parametrize("change", [{"schema_version": 3}, {"faces": {}}, {"faces": None}])
def test_a_document_of_another_kind_is_refused(document: dict[str, Any], change: dict[str, Any]) -> None:
    for make in (tracks.tracker, tracks.corner_pin, tracks.transform, roto.outline):
        with pytest.raises(HostError, match="not a document of a face's points"):
            make({**document, **change}, RASTER)


def test_names_that_tcl_would_run_are_refused(document: dict[str, Any]) -> None:
    for name in ("a[exit]", "a b", "", "a}", "1a"):
        with pytest.raises(HostError, match="cannot be the name"):
            tracks.transform(document, RASTER, name=name)
        with pytest.raises(HostError, match="cannot be the name"):
            tracks.tracker(document, RASTER, points={name: 30})
    with pytest.raises(HostError, match="frame 7"):
        tracks.transform(document, RASTER, reference_frame=7)


def oldest_python() -> str:
    """A Python 3.9 where there is one, as Nuke 14 carries it; else the one that runs the tests."""
    found = [shutil.which("python3.9"), *map(str, Path.home().glob(".pyenv/versions/3.9*/bin/python"))]
    for program in filter(None, found):
        if subprocess.run([program, "--version"], capture_output=True).returncode == 0:
            return program
    return sys.executable


def test_the_nodes_are_the_same_in_the_oldest_hosts_python(job: TrackJob, document: dict[str, Any]) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(PLUGIN)!r}); before = set(sys.modules)\n"
        "import json\n"
        "from understudy_nuke import roto, tracks\n"
        "from understudy_nuke.coordinates import Raster\n"
        f"document, raster = json.load(open({str(job.track.with_suffix('.json'))!r})), Raster({HEIGHT})\n"
        "made = [make(document, raster) for make in (tracks.tracker, tracks.corner_pin, tracks.transform)]\n"
        "moved = tracks.tracker_positions(made[0])\n"
        "assert tracks.correction(document, moved, raster)['faces'] == {}\n"
        "assert roto.outline(document, raster)\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps([made, sorted(new)]))"
    )
    child = subprocess.run(
        [oldest_python(), "-I", "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    made, modules = json.loads(child.stdout)
    assert made == [make(document, RASTER) for make in (tracks.tracker, tracks.corner_pin, tracks.transform)]
    assert set(modules) - {"understudy_host", "understudy_nuke"} <= set(sys.stdlib_module_names)
