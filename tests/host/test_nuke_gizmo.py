"""The Understudy node without Nuke: its script evaluated, its names looked up, its formulas worked out."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from nuke_passes import graph_of, host_channels, numbers, placed
from nuke_pixels import Graph
from nuke_reference import CLASSES, COMMON
from nuke_script import Node, Reader, expressions, references, without_brackets

from understudy.comp.merge import paste
from understudy.face import align
from understudy.image.exr import read_image
from understudy_host.knobs import TABS, knobs
from understudy_nuke import gizmo, group_knobs, paint_gizmo

GIZMO = Path(__file__).parents[2] / "gizmos" / "Understudy.gizmo"
USER_TYPES = {1, 2, 3, 4, 6, 7, 13, 20, 22, 26}
KNOWN_WORDS = {
    "log",
    "pow",
    "sqrt",
    "cos",
    "sin",
    "abs",
    "min",
    "max",
    "pi",
    "r",
    "g",
    "b",
    "a",
    "frame",
    "random",
    "x",
    "y",
}


@pytest.fixture(scope="module")
def reader():
    return Reader()


@pytest.fixture(scope="module")
def group(reader):
    root = reader.read(GIZMO.read_text(encoding="utf-8"))
    (found,) = root.children.values()
    return found


@pytest.fixture(params=["Understudy", "UnderstudyPaint", "UnderstudyPropagate"])
def any_group(request):
    """Each of the gizmos with what reads it."""
    own = Reader()
    (found,) = own.read(
        GIZMO.with_name(f"{request.param}.gizmo").read_text(encoding="utf-8")
    ).children.values()
    return own, found


def nodes(group: Node) -> list[Node]:
    return list(group.children.values())


@pytest.mark.parametrize("path", sorted(gizmo.generated()), ids=lambda path: path.stem)
def test_the_gizmos_are_those_the_job_table_makes(path, capsys):
    assert path.read_text(encoding="utf-8") == gizmo.generated()[path]
    assert gizmo.main(["--check"]) == 0


@pytest.mark.parametrize(("toolset", "reads"), [(gizmo.TOOLSET, 1), (gizmo.FIX_TOOLSET, 2)])
def test_a_toolset_is_what_comes_in_the_node_and_a_write(toolset, reads):
    made = Reader().read(toolset.read_text(encoding="utf-8")).children
    assert [node.kind for node in made.values()] == ["Read"] * reads + ["Group", "Write"]
    for node in made.values():
        assert set(node.knobs) <= set(CLASSES[node.kind].knobs) | set(node.user) | {
            knob.name for knob in COMMON
        }


def test_a_gizmo_that_differs_is_told(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gizmo, "PATH", tmp_path / "none.gizmo")
    assert gizmo.main(["--check"]) == 1 and "make generate" in capsys.readouterr().out


def test_it_is_a_group_with_its_tabs_and_three_inputs(group):
    assert group.kind == "Group"
    tabs = [words[1] for words in group.declarations if words[0] == "20"]
    assert tabs == [*TABS, "Propagate", "Farm", "About"]
    inputs = [node for node in nodes(group) if node.kind == "Input"]
    assert [(node.name, node.knobs["number"]) for node in inputs] == [
        ("plate", "0"), ("matte", "1"), ("face_pass", "2"),
    ]  # fmt: skip


def test_every_class_knob_and_word_is_in_the_reference(any_group):
    group = any_group[1]
    common = {knob.name for knob in COMMON}
    for node in nodes(group):
        known = CLASSES[node.kind].knobs
        for name, words in node.knobs.items():
            assert name in known or name in node.user or name in common, f"{node.kind}.{name}"
            if name in known and known[name].words and not words.startswith("{"):
                assert words in known[name].words, f"{node.kind}.{name} {words}"
        most = 4 if node.kind == "Switch" else max(len(CLASSES[node.kind].inputs), int(node.kind == "Output"))
        assert len(node.inputs) <= most, node.name


def test_every_user_knob_has_a_type_that_nuke_knows_a_label_and_words(any_group):
    group = any_group[1]
    for words in group.declarations:
        assert int(words[0]) in USER_TYPES
        if words[0] not in ("20", "26") and "+INVISIBLE" not in words:
            assert words[words.index("l") + 1] and words[words.index("t") + 1], words[1]


def test_every_knob_of_the_job_table_is_there_with_its_range_and_default(reader, group):
    shown = {words[1]: words for words in group.declarations}
    for knob in knobs("swap"):
        if knob not in group_knobs.shown_knobs():
            continue
        words = shown[knob.name]
        assert words[words.index("t") + 1].startswith(knob.tooltip)
        if knob.kind == "double":
            place = words.index("R")
            assert [float(words[place + 1]), float(words[place + 2])] == [knob.low, knob.high]
            assert float(group.knobs[knob.name]) == knob.default
        if knob.kind == "choice":
            assert reader.tcl.splitlist(words[words.index("M") + 1]) == knob.items


def test_everything_is_wired_and_every_expression_names_a_knob_that_exists(any_group):
    reader, group = any_group
    for node in nodes(group):
        for name in node.inputs:
            assert name in group.children, f"{node.name} hangs on {name}"
        for words in node.knobs.values():
            for expression in expressions(reader.tcl, words):
                for name in references(expression):
                    owner, knob = name.split(".")[:2]
                    if owner in node.user:  # a part of one of its own
                        continue
                    known = group.user if owner == "parent" else group.children[owner].user
                    assert knob in known, f"{node.name}: {name}"
                for word in set(_words(without_brackets(expression))) - KNOWN_WORDS:
                    assert word in node.user, f"{node.name}: {word}"


def _words(expression: str) -> list[str]:
    return re.findall(r"(?<![\w.])[A-Za-z_]\w*(?!\w*[.\w])", expression)


def test_every_node_leads_to_the_output(any_group):
    group = any_group[1]
    reached, waiting = set(), ["Output1"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [one for one in group.children[name].inputs if one is not None]
    # What only the engine looks at comes in and goes nowhere.
    loose = {name for name in set(group.children) - reached if group.children[name].kind != "Input"}
    assert not loose


def test_buttons_are_python_that_survives_a_missing_plugin(any_group, monkeypatch):
    group = any_group[1]
    told: list[str] = []
    host = types.SimpleNamespace(message=told.append)
    buttons = [words for words in group.declarations if words[0] == "22"]
    for words in buttons:
        code = compile(words[words.index("T") + 1], words[1], "exec")
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "understudy_nuke", None)
            exec(code, {"nuke": host})
    assert len(told) == len(buttons) and all("NUKE_PATH" in words for words in told)


def test_opacity_0_is_the_plate_bit_for_bit(reader, group, shot, bake):
    face_pass, _, plate = bake({})
    out, below = (
        graph_of(reader, group, face_pass, plate, {"opacity": 0.0}).output(),
        host_channels(read_image(plate)),
    )
    for name in ("red", "green", "blue"):
        assert np.array_equal(out[name], below[name])


def test_a_roto_holds_the_matte_in_and_the_views_show_face_and_matte(reader, group, shot, bake):
    face_pass, _, plate = bake({})
    below = host_channels(read_image(plate))
    roto = {"alpha": np.zeros_like(below["red"])}
    out = graph_of(reader, group, face_pass, plate, {}, roto, (0, 1)).output()
    assert all(np.array_equal(out[name], below[name]) for name in ("red", "green", "blue"))
    matte = graph_of(reader, group, face_pass, plate, {"show": "matte"}).output()
    face = graph_of(reader, group, face_pass, plate, {"show": "face"}).output()
    made = placed(read_image(face_pass), read_image(plate))
    np.testing.assert_allclose(matte["red"], made["matte_final.alpha"], atol=1e-6)
    assert (np.abs(face["red"] - below["red"]) > 1e-3).any()


def test_a_finished_frame_is_shown_as_it_is_under_the_artists_matte(reader, group, shot, bake):
    _, finished, plate = bake({})
    wanted, below = host_channels(read_image(finished)), host_channels(read_image(plate))
    values = numbers(group, {"bake_as": "finished_frame", "first_frame": 1, "last_frame": 3})
    told = {f"exr/{name}": value for name, value in read_image(finished).metadata.items()}
    half = {"alpha": (np.arange(below["red"].shape[1]) < 128) * np.ones_like(below["red"])}
    pictures = {"plate": below, "FacePass": wanted, "matte": half}
    whole = Graph(reader, group, values, pictures, told).output()
    held = Graph(reader, group, values, pictures, told, (0, 1)).output()
    for name in ("red", "green", "blue"):
        assert np.array_equal(whole[name], wanted[name])
        assert np.array_equal(held[name], np.where(half["alpha"] > 0, wanted[name], below[name]))


def test_where_no_finished_frame_was_made_the_plate_goes_through(reader, group, bake):
    _, finished, plate = bake({})
    below, told = host_channels(read_image(plate)), read_image(finished).metadata
    told = {f"exr/{name}": value for name, value in told.items()}
    pictures = {"plate": below, "FacePass": host_channels(read_image(finished))}
    values = numbers(group, {"bake_as": "finished_frame", "first_frame": 1, "last_frame": 3})
    black = {**pictures, "FacePass": {name: np.zeros_like(plane) for name, plane in below.items()}}
    # A missing frame has no header; beyond the frames that were made a host may still tell the last one's.
    for seen, header, frame in ((black, {}, 2), (pictures, told, 4), (pictures, told, 0)):
        out = Graph(reader, group, values, seen, header, frame=frame).output()
        assert all(np.array_equal(out[name], below[name]) for name in ("red", "green", "blue"))
    # What is connected is the artist's own business.
    pictures["face_pass"] = pictures["FacePass"]
    given = Graph(reader, group, values, pictures, told, (0, 2), frame=40).output()
    assert not np.array_equal(given["red"], below["red"])


def test_what_was_not_made_is_never_held_from_another_frame(any_group):
    _, found = any_group
    reads = [node for node in nodes(found) if node.kind == "Read"]
    assert len(reads) == 1
    for node in reads:
        assert {name: node.knobs[name] for name in ("before", "after", "on_error")} == {
            "before": "black", "after": "black", "on_error": "black",
        }  # fmt: skip


def test_a_missing_header_changes_nothing(reader, group, shot, bake):
    plate = bake({})[2]
    below = host_channels(read_image(plate))
    pictures = {"plate": below, "FacePass": {name: np.zeros_like(below["red"]) for name in ("red", "alpha")}}
    out = Graph(reader, group, numbers(group, {}), pictures, {}).output()
    assert all(np.array_equal(out[name], below[name]) for name in ("red", "green", "blue"))


def test_paint_on_the_aligned_face_lands_on_the_plate_where_the_engine_puts_the_face(shot, bake):
    reader = Reader()
    (paint_group,) = reader.read(paint_gizmo.PATH.read_text(encoding="utf-8")).children.values()
    face_pass, _, plate = bake({})
    made, below = read_image(face_pass), read_image(plate)
    size = 200
    y, x = np.mgrid[:size, :size] / size
    aligned = np.stack([x, y, np.hypot(x - 0.5, y - 0.5)], axis=-1).astype(np.float32)
    paint = {name: aligned[..., index] for index, name in enumerate(("red", "green", "blue"))}
    pictures = {
        "plate": host_channels(below),
        "FacePass": placed(made, below),
        "paint": paint | {"alpha": np.ones((size, size))},
    }
    out = Graph(reader, paint_group, {"opacity": 100.0}, pictures, {}).output()
    edge = int(made.metadata["understudy:aligned_size"])
    matrix = np.array(str(made.metadata["understudy:plate_to_aligned"]).split(), float).reshape(2, 3)
    to_plate = align.invert(align.rescale(matrix, edge, size))
    wanted = paste.warp_to_box(aligned, to_plate, below.data_window, "linear")
    inside = cv2.erode((placed(made, below)["alpha"] == 1).astype(np.uint8), np.ones((3, 3))) > 0
    for index, name in enumerate(("red", "green", "blue")):
        assert np.abs(out[name] - wanted[..., index])[inside].max() < 6e-3
        outside = placed(made, below)["alpha"] == 0
        assert np.array_equal(out[name][outside], pictures["plate"][name][outside])
    none = Graph(reader, paint_group, {"opacity": 0.0}, pictures, {}).output()
    assert np.array_equal(none["red"], pictures["plate"]["red"])


def test_a_sequence_comes_in_by_an_input_and_not_by_a_knob():
    files = {knob.name for knob in group_knobs.shown_knobs() if knob.path}
    assert files == {"track", "model"}
