"""The Understudy node: a group of the host's own nodes that finishes a face pass, driven by the job's knobs.

`python -m understudy_nuke.gizmo` writes it and its companions to gizmos/. It is a `Group` and not a `Gizmo`,
so that a script opens and renders where the plugin is not installed.

Convention:
    Everything between Encode and Decode is in ACEScct. What a face pass's header holds is read in one place,
    the node Facts, and every number in it has a value that changes nothing where there is no header.

Source:
    docs/adr/0007-face-pass.md for the formula; Academy S-2016-001 for ACEScct; comp/grade.py for the grade.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from understudy_nuke import knobs_text, paint_gizmo, propagate_gizmo
from understudy_nuke.group_knobs import knob_lines
from understudy_nuke.script import Expression, Script

PATH = Path(__file__).resolve().parents[2] / "gizmos" / "Understudy.gizmo"
TOOLSET = PATH.parents[1] / "plugin" / "ToolSets" / "Understudy" / "FaceReplacement.nk"
FIX_TOOLSET = TOOLSET.with_name("FixByHand.nk")
VERSION = "14.0 v1"
METADATA = "exr/understudy:"
# ACEScct and back; the numbers are the standard's.
_ENCODE = "{0} <= 0.0078125 ? 10.5402377416545*{0} + 0.0729055341958355 : (log({0})/log(2) + 9.72)/17.52"
_DECODE = "{0} <= 0.155251141552511 ? ({0} - 0.0729055341958355)/10.5402377416545 : pow(2, {0}*17.52 - 9.72)"
_STRENGTH = "parent.colour_strength/100"
_LIGHT = "parent.light_strength/100*Facts.has_light"
_STOPS = 17.52
_MID_GREY, _WHITE = (math.log2(0.18) + 9.72) / 17.52, 9.72 / 17.52
# Known to the script even before a face pass was read, so that every expression is valid.
_LAYERS = [
    f"add_layer {{{layer} {' '.join(f'{layer}.{channel}' for channel in channels)}}}"
    for layer, channels in (
        ("light", ("red", "green", "blue")),
        ("face_light", ("red", "green", "blue")),
        ("matte_final", ("alpha",)),
        ("matte_learned", ("alpha",)),
        ("matte_hull", ("alpha",)),
    )
]
_ROWS, _AXES = "rgb", "xyz"


def group_text() -> str:
    """The whole script."""
    head = [f"version {VERSION}", *_LAYERS, "Group {", " inputs 3", " name Understudy1", *knob_lines(), "}"]
    return "\n".join([*head, *graph().lines(), "end_group"]) + "\n"


def toolset_text(group: str, reads: tuple[str, ...], inputs: int) -> str:
    """A node with Reads on its first inputs and a Write below, to begin a shot with.

    Args:
        group: The node's own script.
        reads: Names of the Reads.
        inputs: How many inputs the node has.
    """
    head, _, rest = group.partition("Group {")
    lines = [head.rstrip()]
    for name in reads:
        lines += ["Read {", " inputs 0", f" name {name}", "}", f"set N_{name} [stack 0]"]
    lines += ["push 0"] * (inputs - len(reads)) + [f"push $N_{name}" for name in reversed(reads)]
    write = ["Write {", " inputs 1", " name Finished1", ' file ""', ' file_type "exr"', " channels rgba", "}"]
    return "\n".join([*lines, f"Group {{{rest.rstrip()}", *write]) + "\n"


def graph() -> Script:
    """The nodes inside the group."""
    script = Script()
    plate, roto, given = (
        script.node("Input", name, [], {"number": number})
        for number, name in enumerate(("plate", "matte", "face_pass"))
    )
    chosen = paint_gizmo.baked_or_given(script, given)
    facts = _facts(script, chosen)
    face, matte = _coloured(script, facts), _covered(script, facts, roto)
    merge = {"channels": "rgb", "maskChannel": "alpha"}
    merged = script.node("Keymix", "Merge", [plate, face, matte], merge)
    finished = _finished(script, [plate, chosen, roto], merged)
    seen = script.node("Expression", "SeeMatte", [matte], {f"expr{index}": "a" for index in range(3)})
    shown = script.node("Switch", "Show", [finished, face, seen], {"which": Expression("parent.show")})
    script.node("Output", "Output1", [shown])
    return script


def _facts(script: Script, face_pass: str) -> str:
    """A node that changes nothing: its knobs are the numbers of the face pass's header, and the grade's."""
    values: dict[str, object] = {}
    matrices = (
        ("to", "linear_to_encoded", 3),
        ("from", "encoded_to_linear", 3),
        ("match", "colour_match", 4),
    )
    for knob, key, width in matrices:
        for row in range(3):
            values[f"{knob}_{_ROWS[row]}"] = _header_row(key, row, width)
    values["match_shift"] = [_number("colour_match", row * 4 + 3, 0.0) for row in range(3)]
    for row, name in enumerate(("place_x", "place_y")):
        values[name] = _header_row("plate_to_aligned", row, 3)
    values["grain_deviation"] = [_number("grain", channel, 0.0) for channel in range(3)]
    vectors = list(values)
    values["has_light"] = Expression(f"{_number('light_strength', 0, 0.0)} > 0")
    values["face_px"] = Expression(
        f"{_number('aligned_size', 0, 512.0)}"
        "/sqrt(max(abs(place_x.x*place_y.y - place_x.y*place_y.x), 0.000001))"
    )
    values |= _grade()
    declared = [knobs_text.vector(name) for name in vectors]
    declared += [knobs_text.number(name) for name in values if name not in vectors]
    return script.node("NoOp", "Facts", [face_pass], values, declared=declared)


def _header_row(key: str, row: int, width: int) -> list[Expression]:
    """The first three numbers of a matrix's row, the identity's where the header has none."""
    return [_number(key, row * width + column, float(row == column)) for column in range(3)]


def _number(key: str, index: int, otherwise: float) -> Expression:
    """A number of the header's, or another where the header has none."""
    found = f"[metadata {METADATA}{key}]"
    return Expression(f"[expr {{[llength {found}] > {index} ? [lindex {found} {index}] : {otherwise:g}}}]")


