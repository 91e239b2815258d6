"""An Understudy node as the plugin reads and writes it: knob values, keys, and what it says of its bake.

Nothing here imports nuke: nodes are passed in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from understudy_host import jobs, live
from understudy_host.errors import HostError
from understudy_host.knobs import Knob, knobs
from understudy_host.live_numbers import SOURCE
from understudy_nuke.live_nodes import GRAPH

MARK = "baked_digest"
_LIVE, _LIVE_MATTE = live.live_knobs(GRAPH), live.matte_knobs(GRAPH)
_FRAME_PATTERN = re.compile(r"%0?\d*d|#+")
_FORMER_ORANGE = 0xCC6600FF
_FORMER_LABELS = (
    "not baked yet",
    "not propagated yet",
    "preview: propagate for the frames themselves",
    "stale: bake again",
    "stale: propagate again",
)
# No knob moves when a file is written anew: an open panel is a time to look.
_LOOKED_AT = (SOURCE, "bake_as", "face_pass_file", "inputChange", "showPanel")


class Kind(NamedTuple):
    """A kind of node that has the engine make files: its words, and where the files stand.

    Attributes:
        verb: Of the job table.
        file_knob, file_label: The knob that says where the result lies.
        file_stem: How the result's files are called where that knob says nothing.
        read: The Read inside that shows them.
        past: What is done to the node.
        fresh, stale, nothing: What the node says of its result.
    """

    verb: str
    file_knob: str
    file_label: str
    file_stem: str
    read: str
    past: str
    fresh: str
    stale: str
    nothing: str


FACE_PASS = Kind(
    verb="swap",
    file_knob="face_pass_file",
    file_label="face pass",
    file_stem="face_pass",
    read="FacePass",
    past="baked",
    fresh="baked",
    stale="stale: bake again",
    nothing="not baked yet",
)
FIX = Kind(
    verb="propagate",
    file_knob="result_file",
    file_label="result",
    file_stem="fixed",
    read="Result",
    past="propagated",
    fresh="propagated",
    stale="stale: propagate again",
    nothing="not propagated yet",
)


def is_understudy(node: Any) -> bool:
    """Whether a node is one of ours."""
    return node is not None and node.Class() == "Group" and node.knob(MARK) is not None


def kind_of(node: Any) -> Kind:
    """What kind of node one of ours is."""
    return FACE_PASS if node.knob(FIX.file_knob) is None else FIX


def values(node: Any) -> dict[str, Any]:
    """The values of the job table's knobs, by field name."""
    found = {}
    for knob in knobs(kind_of(node).verb):
        on_node = _on_node(node, knob)
        if on_node is not None:
            found[knob.name] = _plain(on_node.value(), knob)
    return found


def keys(node: Any) -> dict[str, dict[int, Any]]:
    """Keyed values by field name and frame.

    Raises:
        HostError: an expression drives a knob.
    """
    found: dict[str, dict[int, Any]] = {}
    for knob in knobs("swap"):
        on_node = _on_node(node, knob)
        if on_node is None or not knob.animated or not on_node.isAnimated():
            continue
        if on_node.hasExpression():
            raise HostError(
                f"The knob {knob.label!r} is driven by an expression, which a bake cannot follow.",
                f"{node.fullName()}.{knob.name}",
                "generate keys from it (Edit ▸ Generate…), or set a value",
            )
        points = on_node.animation(0).keys()
        found[knob.name] = {round(key.x): _plain(key.y, knob) for key in points}
    return found


def _on_node(node: Any, knob: Knob) -> Any:
    """The node's knob, under a former name in a script of an earlier release; None where there is none."""
    found = (node.knob(name) for name in (knob.name, *knob.formerly))
    return next((one for one in found if one is not None), None)


def _plain(value: Any, knob: Knob) -> Any:
    if knob.kind == "double":
        return float(value)
    if knob.kind == "int":
        return int(value)
    if knob.kind == "bool":
        return bool(value)
    if knob.kind == "choice":
        # A key on a pulldown holds the place among its words.
        return knob.items[round(value)] if isinstance(value, (int, float)) else str(value)
    return str(value or "")


