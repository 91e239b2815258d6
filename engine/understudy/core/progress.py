"""The events that a run reports: typed objects, or one JSON object a line for a program.

A library function takes a `Reporter` (any callable that accepts an `Event`) and calls it; it never prints.
A reporter cancels the run by raising `Cancelled` out of the call. Every long loop reports at least once a
frame or an iteration, so that a cancel takes effect soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from understudy.core import documents


class Cancelled(Exception):
    """Raised by a reporter to end the run; what is finished stays."""


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `stage` are finished; `note` is for people."""

    stage: str
    done: int
    total: int
    note: str = ""
    kind: str = field(default="progress", init=False)


@dataclass(frozen=True)
class Told:
    """A decision made for the user that is not doubtful, such as a plate's colour space."""

    message: str
    kind: str = field(default="note", init=False)


@dataclass(frozen=True)
class Warned:
    """Something a user should know that did not stop the run; `frame` where it concerns one."""

    message: str
    frame: int | None = None
    kind: str = field(default="warning", init=False)


@dataclass(frozen=True)
class Failed:
    """An error that cost one frame or the run, as `UnderstudyError.as_dict` gives it."""

    error: dict[str, str | int]
    frame: int | None = None
    kind: str = field(default="error", init=False)


@dataclass(frozen=True)
class Finished:
    """The run's result: paths and figures."""

    result: dict[str, Any]
    kind: str = field(default="result", init=False)


Event = Progress | Told | Warned | Failed | Finished
Reporter = Callable[[Event], None]


class WarnedOnce:
    """Passes each warning on once in a run, with the first frame that it concerns."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._told: set[str] = set()

    def __call__(self, messages: Iterable[str], frame: int | None = None) -> None:
        """Report what was not reported before."""
        for message in messages:
            if message not in self._told:
                self._told.add(message)
                self._report(Warned(message, frame))


def silent(event: Event) -> None:
    """A reporter that ignores every event."""


def to_json_line(event: Event) -> str:
    """One event as one line of JSON, without the line end."""
    return documents.dump(asdict(event))
