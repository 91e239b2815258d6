"""A second node: a picture painted once on the aligned face, put back onto the plate on every frame.

Convention:
    The painted picture is square, the aligned face itself; the face pass's `uv` layer says where in it every
    pixel of the plate lies, 0 to 1, y up, as the host's STMap wants it.
"""

from __future__ import annotations

from pathlib import Path

from understudy_nuke import knobs_text as line
from understudy_nuke.script import Expression, Script

PATH = Path(__file__).resolve().parents[2] / "gizmos" / "UnderstudyPaint.gizmo"
_NOTE = (
    "Paint on a square picture of the face and connect it to the input 'paint', with alpha where it counts. "
    "The face pass is that of the Understudy node."
)


def group_text(version: str) -> str:
    """The whole script."""
    head = [
        f"version {version}",
        "add_layer {uv uv.red uv.green}",
        "Group {",
        " inputs 3",
        " name UnderstudyPaint1",
        line.tab("Paint"),
        line.note("paint_note", _NOTE),
        line.declared("file", "face_pass_file", "face pass", "The face pass that the Understudy node baked."),
        line.declared("int", "first_frame", "first", "First frame of the bake."),
        line.declared("int", "last_frame", "last", "Last frame of the bake."),
        line.declared("double", "opacity", "opacity", "Opacity of the paint. In percent.", " R 0 100"),
        " opacity 100",
        "}",
    ]
    return "\n".join([*head, *graph().lines(), "end_group"]) + "\n"


def graph() -> Script:
    """The nodes inside the group."""
    script = Script()
    plate, paint, given = (
        script.node("Input", name, [], {"number": number})
        for number, name in enumerate(("plate", "paint", "face_pass"))
    )
    face_pass = baked_or_given(script, given)
    placed = script.node("STMap", "Place", [paint, face_pass], {"uv": "uv"})
    # Where there is no face the map says nothing, and its corner would be seen everywhere.
    held = script.node("Merge2", "OnTheFace", [placed, face_pass], {"operation": "mask"})
    weight = {"operation": "over", "mix": Expression("parent.opacity/100")}
    over = script.node("Merge2", "Over", [plate, held], weight)
    script.node("Output", "Output1", [over])
    return script


def baked_or_given(script: Script, given: str) -> str:
    """The face pass: what is connected to the third input, else the file that the node's knobs name."""
    baked = result_read(script, "FacePass", "face_pass_file")
    connected = Expression("[exists parent.input2]")
    return script.node("Switch", "ChooseFacePass", [baked, given], {"which": connected})


def result_read(script: Script, name: str, file_knob: str) -> str:
    """A Read of what the engine made, as the group's knobs name it; a frame that is not there is black."""
    read = {
        "file": f"[value parent.{file_knob}]",
        "first": Expression("parent.first_frame"),
        "last": Expression("parent.last_frame"),
        # A frame that is not there has no matte and no header, and the plate goes through. Beyond the frames
        # that were made a Read would hold the last one.
        "before": "black",
        "after": "black",
        "on_error": "black",
    }
    return script.node("Read", name, [], read)