def _grade() -> dict[str, object]:
    """The grade as one gain and one shift, and how far colours lie from grey, along their hue and across."""
    steps = ("(1/parent.grade_gamma)", "(1 - parent.grade_lift_percent/100)")
    pivots = (f"{_MID_GREY:.9g}", f"{_WHITE:.9g}")
    shift = f"parent.grade_gain_stops/{_STOPS:g}"
    for step, pivot in zip(steps, pivots):
        shift = f"(({shift}) - {pivot})*{step} + {pivot}"
    angle = "parent.grade_hue_degrees*pi/180"
    return {
        "grade_scale": Expression("*".join(steps)),
        "grade_shift": Expression(shift),
        "grade_along": Expression(f"parent.grade_saturation_percent/100*cos({angle})"),
        "grade_across": Expression(f"parent.grade_saturation_percent/100*sin({angle})/sqrt(3)"),
    }


def _coloured(script: Script, facts: str) -> str:
    """The face with its colours changed: matched, lit, graded, sharpened, and back in the plate's light."""
    encoded = script.node(
        "Expression",
        "Encode",
        [script.node("ColorMatrix", "ToEncoded", [facts], {"matrix": _rows("to")})],
        _curves(_ENCODE),
    )
    sharp = _sharpened(script, encoded)
    own = _layer(script, facts, "FaceLight", "face_light")
    share = {"channels": "rgb", "value": Expression(_LIGHT)}
    own_share = script.node("Multiply", "FaceLightShare", [own], share)
    unlit = script.node(
        "Merge2", "WithoutItsLight", [own_share, sharp], {"operation": "minus", "output": "rgb"}
    )
    matched = script.node("ColorMatrix", "Match", [unlit], {"matrix": _match()})
    shift = [Expression(f"(1 - {_LIGHT})*{_STRENGTH}*Facts.match_shift.{axis}") for axis in _AXES]
    shifted = script.node("Add", "MatchShift", [matched], {"channels": "rgb", "value": [*shift, 0]})
    light = _layer(script, facts, "PlateLight", "light")
    light_share = script.node("Multiply", "PlateLightShare", [light], share)
    lit = script.node(
        "Merge2", "WithThePlatesLight", [shifted, light_share], {"operation": "plus", "output": "rgb"}
    )
    graded = script.node("ColorMatrix", "Grade", [lit], {"matrix": _grade_matrix()})
    moved = script.node(
        "Add", "GradeShift", [graded], {"channels": "rgb", "value": Expression("Facts.grade_shift")}
    )
    grained = _grained(script, facts, moved)
    decoded = script.node("Expression", "Decode", [grained], _curves(_DECODE))
    return script.node("ColorMatrix", "FromEncoded", [decoded], {"matrix": _rows("from")})


