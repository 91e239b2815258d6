"""A third node: frames painted by hand, carried to the frames round them, shown over the plate.

The engine writes whole frames; the node shows them where there are any, else what the paint was painted on.

Convention:
    A written frame's layer `confidence` is 1 where nothing was done, and less where the fix is a guess. Its
    header always has a confidence too, which is how a frame that is there is told from one that is not.
"""

from __future__ import annotations

from pathlib import Path

from understudy_host.knobs import Knob, knobs
from understudy_nuke import knobs_text as line
from understudy_nuke.group_knobs import action
from understudy_nuke.paint_gizmo import result_read
from understudy_nuke.propagating import NOT_KNOBS
from understudy_nuke.script import Expression, Script

PATH = Path(__file__).resolve().parents[2] / "gizmos" / "UnderstudyPropagate.gizmo"
INPUTS = ("plate", "keyframes", "matte", "swapped")
_NAME = "UnderstudyPropagate1"
_CONFIDENCE = "metadata exr/understudy:confidence"
# The rest of the job table's fields shape the search for patches.
_OF_THE_FIX = ("track", "matte_grow_px", "wanted_confidence")
_HOW = (
    "Paint one frame, write its rgb under its number, such as fix.1017.exr, and connect a Read of\n"
    "fix.%04d.exr to keyframes. Connect a matte of what has to go on each frame, if something has to;\n"
    "connect what you painted on to swapped, where that is not the plate."
)


def group_text(version: str) -> str:
    """The whole script."""
    head = [
        f"version {version}",
        "add_layer {confidence confidence.alpha}",
        "Group {",
        f" inputs {len(INPUTS)}",
        f" name {_NAME}",
        *knob_lines(),
        "}",
    ]
    return "\n".join([*head, *graph().lines(), "end_group"]) + "\n"


def knob_lines() -> list[str]:
    """Every tab of the node, a line a knob."""
    table = [knob for knob in knobs("propagate") if knob.name not in NOT_KNOBS]
    first = [knob for knob in table if knob.name in _OF_THE_FIX]
    rest = [knob for knob in table if knob.name not in _OF_THE_FIX]
    return [
        *_run(),
        line.divider("the_fix", "the fix"),
        *_lines(first),
        line.tab("Patches"),
        *_lines(rest),
        line.tab("Help"),
        line.note("how_note", _HOW),
    ]


def graph() -> Script:
    """The nodes inside the group."""
    script = Script()
    plate, _, _, swapped = (
        script.node("Input", name, [], {"number": number}) for number, name in enumerate(INPUTS)
    )
    connected = {"which": Expression(f"[exists parent.input{INPUTS.index('swapped')}]")}
    base = script.node("Switch", "Base", [plate, swapped], connected)
    facts = _facts(script, result_read(script, "Result", "result_file"))
    everywhere = script.node("Expression", "Everywhere", [facts], {"expr3": "1"})
    over = {"channels": "rgb", "maskChannel": "alpha"}
    laid = script.node("Keymix", "Laid", [base, facts, everywhere], over)
    there = {"which": Expression("Facts.is_there")}
    fixed = script.node("Switch", "Fixed", [base, laid], there)
    unsure = script.node("Switch", "Unsure", [base, _red(script, facts)], there)
    shown = script.node("Switch", "Show", [fixed, unsure, plate], {"which": Expression("parent.show")})
    script.node("Output", "Output1", [shown])
    return script


def _facts(script: Script, result: str) -> str:
    """A node that changes nothing: whether the frame is there, by its number and by its header."""
    within = "(frame >= parent.first_frame)*(frame <= parent.last_frame)"
    values = {"is_there": Expression(f"{within}*([llength [{_CONFIDENCE}]] > 0)")}
    return script.node("NoOp", "Facts", [result], values, declared=[line.number("is_there")])


def _red(script: Script, facts: str) -> str:
    """The result under red, the more the less sure it is."""
    sure = "confidence.alpha"
    values = {"expr0": f"r*{sure} + 1 - {sure}", "expr1": f"g*{sure}", "expr2": f"b*{sure}"}
    return script.node("Expression", "RedWhereUnsure", [facts], values)


def _lines(table: list[Knob]) -> list[str]:
    return [one for knob in table for one in line.of_table(knob)]


def _run() -> list[str]:
    """What every session begins with: its state, its buttons, what to paint next, and where the files lie."""
    return [
        line.tab("Propagate"),
        line.note("bake_state", "not propagated yet", label="state"),
        *_buttons(),
        line.note("paint_next_note", "known after a run", label="paint next"),
        line.button(
            "go_to_next",
            "Go to next frame to paint",
            "Shows the frame that gains most from being painted; pressed again, the one after it.",
            action("go_to_next"),
        ),
        line.hidden("text", "paint_next"),
        line.declared(
            "text", "frames", "frames", "Frames to make, such as 1001-1100; the plate's where it is empty."
        ),
        line.declared(
            "file", "result_file", "result", "Where frames are written; beside the script where it is empty."
        ),
        line.declared("int", "first_frame", "first", "First frame of the result."),
        line.declared("int", "last_frame", "last", "Last frame of the result."),
        line.choice(
            "show",
            "show",
            "What the node puts out; confidence is the result under red, the redder the less sure it is.",
            ("result", "confidence", "plate"),
        ),
        line.hidden("text", "baked_digest"),
    ]


def _buttons() -> list[str]:
    preview = "Only moves your paint along, at once, to look at; it takes the place of frames that are done."
    return [
        line.button("run_preview", "Preview", preview, action("preview")),
        line.button(
            "run_propagate",
            "Propagate",
            "Carries your paint to the frames round it. Frames that have not changed are not made again.",
            action("propagate"),
        ),
        line.button("cancel", "Cancel", "Ends a run; what is finished is kept.", action("cancel")),
    ]
