"""The Blender half in Blender's own interpreter: what its compositor finishes is what the engine finishes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blender_runs import REGISTER, ROOT, blender, differences, needs_blender, shown

import rendered as shots
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Box, FloatImage, Frame
from understudy.job import SwapJob
from understudy.progress import silent
from understudy.settings import Settings
from understudy.shot import swap
from understudy_host import knobs

SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
FRAMES = 5
# The plate's frames; in the first and the last one nobody has tracked a face.
NUMBERS = range(0, FRAMES + 2)
EMPTY = (NUMBERS[0], NUMBERS[-1])
SPACE = "Linear Rec.709 (sRGB)"
START = [*REGISTER, ["frames", NUMBERS[0], NUMBERS[-1]]]

pytestmark = needs_blender


@dataclass(frozen=True)
class Shot:
    """A plate, the track of its face, and a barely trained model."""

    root: Path
    model: str
    plate: str

    def swapped(self, folder: Path, **changes: Any) -> dict[int, Frame]:
        """The engine's own finished frames."""
        values = {"plate": self.plate, "track": str(self.root / "plate.track"), "model": self.model}
        output = str(folder / "out.%04d.exr")
        job = SwapJob.model_validate({**values, "output": output, "colour_space": SPACE, **changes})
        assert swap.run(job, report=silent, settings=SETTINGS)["failed_frames"] == []
        made = sorted(folder.glob("out.*.exr"))
        return {int(path.suffixes[0][1:]): read_image(path) for path in made}

    def chosen(self, folder: Path) -> dict[str, str]:
        """What an artist chooses in the panel."""
        return {
            "plate": self.plate % 1,  # any of its files
            "face_pass": str(folder / "pass" / "pass.####.exr"),
            "swap.track": str(self.root / "plate.track"),
            "swap.model": self.model,
            "swap.colour_space": SPACE,
        }


def hard(frame: Frame, *, alpha: bool) -> Frame:
    """A float plate with odd windows, overscan, values beyond 0 and 1, none at all, and alpha."""
    pixels = frame.pixels[:251, :, :3].astype(np.float32)
    pixels[120:124, 120:124] *= 100
    pixels[130, 130] = -0.3
    pixels[20, 20:25, 0] = (np.nan, np.inf, -np.inf, 30.0, -0.0)
    pixels[24, 20:22] = (1e-42, -0.25, 0.5)
    pixels[125, 128], pixels[126, 128, 1], pixels[127, 128, 2] = np.nan, np.inf, -np.inf
    channels: tuple[str, ...] = ("R", "G", "B")
    if alpha:
        coverage = np.ones((251, 256, 1), np.float32)
        coverage[:, 100:140] = 0.5
        pixels, channels = np.concatenate([pixels * coverage, coverage], axis=-1), (*channels, "A")
    return Frame(
        pixels,
        channels,
        Box(0, 0, 256, 251),
        Box(9, 5, 240, 240),
        SPACE,
        premultiplied=True,
        storage="float",
    )