def face_pass_job(node: Any, *, plate: str, output: str, frames: str, colour_space: str) -> dict[str, Any]:
    """The job that bakes what this node needs.

    Raises:
        HostError: a file that every bake needs is not named, or a knob is driven by an expression.
    """
    told = values(node)
    for knob in knobs("swap"):
        if knob.needed and knob.name in told and not told[knob.name]:
            raise HostError(
                f"The node has no {knob.name}.", node.fullName(), f"choose a file in the knob {knob.label!r}"
            )
    told["colour_space"] = ""
    place = {"plate": plate, "output": output, "frames": frames, "colour_space": colour_space}
    if is_finished(node):
        job = jobs.swap_document(told, keys(node), **place)
    else:
        job = jobs.face_pass_document(told, keys(node), **place, live=_LIVE)
    return {**job, "exr_compression": "none"}  # it is read again and again while knobs are turned


def is_finished(node: Any) -> bool:
    """Whether the engine finishes the node's frames, live knobs and all."""
    return bool(node.knob("bake_as").value() == "finished_frame")


def digest(node: Any, job: Mapping[str, Any], *, own: Collection[str] = ()) -> str:
    """What a bake of this node would show; where the matte is live, its knobs need no bake.

    Args:
        own: Fields whose files Nuke writes itself for each bake.
    """
    is_live = node.knob(SOURCE).value() == "live" and not is_finished(node)
    counted = {name: value for name, value in job.items() if not (is_live and name in _LIVE_MATTE)}
    if is_live and "keyframes" in counted:
        moved = {name: value for name, value in counted["keyframes"].items() if name not in _LIVE_MATTE}
        counted["keyframes"] = moved
    return jobs.digest(counted, own=own)


def needs_bake(knob_name: str, node: Any) -> bool:
    """Whether changing a knob can make the bake stale."""
    baked = [knob for knob in knobs("swap") if is_finished(node) or knob.name not in _LIVE]
    table = {name for knob in baked for name in (knob.name, *knob.formerly)}
    return knob_name in table or knob_name in _LOOKED_AT


def show_state(node: Any, state: str) -> None:
    """Say in the node's panel whether its result shows what the knobs say; `drawn_text` says it outside."""
    node.knob("bake_state").setValue(state)
    _undo_marks(node)


def drawn_text(node: Any, label: str) -> str:
    """What is drawn on the node: its name, the artist's label, and the state where there is one to tell.

    Args:
        node: One of ours.
        label: The artist's, as the host evaluates it.
    """
    state = str(node.knob("bake_state").value() or "")
    told = "" if state == kind_of(node).fresh else state
    return "\n".join(part for part in (node.name(), label, told) if part)


def _undo_marks(node: Any) -> None:
    """Take back what earlier releases wrote into the artist's label and colour."""
    if node.knob("label").value() in _FORMER_LABELS:
        node.knob("label").setValue("")
    if node.knob("tile_color").value() == _FORMER_ORANGE:
        node.knob("tile_color").setValue(0)


def point_at(node: Any, output: str, first: int, last: int) -> None:
    """Have the node's Read look at files, of these frames and of those it knew before."""
    node.knob(kind_of(node).file_knob).setValue(output)
    known = int(node.knob("last_frame").value() or 0) > 0
    lowest = min(first, int(node.knob("first_frame").value())) if known else first
    node.knob("first_frame").setValue(lowest)
    node.knob("last_frame").setValue(max(last, int(node.knob("last_frame").value() or 0)))


def reload(node: Any) -> None:
    """Have the node's Read look at its files again."""
    read = node.node(kind_of(node).read)
    if read is not None:
        read.knob("reload").execute()


def result_pattern(node: Any, script: str) -> str:
    """Where a node's result lies: as its knob says, or beside the script.

    Raises:
        HostError: neither is known, or the name holds no frame number.
    """
    kind = kind_of(node)
    said = str(node.knob(kind.file_knob).value() or "").strip()
    if not said:
        if not script:
            raise HostError(
                f"The script has never been saved, so there is no place beside it for the {kind.file_label}.",
                node.fullName(),
                f"save the script, or name a file in the knob {kind.file_label!r}",
            )
        folder, _, name = script.replace("\\", "/").rpartition("/")
        stem = name[:-3] if name.endswith(".nk") else name
        said = f"{folder}/understudy/{stem}_{node.name()}/{kind.file_stem}.%04d.exr"
    if not _FRAME_PATTERN.search(said.rpartition("/")[2]):
        trouble = f"write it as {kind.file_stem}.%04d.exr"
        raise HostError(f"The {kind.file_label} needs a frame number in its name.", said, trouble)
    return said


def inputs_folder(pattern: str) -> str:
    """Where what the host has to write for the engine goes: a folder in which nothing else lies."""
    folder, _, name = pattern.replace("\\", "/").rpartition("/")
    return f"{folder}/{name.partition('.')[0]}_inputs" if folder else f"{name.partition('.')[0]}_inputs"
