"""The plate that a node sees, as files that the engine can read.

An unmodified Read of EXR files is passed straight through. Everything else, a graded plate, a video, another
frame range, is written as EXR first: what the engine sees is then what the compositor sees.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from understudy_host.errors import HostError

# Nodes that change nothing of the picture.
_TRANSPARENT = ("Dot", "NoOp")
_AS_STORED = ("linear", "scene_linear", "raw", "acescg", "aces - acescg")
# What Nuke's own colour management works in, by the engine's name of it.
NUKE_LINEAR = "Linear Rec.709 (sRGB)"
ACES_LINEAR = "ACEScg"


class Plate(NamedTuple):
    """What a bake reads.

    Attributes:
        pattern: File pattern.
        first, last: Its frames.
        colour_space: By its OCIO name.
        rendered: Whether it has to be written first.
    """

    pattern: str
    first: int
    last: int
    colour_space: str
    rendered: bool


def plate_of(nuke: Any, node: Any, folder: str) -> Plate:
    """The plate on a node's first input.

    Args:
        nuke: The host's module.
        folder: Where a plate that has to be written goes.

    Raises:
        HostError: nothing is connected.
    """
    above = node.input(0)
    if above is None:
        raise HostError("The plate input is not connected.", node.fullName(), "connect the plate to input 0")
    read = _unmodified(above)
    space = str(node.knob("colour_space").value() or "") or working_space(nuke)
    if read is not None and _as_stored(read):
        return Plate(
            nuke.filename(read), int(read.knob("first").value()), int(read.knob("last").value()), space, False
        )
    pattern = folder.replace("\\", "/").rstrip("/") + "/plate.%04d.exr"
    return Plate(pattern, int(above.firstFrame()), int(above.lastFrame()), space, True)


def working_space(nuke: Any) -> str:
    """The linear space that the script works in."""
    management = nuke.root().knob("colorManagement")
    return ACES_LINEAR if management is not None and management.value() == "OCIO" else NUKE_LINEAR


def write_plate(nuke: Any, node: Any, plate: Plate, first: int, last: int) -> None:
    """Write the frames of a plate that the engine cannot read as it is; in the main thread.

    Frames that are there are written again: what is above may have changed.

    Raises:
        HostError: the host could not render them.
    """
    os.makedirs(os.path.dirname(plate.pattern), exist_ok=True)
    proxy = nuke.root().knob("proxy")
    was = proxy.value()
    write = nuke.nodes.Write(
        file=plate.pattern, file_type="exr", datatype="32 bit float", raw=True, channels="rgba"
    )
    try:
        proxy.setValue(False)  # the engine works on the full plate
        write.setInput(0, node.input(0))
        nuke.execute(write, first, last, 1)
    except RuntimeError as error:
        raise HostError(
            f"The plate could not be written: {error}.",
            plate.pattern,
            "look at the nodes above the plate input",
        ) from error
    finally:
        nuke.delete(write)
        proxy.setValue(was)


def _unmodified(node: Any) -> Any:
    """The Read that a node shows as it is; None where anything may change it."""
    while node is not None and node.Class() in _TRANSPARENT:
        node = node.input(0)
    return node if node is not None and node.Class() == "Read" else None


def _as_stored(read: Any) -> bool:
    """Whether Nuke reads the file's numbers as they are, frame by frame."""
    if not str(read.knob("file").value()).lower().endswith(".exr"):
        return False
    if _said(read, "frame"):  # an expression, an offset or another first frame
        return False
    space = _said(read, "colorspace").lower()
    inner = space[space.find("(") + 1 : space.rfind(")")] if "(" in space else space
    return _said(read, "raw") == "True" or inner in _AS_STORED


def _said(node: Any, knob: str) -> str:
    """A knob's value as text; empty where a version of the host has none of that name."""
    found = node.knob(knob)
    return "" if found is None else str(found.value()).strip()
