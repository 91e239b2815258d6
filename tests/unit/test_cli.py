"""The command line: built from the job table, one way to show errors, the right exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from understudy import __version__
from understudy.app import cli, verbs
from understudy.app.options import describe
from understudy.core.errors import FaceError, ModelError, PlateError
from understudy.core.progress import Cancelled, Failed, Progress, Reporter, Warned
from understudy.jobs import schema
from understudy.jobs.fields import Job
from understudy.jobs.table import VERBS
from understudy.swap.job import SwapJob

SWAP = ["swap", "--plate", "p.%04d.exr", "--track", "t.track", "--model", "m.onnx", "--output", "o.%04d.exr"]
Runner = Callable[[Job, Reporter], dict[str, Any]]


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runner], list[Job]]:
    """Puts a function in place of every verb; returns the list the jobs will be in."""

    def install(runner: Runner) -> list[Job]:
        jobs: list[Job] = []

        def dispatch(job: Job, report: Reporter, settings: object, kept: object) -> dict[str, Any]:
            jobs.append(job)
            return runner(job, report)

        monkeypatch.setattr(verbs, "_dispatch", dispatch)
        return jobs

    return install


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, understudy.app.cli; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "cv2", "onnxruntime", "numba", "numpy", "rich", "OpenImageIO", "av", "pydantic"]
    child = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


@pytest.mark.parametrize("verb", [*VERBS, "doctor", "schema", "serve"])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in describe(schema.job(verb)) if verb in VERBS else ():
        names = {option.flag, option.name.upper(), "{" + ",".join(option.choices) + "}"}
        assert any(name in text for name in names)


def test_help_tells_unit_range_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["extract", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "--crop-size N Edge of a stored crop, of at least 64;" in words
    assert "from 256 to 1024. (pixels, 0 to 2048, default 0)" in words


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_flags_become_the_job(do: Callable[[Runner], list[Job]]) -> None:
    jobs = do(lambda job, report: {})
    flags = ["--erode", "-5", "--opacity", "50", "--write", "face_pass", "--frames", "1001-1100"]
    assert cli.main([*SWAP, *flags]) == 0
    job = jobs[0]
    assert isinstance(job, SwapJob)
    assert (job.erode, job.opacity, job.write) == (-5.0, 50.0, "face_pass")
    assert job.frames == "1001-1100"


def test_switches_and_boxes_have_flags(do: Callable[[Runner], list[Job]]) -> None:
    jobs = do(lambda job, report: {})
    sets = ["--source-faceset", "a.faceset", "--destination-faceset", "b.faceset"]
    assert cli.main(["train", "--model", "m.model", *sets, "--flip", "--no-mixed-precision"]) == 0
    assert cli.main(["train", "--model", "m.model", *sets, "--pause-after", "1h30m"]) == 0
    assert cli.main(["track", "--plate", "p", "--track", "t", "--face-box", "-1", "2", "30", "40.5"]) == 0
    assert jobs[0].model_dump()["flip"] and not jobs[0].model_dump()["mixed_precision"]
    assert jobs[1].model_dump()["minutes"] == 90.0
    assert jobs[2].model_dump()["face_box"] == (-1.0, 2.0, 30.0, 40.5)


def test_flags_lie_on_top_of_the_job_document(tmp_path: Path, do: Callable[[Runner], list[Job]]) -> None:
    jobs = do(lambda job, report: {})
    document = tmp_path / "job.json"
    names = ("plate", "track", "model", "output")
    document.write_text(json.dumps({**dict.fromkeys(names, "x"), "opacity": 10, "sharpness": 20}))
    assert cli.main(["swap", "--job", str(document), "--opacity", "90"]) == 0
    assert (jobs[0].model_dump()["opacity"], jobs[0].model_dump()["sharpness"]) == (90.0, 20.0)


@pytest.mark.parametrize("data", [b"", b"[1]", b"{", b"\xff", b"[" * 200_000, b" " * 2_000_000])
def test_a_bad_job_document_is_one_clear_error(
    tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "job.json"
    document.write_bytes(data)
    assert cli.main(["swap", "--job", str(document)]) == 2
    assert str(document) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "VERB"),
        (["nonsense"], "nonsense"),
        (["swap"], "swap needs --plate, --track, --model, --output."),
        ([*SWAP, "--opacity", "200"], "opacity of the swap job"),
        ([*SWAP, "--opac", "20"], "--opac"),
        ([*SWAP, "--merge", "all"], "choose from"),
        (["models", "burn"], "action of the models job"),
        (["swap", "--job", "/nowhere/job.json"], "No such file"),
    ],
)
def test_a_wrong_command_is_a_job_error(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("JobError: ") and message in told.err
    assert "  try: " in told.err and "Traceback" not in told.err


def test_an_error_keeps_its_three_lines_and_its_code(
    do: Callable[[Runner], list[Job]], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(job: Job, report: Reporter) -> dict[str, Any]:
        raise ModelError("The model is damaged.", where="m.onnx", fix="export it again")

    do(fail)
    assert cli.main(SWAP) == 6
    assert capsys.readouterr().err == (
        "ModelError: The model is damaged.\n  at: m.onnx\n  try: export it again\n"
    )


def test_json_tells_every_event_on_stdout(
    do: Callable[[Runner], list[Job]], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(job: Job, report: Reporter) -> dict[str, Any]:
        report(Progress("swap", 1, 2))
        report(Warned("No face.", frame=3))
        return {"output": "o.0001.exr"}

    do(run)
    assert cli.main([*SWAP, "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["kind"] for event in events] == ["progress", "warning", "result"]
    assert events[-1]["result"] == {"output": "o.0001.exr", "exit_code": 0}


def test_json_tells_errors_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["swap", "--json"]) == 2
    event = json.loads(capsys.readouterr().out)
    assert (event["kind"], event["error"]["type"], event["error"]["exit_code"]) == ("error", "JobError", 2)


@pytest.mark.parametrize("order", [(7, 8), (8, 7)])
@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_is_the_largest_of_the_lost_frames_errors_in_any_order(
    do: Callable[[Runner], list[Job]],
    capsys: pytest.CaptureFixture[str],
    order: tuple[int, ...],
    as_json: bool,
) -> None:
    errors = {7: PlateError("Frame 7 is truncated."), 8: FaceError("Frame 8 has no face.")}

    def run(job: Job, report: Reporter) -> dict[str, Any]:
        for number in order:
            report(Failed(errors[number].as_dict(), frame=number))
        return {"written": 8, "failed_frames": [7, 8]}

    do(run)
    assert cli.main([*SWAP, "--json"] if as_json else SWAP) == FaceError.exit_code
    told = capsys.readouterr()
    assert "2 frames failed" in told.err
    if as_json:
        result = json.loads(told.out.splitlines()[-1])["result"]
        assert result["exit_code"] == FaceError.exit_code
    else:
        assert "written: 8" in told.out and "exit code" not in told.out
        assert "Frame 7 is truncated." in told.err


def test_a_full_disk_is_told_without_a_traceback(
    do: Callable[[Runner], list[Job]], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(job: Job, report: Reporter) -> dict[str, Any]:
        raise OSError(28, "No space left on device", "out/o.0001.exr")

    do(run)
    assert cli.main(SWAP) == 1
    told = capsys.readouterr().err
    assert "No space left on device" in told and "out/o.0001.exr" in told and "Traceback" not in told


def test_a_bug_is_told_as_a_bug(
    do: Callable[[Runner], list[Job]], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(job: Job, report: Reporter) -> dict[str, Any]:
        raise ZeroDivisionError("oh")

    do(run)
    assert cli.main(SWAP) == 70
    told = capsys.readouterr().err
    assert "Traceback" in told and "this is a bug" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_at_the_next_event(number: int, do: Callable[[Runner], list[Job]]) -> None:
    after: list[str] = []

    def run(job: Job, report: Reporter) -> dict[str, Any]:
        os.kill(os.getpid(), number)
        try:
            report(Progress("train", 1, 2))
        except Cancelled:
            after.append("saved")
            raise
        return {}

    do(run)
    before = signal.getsignal(number)
    assert cli.main(SWAP) == 128 + number
    assert after == ["saved"]
    assert signal.getsignal(number) is before


def test_a_second_signal_stops_at_once(do: Callable[[Runner], list[Job]]) -> None:
    def run(job: Job, report: Reporter) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
        return {}

    do(run)
    assert cli.main(SWAP) == 130


def test_a_wrong_machine_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNDERSTUDY_DEVICE", "toaster")
    assert cli.main(["models"]) == 2
    assert "UNDERSTUDY_DEVICE" in capsys.readouterr().err


def test_schema_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    assert set(json.loads(capsys.readouterr().out)["jobs"]) == set(VERBS)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m understudy.app.cli schema | head -c 10; echo ${{PIPESTATUS[0]}}"
    child = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in child.stderr and "BrokenPipe" not in child.stderr


def test_models_lists_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNDERSTUDY_MODELS", str(tmp_path))
    assert cli.main(["models", "list", "yunet", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert [(row["name"], row["state"]) for row in result["models"]] == [("yunet", "missing")]


def test_a_former_name_is_read_and_told_on_the_command_line_and_in_a_document(
    do: Callable[[Runner], list[Job]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = do(lambda job, report: {})
    assert cli.main([*SWAP, "--matte-external", "roto.%04d.exr"]) == 0
    document = tmp_path / "job.json"
    document.write_text('{"matte_external": "roto.%04d.exr"}')
    assert cli.main([*SWAP, "--job", str(document)]) == 0
    assert [job.matte_roto for job in jobs if isinstance(job, SwapJob)] == ["roto.%04d.exr"] * 2
    assert capsys.readouterr().err.count("matte_external is now called matte_roto") == 2
    assert cli.main([*SWAP, "--job", str(document), "--matte-roto", "flag.%04d.exr"]) == 0
    assert getattr(jobs[-1], "matte_roto", "") == "flag.%04d.exr"
    assert cli.main([*SWAP, "--matte-external", "a.%04d.exr", "--matte-roto", "b.%04d.exr"]) == 2
