"""A fix by hand carried to other frames: what the node asks of the engine, and what it shows of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from understudy_host import jobs, sequence
from understudy_host.errors import HostError
from understudy_host.knobs import knobs
from understudy_nuke import baking, runs
from understudy_nuke import node as nodes
from understudy_nuke.inputs import (
    InputFiles,
    as_stored,
    input_files,
    keep_only,
    knob_text,
    unlabelled,
    unmodified_read,
    write_input,
    written_pattern,
)

PLATE, KEYFRAMES, MATTE, SWAPPED = range(4)
# Fields that are not knobs: sequences come from the inputs, the others are a button's or the host's business.
# The colour space is the script's own: all that comes in is in it.
NOT_KNOBS = frozenset(
    {knob.name for knob in knobs("propagate") if knob.path == "sequence"}
    | {"preview", "device", "colour_space"}
)
PREVIEW = "preview: propagate for the frames themselves"
_UNFINISHED = "unfinished"
_SURE = "Every frame is as sure as you asked for."
# What shows that a keyframe may have been painted anew: no knob moves when a file is written.
_LOOKED_AT = ("result_file", "inputChange", "showPanel")


class Inputs(NamedTuple):
    """What comes into a node.

    Attributes:
        plates: By field of the job.
        painted: The painted keyframes' files by frame.
        painted_pattern: Their name, as the artist's Read has it.
    """

    plates: dict[str, InputFiles]
    painted: dict[int, str]
    painted_pattern: str


class Propagation(runs.Run):
    """One run of one node: the preview, the frames themselves, or the first and then the second."""

    def __init__(self, nuke: Any, node: Any, *, preview: bool) -> None:
        """Read everything off the node, and write what the engine cannot read; in the main thread.

        Args:
            nuke: The host's module.
            preview: Only move the keyframes along. A node that has nothing to show begins with it anyway.

        Raises:
            HostError: something is missing.
        """
        pattern = nodes.result_pattern(node, baking.script_of(nuke))
        inputs = inputs_of(nuke, node, nodes.inputs_folder(pattern))
        asked, self._first, self._last = baking.frames_of(node, inputs.plates["plate"])
        begins = nuke.GUI and not node.knob(nodes.MARK).value()
        stages = [True] if preview else [True, False] if begins else [False]
        super().__init__(node, [_job(node, inputs, pattern, asked, preview=one) for one in stages])
        self._digests = {one: _digest(node, inputs, pattern, preview=one) for one in stages}
        _write(nuke, node, inputs, self._first, self._last)

    def begin(self) -> None:
        """Look at the result's files from now on; until the run ends they are a mixture."""
        nodes.point_at(self.node, self.jobs[0]["output"], self._first, self._last)
        self.node.knob(nodes.MARK).setValue(_UNFINISHED)
        nodes.show_state(self.node, nodes.FIX.stale)

    def look(self) -> None:
        """Show what is there so far."""
        nodes.reload(self.node)

    def show(self, job: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Show what a job made, and which frames it asks for."""
        preview = bool(job.get("preview"))
        self.node.knob(nodes.MARK).setValue(self._digests[preview])
        self.node.knob("paint_next").setValue(" ".join(str(frame) for frame in result["paint_next"]))
        self.node.knob("paint_next_note").setValue(paint_next_words(result))
        nodes.show_state(self.node, PREVIEW if preview else nodes.FIX.fresh)
        nodes.reload(self.node)


def start(nuke: Any, node: Any, *, preview: bool) -> threading.Thread | None:
    """Propagate a node's keyframes; errors are those of `runs.start`."""
    return runs.start(nuke, node, lambda: Propagation(nuke, node, preview=preview))


def state(nuke: Any, node: Any, mark: str) -> str:
    """What a node says of its result.

    Args:
        mark: Digest of what was made.

    Raises:
        HostError: a run would lack something.
    """
    pattern = str(node.knob("result_file").value())
    inputs = inputs_of(nuke, node, nodes.inputs_folder(pattern))
    if mark == _digest(node, inputs, pattern, preview=False):
        return nodes.FIX.fresh
    return PREVIEW if mark == _digest(node, inputs, pattern, preview=True) else nodes.FIX.stale


def needs_run(knob_name: str) -> bool:
    """Whether a change of a knob can make the result stale."""
    return knob_name in {knob.name for knob in knobs("propagate")} or knob_name in _LOOKED_AT


def paint_next_words(result: Mapping[str, Any]) -> str:
    """Which frames to paint next, for the artist to read: the best first, with how sure each is."""
    sure = result["confidence"]
    words = [f"{frame} ({100 * float(sure.get(str(frame), 0)):.0f} %)" for frame in result["paint_next"]]
    return ", ".join(words) or _SURE


def next_frame(node: Any, frame: int) -> int | None:
    """The frame to paint next after the one that is shown; None where none is asked for."""
    wanted = [int(word) for word in str(node.knob("paint_next").value() or "").split()]
    if not wanted:
        return None
    return wanted[(wanted.index(frame) + 1) % len(wanted)] if frame in wanted else wanted[0]


def inputs_of(nuke: Any, node: Any, folder: str) -> Inputs:
    """What comes into a node; what has to be written for the engine is named, not written.

    Args:
        nuke: The host's module.
        folder: Where that goes.

    Raises:
        HostError: plate or keyframes are not connected, or the keyframes come from no Read.
    """
    plates = {"plate": input_files(nuke, node, folder)}
    read, pattern, painted = _painted(nuke, node)
    rendered = not as_stored(read)
    name = written_pattern(folder, "keyframes") if rendered else pattern
    space = plates["plate"].colour_space
    plates["fix"] = InputFiles(name, min(painted), max(painted), space, rendered, KEYFRAMES, "keyframes")
    for number, field in ((MATTE, "matte"), (SWAPPED, "swapped")):
        if node.input(number) is not None:
            plates[field] = input_files(nuke, node, folder, number, field)
    alike = {field: unlabelled(plate, node, folder) for field, plate in plates.items()}
    return Inputs(alike, painted, pattern)


def _painted(nuke: Any, node: Any) -> tuple[Any, str, dict[int, str]]:
    """The Read of the keyframes, its own name of them, and those that are there."""
    above = node.input(KEYFRAMES)
    if above is None:
        trouble = f"read the frames that you painted, and connect that Read to input {KEYFRAMES}"
        raise HostError("The keyframes input is not connected.", node.fullName(), trouble)
    read = unmodified_read(above)
    if read is None or knob_text(read, "frame"):
        raise HostError(
            "The keyframes must come straight from a Read: what is not painted cannot be rendered.",
            f"{node.fullName()}, input {KEYFRAMES}: {above.name()}",
            "write each painted frame to a file such as fix.1017.exr, and connect a Read of fix.%04d.exr",
        )
    pattern = str(nuke.filename(read))
    painted = sequence.files(pattern)
    if not painted:
        trouble = "write the frames that you painted there, or correct the Read's file"
        raise HostError("No painted keyframe is there.", pattern, trouble)
    return read, pattern, painted


def _job(node: Any, inputs: Inputs, output: str, frames: str, *, preview: bool) -> dict[str, Any]:
    told = {name: value for name, value in nodes.values(node).items() if name not in NOT_KNOBS}
    told["colour_space"] = inputs.plates["plate"].colour_space
    patterns = {field: plate.pattern for field, plate in inputs.plates.items()}
    return jobs.propagate_document(told, patterns, output=output, frames=frames, preview=preview)


def _digest(node: Any, inputs: Inputs, output: str, *, preview: bool) -> str:
    """What a result of this node would show; keyframes count by the artist's own files."""
    job = _job(node, inputs, output, "", preview=preview)
    own = {field for field, plate in inputs.plates.items() if plate.rendered} - {"fix"}
    return jobs.digest({**job, "fix": inputs.painted_pattern}, own=own)


def _write(nuke: Any, node: Any, inputs: Inputs, first: int, last: int) -> None:
    """Write what the engine cannot read, as far as it looks: up to the furthest keyframe."""
    plate = inputs.plates["plate"]
    keys = [number for number in inputs.painted if plate.first <= number <= plate.last]
    lowest, highest = min([first, *keys]), max([last, *keys])
    for field, one in inputs.plates.items():
        if one.rendered and field != "fix":
            write_input(nuke, node, one, lowest, highest)
    fix = inputs.plates["fix"]
    if fix.rendered:
        for number in keys:
            write_input(nuke, node, fix, number, number)
        keep_only(fix.pattern, keys)  # the artist may have taken one away
