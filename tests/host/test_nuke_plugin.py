"""The plugin with the real engine, and a stand-in for Nuke that knows only what is used."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fake_nuke import Nuke
from nuke_host import PLUGIN, dies_in_its_next_run, part, plugin_in
from nuke_script import Reader

from rendered import FRAMES, SETTINGS
from understudy.core.progress import silent
from understudy.face.track.store import Track
from understudy.image.exr import read_image
from understudy.jobs.table import parse_job
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob
from understudy_host.client import PROGRAM_VARIABLE
from understudy_host.errors import HostError


class Host:
    """A stand-in host with the plugin in it and an Understudy node under a plate."""

    def __init__(self, nuke, shot):
        self.nuke = nuke
        self.actions, self.baking, self.runs = part("actions"), part("baking"), part("runs")
        self.read = nuke.node_of(
            "Read", "Read1", file=shot.frames("plate"), first=1, last=FRAMES, colorspace="scene_linear"
        )
        self.node = self.actions.create()
        self.node.setInput(0, self.read)
        self.node["track"].setValue(str(shot.root / "plate.track"))
        self.node["model"].setValue(str(shot.model))

    def bake(self, frames=""):
        thread = self.baking.start(self.nuke, self.node, frames)
        if thread is not None:
            self.nuke.pump(thread)


@pytest.fixture
def host(request, shot, tmp_path, monkeypatch):
    gui = getattr(request, "param", False)
    nuke = Nuke(gui=gui, script=str(tmp_path / "shot.nk"))
    with plugin_in(nuke, monkeypatch):
        yield Host(nuke, shot)


def face_pass(host, frame=1):
    return read_image(Path(host.node["face_pass_file"].value() % frame))


@pytest.mark.parametrize("host", [False, True], indirect=True)
def test_a_bake_writes_a_face_pass_beside_the_script_and_points_the_node_at_it(host, shot, tmp_path):
    host.bake()
    folder = tmp_path / "understudy" / "shot_Understudy1"
    assert sorted(path.name for path in folder.iterdir()) == [f"face_pass.{n:04d}.exr" for n in (1, 2, 3)]
    assert (host.node["first_frame"].value(), host.node["last_frame"].value()) == (1, FRAMES)
    assert host.node["bake_state"].value() == "baked"
    assert host.node.node("FacePass")["reload"].executed == 1
    assert "matte_final.A" in face_pass(host).channels
    if host.nuke.GUI:
        assert host.nuke.ProgressTask.seen[-1] == 100 and not host.nuke.messages
    assert all(node.Class() != "Write" for node in host.nuke.all)


def test_what_is_live_needs_no_bake_and_what_is_baked_says_so(host):
    host.bake("1")
    for knob, value in (
        ("opacity", 50.0),
        ("colour_strength", 10.0),
        ("grade_gamma", 1.4),
        ("sharpness", -20.0),
    ):
        host.node[knob].setValue(value)
        assert host.node["bake_state"].value() == "baked", knob
    host.node["erode"].setValue(5.0)
    assert host.node["bake_state"].value() == "stale: bake again"
    host.node["matte_source"].setValue("live")
    host.node["erode"].setValue(-2.0)
    host.node["matte_source"].setValue("baked")
    assert host.node["bake_state"].value() == "baked"
    host.node["identity_mix"].setValue(40.0)
    assert host.node["bake_state"].value().startswith("stale")
    before = face_pass(host).pixels
    host.bake("1")
    assert host.node["bake_state"].value() == "baked"
    assert not np.array_equal(face_pass(host).pixels, before)


def test_a_bake_with_no_matte_chosen_holds_those_that_the_live_matte_combines(host):
    host.node["matte_source"].setValue("live")
    host.node["matte_learned"].setValue(False)
    host.bake("1")
    assert host.node["bake_state"].value() == "baked" and not host.nuke.messages
    assert {"matte_learned.A", "matte_hull.A"} <= set(face_pass(host).channels)
    host.node["bake_as"].setValue("finished_frame")
    with pytest.raises(HostError, match="1 frames could not be baked"):
        host.bake("1")


def test_a_finished_frame_is_the_engines_with_every_knob_baked(host, shot, tmp_path):
    host.node["bake_as"].setValue("finished_frame")
    host.node["merge"].setValue("gradient")
    host.node["grain"].setValue(50.0)
    host.bake("1")
    job = {"plate": shot.frames("plate"), "track": shot.root / "plate.track", "model": shot.model}
    job |= {"output": str(tmp_path / "own.%04d.exr"), "merge": "gradient", "grain": 50.0, "frames": "1"}
    job["colour_space"] = "ACEScg"  # what the script works in
    swap_run.run(SwapJob.model_validate(job), report=silent, settings=SETTINGS)
    # Both are halves, and the engine's network ran on another number of threads.
    own = read_image(tmp_path / "own.0001.exr").pixels
    np.testing.assert_allclose(face_pass(host).pixels, own, rtol=2e-3, atol=1e-4)
    host.node["opacity"].setValue(40.0)
    assert host.node["bake_state"].value().startswith("stale")


def test_a_plate_or_a_track_written_anew_makes_a_bake_stale(host, shot, tmp_path):
    plate, track = str(tmp_path / "plate.%04d.exr"), tmp_path / "plate.track"
    for number in range(1, FRAMES + 1):
        shutil.copy(shot.frames("plate") % number, plate % number)
    shutil.copy(shot.root / "plate.track", track)
    host.read["file"].setValue(plate)
    host.node["track"].setValue(str(track))
    for path in (Path(plate % 1), track):
        host.bake("1")
        assert host.actions.refresh(host.node) == "baked"
        os.utime(path, ns=(1, 1))
        assert state_soon(host, "baked") == "stale: bake again"
    brighter = host.nuke.node_of("Multiply", "Multiply1", value=2.0)
    brighter.setInput(0, host.read)
    host.node.setInput(0, brighter)
    host.bake("1")
    # What Nuke writes itself for a bake is compared by its bits there, not by its time.
    os.utime(
        Path(host.node["face_pass_file"].value()).parent / "face_pass_inputs" / "plate.0001.exr", ns=(1, 1)
    )
    assert state_soon(host, "baked", seconds=0.3) == "baked"


def state_soon(host, before, *, seconds=5.0):
    """The state as soon as the files are looked at again."""
    ends = time.monotonic() + seconds
    while host.actions.refresh(host.node) == before and time.monotonic() < ends:
        time.sleep(0.005)
    return host.node["bake_state"].value()


def test_a_script_of_an_earlier_release_bakes_with_the_names_that_it_holds(host, tmp_path):
    """Its group has a knob that has another name by now."""
    script = (PLUGIN.parent / "gizmos" / "Understudy.gizmo").read_text(encoding="utf-8")
    declared = ' addUserKnob {20 Colour}\n addUserKnob {2 matte_external l "matte external" t "Your own."}'
    old = script.replace(" addUserKnob {20 Colour}", f"{declared}\n matte_external /roto.%04d.exr", 1)
    saved = tmp_path / "old.nk"
    saved.write_text(old, encoding="utf-8")
    node = host.nuke.nodePaste(str(saved))
    assert node.knob("matte_roto") is None and node["matte_external"].value() == "/roto.%04d.exr"
    node.setInput(0, host.read)
    for name in ("track", "model"):
        node[name].setValue(host.node[name].value())
    bake = host.baking.Bake(host.nuke, node)
    assert bake.job["matte_roto"] == "/roto.%04d.exr" and "matte_external" not in bake.job
    assert parse_job("swap", bake.job).matte_roto == "/roto.%04d.exr"
    bake.show(bake.job, {})
    assert host.actions.refresh(node) == "baked"
    node["matte_external"].setValue("")
    assert node["bake_state"].value() == "stale: bake again"


def test_one_frame_can_be_baked_and_the_others_stay(host):
    host.bake()
    stamp = os.stat(host.node["face_pass_file"].value() % 1).st_mtime_ns
    host.actions.bake_frame(host.node)
    assert os.stat(host.node["face_pass_file"].value() % 1).st_mtime_ns == stamp
    assert (host.node["first_frame"].value(), host.node["last_frame"].value()) == (1, FRAMES)


def test_keys_go_into_the_job_and_an_expression_is_told(host):
    for frame, value in ((1, -2.0), (3, 6.0)):
        host.node["erode"].setValueAt(value, frame)
        host.node["colour_method"].setValueAt(2, frame)
    job = host.baking.Bake(host.nuke, host.node).job
    assert job["keyframes"]["erode"] == {"1": -2.0, "3": 6.0}
    assert job["keyframes"]["colour_method"] == {"1": "mean_std", "3": "mean_std"}
    parse_job("swap", job)
    host.node["feather"].setExpression("frame")
    with pytest.raises(HostError, match="driven by an expression"):
        host.bake()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda host: host.node.setInput(0, None), "plate input is not connected"),
        (lambda host: host.node["track"].setValue(""), "has no track"),
        (lambda host: host.node["face_pass_file"].setValue("/somewhere/face.exr"), "needs a frame number"),
        (lambda host: host.node["frames"].setValue("ten"), "is not a frame range"),
        (lambda host: host.node["model"].setValue("/none/model.onnx"), "has no card"),
    ],
)
def test_what_is_missing_is_one_clear_sentence(host, change, words):
    change(host)
    with pytest.raises(HostError, match=words) as caught:
        host.bake()
    assert caught.value.fix
    host.nuke.GUI = True
    thread = host.actions.bake(host.node)
    if thread is not None:
        host.nuke.pump(thread)
    assert len(host.nuke.messages) == 1 and words in host.nuke.messages[0]


def test_a_script_that_was_never_saved_is_told(host):
    host.nuke.root()._name = "Root"
    with pytest.raises(HostError, match="never been saved"):
        host.bake()


def test_a_missing_engine_is_told(host, monkeypatch, tmp_path):
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(HostError, match="not installed here"):
        host.bake()


def test_a_changed_plate_is_written_first_and_the_engine_sees_it(host, shot):
    host.bake("1")
    plain = face_pass(host)
    brighter = host.nuke.node_of("Multiply", "Multiply1", value=2.0)
    brighter.setInput(0, host.read)
    host.node.setInput(0, brighter)
    host.nuke.root()["proxy"].setValue(True)
    assert host.actions.refresh(host.node).startswith("stale")
    host.bake("1")
    folder = Path(host.node["face_pass_file"].value()).parent / "face_pass_inputs"
    written = folder / "plate.0001.exr"
    np.testing.assert_array_equal(read_image(written).pixels, shot.plate().pixels * 2)
    assert [path.name for path in folder.iterdir()] == [written.name]
    assert host.nuke.root()["proxy"].value() is True
    assert all(node.Class() != "Write" for node in host.nuke.all)
    light = plain.channels.index("light.R")
    covered = plain.pixels[..., plain.channels.index("matte_final.A")] > 0.3
    # Twice the light is one stop, 1/17.52 in the encoded space.
    apart = (face_pass(host).pixels - plain.pixels)[covered, light]
    assert np.median(apart) == pytest.approx(1 / 17.52, abs=5e-3)


@pytest.mark.parametrize("host", [True], indirect=True)
def test_a_bake_can_be_cancelled_and_one_node_bakes_once_at_a_time(host):
    thread = host.baking.start(host.nuke, host.node)
    with pytest.raises(HostError, match="is being baked"):
        host.baking.start(host.nuke, host.node)
    host.actions.cancel(host.node)
    host.nuke.pump(thread)
    assert host.node["bake_state"].value() == "not baked yet" and not host.nuke.messages
    host.actions.cancel(host.node)
    assert host.nuke.messages == ["Nothing is being baked here."]


@pytest.mark.parametrize("host", [True], indirect=True)
def test_an_engine_that_dies_in_a_bake_is_one_sentence_and_the_next_bake_goes_on(host):
    dies_in_its_next_run(host.runs.engines.get())
    host.bake()
    assert len(host.nuke.messages) == 1 and "stopped in the middle of a run" in host.nuke.messages[0]
    host.bake()
    assert host.node["bake_state"].value() == "baked"


def test_a_bake_is_sent_to_the_farm_as_a_bundle(host, tmp_path):
    labels = {knob.name: knob.label for knob in part("panels").fields("bundle")}
    host.nuke.answers = {labels["folder"]: str(tmp_path / "bundle"), labels["chunk_frames"]: "2"}
    host.actions.send_to_farm(host.node)
    job = json.loads((tmp_path / "bundle" / "job.json").read_text())
    assert parse_job("swap", job).write == "face_pass" and "frames" not in job
    template = json.loads((tmp_path / "bundle" / "template.json").read_text())
    defaults = {one["name"]: one["default"] for one in template["parameterDefinitions"]}
    assert (defaults["Frames"], defaults["Chunk"]) == (f"1-{FRAMES}", 2)
    host.nuke.answers = {}
    with pytest.raises(HostError, match="has no folder"):
        host.actions.send_to_farm(host.node)


@pytest.mark.parametrize("host", [True], indirect=True)
def test_a_track_is_asked_for_made_and_put_into_the_node(host, shot, tmp_path):
    host.nuke.answers = {"track": str(tmp_path / "new.track"), "detector": "known"}
    host.nuke.pump(host.actions.track(host.node))
    assert not host.nuke.messages
    assert host.node["track"].value() == str(tmp_path / "new.track") and (tmp_path / "new.track").exists()
    host.nuke.answers = None
    assert host.actions.train(host.node) is None


def test_a_point_moved_in_a_tracker_comes_back_into_the_track_and_makes_the_bake_stale(host, shot, tmp_path):
    own = tmp_path / "own.track"
    shutil.copy(shot.root / "plate.track", own)
    host.node["track"].setValue(str(own))
    host.bake("1")
    host.actions.make_tracker(host.node)
    tracker = host.nuke.selectedNode()
    assert tracker.Class() == "Tracker4"
    tracking = part("tracking")
    moved = tracking._points(host.node)
    moved["faces"]["face"]["1"]["landmarks"][30][0] += 3
    words = tracking.tracks.tracker(moved, tracking._raster(host.node))
    (pasted,) = Reader().read(words).children.values()
    tracker["tracks"].setValue(pasted.knobs["tracks"])
    before = Track.open(own).face().faces[1].landmarks
    host.actions.take_corrections(host.node)
    after = Track.open(own).face().faces[1]
    assert after.by_hand and not Track.open(own).face().faces[2].by_hand
    assert after.landmarks[30, 0] - before[30, 0] == pytest.approx(3, abs=1e-2)
    assert "1 frames of the track" in host.nuke.messages[-1]
    assert host.node["bake_state"].value().startswith("stale")


@pytest.mark.parametrize("kind", ["corner_pin", "transform"])
def test_the_track_becomes_a_node(host, kind):
    getattr(host.actions, f"make_{kind}")(host.node)
    assert host.nuke.selectedNode().Class() == {"corner_pin": "CornerPin2D", "transform": "Transform"}[kind]


def test_corrections_need_a_tracker(host):
    with pytest.raises(HostError, match="No Tracker is selected"):
        host.actions.take_corrections(host.node)


@pytest.mark.parametrize("verb", ["track", "extract", "train", "export", "bundle"])
def test_every_panel_asks_for_fields_of_the_job_table(host, verb):
    panels = part("panels")
    asked = panels.fields(verb)
    assert len(asked) >= 2 and len({knob.label for knob in asked}) == len(asked)


def test_the_menu_makes_a_node(host):
    runpy.run_path(str(PLUGIN / "menu.py"))
    made = host.nuke.menu("Nodes").menus["Understudy"].commands["Understudy"]()
    assert made.Class() == "Group" and made.knob("baked_digest") is not None
    assert any(path.endswith("gizmos") for path in host.nuke.paths)
    paint = host.nuke.menu("Nodes").menus["Understudy"].commands["UnderstudyPaint"]()
    assert paint.name() == "UnderstudyPaint1"
    propagate = host.nuke.menu("Nodes").menus["Understudy"].commands["UnderstudyPropagate"]()
    assert propagate.name() == "UnderstudyPropagate1"
    assert all((PLUGIN / "icons" / name).is_file() for name in ("understudy.png",))


@pytest.mark.parametrize("file", ["init.py", "menu.py"])
def test_a_plugin_that_cannot_start_says_why_and_lets_the_host_open(host, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "understudy_nuke", None)
    monkeypatch.setitem(sys.modules, "understudy_nuke.actions", None)
    runpy.run_path(str(PLUGIN / file))
    assert any("Understudy" in line and "Error" in line for line in host.nuke.printed)


def test_other_groups_are_left_alone(host):
    other = host.nuke.node_of("Group", "Group9")
    other["label"].setValue("mine")
    runpy.run_path(str(PLUGIN / "menu.py"))
    assert other["label"].value() == "mine" and not host.nuke.printed
    assert host.nuke.drawn(other) == "Group9\nmine"


def test_the_artists_label_and_colour_stay_and_the_state_is_drawn_below(host):
    runpy.run_path(str(PLUGIN / "menu.py"))
    host.node["label"].setValue("hero, take 2")
    host.node["tile_color"].setValue(0x00FF00FF)
    assert host.nuke.drawn(host.node) == "Understudy1\nhero, take 2\nnot baked yet"
    host.bake("1")
    assert host.nuke.drawn(host.node) == "Understudy1\nhero, take 2"
    host.node["erode"].setValue(5.0)
    assert host.nuke.drawn(host.node) == "Understudy1\nhero, take 2\nstale: bake again"
    assert host.node["label"].value() == "hero, take 2" and host.node["tile_color"].value() == 0x00FF00FF


def test_marks_that_an_earlier_release_left_in_label_and_colour_are_taken_back(host):
    host.node["label"].setValue("stale: bake again")
    host.node["tile_color"].setValue(0xCC6600FF)
    host.actions.refresh(host.node)
    assert host.node["label"].value() == "" and host.node["tile_color"].value() == 0
