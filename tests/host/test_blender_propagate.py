"""A fix by hand in Blender: what its compositor shows of it is what the engine has propagated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from blender_runs import REGISTER, blender, needs_blender, shown

from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Box, FloatImage, Frame
from understudy.jobs.propagation import PropagateJob
from understudy.propagate import run

SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
FRAMES = (1, 6)
NUMBERS = list(range(FRAMES[0], FRAMES[1] + 1))
PAINTED = 3
SQUARE = (slice(30, 52), slice(40, 62))
# From this frame on something else passes in front of the square.
HIDDEN = 5
STORED, VIEWED = Box(-5, -3, 126, 92), Box(0, 0, 121, 87)
START = [*REGISTER, ["frames", *FRAMES]]

pytestmark = needs_blender


@dataclass(frozen=True)
class Painting:
    """A plate that moves, and one of its frames with a square painted on it."""

    root: Path

    @property
    def plate(self) -> str:
        return str(self.root / "plate.%04d.exr")

    def propagated(self, folder: Path, **changes: Any) -> dict[int, Frame]:
        """The engine's own fixed frames."""
        fix, output = self.root / f"fix.{PAINTED:04d}.exr", str(folder / "own.%04d.exr")
        job = PropagateJob.model_validate(
            {"plate": self.plate, "fix": str(fix), "output": output, **changes, "frames": "1-6"}
        )
        assert run.run(job, report=silent, settings=SETTINGS)["failed_frames"] == []
        return {number: read_image(Path(output % number)) for number in NUMBERS}

    def chosen(self, folder: Path) -> dict[str, Any]:
        """What an artist chooses in the panel."""
        return {
            "plate": self.plate % 1,  # any of its files
            "propagate.fix": str(self.root / f"fix.{PAINTED:04d}.exr"),
            "propagate.output": str(folder / "fixed" / "fixed.####.exr"),
            "propagate.wanted_confidence": 99.0,
        }

    def unfixed(self, number: int) -> FloatImage:
        return shown(read_image(Path(self.plate % number)), VIEWED, ("R", "G", "B"))


def plate_frame(texture: FloatImage, number: int) -> Frame:
    """A texture that moves by 2 pixels a frame, with overscan, and with NaN."""
    left = 20 + 2 * number
    pixels = texture[20 : 20 + STORED.height, left : left + STORED.width].copy()
    if number >= HIDDEN:
        pixels[36:70, 30:50] = np.random.default_rng(number).random((34, 20, 3), np.float32)
    pixels[8, 10:15, 0] = (np.nan, np.inf, -np.inf, 30.0, -0.0)
    pixels[9, 10:12] = (1e-42, -0.25, 0.5)
    return Frame(
        pixels, ("R", "G", "B"), STORED, VIEWED, "Linear Rec.709 (sRGB)", premultiplied=True, storage="float"
    )


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Painting:
    made = Painting(tmp_path_factory.mktemp("painting"))
    noise = np.random.default_rng(1).random((160, 220, 3)).astype(np.float32)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0.05, 0.8, cv2.NORM_MINMAX)
    for number in NUMBERS:
        write_image(Path(made.plate % number), plate_frame(texture, number))
    fix = plate_frame(texture, PAINTED)
    fix.pixels[SQUARE] = 0.7 * fix.pixels[SQUARE] + (0.3, 0.02, 0.02)
    write_image(made.root / f"fix.{PAINTED:04d}.exr", fix)
    return made


@dataclass(frozen=True)
class Rendered:
    """What Blender has made of one painting, and what it said."""

    folder: Path
    told: list[Any]

    def pixels(self, name: str, number: int) -> FloatImage:
        seen = read_image(self.folder / name / f"{number:04d}.exr")
        assert (seen.data_window.width, seen.data_window.height) == (VIEWED.width, VIEWED.height)
        return seen.pixels[..., [seen.channels.index(one) for one in "RGB"]]


VIEWS = {
    "result": {"Show": "result", "Mix": 1.0},
    "confidence": {"Show": "confidence", "Mix": 1.0},
    "plate": {"Show": "plate", "Mix": 1.0},
    "nothing mixed": {"Show": "result", "Mix": 0.0},
    "nothing mixed, confidence": {"Show": "confidence", "Mix": 0.0},
    "half": {"Show": "result", "Mix": 0.5},
}


