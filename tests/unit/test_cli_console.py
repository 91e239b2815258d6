"""What a person sees while a run goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from understudy.app import console
from understudy.core.errors import PlateError
from understudy.core.progress import Failed, Finished, Progress, Warned


def shown(*, terminal: bool) -> tuple[console.Display, io.StringIO]:
    stream = io.StringIO()
    place = Console(file=stream, force_terminal=terminal, width=120, highlight=False)
    return (console.Bars(place) if terminal else console.Lines(place)), stream


def test_a_log_gets_the_first_and_the_last_line_of_a_stage() -> None:
    display, stream = shown(terminal=False)
    for done in range(1, 101):
        display(Progress("swap", done, 100))
    display.close()
    assert stream.getvalue().splitlines() == ["swap 1/100", "swap 100/100"]


def test_a_log_gets_a_line_of_each_stage_though_they_take_turns() -> None:
    display, stream = shown(terminal=False)
    for done in range(1, 5):
        display(Progress("train", done, 0))
        display(Progress("validate", done, 0, "mouth 2.0% off"))
    assert stream.getvalue().splitlines() == ["train 1/?", "validate 1/?, mouth 2.0% off"]


def test_a_log_tells_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 30.0, 60.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    display, stream = shown(terminal=False)
    for done in (0, 10, 20):
        display(Progress("train", done, 100, "loss 0.1"))
    assert "train 10/100, 4.5 minutes left, loss 0.1" in stream.getvalue()


def test_bars_show_stage_count_and_note() -> None:
    display, stream = shown(terminal=True)
    display(Progress("swap [not markup]", 3, 10, "frame 1003"))
    display.close()
    text = stream.getvalue()
    assert "swap [not markup]" in text and "3/10" in text and "frame 1003" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_warnings_and_errors_are_printed_whole(terminal: bool) -> None:
    display, stream = shown(terminal=terminal)
    display(Warned("No face [here].", frame=1007))
    display(Failed(PlateError("It is truncated.", where="a.exr", fix="render it again").as_dict()))
    display.close()
    text = stream.getvalue()
    assert "warning at frame 1007: No face [here]." in text
    assert "PlateError: It is truncated." in text
    assert "  at: a.exr" in text and "  try: render it again" in text


def test_a_result_goes_to_stdout_a_line_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    display, _ = shown(terminal=False)
    rows = [
        {"name": "a", "state": "present", "sure": True},
        {"name": "long", "state": "missing", "sure": False},
    ]
    score = {"frames": 48, "look_psnr": 26.310100040013094, "nothing_look_psnr": 24.04, "progress": 0.6099}
    facts = {"parity": 2.3841e-07, "rate": 12.34567, "time": {"minutes": 90.0, "iterations": 12345}}
    display(
        Finished(
            {"contact_sheet": "s.png", "models": rows, "failed_frames": [], **facts, "score": score}
            | {"exit_code": 0}
        )
    )
    assert capsys.readouterr().out.splitlines() == [
        "contact sheet: s.png",
        "models:",
        "  name  state    sure",
        "  a     present  yes",
        "  long  missing  no",
        "failed frames: none",
        "parity: 2.384e-07",
        "rate: 12.35",
        "time: minutes 90, iterations 12345",
        "score:",
        "             swap     plate",
        "  look PSNR  26.3 dB  24.0 dB  error inside the face, after registration",
        "  progress   0.61              0 is the plate's face, 1 the truth's",
    ]
