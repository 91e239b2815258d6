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
from pathlib import Path

from understudy_nuke import knobs_text, paint_gizmo, propagate_gizmo
from understudy_nuke.group_knobs import knob_lines
from understudy_nuke.live_nodes import GRAPH, LAYERS, METADATA, Emitter
from understudy_nuke.script import Expression, Script

PATH = Path(__file__).resolve().parents[2] / "gizmos" / "Understudy.gizmo"
TOOLSET = PATH.parents[1] / "plugin" / "ToolSets" / "Understudy" / "FaceReplacement.nk"
FIX_TOOLSET = TOOLSET.with_name("FixByHand.nk")
VERSION = "14.0 v1"


def group_text() -> str:
    """The whole script."""
    layers = [
        f"add_layer {{{layer} {' '.join(f'{layer}.{one}' for one in channels)}}}"
        for layer, channels in LAYERS
    ]
    head = [f"version {VERSION}", *layers, "Group {", " inputs 3", " name Understudy1", *knob_lines(), "}"]
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
    live = Emitter(script, chosen, plate, roto, GRAPH)
    face, matte = live.made["FromEncoded"], live.made["Opacity"]
    finished = _finished(script, [plate, chosen, roto], live)
    seen = script.node("Expression", "SeeMatte", [matte], {f"expr{index}": "a" for index in range(3)})
    shown = script.node("Switch", "Show", [finished, face, seen], {"which": Expression("parent.show")})
    script.node("Output", "Output1", [shown])
    return script


def _finished(script: Script, inputs: list[str], live: Emitter) -> str:
    """What the node's own nodes made, or the engine's finished frame, under the artist's own matte."""
    plate, baked, roto = inputs
    given = Expression("[exists parent.input1]")
    everywhere = script.node("Expression", "Everywhere", [live.facts], {"expr3": "1"})
    held = script.node("Switch", "RotoOrAll", [everywhere, roto], {"which": given})
    # A frame that was not baked is black and says nothing: the plate goes through.
    within = "max([exists parent.input2], (frame >= parent.first_frame)*(frame <= parent.last_frame))"
    values = {"is_there": Expression(f"{within}*([llength [metadata {METADATA}digest]] > 0)")}
    told = script.node("NoOp", "FrameFacts", [baked], values, declared=[knobs_text.number("is_there")])
    over = {"channels": "rgb", "maskChannel": "alpha"}
    frame = script.node("Keymix", "FinishedFrame", [plate, told, held], over)
    there = {"which": Expression("FrameFacts.is_there")}
    whole = script.node("Switch", "FrameOrPlate", [plate, frame], there)
    return script.node(
        "Switch", "Finished", [live.made["Merge"], whole], {"which": Expression("parent.bake_as")}
    )


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
