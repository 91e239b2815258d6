"""The Blender half in Blender's own interpreter: its knobs, its bakes, and what may go wrong with them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from blender_runs import ROOT, blender, differences, needs_blender, shown
from blender_shots import FRAMES, START, Shot

from understudy.image.exr import read_image
from understudy.jobs.table import parse_job
from understudy_host import knobs, live

pytestmark = needs_blender


def test_the_add_on_registers_twice_and_leaves_nothing_behind(tmp_path: Path) -> None:
    told = blender(tmp_path, *START, ["unregister"], ["register"], ["unregister"], ["register"], ["state"])
    assert told[3] is False and told[5] is False and told[7] == "Nothing is baked yet"


@pytest.mark.parametrize("kind", ["add-on", "extension"])
def test_the_zip_installs_with_the_shared_half_inside(trained: Shot, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "understudy_blender.zip"
    subprocess.run(
        [sys.executable, ROOT / "plugin" / "understudy_blender" / "package.py", archive], check=True
    )
    chosen = trained.chosen(tmp_path)
    steps = [["call", "bake"], ["frames", 1, 1], ["put", chosen], ["call", "bake"]]
    told = blender(tmp_path, ["install", str(archive), kind], *steps)
    ours, shared = map(Path, told[0])
    assert ours.is_relative_to(tmp_path / "home") and shared.is_relative_to(ours)
    assert "No plate is chosen" in told[1] and told[4] == ""


def test_knobs_are_the_job_tables_in_name_default_range_and_tooltip(tmp_path: Path) -> None:
    verbs = ("swap", "train", "propagate")
    asked = [["properties", verb] for verb in verbs]
    told = blender(tmp_path, *START, *asked, ["sockets"], ["draw_panels"])
    forms, sockets, panels = dict(zip(verbs, told[3:6], strict=True)), told[6], told[7]
    drawn = {name for names in panels.values() for name in names}
    for verb, form in forms.items():
        for knob in knobs.knobs(verb):
            if knob.name not in form:
                is_done_by_nodes = verb == "swap" and (knob.live or not knob.in_face_pass)
                assert is_done_by_nodes or knob.name == "preview", "a button's"
                continue
            fact = form[knob.name]
            assert knob.name in drawn
            assert fact["tooltip"] == knob.tooltip.rstrip(".")
            assert fact["animated"] == knob.animated
            assert fact["items"] == list(knob.items)
            if knob.kind in ("int", "double", "bool", "choice"):
                assert fact["default"] == pytest.approx(knob.default)
            for side in ("low", "high"):
                if getattr(knob, side) is not None:
                    assert fact[side] == pytest.approx(getattr(knob, side))
    graph = live.finish()
    on_the_node = live.live_knobs(graph).keys() | live.matte_knobs(graph) | {"sharpness_radius_percent"}
    assert set(sockets) == on_the_node
    for knob in knobs.knobs("swap"):
        if knob.name in sockets:
            tooltip, default, low, high = sockets[knob.name]
            near = " By Blender's own filter" if knob.name in live.filter_knobs(graph) else ""
            assert tooltip.startswith(f"{knob.tooltip}{near}") and default == knob.default
            assert [low, high] == (
                [*map(pytest.approx, (knob.low, knob.high))] if knob.kind == "double" else [None] * 2
            )


def test_an_occlusion_matte_joins_the_live_one_and_leaves_it_again(trained: Shot, tmp_path: Path) -> None:
    bake = [["call", "bake"], ["live", {"matte": "live"}]]
    told = blender(
        tmp_path,
        *START,
        ["frames", 1, 1],
        ["put", {**trained.chosen(tmp_path), "swap.matte_occlusion": True}],
        *bake,
        ["render", str(tmp_path / "with" / "%04d.exr"), [1]],
        ["linked", "Matte occlusion"],
        ["put", {"swap.matte_occlusion": False}],
        *bake,
        ["render", str(tmp_path / "without" / "%04d.exr"), [1]],
        ["linked", "Matte occlusion"],
        ["draw_panels"],
        ["live", {"matte": "baked"}],
        ["draw_panels"],
    )
    note = "Other mattes and single sides are as baked"
    assert note in told[14]["UNDERSTUDY_PT_mask"] and note not in told[16]["UNDERSTUDY_PT_mask"]
    assert (told[8], told[13]) == (True, False)
    theirs, ours = {}, {}
    for name, occlusion in (("with", True), ("without", False)):
        wanted = trained.swapped(tmp_path / "own" / name, matte_occlusion=occlusion, frames="1")[1]
        theirs[name] = shown(wanted, wanted.display_window, ("R", "G", "B"))
        seen = read_image(tmp_path / name / "0001.exr")
        ours[name] = seen.pixels[..., [seen.channels.index(one) for one in "RGB"]]
    apart = differences(theirs["with"], theirs["without"]).mean()
    for name in theirs:
        assert differences(ours[name], theirs[name]).mean() < apart / 10


def test_a_changed_knob_makes_a_bake_stale_and_a_live_one_does_not(trained: Shot, tmp_path: Path) -> None:
    told = blender(
        tmp_path,
        *START,
        ["frames", 1, 2],
        ["put", trained.chosen(tmp_path)],
        ["call", "bake"],
        ["live", {"opacity": 20.0, "grade_gamma": 2.0}],
        ["state"],
        ["put", {"swap.erode": 1.0}],
        ["state"],
        ["call", "bake_frame"],
        ["state"],
        ["put", {"swap.erode": -2.0}],
        ["state"],
    )
    half = "1 of 2 frames are not baked with these knobs"
    states = ["The bake is up to date", "Knobs or files have changed since the bake", half, half]
    assert [told[index] for index in (7, 9, 11, 13)] == states


def test_a_bake_with_no_matte_chosen_holds_those_that_the_live_matte_combines(
    trained: Shot, tmp_path: Path
) -> None:
    told = blender(
        tmp_path,
        *START,
        ["frames", 1, 1],
        ["put", {**trained.chosen(tmp_path), "swap.matte_learned": False}],
        ["call", "bake"],
        ["live", {"matte": "live", "matte_learned": True, "erode": 0.0, "feather": 0.0}],
        ["render", str(tmp_path / "learned" / "%04d.exr"), [1]],
        ["live", {"opacity": 0.0}],
        ["render", str(tmp_path / "plate" / "%04d.exr"), [1]],
    )
    assert told[5] == ""
    seen, plate = (read_image(tmp_path / name / "0001.exr") for name in ("learned", "plate"))
    changed = (seen.pixels != plate.pixels).any(axis=-1)
    made = read_image(tmp_path / "pass" / "pass.0001.exr")
    window, learned = made.data_window, made.pixels[..., made.channels.index("matte_learned.A")]
    rows, columns = window.slices(plate.display_window)
    assert changed[rows, columns][learned > 0.5].all() and not changed[rows, columns][learned == 0].any()


def test_an_input_written_anew_makes_a_bake_stale(trained: Shot, tmp_path: Path) -> None:
    plate = str(tmp_path / "plate.%04d.exr")
    for number in (1, 2):
        shutil.copy(trained.plate % number, plate % number)
    told = blender(
        tmp_path,
        *START,
        ["frames", 1, 2],
        ["put", {**trained.chosen(tmp_path), "plate": plate % 1}],
        ["call", "bake"],
        ["state"],
        ["touch", plate % 2],
        ["state"],
    )
    assert [told[-3], told[-1]] == ["The bake is up to date", "Knobs or files have changed since the bake"]


def test_a_roto_is_chosen_by_one_of_its_files_and_read_under_its_former_name(
    trained: Shot, tmp_path: Path
) -> None:
    file, roto = str(tmp_path / "old.blend"), str(tmp_path / "roto.%04d.exr")
    told = blender(
        tmp_path,
        *START,
        ["put", trained.chosen(tmp_path)],
        ["saved_before", "swap", {"matte_external": roto}],
        ["save", file],
        ["open", file],
        ["swap_job"],
        ["put", {"swap.matte_roto": str(tmp_path / "new.0001.exr")}],
        ["save", file],
        ["open", file],
        ["swap_job"],
    )
    assert [told[7]["matte_roto"], told[11]["matte_roto"]] == [roto, str(tmp_path / "new.%04d.exr")]
    assert {"matte_external"}.isdisjoint(told[7])
    parse_job("swap", told[7])


def test_an_engine_killed_in_the_middle_of_a_bake_is_one_sentence_and_the_next_bake_goes_on(
    trained: Shot, tmp_path: Path
) -> None:
    chosen = trained.chosen(tmp_path)
    told = blender(
        tmp_path,
        *START,
        ["frames", 1, FRAMES],
        ["put", chosen],
        ["interrupt", "kill"],
        ["call", "bake"],
        ["state"],
        ["call", "bake"],
        ["state"],
    )
    assert (
        told[6].count("Error:") == 1
        and "The engine has stopped. It stopped in the middle of a run" in told[6]
    )
    assert "what is finished is kept" in told[6] and "\n" not in told[6]
    assert told[7] == "Nothing is baked yet"
    assert told[8] == "" and told[9] == "The bake is up to date"


def test_a_cancelled_bake_keeps_what_is_finished(trained: Shot, tmp_path: Path) -> None:
    chosen = trained.chosen(tmp_path)
    steps = [["frames", 1, FRAMES], ["put", chosen], ["interrupt", "cancel"], ["call", "bake"], ["state"]]
    told = blender(tmp_path, *START, *steps)
    assert told[-2:] == ["", "Nothing is baked yet"]
    assert 0 < len(list((tmp_path / "pass").glob("*.exr"))) < FRAMES


def test_a_cancelled_bake_over_an_older_one_leaves_nobody_sure_of_either(
    trained: Shot, tmp_path: Path
) -> None:
    told = blender(
        tmp_path,
        *START,
        ["frames", 1, FRAMES],
        ["put", trained.chosen(tmp_path)],
        ["call", "bake"],
        ["put", {"swap.erode": 3.0}],
        ["interrupt", "cancel"],
        ["call", "bake"],
        ["put", {"swap.erode": -2.0}],
        ["state"],
    )
    assert told[-1] == "Nothing is baked yet"


def test_what_stops_a_bake_is_one_clear_sentence(trained: Shot, tmp_path: Path) -> None:
    other = tmp_path / "other engine"
    other.write_text(
        f"#!{sys.executable}\nimport json, sys\nfor line in sys.stdin:\n"
        "    told = {'id': json.loads(line)['id'], 'result': {'version': '9.9', 'protocol': 2}}\n"
        "    print(json.dumps(told), flush=True)\n"
    )
    other.chmod(0o755)
    chosen = trained.chosen(tmp_path)
    told = blender(
        tmp_path,
        *START,
        ["call", "bake"],
        ["put", {**chosen, "face_pass": "//pass/pass.%04d.exr"}],
        ["call", "bake"],
        ["put", {"face_pass": str(tmp_path / "nothing.%04d.exr")}],
        ["call", "attach"],
        ["environment", "UNDERSTUDY_ENGINE", str(tmp_path / "nowhere")],
        ["call", "bake"],
        ["environment", "UNDERSTUDY_ENGINE", str(other)],
        ["call", "bake"],
        ["put", {"plate": "plate.exr"}],
        ["call", "bake"],
    )
    said = [value for value in told if isinstance(value, str)]
    for sentence, part in zip(
        said,
        (
            "No plate is chosen",
            "never saved",
            "No frame of 0-6 is baked",
            "The Understudy engine is not installed here, or cannot be found",
            "The engine is version 9.9, of protocol 2; this plugin speaks protocol 1",
            "The plate has no frame number in its name",
        ),
        strict=True,
    ):
        assert part in sentence and "\n" not in sentence and "Traceback" not in sentence


def test_a_saved_file_bakes_beside_itself_and_renders_without_the_add_on(
    trained: Shot, tmp_path: Path
) -> None:
    file = str(tmp_path / "shot.blend")
    told = blender(
        tmp_path,
        *START,
        ["frames", 1, 3],
        ["save", file],
        ["put", {**trained.chosen(tmp_path), "face_pass": "//baked/pass.%04d.exr"}],
        ["call", "bake"],
        ["live", {"grade_gain_stops": 1.0}],
        ["render", str(tmp_path / "with" / "%04d.exr"), [1, 3]],
        ["save", file],
    )
    assert told[6] == "" and (tmp_path / "baked" / "pass.0001.exr").is_file()
    blender(tmp_path / "farm", ["open", file], ["render", str(tmp_path / "without" / "%04d.exr"), [1, 3]])
    for number in (1, 3):
        ours, farms = (
            read_image(tmp_path / name / f"{number:04d}.exr").pixels for name in ("with", "without")
        )
        assert ours.tobytes() == farms.tobytes()


def test_the_buttons_lead_from_footage_to_a_baked_face(trained: Shot, tmp_path: Path) -> None:
    steps: list[list[Any]] = [["frames", 1, 2], ["save", str(tmp_path / "shot.blend")]]
    for form, name in (("source", "actor"), ("destination", "double")):
        footage = {"plate": str(trained.root / name / f"{name}.0001.exr"), "faceset": f"//{name}.faceset/"}
        values = {**footage, "identity": name, "detector": "known", "crop_size": 64}
        steps += [["put", {f"extract.{key}": value for key, value in values.items()}], ["call", "extract"]]
        steps += [["put", {f"train.{form}_faceset": f"//{name}.faceset/"}]]
    train = {"model": "//m.model/", "size": 32, "width": 8, "batch": 2, "iterations": 10}
    steps += [["put", {f"train.{key}": value for key, value in train.items()}], ["call", "train"]]
    steps += [["put", {"export.model": "//m.model/"}], ["call", "export"]]
    chosen = {"plate": trained.plate % 1, "track.detector": "known", "track.track": "//plate.track"}
    steps += [
        ["put", {**chosen, "face_pass": "//pass.%04d.exr"}],
        ["call", "track"],
        ["call", "bake"],
        ["state"],
    ]
    told = blender(tmp_path, *START, *steps)
    assert [value for value in told if isinstance(value, str)] == [*[""] * 6, "The bake is up to date"]
    assert len(list(tmp_path.glob("pass.*.exr"))) == 2
