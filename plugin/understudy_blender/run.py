"""One job on the engine in a thread of its own: the host's own thread only looks how far it is.

Nothing here touches Blender's data, which belongs to the main thread.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from understudy_host.client import Cancelled, Engines, Event, failed_frames
from understudy_host.errors import HostError

_engines = Engines()


class Run:
    """A job that runs from the moment it is made.

    Attributes:
        verb: Of the job table.
        share: How much of it is done, 0 to 1.
        note: What it does right now, for people.
        warnings: What the engine warned of.
        result: The engine's, once it has finished.
        error: Why it did not finish; None where it did, or was cancelled.
        cancelled: Whether it was stopped.
        engine_process_id: Of the engine that has the job; None before there is one.
    """

    def __init__(self, verb: str, job: Mapping[str, Any]) -> None:
        self.verb = verb
        self.share, self.note = 0.0, "starting the engine"
        self.warnings: list[str] = []
        self.result: dict[str, Any] = {}
        self.error: HostError | None = None
        self.cancelled = False
        self.engine_process_id: int | None = None
        self._failures: list[str] = []
        self._job = dict(job)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"understudy-{verb}", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Ask it to stop soon; what is finished is kept."""
        self._stop.set()

    def wait(self) -> None:
        """Until it is done."""
        self._thread.join()

    @property
    def is_in_vain(self) -> bool:
        """Whether every frame has failed."""
        made = self.result.get("written") or self.result.get("unchanged")
        return bool(failed_frames(self.result)) and not made

    def summary(self) -> str:
        """One sentence about how it ended."""
        if self.cancelled:
            return "Cancelled; what is finished is kept."
        failed = failed_frames(self.result)
        if failed:
            why = self._failures[0] if self._failures else "See the engine's log."
            return f"{len(failed)} frames failed ({_listed(failed)}). {why}"
        made = self.result.get("written", self.result.get("faces"))
        kept = self.result.get("unchanged", 0)
        counts = [f"{made} made"] * (made is not None) + [f"{kept} unchanged"] * (kept > 0)
        return f"{self.verb.capitalize()}: {', '.join(counts) or 'done'}."

    def _work(self) -> None:
        try:
            engine = _engines.get()
            self.engine_process_id = engine.process_id
            self.result = engine.run(self.verb, self._job, self._hear, self._stop.is_set)
        except Cancelled:
            self.cancelled = True
        except HostError as error:
            self.error = error
        except Exception as error:  # a thread that dies unheard would leave the artist waiting
            self.error = HostError(f"Something unforeseen went wrong: {error!r}.", self.verb, "report it")

    def _hear(self, event: Event) -> None:
        kind = event.get("kind")
        if kind == "progress":
            total = max(int(event.get("total") or 0), 1)
            self.share = min(int(event.get("done") or 0) / total, 1.0)
            self.note = " ".join(str(event.get(name) or "") for name in ("stage", "note")).strip()
        elif kind == "warning":
            self.warnings.append(str(event.get("message")))
        elif kind == "error":
            self._failures.append(str((event.get("error") or {}).get("what")))


def close_engine() -> None:
    """End the engine, if it runs."""
    _engines.close()


def _listed(frames: list[int]) -> str:
    shown = ", ".join(map(str, frames[:5]))
    return shown + (", …" if len(frames) > 5 else "")
