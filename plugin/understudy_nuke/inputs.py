"""What comes into a node, as files that the engine can read.

An unmodified Read of EXR files is passed straight through. Everything else, a graded plate, a video, another
frame range, is written as EXR first: what the engine sees is then what the compositor sees.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from understudy_host import sequence
from understudy_host.errors import HostError
from understudy_host.exr_header import read_header

# Nodes that change nothing of the picture.
_TRANSPARENT = ("Dot", "NoOp")
_AS_STORED = ("linear", "scene_linear", "raw", "acescg", "aces - acescg")
# What Nuke's own colour management works in, by the engine's name of it.
NUKE_LINEAR = "Linear Rec.709 (sRGB)"
ACES_LINEAR = "ACEScg"
_SPACE = "understudy:colour_space"


class InputFiles(NamedTuple):
    """What the engine reads for one input of a node.

    Attributes:
        pattern: File pattern.
        first, last: Its frames.
        colour_space: By its OCIO name.
        rendered: Whether it has to be written first.
        number, name: Of the input.
    """

    pattern: str
    first: int
    last: int
    colour_space: str
    rendered: bool
    number: int = 0
    name: str = "plate"


def input_files(nuke: Any, node: Any, folder: str, number: int = 0, name: str = "plate") -> InputFiles:
    """What comes in on one of a node's inputs.

    Args:
        nuke: The host's module.
        folder: Where what has to be written goes.
        number, name: Of the input.

    Raises:
        HostError: nothing is connected.
    """
    above = node.input(number)
    if above is None:
        trouble = f"connect the {name} to input {number}"
        raise HostError(f"The {name} input is not connected.", node.fullName(), trouble)
    read = unmodified_read(above)
    space = knob_text(node, "colour_space") or working_space(nuke)
    if read is not None and as_stored(read):
        first, last = int(read.knob("first").value()), int(read.knob("last").value())
        return InputFiles(nuke.filename(read), first, last, space, False, number, name)
    first, last = int(above.firstFrame()), int(above.lastFrame())
    return InputFiles(written_pattern(folder, name), first, last, space, True, number, name)


def unlabelled(plate: InputFiles, node: Any, folder: str) -> InputFiles:
    """The same, written anew where its files say that they are of another space than the script works in.

    A job that reads several inputs takes each to be in the space that its own file says, and files that say
    none to be in the plate's: what comes out of a node is in the script's own, whatever its file says.

    Raises:
        HostError: a file cannot be read.
    """
    if plate.rendered or not names_other_space(plate.pattern, plate.colour_space):
        return plate
    above = node.input(plate.number)
    first, last = int(above.firstFrame()), int(above.lastFrame())
    pattern = written_pattern(folder, plate.name)
    return plate._replace(pattern=pattern, first=first, last=last, rendered=True)


def names_other_space(pattern: str, space: str) -> bool:
    """Whether files say that they are of another space.

    Raises:
        HostError: a file cannot be read.
    """
    path = next(iter(sequence.files(pattern).values()), None)
    if path is None:
        return False  # the engine says what is missing
    return read_header(Path(path), "sequence", "write it again").get(_SPACE, space) != space


def working_space(nuke: Any) -> str:
    """The linear space that the script works in."""
    management = nuke.root().knob("colorManagement")
    return ACES_LINEAR if management is not None and management.value() == "OCIO" else NUKE_LINEAR


def written_pattern(folder: str, name: str) -> str:
    """Where an input goes that has to be written."""
    return folder.replace("\\", "/").rstrip("/") + f"/{name}.%04d.exr"


def write_input(nuke: Any, node: Any, plate: InputFiles, first: int, last: int) -> None:
    """Write the frames of an input that the engine cannot read as it is; in the main thread.

    Frames that are there are written again, since what is above may have changed; a file that comes out the
    same stays as it was, so that what was made of it counts as done.

    Raises:
        HostError: the host could not render them, or the folder refuses.
    """
    folder, _, name = plate.pattern.rpartition("/")
    new = _empty_folder(f"{folder}/new")
    proxy = nuke.root().knob("proxy")
    was = proxy.value()
    write = nuke.nodes.Write(
        file=f"{new}/{name}", file_type="exr", datatype="32 bit float", raw=True, channels="rgba"
    )
    try:
        proxy.setValue(False)  # the engine works on the full plate
        write.setInput(0, node.input(plate.number))
        nuke.execute(write, first, last, 1)
    except RuntimeError as error:
        trouble = f"look at the nodes above the {plate.name} input"
        raise HostError(f"The {plate.name} could not be written: {error}.", plate.pattern, trouble) from error
    finally:
        nuke.delete(write)
        proxy.setValue(was)
    _take_over(new, folder)


def keep_only(pattern: str, frames: Collection[int]) -> None:
    """Remove the frames of an input that was written, but for these.

    Raises:
        HostError: the folder refuses.
    """
    with _changing(os.path.dirname(pattern)):
        for number, path in sequence.files(pattern).items():
            if number not in frames:
                os.remove(path)


def made_folder(path: str) -> str:
    """A folder that is there.

    Raises:
        HostError: it cannot be made.
    """
    with _changing(path):
        os.makedirs(path or ".", exist_ok=True)
    return path


def _empty_folder(path: str) -> str:
    """A folder of ours with nothing in it: a write that was broken off may have left files."""
    with _changing(made_folder(path)):
        for name in os.listdir(path):
            os.remove(os.path.join(path, name))
    return path


def _take_over(new: str, folder: str) -> None:
    """Move what was written to its place, where it differs from what is there."""
    with _changing(folder):
        for name in os.listdir(new):
            written, place = os.path.join(new, name), os.path.join(folder, name)
            if os.path.isfile(place) and filecmp.cmp(written, place, shallow=False):
                os.remove(written)
            else:
                os.replace(written, place)
        os.rmdir(new)


@contextmanager
def _changing(folder: str) -> Iterator[None]:
    """Say as the host does what a folder refuses."""
    try:
        yield
    except OSError as error:
        trouble = "name a file in a folder that you may write to"
        raise HostError(f"The folder cannot be written to: {error.strerror}.", folder, trouble) from error


def unmodified_read(node: Any) -> Any:
    """The Read that a node shows as it is; None where anything may change it."""
    while node is not None and node.Class() in _TRANSPARENT:
        node = node.input(0)
    return node if node is not None and node.Class() == "Read" else None


def as_stored(read: Any) -> bool:
    """Whether Nuke reads the file's numbers as they are, frame by frame."""
    if not str(read.knob("file").value()).lower().endswith(".exr"):
        return False
    if knob_text(read, "frame"):  # an expression, an offset or another first frame
        return False
    space = knob_text(read, "colorspace").lower()
    inner = space[space.find("(") + 1 : space.rfind(")")] if "(" in space else space
    return knob_text(read, "raw") == "True" or inner in _AS_STORED


def knob_text(node: Any, knob: str) -> str:
    """A knob's value as text; empty where a version of the host has none of that name."""
    found = node.knob(knob)
    return "" if found is None else str(found.value()).strip()
