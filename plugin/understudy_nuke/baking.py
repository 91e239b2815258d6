"""A bake from the button to the reloaded Read: in a thread of its own, with progress and a way to stop it.

The host's nodes are touched in its main thread only.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from understudy_host.client import Cancelled, Engines, failed_frames
from understudy_host.errors import HostError
from understudy_nuke import node as nodes
from understudy_nuke import plate_file

engines = Engines()
_running: dict[str, threading.Event] = {}


class Bake:
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
        self._node = node
        script = "" if nuke.root().name() == "Root" else nuke.root().name()
        pattern = nodes.face_pass_pattern(node, script)
        plate = plate_file.plate_of(nuke, node, os.path.dirname(pattern))
        asked = frames or str(node.knob("frames").value() or "") or f"{plate.first}-{plate.last}"
        self.first, self.last = span(asked)
        self.job = nodes.face_pass_job(
            node, plate=plate.pattern, output=pattern, frames=asked, colour_space=plate.colour_space
        )
        self._digest = nodes.digest(node, self.job)
        if plate.rendered:
            plate_file.write_plate(nuke, node, plate, self.first, self.last)

    def run(
        self, on_event: Callable[[Mapping[str, Any]], None], is_cancelled: Callable[[], bool]
    ) -> dict[str, Any]:
        """Bake; in any thread.

        Raises:
            HostError: the engine is missing, failed, or stopped.
            Cancelled: the artist stopped it.
        """
        os.makedirs(os.path.dirname(self.job["output"]), exist_ok=True)
        return engines.get().run("swap", self.job, on_event, is_cancelled)

    def show(self) -> None:
        """Point the node at what was baked; in the main thread."""
        node = self._node
        node.knob("face_pass_file").setValue(self.job["output"])
        known = int(node.knob("last_frame").value() or 0) > 0
        first = min(self.first, int(node.knob("first_frame").value())) if known else self.first
        node.knob("first_frame").setValue(first)
        node.knob("last_frame").setValue(max(self.last, int(node.knob("last_frame").value() or 0)))
        node.knob(nodes.MARK).setValue(self._digest)
        nodes.show_state(node, nodes.FRESH)
        read = node.node("FacePass")
        if read is not None:
            read.knob("reload").execute()


def start(nuke: Any, node: Any, frames: str = "") -> threading.Thread | None:
    """Bake a node: in a thread under the host's window, at once without one.

    Raises:
        HostError: something is missing, or the node is being baked; without a window also what run raises.
    """
    name = node.fullName()
    if name in _running:
        raise HostError("This node is being baked.", name, "wait for it, or cancel it")
    bake = Bake(nuke, node, frames)
    _running[name] = threading.Event()
    work = _Work(nuke, bake, name, _running[name])
    if not nuke.GUI:
        work.run()
        return None
    thread = threading.Thread(target=work.run_and_tell, name="understudy-bake", daemon=True)
    thread.start()
    return thread


def cancel(node: Any) -> bool:
    """Stop a node's bake; False where there is none."""
    event = _running.get(node.fullName())
    if event is not None:
        event.set()
    return event is not None


class Telling:
    """What a run of the engine tells, as the host shows it: a window that can cancel, and the terminal."""

    def __init__(self, nuke: Any, title: str) -> None:
        self._nuke, self._title = nuke, title
        self._task = nuke.ProgressTask(title) if nuke.GUI else None

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Show one event; in any thread."""
        if event.get("kind") == "progress" and self._task is not None:
            total = max(int(event.get("total") or 1), 1)
            self._task.setProgress(min(100, round(100 * int(event.get("done") or 0) / total)))
            self._task.setMessage(f"{event.get('stage')} {event.get('note') or ''}".strip())
        elif event.get("kind") in ("warning", "error"):
            error = event.get("error")
            words = error.get("what") if isinstance(error, Mapping) else event.get("message")
            where = "" if event.get("frame") is None else f", frame {event.get('frame')}"
            self._nuke.tprint(f"{self._title}{where}: {words}")

    def is_cancelled(self) -> bool:
        """Whether the artist closed the window."""
        return self._task is not None and bool(self._task.isCancelled())

    def close(self) -> None:
        """Close the window: it goes when nobody holds it."""
        self._task = None


class _Work:
    """What a bake does while it runs."""

    def __init__(self, nuke: Any, bake: Bake, name: str, cancelled: threading.Event) -> None:
        self._nuke, self._bake, self._name, self._cancelled = nuke, bake, name, cancelled
        self._telling = Telling(nuke, "Understudy")

    def run(self) -> None:
        """Bake, then show it."""
        try:
            result = self._bake.run(self._telling.on_event, self._is_cancelled)
            self._in_main_thread(self._bake.show)
            lost = failed_frames(result)
            if lost:
                raise HostError(
                    f"{len(lost)} frames could not be baked: {', '.join(map(str, lost[:10]))}.",
                    self._name,
                    "see the messages of the bake; the other frames are done",
                )
        finally:
            _running.pop(self._name, None)
            self._telling.close()

    def run_and_tell(self) -> None:
        """The same in a thread, where nobody catches."""
        try:
            self.run()
        except Cancelled:
            pass
        except HostError as error:
            self._nuke.executeInMainThread(self._nuke.message, (str(error),))

    def _in_main_thread(self, call: Callable[[], None]) -> None:
        if self._nuke.GUI:
            self._nuke.executeInMainThreadWithResult(call)
        else:
            call()

    def _is_cancelled(self) -> bool:
        return self._cancelled.is_set() or self._telling.is_cancelled()


def span(frames: str) -> tuple[int, int]:
    """The first and the last frame of a range such as 1001-1100, 1001-1100x2 or 1001,1005.

    Raises:
        HostError: it is no range.
    """
    found: list[int] = []
    for part in frames.split(","):
        match = re.fullmatch(r"\s*(-?\d+)(?:-(-?\d+)(?:x\d+)?)?\s*", part)
        if match is None:
            raise HostError(
                f"{frames!r} is no frame range.", "the knob 'frames'", "write it as 1001-1100 or 1001,1005"
            )
        found += [int(group) for group in match.groups() if group is not None]
    return min(found), max(found)
