"""The bake of a face: what the node's knobs ask of the engine, and the node pointed at what it made."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from understudy_host.errors import HostError
from understudy_nuke import inputs, runs
from understudy_nuke import node as nodes


class Bake(runs.Run):
    """One bake of one node.

    Attributes:
        job: What the engine is asked for.
        first, last: The frames it covers.
    """

    def __init__(self, nuke: Any, node: Any, frames: str = "") -> None:
        """Read everything off the node, and write the plate where that is needed; in the main thread.

        Raises:
            HostError: something is missing.
        """
        pattern = nodes.result_pattern(node, script_of(nuke))
        plate = inputs.input_files(nuke, node, nodes.inputs_folder(pattern))
        asked, self.first, self.last = frames_of(node, plate, frames)
        self.job = nodes.face_pass_job(
            node, plate=plate.pattern, output=pattern, frames=asked, colour_space=plate.colour_space
        )
        self._digest = nodes.digest(node, self.job, own=_own(plate))
        if plate.rendered:
            inputs.write_input(nuke, node, plate, self.first, self.last)
        super().__init__(node, [self.job])

    def show(self, job: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Point the node at what was baked; in the main thread."""
        nodes.point_at(self.node, job["output"], self.first, self.last)
        self.node.knob(nodes.MARK).setValue(self._digest)
        nodes.show_state(self.node, nodes.FACE_PASS.fresh)
        nodes.reload(self.node)


def start(nuke: Any, node: Any, frames: str = "") -> threading.Thread | None:
    """Bake a node; arguments and errors are those of `runs.start`."""
    return runs.start(nuke, node, lambda: Bake(nuke, node, frames))


def state(nuke: Any, node: Any, mark: str) -> str:
    """What a node says of its bake.

    Args:
        mark: Digest of what was baked.

    Raises:
        HostError: a bake would lack something.
    """
    pattern = str(node.knob("face_pass_file").value())
    plate = inputs.input_files(nuke, node, nodes.inputs_folder(pattern))
    job = nodes.face_pass_job(
        node, plate=plate.pattern, output=pattern, frames="1", colour_space=plate.colour_space
    )
    fresh = nodes.digest(node, job, own=_own(plate)) == mark
    return nodes.FACE_PASS.fresh if fresh else nodes.FACE_PASS.stale


def _own(plate: inputs.InputFiles) -> tuple[str, ...]:
    return ("plate",) if plate.rendered else ()


def script_of(nuke: Any) -> str:
    """The script's file; empty where it was never saved."""
    name = str(nuke.root().name())
    return "" if name == "Root" else name


def frames_of(node: Any, plate: inputs.InputFiles, frames: str = "") -> tuple[str, int, int]:
    """The frames to make, and the first and the last of them: those asked for, the node's, or the plate's.

    Raises:
        HostError: the knob holds no range.
    """
    asked = frames or str(node.knob("frames").value() or "") or f"{plate.first}-{plate.last}"
    return (asked, *span(asked))


def span(frames: str) -> tuple[int, int]:
    """The first and the last frame of a range such as 1001-1100, 1001-1100x2 or 1001,1005.

    Raises:
        HostError: it is not a range.
    """
    found: list[int] = []
    for part in frames.split(","):
        match = re.fullmatch(r"\s*(-?\d+)(?:-(-?\d+)(?:x\d+)?)?\s*", part)
        if match is None:
            raise HostError(
                f"{frames!r} is not a frame range.", "the knob 'frames'", "write it as 1001-1100 or 1001,1005"
            )
        found += [int(group) for group in match.groups() if group is not None]
    return min(found), max(found)
