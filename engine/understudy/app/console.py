"""Shows a run's events: bars with the time left for a person, one JSON object a line for a program.

Bars, warnings and errors go to stderr; results go to stdout, so that they can be piped. Texts of others
reach a terminal or a log through `names.printable` alone; in JSON lines they stay what they are.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from understudy.core.names import printable
from understudy.core.progress import Event, Failed, Finished, Progress, Told, Warned, to_json_line
from understudy.quality.figures import score_rows

SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Somewhere to show events; it is closed when the run ends, however it ends."""

    def __call__(self, event: Event) -> None:
        """Show one event."""

    def close(self) -> None:
        """Restore the terminal."""


class JsonLines:
    """One JSON object a line on stdout, for a farm or a program."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def __call__(self, event: Event) -> None:
        """Write one event and flush it."""
        self._stream.write(to_json_line(event) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to restore."""


class Bars:
    """Progress bars with the time left, for a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._rich = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
        )
        self._rich.start()

    def __call__(self, event: Event) -> None:
        """Move a bar, or print above the bars."""
        if isinstance(event, Progress):
            self._move(event)
        elif isinstance(event, Finished):
            self._rich.stop()
            show_result(event.result)
        else:
            say(self._console, text_of(event))

    def close(self) -> None:
        """Stop drawing; the bars stay as they are."""
        self._rich.stop()

    def _move(self, event: Progress) -> None:
        task = self._tasks.get(event.stage)
        if task is None:
            stage = printable(event.stage, lines=False)
            task = self._rich.add_task(stage, total=event.total or None, note="")
            self._tasks[event.stage] = task
        note = printable(event.note, lines=False)
        self._rich.update(task, completed=event.done, total=event.total or None, note=note)


class Lines:
    """A line of each stage now and then, for a log file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: dict[str, tuple[float, int]] = {}
        self._last_line: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Print the event unless the last line of progress is a moment ago."""
        if isinstance(event, Progress):
            self._step(event)
        elif isinstance(event, Finished):
            show_result(event.result)
        else:
            say(self._console, text_of(event))

    def close(self) -> None:
        """Nothing to restore."""

    def _step(self, event: Progress) -> None:
        now = time.monotonic()
        begun, first = self._begun.setdefault(event.stage, (now, event.done))
        ended = event.total > 0 and event.done >= event.total
        if not ended and now - self._last_line.get(event.stage, -math.inf) < SECONDS_BETWEEN_LINES:
            return
        self._last_line[event.stage] = now
        parts = [f"{event.stage} {event.done}/{event.total or '?'}"]
        if not ended and event.done > first:
            left = (now - begun) / (event.done - first) * (event.total - event.done)
            parts.append(f"{left / 60:.1f} minutes left" if left >= 60 else f"{left:.0f} seconds left")
        say(self._console, ", ".join([*parts, event.note] if event.note else parts))


def open_display(*, as_json: bool) -> Display:
    """The display for a program, a terminal or a log file."""
    if as_json:
        return JsonLines()
    console = Console(stderr=True, highlight=False)
    return Bars(console) if console.is_terminal else Lines(console)


def say(console: Console, text: str) -> None:
    """Print text as it is: no markup, no wrapping, and no control characters."""
    console.print(printable(text), markup=False, soft_wrap=True)


def text_of(event: Event) -> str:
    """A note, a warning or an error as a person reads it."""
    if isinstance(event, Told):
        return f"note: {printable(event.message)}"
    if isinstance(event, Warned):
        place = "" if event.frame is None else f" at frame {event.frame}"
        return f"warning{place}: {printable(event.message)}"
    if isinstance(event, Failed):
        error = {key: printable(str(value), lines=False) for key, value in event.error.items()}
        lines = [f"{error.get('type', 'Error')}: {error.get('what', '')}"]
        lines += [
            f"  {word}: {error[key]}" for key, word in (("where", "at"), ("fix", "try")) if error.get(key)
        ]
        return "\n".join(lines)
    return to_json_line(event)


def show_result(result: Mapping[str, Any]) -> None:
    """Print a result to stdout, a line a value, a row an item."""
    for line in result_lines(result):
        sys.stdout.write(printable(line, lines=False) + "\n")
    sys.stdout.flush()


def result_lines(result: Mapping[str, Any]) -> list[str]:
    """A result's values as lines: records become rows under titles, a score a table, numbers are rounded.

    The exit code is left out: the process ends with it.
    """
    lines = []
    for name, value in result.items():
        title = name.replace("_", " ")
        if name == "exit_code":
            continue
        if name == "score":
            lines += [f"{title}:", *_rows(score_rows(value))]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines.append(f"{title}:")
            titles = [name.replace("_", " ") for name in value[0]]
            lines += _rows([titles, *([_text(cell) for cell in row.values()] for row in value)])
        elif isinstance(value, list | tuple):
            lines.append(f"{title}: {', '.join(map(_text, value)) or 'none'}")
        elif isinstance(value, Mapping):
            lines.append(f"{title}: {', '.join(f'{key} {_text(item)}' for key, item in value.items())}")
        else:
            lines.append(f"{title}: {_text(value)}")
    return lines


def _text(value: Any) -> str:
    """A value for a person to read; fractions have four significant digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "-" if value is None else str(value)


def _rows(rows: list[list[str]]) -> list[str]:
    """Cells in columns; the last column may be as long as it likes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=False)]
    return [
        ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))).rstrip()
        for row in rows
    ]