def _sharpened(script: Script, face: str) -> str:
    """Face + amount · (face − blurred), softer below 0; what lies round the face must not blur in."""
    radius = "parent.sharpness_radius_percent/100*Facts.face_px"
    size = Expression(f"{radius}*{BLUR_SIZE:g}")
    weighed = script.node("Premult", "Weighed", [face])
    spread = script.node("Blur", "Blurred", [weighed], {"channels": "rgba", "size": size})
    blurred = script.node("Unpremult", "BlurredFace", [spread])
    fine = script.node("Merge2", "Detail", [blurred, face], {"operation": "minus", "output": "rgb"})
    amount = {"channels": "rgb", "value": Expression("parent.sharpness/100")}
    share = script.node("Multiply", "DetailShare", [fine], amount)
    return script.node("Merge2", "Sharpened", [face, share], {"operation": "plus", "output": "rgb"})


def _grained(script: Script, facts: str, face: str) -> str:
    """The plate's own grain on the face: four even random numbers a channel, whose sum is near a Gaussian."""
    noise: dict[str, object] = {}
    for channel in range(3):
        picks = " + ".join(f"random(x + {1000 * (4 * channel + pick)}, y, frame)" for pick in range(4))
        noise[f"expr{channel}"] = f"({picks} - 2)*{math.sqrt(3):.9g}"  # of mean 0 and deviation 1
    white = script.node("Expression", "White", [facts], noise)
    amount = [Expression(f"parent.grain/100*Facts.grain_deviation.{axis}") for axis in _AXES]
    share = script.node("Multiply", "Grain", [white], {"channels": "rgb", "value": [*amount, 1]})
    return script.node("Merge2", "Grained", [face, share], {"operation": "plus", "output": "rgb"})


BLUR_SIZE = 2.0
"""Blur's size for a deviation of one pixel; the host does not document it, and filters differ."""


def _covered(script: Script, facts: str, roto: str) -> str:
    """The matte in alpha: as baked, or live of the two mattes it is made of; the artist's own; opacity."""
    baked = _layer(script, facts, "BakedMatte", "matte_final", matte=True)
    live = _live_matte(script, facts)
    matte = script.node("Switch", "ChooseMatte", [baked, live], {"which": Expression("parent.matte_source")})
    held = script.node("Merge2", "HoldInMatte", [matte, roto], {"operation": "multiply"})
    chosen = script.node(
        "Switch", "ChooseRoto", [matte, held], {"which": Expression("[exists parent.input1]")}
    )
    opacity = {"channels": "alpha", "value": Expression("parent.opacity/100")}
    return script.node("Multiply", "Opacity", [chosen], opacity)


def _finished(script: Script, inputs: list[str], merged: str) -> str:
    """What the node's own nodes made, or the engine's finished frame, under the artist's own matte."""
    plate, baked, roto = inputs
    given = Expression("[exists parent.input1]")
    held = script.node("Switch", "RotoOrAll", ["Everywhere", roto], {"which": given})
    over = {"channels": "rgb", "maskChannel": "alpha"}
    frame = script.node("Keymix", "FinishedFrame", [plate, baked, held], over)
    return script.node("Switch", "Finished", [merged, frame], {"which": Expression("parent.bake_as")})