@pytest.fixture(scope="module")
def rendered(painting: Painting, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    folder = tmp_path_factory.mktemp("blender")
    steps: list[list[Any]] = [*START, ["put", painting.chosen(folder)], ["fix_said"]]
    steps += [["call", "preview"], ["fix_said"], rendering(folder, "preview")]
    steps += [["call", "propagate"], ["fix_said"], ["call", "paint_next"], ["frame"], ["draw_panels"]]
    for name, values in VIEWS.items():
        steps += [["fix_live", values], rendering(folder, name)]
    return Rendered(folder, blender(folder, *steps)[4:])


def rendering(folder: Path, name: str, numbers: list[int] = NUMBERS) -> list[Any]:
    return ["render", str(folder / name / "%04d.exr"), numbers]


@pytest.mark.parametrize("name", ["preview", "result"])
def test_blender_shows_the_frames_that_the_engine_propagates(
    painting: Painting, rendered: Rendered, name: str, tmp_path: Path
) -> None:
    wanted = painting.propagated(tmp_path, preview=name == "preview")
    for number, frame in wanted.items():
        theirs, ours = shown(frame, VIEWED, ("R", "G", "B")), rendered.pixels(name, number)
        # The bound is 0: the same numbers, and where the plate holds none, none.
        assert np.array_equal(ours, theirs, equal_nan=True), number
        assert not np.array_equal(ours, painting.unfixed(number), equal_nan=True)


@pytest.mark.parametrize("name", ["plate", "nothing mixed", "nothing mixed, confidence"])
def test_the_plate_comes_out_bit_for_bit_where_it_is_asked_for(
    painting: Painting, rendered: Rendered, name: str
) -> None:
    for number in NUMBERS:
        ours, theirs = rendered.pixels(name, number), painting.unfixed(number)
        assert ours.tobytes() == theirs.tobytes(), number


def test_a_fix_that_is_half_mixed_lies_halfway(painting: Painting, rendered: Rendered) -> None:
    for number in NUMBERS:
        plate = painting.unfixed(number)
        between = (plate + rendered.pixels("result", number)) / 2
        is_number = np.isfinite(plate).all(axis=2)
        assert np.allclose(rendered.pixels("half", number)[is_number], between[is_number], rtol=1e-6, atol=0)


def test_the_confidence_is_red_where_the_engine_was_unsure_and_there_alone(rendered: Rendered) -> None:
    reddest = {}
    for number in NUMBERS:
        made = read_image(rendered.folder / "fixed" / f"fixed.{number:04d}.exr")
        unsure = 1 - shown(made, VIEWED, ("confidence.A",))
        plain, told = rendered.pixels("result", number), rendered.pixels("confidence", number)
        wanted = plain * (1 - unsure) + unsure * np.array((1, 0, 0), np.float32)
        is_number = np.isfinite(plain).all(axis=2)
        assert np.allclose(told[is_number], wanted[is_number], rtol=1e-6, atol=1e-7)
        sure = unsure[..., 0] == 0
        assert told[sure].tobytes() == plain[sure].tobytes() and sure.any()
        reddest[number] = unsure.max()
    assert reddest[PAINTED] == 0
    assert reddest[HIDDEN] > 0.3, "what is hidden there cannot be sure"


def test_the_panel_says_how_sure_each_frame_is_and_where_to_paint_next(rendered: Rendered) -> None:
    before, previewed, preview_said, _, propagated, said, went, frame, panels = rendered.told[:9]
    assert (previewed, propagated, went) == ("", "", "")
    assert before == ["Nothing is propagated yet"]
    assert preview_said[0] == "6 frames previewed: Propagate makes them well"
    assert said[0] == "6 frames propagated" and "% sure" in said[1]
    assert said[2].startswith(f"Paint next: frame {frame}") and frame >= HIDDEN
    assert f"Go to Frame {frame}" in panels["UNDERSTUDY_PT_fix"]
    assert panels["UNDERSTUDY_PT_fix"].count("default_value") == 2, "the menu and the mix of the node"
    assert {"patch", "wanted_confidence", "track"} <= {*panels["UNDERSTUDY_PT_fix_options"]}


def test_frames_that_are_not_there_show_the_plate_and_the_file_renders_without_the_add_on(
    painting: Painting, tmp_path: Path
) -> None:
    file, gone = str(tmp_path / "shot.blend"), 2
    chosen = {**painting.chosen(tmp_path), "propagate.output": "//fixed.%04d.exr"}
    told = blender(tmp_path, *START, ["save", file], ["put", chosen], ["call", "preview"], ["save", file])
    assert told[5] == ""
    (tmp_path / f"fixed.{gone:04d}.exr").unlink()
    steps = [["open", file], *REGISTER, ["call", "attach_fix"], ["save", file]]
    assert blender(tmp_path / "again", *steps)[3] == ""
    blender(tmp_path / "farm", ["open", file], rendering(tmp_path, "farm", [gone, PAINTED]))
    farms = Rendered(tmp_path, [])
    assert farms.pixels("farm", gone).tobytes() == painting.unfixed(gone).tobytes()
    fixed = shown(read_image(tmp_path / f"fixed.{PAINTED:04d}.exr"), VIEWED, ("R", "G", "B"))
    assert np.array_equal(farms.pixels("farm", PAINTED), fixed, equal_nan=True)


@pytest.mark.parametrize("is_on_swap", [True, False])
def test_a_fix_goes_behind_what_it_was_painted_on(
    bake: Callable[[dict[str, Any]], tuple[Path, Path, Path]], tmp_path: Path, is_on_swap: bool
) -> None:
    face_pass, swapped, plate = bake({})
    under = read_image(swapped if is_on_swap else plate)
    painted = replace(under, pixels=under.pixels.copy())
    painted.pixels[20:40, 20:40, :3] += 0.2
    write_image(tmp_path / "fix.0001.exr", painted)
    output = {"propagate.output": str(tmp_path / "fixed.%04d.exr")}
    chosen = {
        "plate": str(plate),
        "face_pass": str(face_pass),
        "propagate.fix": str(tmp_path / "fix.0001.exr"),
    }
    chosen |= {"propagate.swapped": str(swapped)} if is_on_swap else {}
    steps = [["frames", 1, 1], ["put", {**chosen, **output}], ["call", "attach"], ["call", "propagate"]]
    told = blender(tmp_path, *REGISTER, *steps, ["wires"], ["call", "attach"], ["wires"])
    assert told[4:6] == ["", ""] and told[6] == told[8], "read again, the artist's wires stay"
    ends = ["Understudy", "Understudy Propagate"] if is_on_swap else ["Understudy Propagate", "Understudy"]
    assert ends in told[6] and [ends[1], "Group Output"] in told[6]


def test_what_stops_a_fix_is_one_clear_sentence(painting: Painting, tmp_path: Path) -> None:
    chosen, plate = painting.chosen(tmp_path), painting.plate
    same = tmp_path / "same.0003.exr"
    same.write_bytes(Path(plate % PAINTED).read_bytes())
    elsewhere = tmp_path / "elsewhere.0009.exr"
    elsewhere.write_bytes(same.read_bytes())
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "No plate is chosen"),
        ({"plate": chosen["plate"]}, "No fix is chosen"),
        ({**chosen, "propagate.output": ""}, "No output is chosen"),
        ({**chosen, "propagate.output": "//fixed.%04d.exr"}, "never saved"),
        ({**chosen, "propagate.output": "/fixed.%04d.png"}, "The fixed frames have to be EXR files"),
        ({**chosen, "propagate.output": plate}, "The fixed frames would be written over the plate"),
        ({**chosen, "propagate.output": chosen["propagate.fix"]}, "would be written over the fix"),
        ({**chosen, "propagate.matte": "/roto.exr"}, "The matte has no frame number in its name"),
        ({**chosen, "propagate.matte": str(tmp_path / "roto.0001.exr")}, "roto"),
        ({**chosen, "propagate.matte": "", "propagate.fix": str(elsewhere)}, "No keyframe is of a frame"),
        ({**chosen, "propagate.fix": str(same)}, "Nothing is painted on the keyframe"),
    ]
    steps: list[list[Any]] = [*START, ["call", "attach_fix"]]
    for values, _ in cases:
        steps += [["put", values], ["call", "propagate"]]
    said = [value for value in blender(tmp_path, *steps) if isinstance(value, str)][1:]
    for sentence, (_, part) in zip(said, cases, strict=True):
        assert part in sentence and "\n" not in sentence and "Traceback" not in sentence, sentence
    assert not list(tmp_path.glob("fixed/*.exr"))
