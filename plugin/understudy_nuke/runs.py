"""A node's run of the engine: in a thread of its own, with progress and a way to stop it.

The host's nodes are touched in its main thread only.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from understudy_host.client import Cancelled, Engines, failed_frames
from understudy_host.errors import HostError
from understudy_nuke import inputs
from understudy_nuke import node as nodes

engines = Engines()
SECONDS_BETWEEN_LOOKS = 2.0
_running: dict[str, threading.Event] = {}


class Run:
    """What a node asks of the engine: read off the node at once, run in any thread, then shown.

    Attributes:
        node: The node.
        jobs: What the engine is asked for, one after another.
    """

    def __init__(self, node: Any, jobs: list[dict[str, Any]]) -> None:
        self.node, self.jobs = node, jobs

    def begin(self) -> None:
        """Get the node ready, before the first job; in the main thread."""

    def look(self) -> None:
        """Show what is there so far; in the main thread."""

    def show(self, job: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Point the node at what a job made; in the main thread."""


def start(nuke: Any, node: Any, read: Callable[[], Run]) -> threading.Thread | None:
    """Run what a node asks for: in a thread under the host's window, at once without one.

    Args:
        nuke: The host's module.
        read: Reads the run off the node, in this thread.

    Raises:
        HostError: something is missing, or the node runs already; without a window also what the engine says.
    """
    name = node.fullName()
    if name in _running:
        past = nodes.kind_of(node).past
        raise HostError(f"This node is being {past}.", name, "wait for it, or cancel it")
    run = read()
    run.begin()
    _running[name] = threading.Event()
    work = _Work(nuke, run, name, _running[name])
    if not nuke.GUI:
        work.run()
        return None
    thread = threading.Thread(target=work.run_and_tell, name="understudy-run", daemon=True)
    thread.start()
    return thread


def cancel(node: Any) -> bool:
    """Stop a node's run; False where there is none."""
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
    """What a run does while it lasts."""

    def __init__(self, nuke: Any, run: Run, name: str, cancelled: threading.Event) -> None:
        self._nuke, self._run, self._name, self._cancelled = nuke, run, name, cancelled
        self._kind = nodes.kind_of(run.node)
        self._telling = Telling(nuke, "Understudy")
        self._looked = time.monotonic()

    def run(self) -> None:
        """Run the jobs, and show what each made."""
        try:
            lost: list[int] = []
            for job in self._run.jobs:
                inputs.made_folder(os.path.dirname(job["output"]))
                result = engines.get().run(self._kind.verb, job, self._told, self._is_cancelled)
                self._in_main_thread(self._run.show, job, result)
                lost = failed_frames(result)
            if lost:
                raise HostError(
                    f"{len(lost)} frames could not be {self._kind.past}: {', '.join(map(str, lost[:10]))}.",
                    self._name,
                    "see the messages of the run; the other frames are done",
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

    def _told(self, event: Mapping[str, Any]) -> None:
        """Pass an event on, and now and then have the node show what is there."""
        self._telling.on_event(event)
        if self._nuke.GUI and time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._looked = time.monotonic()
            self._nuke.executeInMainThread(self._run.look)

    def _in_main_thread(self, call: Callable[..., None], *arguments: Any) -> None:
        if self._nuke.GUI:
            self._nuke.executeInMainThreadWithResult(call, arguments)
        else:
            call(*arguments)

    def _is_cancelled(self) -> bool:
        return self._cancelled.is_set() or self._telling.is_cancelled()