def _live_matte(script: Script, facts: str) -> str:
    """Learned and hull, combined, eroded and feathered by the host's own filters."""
    everywhere = script.node("Expression", "Everywhere", [facts], {"expr3": "1"})
    chosen = []
    for name in ("learned", "hull"):
        made = _layer(script, facts, f"Matte_{name}", f"matte_{name}", matte=True)
        use = {"which": Expression(f"parent.matte_{name}")}
        chosen.append(script.node("Switch", f"Use_{name}", [everywhere, made], use))
    ways = [
        script.node("Merge2", f"Combine_{word}", chosen, {"operation": operation})
        for word, operation in (
            ("product", "multiply"), ("minimum", "min"), ("maximum", "max"), ("difference", "stencil")
        )
    ]  # fmt: skip
    combined = script.node("Switch", "Combine", ways, {"which": Expression("parent.matte_combine")})
    unit = "(parent.matte_unit == 0 ? Facts.face_px/100 : 1)"
    erode = {"channels": "alpha", "size": Expression(f"parent.erode*{unit}")}
    eroded = script.node("FilterErode", "Erode", [combined], erode)
    half = f"parent.feather/2*{unit}"
    inner = script.node(
        "FilterErode", "FeatherInwards", [eroded], {"channels": "alpha", "size": Expression(half)}
    )
    soft = script.node("Blur", "Feather", [inner], {"channels": "alpha", "size": Expression(half)})
    return script.node("Merge2", "NeverOutside", [eroded, soft], {"operation": "min"})


def _layer(script: Script, facts: str, name: str, layer: str, *, matte: bool = False) -> str:
    """A layer of the face pass as colours, or as alpha.

    By an expression, which names its channels: where a shuffle puts a matte's only one is not documented.
    """
    channels = {3: "alpha"} if matte else dict(enumerate(("red", "green", "blue")))
    values = {f"expr{index}": f"{layer}.{channel}" for index, channel in channels.items()}
    return script.node("Expression", name, [facts], values)


def _curves(formula: str) -> dict[str, object]:
    return {f"expr{index}": formula.format(channel) for index, channel in enumerate("rgb")}


def _rows(knob: str) -> list[list[Expression]]:
    return [[Expression(f"Facts.{knob}_{row}.{axis}") for axis in _AXES] for row in _ROWS]


def _match() -> list[list[Expression]]:
    """The identity, and of the rest the colour strength's share."""
    return [
        [
            Expression(f"{int(i == j)} + {_STRENGTH}*(Facts.match_{_ROWS[i]}.{_AXES[j]} - {int(i == j)})")
            for j in range(3)
        ]
        for i in range(3)
    ]


def _grade_matrix() -> list[list[Expression]]:
    """Grey stays; what differs from it is scaled by saturation and turned by hue about the grey axis."""
    turn = ((0, -1, 1), (1, 0, -1), (-1, 1, 0))
    sign = {0: "", 1: " + Facts.grade_across", -1: " - Facts.grade_across"}
    rows = []
    for i in range(3):
        row = []
        for j in range(3):
            along = "(1 + 2*Facts.grade_along)/3" if i == j else "(1 - Facts.grade_along)/3"
            row.append(Expression(f"Facts.grade_scale*({along}{sign[turn[i][j]]})"))
        rows.append(row)
    return rows


def generated() -> dict[Path, str]:
    """What each of the gizmos must hold, by its path."""
    face, fix = group_text(), propagate_gizmo.group_text(VERSION)
    return {
        PATH: face,
        paint_gizmo.PATH: paint_gizmo.group_text(VERSION),
        propagate_gizmo.PATH: fix,
        TOOLSET: toolset_text(face, ("Plate1",), 3),
        FIX_TOOLSET: toolset_text(fix, ("Plate1", "Keyframes1"), len(propagate_gizmo.INPUTS)),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the gizmos, or with --check say which differ; 1 where some do."""
    parser = argparse.ArgumentParser(prog="python -m understudy_nuke.gizmo")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    check, differ = parser.parse_args(arguments).check, 0
    for path, words in generated().items():
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != words):
            print(f"{path.name} differs from the job table: run `make generate`")
            differ = 1
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(words, encoding="utf-8")
    return differ


if __name__ == "__main__":
    raise SystemExit(main())
