"""The tabs and knobs of the Understudy node: those of the job table, and those that are the host's own."""

from __future__ import annotations

from understudy_host import live
from understudy_host.knobs import TABS, Knob, knobs
from understudy_host.live_numbers import SOURCE, SOURCES
from understudy_nuke import knobs_text as line
from understudy_nuke.live_nodes import GRAPH

_MISSING = "The Understudy plugin is not installed here: put its folder on NUKE_PATH. What is baked renders."
BAKED_AS = ("face_pass", "finished_frame")


def knob_lines() -> list[str]:
    """Every tab of the node, a line a knob."""
    table: dict[str, list[str]] = {name: [line.tab(name)] for name in TABS}
    table["Face"] += _bake()
    table["Mask"] += _matte_source()
    for knob in shown_knobs():
        table[knob.tab] += line.of_table(knob, live.remark(knob, GRAPH))
    return [one for lines in table.values() for one in lines] + _propagate() + _farm() + _about()


def shown_knobs() -> list[Knob]:
    """The swap's knobs that the node has: files that it need not have come in by its inputs."""
    return [knob for knob in knobs("swap") if knob.affects != "run" and (not knob.path or knob.needed)]


def action(name: str) -> str:
    """One guarded line: a script with this node opens and renders without the plugin."""
    return (
        "try:\n"
        "    from understudy_nuke import actions\n"
        "except ImportError:\n"
        f"    nuke.message({_MISSING!r})\n"
        "else:\n"
        f"    actions.{name}(nuke.thisNode())"
    )


def _bake() -> list[str]:
    """What every session begins with: the state of the bake, the buttons, and where it lies."""
    return [
        line.note("bake_state", "not baked yet", label="bake"),
        line.button("bake", "Bake", "Bakes the face pass of the frame range.", action("bake")),
        line.button(
            "bake_frame", "Bake this frame", "Bakes the face pass of one frame.", action("bake_frame")
        ),
        line.button("cancel", "Cancel", "Ends a bake; what is finished is kept.", action("cancel")),
        line.declared(
            "text", "frames", "frames", "Frames to bake, such as 1001-1100; the plate's where it is empty."
        ),
        line.declared(
            "file",
            "face_pass_file",
            "face pass",
            "Where the bake is written; beside the script where it is empty.",
        ),
        line.declared("int", "first_frame", "first", "First frame of the bake."),
        line.declared("int", "last_frame", "last", "Last frame of the bake."),
        line.choice(
            "bake_as",
            "bake as",
            "A face pass is finished live, by this node. A finished frame has the engine's merges and grain, "
            "and every change of it needs a bake.",
            BAKED_AS,
        ),
        line.choice("show", "show", "What the node puts out.", ("result", "face", "matte")),
        line.hidden("text", "baked_digest"),
        line.divider("make", "model and track"),
        line.button("track_plate", "Track…", "Finds the face in the plate.", action("track")),
        line.button(
            "extract_faces", "Extract…", "Makes a face set of a performer's footage.", action("extract")
        ),
        line.button("train_model", "Train…", "Trains a model of two face sets.", action("train")),
        *_nodes_of_the_track(),
        line.divider("place", "the new face"),
    ]


def _nodes_of_the_track() -> list[str]:
    kinds = (
        (
            "tracker",
            "Tracker",
            "Pastes a Tracker of the landmarks; move its points where it is wrong.",
        ),
        ("corner_pin", "Corner pin", "Pastes a CornerPin2D that lays a picture onto the face."),
        ("transform", "Transform", "Pastes a Transform of the head's movement."),
        ("roto", "Roto", "Pastes a Roto of the face's outline."),
    )
    buttons = [
        line.button(f"make_{kind}", label, words, action(f"make_{kind}")) for kind, label, words in kinds
    ]
    words = "Puts the points that you moved in the selected Tracker into the track, set by hand."
    return [
        line.divider("track_nodes", "nodes of the track"),
        *buttons,
        line.button("take_corrections", "Take corrections", words, action("take_corrections")),
    ]


def _matte_source() -> list[str]:
    return [
        line.choice(
            SOURCE,
            "matte",
            ". ".join(f"{word}: {meaning}" for word, meaning in SOURCES.items()) + ".",
            tuple(SOURCES),
        )
    ]


def _propagate() -> list[str]:
    words = (
        "What no knob mends you paint, on one frame or on a few. An UnderstudyPropagate node carries the\n"
        "paint to the frames round them and says which to paint next; connect a Read of what you painted."
    )
    return [
        line.tab("Propagate"),
        line.note("propagate_note", words),
        line.button(
            "make_propagate",
            "Make a propagate node",
            "Pastes an UnderstudyPropagate node, wired to this node's plate and to what this node puts out.",
            action("propagate_result_of"),
        ),
    ]


def _farm() -> list[str]:
    return [
        line.tab("Farm"),
        line.note(
            "farm_note",
            "A baked node renders anywhere. To bake on a farm, send the bake there.",
        ),
        line.button(
            "send_to_farm",
            "Send to farm…",
            "Writes the bake as an Open Job Description bundle, which farms split into chunks of frames.",
            action("send_to_farm"),
        ),
    ]


def _about() -> list[str]:
    words = (
        "Understudy puts one performer's face, with that performer's permission, onto another's acting.\n"
        "The likeness release travels in every model and frame."
    )
    return [
        line.tab("About"),
        line.note("about_note", words),
        line.button(
            "doctor", "Check the engine", "Says which engine runs, and what it lacks.", action("doctor")
        ),
    ]
