"""Events become one line of JSON each."""

from __future__ import annotations

import json

import pytest

from understudy.core.errors import PlateError
from understudy.core.progress import Event, Failed, Finished, Progress, Warned, to_json_line

EVENTS: list[tuple[Event, str]] = [
    (Progress("swap", 1, 10, "frame 1001"), "progress"),
    (Warned("No face.", frame=7), "warning"),
    (Failed(PlateError("Gone.").as_dict(), frame=8), "error"),
    (Finished({"output": "a.exr"}), "result"),
]


@pytest.mark.parametrize(("event", "kind"), EVENTS, ids=[kind for _, kind in EVENTS])
def test_an_event_is_one_line_that_names_its_kind(event: Event, kind: str) -> None:
    line = to_json_line(event)
    assert "\n" not in line
    assert json.loads(line)["kind"] == kind


def test_a_line_end_in_a_note_does_not_end_the_line() -> None:
    assert "\n" not in to_json_line(Progress("a", 0, 1, "two\nlines"))


def test_nan_never_reaches_a_json_line() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        to_json_line(Finished({"score": float("nan")}))
