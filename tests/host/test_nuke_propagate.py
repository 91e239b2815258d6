"""The propagate node in the stand-in for Nuke, with the real engine."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import painted
import pytest
from fake_nuke import Knob, Nuke
from nuke_host import dies_in_its_next_run, part, plugin_in
from painted import FIRST, HIDDEN_FROM, KEYFRAME, LAST

from understudy.image.exr import read_image, read_metadata, write_image
from understudy.jobs.table import parse_job
from understudy_host import sequence
from understudy_host.client import PROGRAM_VARIABLE
from understudy_host.errors import HostError

ALL = list(range(FIRST, LAST + 1))


@pytest.fixture(scope="module")
def painting(tmp_path_factory):
    return painted.make(tmp_path_factory.mktemp("painting"))


class Host:
    """A stand-in host with a propagate node under a plate and a keyframe of its own."""

    def __init__(self, nuke, painting):
        self.nuke, self.painting = nuke, painting
        self.actions, self.runs, self.propagating = part("actions"), part("runs"), part("propagating")
        frames = {"first": FIRST, "last": LAST, "colorspace": "scene_linear"}
        self.plate = nuke.node_of("Read", "Plate1", file=painting.plate, **frames)
        self.keyframes = nuke.node_of("Read", "Keyframes1", file=painting.fix, **frames)
        self.node = self.actions.create_propagate()
        self.node.setInput(0, self.plate)
        self.node.setInput(1, self.keyframes)

    def run(self, preview=False):
        """Press a button and wait; what goes wrong is a message under a window, else raised."""
        press = self.actions.preview if preview else self.actions.propagate
        if not self.nuke.GUI:
            self.propagating.start(self.nuke, self.node, preview=preview)
        elif (thread := press(self.node)) is not None:
            self.nuke.pump(thread)

    def open_panel(self):
        """The host tells of an opened panel as of a knob."""
        self.nuke.tell_changed(self.node, Knob(self.node, "showPanel", True))

    @property
    def state(self):
        return self.node["bake_state"].value()

    def result(self, frame):
        return read_image(Path(self.node["result_file"].value() % frame))

    def there(self):
        return list(sequence.files(self.node["result_file"].value()))


@pytest.fixture
def host(request, painting, tmp_path, monkeypatch):
    own = painted.Painting(Path(shutil.copytree(painting.root, tmp_path / "shot")))
    nuke = Nuke(gui=getattr(request, "param", False), script=str(tmp_path / "shot.nk"))
    with plugin_in(nuke, monkeypatch):
        yield Host(nuke, own)


in_a_window = pytest.mark.parametrize("host", [True], indirect=True)


@in_a_window
def test_a_preview_and_then_the_frames_themselves_appear_beside_the_script(host, tmp_path, monkeypatch):
    monkeypatch.setattr(host.runs, "SECONDS_BETWEEN_LOOKS", 0.0)
    host.run(preview=True)
    assert not host.nuke.messages and host.there() == ALL
    assert host.node["result_file"].value() == str(
        tmp_path / "understudy" / "shot_UnderstudyPropagate1" / "fixed.%04d.exr"
    )
    assert (host.node["first_frame"].value(), host.node["last_frame"].value()) == (FIRST, LAST)
    assert host.state == "preview: propagate for the frames themselves"
    looks = host.node.node("Result")["reload"].executed
    assert looks > 3  # as frames came, not only at the end
    moved = host.result(FIRST)
    rows, columns = painted.square(FIRST)
    np.testing.assert_allclose(moved.pixels[rows, columns, 1], painted.COLOUR[1], atol=0.05)
    before = {frame: host.result(frame).metadata["understudy:digest"] for frame in ALL}
    host.run()
    assert not host.nuke.messages and host.there() == ALL
    assert host.state == "propagated"
    assert all(host.result(frame).metadata["understudy:digest"] != before[frame] for frame in ALL)
    assert host.node.node("Result")["reload"].executed > looks and host.nuke.ProgressTask.seen[-1] == 100


@in_a_window
def test_a_node_with_nothing_to_show_begins_with_the_preview(host):
    verbs = []
    engine = host.runs.engines.get()
    run = engine.run
    engine.run = lambda verb, job, *rest: (verbs.append(job.get("preview", False)), run(verb, job, *rest))[1]
    host.run()
    host.run()
    assert verbs == [True, False, False] and host.state == "propagated"


def test_a_run_without_a_window_makes_the_frames_at_once_and_again_only_what_changed(host):
    host.run()
    assert host.state == "propagated" and not host.nuke.messages
    times = {frame: os.stat(host.node["result_file"].value() % frame).st_mtime_ns for frame in ALL}
    host.run()
    assert times == {frame: os.stat(host.node["result_file"].value() % frame).st_mtime_ns for frame in ALL}


def test_a_knob_an_input_and_a_repainted_keyframe_make_it_stale(host):
    host.run(preview=True)
    host.node["plate_weight"].setValue(9.0)
    assert host.state == "stale: propagate again"
    host.node["plate_weight"].setValue(6.0)
    assert host.state.startswith("preview")
    host.run()
    host.node["show"].setValue("confidence")
    assert host.state == "propagated"
    host.painting.paint(KEYFRAME, (0.9, 0.1, 0.1))
    host.open_panel()
    assert host.state.startswith("stale")
    host.run()
    assert host.state == "propagated"
    host.painting.paint(HIDDEN_FROM)
    host.open_panel()
    assert host.state.startswith("stale")
    host.keyframes.setInput(0, None)
    host.node.setInput(1, None)
    host.nuke.tell_changed(host.node, Knob(host.node, "inputChange", True))
    assert host.state.startswith("stale")


def test_the_node_says_which_frames_to_paint_and_goes_to_them(host):
    host.node["wanted_confidence"].setValue(100.0)
    host.run(preview=True)
    wanted = [int(word) for word in host.node["paint_next"].value().split()]
    assert wanted and set(wanted) <= set(range(HIDDEN_FROM, LAST + 1))
    words = host.node["paint_next_note"].value()
    assert [int(number) for number in re.findall(r"(\d+) \(", words)] == wanted and "%" in words
    shown = []
    for _ in range(len(wanted) + 1):
        host.actions.go_to_next(host.node)
        shown.append(host.nuke.frame())
    assert shown == [*wanted, wanted[0]]
    host.node["wanted_confidence"].setValue(0.0)
    host.run(preview=True)
    assert host.node["paint_next_note"].value() == "Every frame is as sure as you asked for."
    host.actions.go_to_next(host.node)
    assert host.nuke.messages == ["No frame asks to be painted."]


def _through_a_multiply(host):
    between = host.nuke.node_of("Multiply", "Multiply9", value=1.0)
    between.setInput(0, host.keyframes)
    host.node.setInput(1, between)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda host: host.node.setInput(0, None), "plate input is not connected"),
        (lambda host: host.node.setInput(1, None), "keyframes input is not connected"),
        (_through_a_multiply, "must come straight from a Read"),
        (lambda host: host.keyframes["frame"].setValue("frame-1000"), "must come straight from a Read"),
        (lambda host: host.keyframes["file"].setValue("/none/fix.%04d.exr"), "No painted keyframe"),
        (lambda host: host.node["result_file"].setValue("/somewhere/out.exr"), "needs a frame number"),
        (lambda host: host.node["result_file"].setValue("/proc/none/out.%04d.exr"), "cannot be written to"),
        (lambda host: host.node["frames"].setValue("ten"), "is not a frame range"),
        (lambda host: host.node["patch"].setValue(4), "odd edge"),
        (lambda host: setattr(host.nuke.root(), "_name", "Root"), "never been saved"),
    ],
)
def test_what_is_missing_is_one_clear_sentence(host, change, words):
    change(host)
    with pytest.raises(HostError, match=words) as caught:
        host.run()
    assert caught.value.fix
    host.nuke.GUI = True
    host.run()
    assert len(host.nuke.messages) == 1 and words in host.nuke.messages[0]


def test_a_missing_engine_is_told(host, monkeypatch, tmp_path):
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(HostError, match="not installed here"):
        host.run()


def test_a_keyframe_on_which_nothing_is_painted_is_told(host):
    shutil.copy(host.painting.plate % KEYFRAME, host.painting.fix % KEYFRAME)
    with pytest.raises(HostError, match="frames could not be propagated") as caught:
        host.run(preview=True)
    assert str(FIRST) in str(caught.value)
    assert any("Nothing is painted" in line for line in host.nuke.printed)


@in_a_window
def test_an_engine_that_dies_is_one_sentence_and_the_next_run_goes_on(host):
    dies_in_its_next_run(host.runs.engines.get())
    host.run(preview=True)
    assert len(host.nuke.messages) == 1 and "stopped in the middle of a run" in host.nuke.messages[0]
    assert host.state.startswith("stale")
    host.run(preview=True)
    assert host.state.startswith("preview") and len(host.nuke.messages) == 1


@in_a_window
def test_a_run_can_be_cancelled_and_a_node_runs_once_at_a_time(host):
    thread = host.actions.preview(host.node)
    assert host.actions.propagate(host.node) is None
    assert "is being propagated" in host.nuke.messages.pop()
    host.actions.cancel(host.node)
    host.nuke.pump(thread)
    assert host.actions.refresh(host.node).startswith("stale") and not host.nuke.messages
    host.actions.cancel(host.node)
    assert host.nuke.messages == ["Nothing is being propagated here."]


def test_changed_inputs_are_written_first_and_what_comes_out_the_same_is_not_made_again(host):
    swapped = host.nuke.node_of("Multiply", "Multiply1", value=2.0)
    swapped.setInput(0, host.plate)
    host.node.setInput(3, swapped)
    matte = host.nuke.node_of("Multiply", "Multiply2", value=0.0)
    matte.setInput(0, host.plate)
    host.node.setInput(2, matte)
    host.node["frames"].setValue(str(FIRST))
    run = host.propagating.Propagation(host.nuke, host.node, preview=True)
    (job,) = run.jobs
    folder = Path(host.painting.root).parent / "understudy" / "shot_UnderstudyPropagate1" / "fixed_inputs"
    assert (job["plate"], job["fix"]) == (host.painting.plate, host.painting.fix)
    # Up to the keyframe, which lies beyond the frames that are asked for.
    assert list(sequence.files(job["swapped"])) == list(range(FIRST, KEYFRAME + 1))
    assert {Path(job[name]).parent for name in ("swapped", "matte")} == {folder}
    shown = read_image(folder / f"swapped.{FIRST}.exr").pixels
    np.testing.assert_array_equal(shown, read_image(Path(host.painting.plate % FIRST)).pixels * 2)
    stamp = os.stat(folder / f"swapped.{FIRST}.exr").st_mtime_ns
    host.propagating.Propagation(host.nuke, host.node, preview=True)
    assert os.stat(folder / f"swapped.{FIRST}.exr").st_mtime_ns == stamp
    assert sorted(path.suffix for path in folder.iterdir()) == [".exr"] * 6
    assert all(node.Class() != "Write" for node in host.nuke.all)
    parse_job("propagate", job)


def test_keyframes_the_engine_would_read_otherwise_are_written_frame_by_frame(host):
    host.keyframes["colorspace"].setValue("sRGB")
    host.painting.paint(LAST)
    (job,) = host.propagating.Propagation(host.nuke, host.node, preview=True).jobs
    assert job["fix"].endswith("fixed_inputs/keyframes.%04d.exr")
    assert list(sequence.files(job["fix"])) == [KEYFRAME, LAST]
    os.remove(host.painting.fix % LAST)
    host.run(preview=True)
    assert list(sequence.files(job["fix"])) == [KEYFRAME]
    host.open_panel()
    assert host.state.startswith("preview")
    host.painting.paint(KEYFRAME, (0.9, 0.1, 0.1))
    host.open_panel()
    assert host.state.startswith("stale")


def test_a_plate_whose_header_names_another_space_is_written_as_the_script_sees_it(host):
    for frame in ALL:
        path = Path(host.painting.plate % frame)
        write_image(path, replace(read_image(path), colour_space="Linear Rec.709 (sRGB)"))
    (job,) = host.propagating.Propagation(host.nuke, host.node, preview=True).jobs
    assert job["plate"].endswith("fixed_inputs/plate.%04d.exr") and job["fix"] == host.painting.fix
    host.run(preview=True)
    # The keyframe was painted over the same numbers: nothing but the square may change.
    rows, columns = painted.square(KEYFRAME)
    apart = np.abs(host.result(KEYFRAME).pixels[..., :3] - painted.picture(KEYFRAME)).max(axis=2)
    apart[rows.start - 8 : rows.stop + 8, columns.start - 8 : columns.stop + 8] = 0
    assert apart.max() < 1e-3


def test_the_script_s_own_space_goes_to_the_engine(host):
    host.nuke.root()["colorManagement"].setValue("Nuke")
    (job,) = host.propagating.Propagation(host.nuke, host.node, preview=True).jobs
    assert job["colour_space"] == "Linear Rec.709 (sRGB)"
    assert parse_job("propagate", job).colour_space == job["colour_space"]


def test_an_understudy_node_makes_one_for_what_it_puts_out(host):
    face = host.actions.create()
    face.setInput(0, host.plate)
    face["track"].setValue("/shot/face.track")
    with face:  # a button of a group works inside of it
        made = host.actions.propagate_result_of(face)
    assert [made.input(number) for number in range(4)] == [host.plate, None, None, face]
    assert made["track"].value() == "/shot/face.track" and made.parent() is host.nuke.root()
    assert face.knob("make_propagate") is not None


def test_a_written_frame_has_what_the_node_looks_for(host):
    host.run(preview=True)
    path = Path(host.node["result_file"].value() % LAST)
    assert len(str(read_metadata(path)["understudy:confidence"]).split()) == 1
    assert "confidence.A" in read_image(path).channels