@pytest.fixture(scope="module", params=[False, True], ids=["rgb", "premultiplied alpha"])
def alpha(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    made = shots.render(tmp_path_factory.mktemp("shot"), shot_frames=FRAMES)
    return Shot(made.root, str(made.model), made.frames("plate"))


@pytest.fixture(scope="module")
def shot(trained: Shot, alpha: bool) -> Shot:
    found = replace(trained, plate=str(trained.root / f"hard-{alpha}" / "plate.%04d.exr"))
    for number in NUMBERS:
        frame = read_image(Path(trained.plate % min(max(number, 1), FRAMES)))
        write_image(Path(found.plate % number), hard(frame, alpha=alpha))
    return found


# What the artist sets on the node, with what is baked at its default. Filters are further down.
LIVE = {
    "defaults": {},
    "graded": {
        "colour_strength": 40.0,
        "light_strength": 70.0,
        "grade_gain_stops": 0.5,
        "grade_gamma": 1.2,
        "grade_lift_percent": 5.0,
        "grade_saturation_percent": 70.0,
        "grade_hue_degrees": 15.0,
        "opacity": 60.0,
    },
    "turned": {
        "grade_hue_degrees": -150.0,
        "grade_gamma": 0.7,
        "light_strength": 0.0,
        "colour_strength": 0.0,
    },
    "invisible": {"opacity": 0.0},
}
FILTERED = {
    "soft": {"sharpness": -100.0},
    "sharp": {"sharpness": 80.0, "sharpness_radius_percent": 2.0},
}
NEUTRAL = {knob.name: knob.default for knob in knobs.knobs("swap") if knob.name in knobs.LIVE}


@dataclass(frozen=True)
class Rendered:
    """What Blender has made of one bake, and what it said."""

    shot: Shot
    folder: Path
    told: dict[str, Any]

    def frame(self, name: str, number: int) -> Frame:
        return read_image(self.folder / name / f"{number:04d}.exr")


@pytest.fixture(scope="module")
def rendered(shot: Shot, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    folder = tmp_path_factory.mktemp("blender")
    steps = [*START, ["put", shot.chosen(folder)], ["state"], ["call", "bake"], ["state"]]
    numbers = list(NUMBERS)
    for name, values in {**LIVE, **FILTERED}.items():
        everything = {**NEUTRAL, "matte": "baked", "sharpness_radius_percent": 1.0, **values}
        steps += [["live", everything], ["render", str(folder / name / "%04d.exr"), numbers]]
    steps += [
        ["live", {**NEUTRAL, "matte": "live"}],
        ["render", str(folder / "live matte" / "%04d.exr"), numbers],
    ]
    steps += [["resolution"], ["animation_curves"], ["call", "attach"], ["animation_curves"]]
    told = blender(folder, *steps)
    found = {
        f"{name} {index}": value for index, (value, (name, *_)) in enumerate(zip(told, steps, strict=True))
    }
    return Rendered(shot, folder, found)


def compared(
    rendered: Rendered, name: str, wanted: dict[int, Frame]
) -> list[tuple[int, FloatImage, FloatImage]]:
    """Blender's and the engine's pixels of every frame, in the display window."""
    pairs = []
    for number, frame in wanted.items():
        channels = tuple(one for one in "RGBA" if one in frame.channels)
        seen = rendered.frame(name, number)
        assert (seen.data_window.width, seen.data_window.height) == (231, 235)
        ours = seen.pixels[..., [seen.channels.index(one) for one in channels]]
        pairs.append((number, ours, shown(frame, frame.display_window, channels)))
    return pairs


def matte(rendered: Rendered, number: int, display: Box) -> FloatImage:
    made = read_image(rendered.folder / "pass" / f"pass.{number:04d}.exr")
    return shown(made, display, ("matte_final.A",))[..., 0]


@pytest.mark.parametrize("name", LIVE)
def test_blender_finishes_a_face_pass_as_the_engine_does(
    rendered: Rendered, name: str, tmp_path: Path
) -> None:
    wanted = rendered.shot.swapped(tmp_path, **LIVE[name])
    for number, ours, theirs in compared(rendered, name, wanted):
        # Measured: 1.4e-5, the single precision of a logarithm there and back.
        assert differences(ours, theirs).max() < 5e-5, number
        plate = shown(
            read_image(Path(rendered.shot.plate % number)), wanted[number].display_window, ("R", "G", "B")
        )
        changed = (ours[..., :3].view(np.uint32) != plate.view(np.uint32)).any(axis=-1)
        covered = matte(rendered, number, wanted[number].display_window) > 0
        assert not changed[~covered].any()
        is_there = number not in EMPTY and name != "invisible"
        assert changed[covered].any() == is_there


@pytest.mark.parametrize("name", FILTERED)
def test_live_sharpness_is_the_engines_but_for_the_raster_it_works_in(
    rendered: Rendered, name: str, tmp_path: Path
) -> None:
    """The engine sharpens the aligned face and then turns it, Blender sharpens it where it lies."""
    wanted, plain = rendered.shot.swapped(tmp_path, **FILTERED[name]), LIVE["defaults"]
    unsharpened = rendered.shot.swapped(tmp_path / "plain", **plain)
    for number, ours, theirs in compared(rendered, name, wanted):
        error = differences(ours, theirs)
        assert np.nanmax(error) < 0.02 and np.nanmean(error) < 2e-4
        before = shown(unsharpened[number], unsharpened[number].display_window, ("R", "G", "B"))
        if number not in EMPTY:
            # The knob does more than the difference that is left.
            assert np.nanmean(differences(before, theirs[..., :3].copy())) > 5 * np.nanmean(error)


def test_the_live_matte_is_the_engines_within_a_filters_width(rendered: Rendered, tmp_path: Path) -> None:
    for _, ours, theirs in compared(rendered, "live matte", rendered.shot.swapped(tmp_path)):
        error = differences(ours, theirs)
        assert np.nanmax(error) < 0.1 and np.nanmean(error) < 1e-3


def test_a_bake_tells_its_state_and_sets_up_an_empty_file(rendered: Rendered) -> None:
    told = list(rendered.told.items())
    states = [value for name, value in told if name.startswith("state")]
    assert states == ["Nothing is baked yet", "The bake is up to date"]
    assert [value for name, value in told if name.startswith("call")] == ["", ""]
    assert [value for name, value in told if name.startswith("resolution")] == [[231, 235]]
    # Read again, nothing is keyed twice.
    first, second = (value for name, value in told if name.startswith("animation_curves"))
    assert first == second
    assert first[0] > 0 and first[1] == ["CONSTANT"], "between two frames' numbers there is nothing"


def test_keys_on_baked_and_live_knobs_are_the_same_on_every_frame(trained: Shot, tmp_path: Path) -> None:
    numbers = list(range(1, FRAMES + 1))
    told = blender(
        tmp_path,
        *START,
        ["frames", 1, FRAMES],
        ["put", trained.chosen(tmp_path)],
        ["key", "feather", {"1": 0.0, "5": 20.0}],
        ["key", "matte_hull", {"1": True, "3": False}],
        ["key", "matte_combine", {"1": "product", "4": "maximum"}],
        ["call", "bake"],
        ["key_live", "opacity", {"1": 100.0, "5": 50.0}],
        ["render", str(tmp_path / "keyed" / "%04d.exr"), numbers],
    )
    feather, hull, combine, opacity = told[5], told[6], told[7], told[9]
    assert hull == [True, True, False, False, False]
    assert combine == ["product"] * 3 + ["maximum"] * 2
    for eased, ends in ((feather, (0, 20)), (opacity, (100, 50))):
        straight = np.linspace(*ends, FRAMES)
        assert np.abs(eased - straight).max() > 0.5, "Blender eases between keys, the engine does not"
    lines = {"feather": feather, "matte_hull": hull, "matte_combine": combine, "opacity": opacity}
    keyframes = {name: dict(zip(numbers, line, strict=True)) for name, line in lines.items()}
    wanted = trained.swapped(tmp_path / "own", keyframes=keyframes, frames=f"1-{FRAMES}")
    for number, frame in wanted.items():
        seen = read_image(tmp_path / "keyed" / f"{number:04d}.exr")
        ours = seen.pixels[..., [seen.channels.index(one) for one in "RGB"]]
        # The plate and so the engine's frames are halves, which differ by 5e-4 from one to the next.
        assert differences(ours, shown(frame, frame.display_window, ("R", "G", "B"))).max() < 6e-4


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
                is_done_by_nodes = verb == "swap" and (knob.live or knob.name in ("merge", "grain"))
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
    for knob in knobs.knobs("swap"):
        if knob.live:
            assert sockets[knob.name] == [
                knob.tooltip,
                *map(pytest.approx, (knob.default, knob.low, knob.high)),
            ]


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
    )
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
    states = ["The bake is up to date", "Knobs have changed since the bake", half, half]
    assert [told[index] for index in (7, 9, 11, 13)] == states


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
