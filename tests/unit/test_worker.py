"""The worker, as a real child process: it answers, it survives garbage, it ends with its host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from understudy.app import worker
from understudy.jobs.table import VERBS

SECONDS = 60

# A worker whose `demo` verb takes its time, prints where it must not, and hears a cancel.
SLOW_WORKER = """
import os, signal, time
from understudy.app import cli, verbs
from understudy.core.errors import PlateError
from understudy.jobs.machine import DemoJob
from understudy.core.progress import Finished, Progress
real = verbs._dispatch
def dispatch(job, report, settings, warm):
    if not isinstance(job, DemoJob):
        return real(job, report, settings, warm)
    print("a library prints")
    os.write(1, b"a C library prints\\n")
    if job.seed == 1:
        raise PlateError("It is gone.", where="a.exr", fix="render it again")
    if job.seed == 2:
        raise ZeroDivisionError("a bug")
    if job.seed == 3:
        raise SystemExit(4)
    warm["runs"] = warm.get("runs", 0) + 1
    for done in range(job.shot_frames):
        report(Progress("demo", done, job.shot_frames))
        time.sleep(0.01)
    report(Finished({"nested": True}))
    return {"runs": warm["runs"], "nothing": float("nan")}
verbs._dispatch = dispatch
# A shell's background job, and so a test run in one, is born with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
raise SystemExit(cli.main(["serve"]))
"""


class Host:
    """A host program's side of the worker."""

    def __init__(self, models: Path) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", SLOW_WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "UNDERSTUDY_MODELS": str(models)},
        )
        self.errors: list[bytes] = []
        assert self.child.stderr
        self._drain = threading.Thread(target=lambda: self.errors.extend(self.child.stderr or ()))
        self._drain.start()
        self.events: list[dict[str, Any]] = []

    def send(self, data: bytes) -> None:
        assert self.child.stdin
        self.child.stdin.write(data)
        self.child.stdin.flush()

    def ask(self, method: str, identifier: int | str, **params: Any) -> None:
        request = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
        self.send(json.dumps(request).encode() + b"\n")

    def line(self) -> dict[str, Any]:
        assert self.child.stdout
        text = self.child.stdout.readline()
        assert text, b"".join(self.errors).decode()
        message: dict[str, Any] = json.loads(text)
        assert message["jsonrpc"] == "2.0"
        return message

    def answer(self) -> dict[str, Any]:
        while "method" in (message := self.line()):
            self.events.append(message["params"])
        return message

    def end(self) -> int:
        assert self.child.stdin and self.child.stdout
        self.child.stdin.close()
        code = self.child.wait(SECONDS)
        self._drain.join(SECONDS)
        self.child.stdout.close()
        assert self.child.stderr
        self.child.stderr.close()
        return code


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    started = Host(tmp_path)
    timer = threading.Timer(SECONDS, started.child.kill)
    timer.start()
    try:
        yield started
    finally:
        started.end()
        timer.cancel()


def test_hello_names_version_protocol_and_verbs(host: Host) -> None:
    host.ask("hello", 1)
    answer = host.answer()
    assert answer["id"] == 1
    assert answer["result"]["protocol"] == worker.PROTOCOL
    assert answer["result"]["verbs"] == list(VERBS)
    assert answer["result"]["pid"] == host.child.pid


def test_schema_holds_every_verb(host: Host) -> None:
    host.ask("schema", "s")
    assert set(host.answer()["result"]["jobs"]) == set(VERBS)


def test_garbage_is_refused_and_the_worker_goes_on(host: Host) -> None:
    cases = [
        (b"garbage\n", worker.PARSE_ERROR),
        (b"\xff\xfe\x00\n", worker.PARSE_ERROR),
        (b'{"jsonrpc": "2.0", "id": NaN}\n', worker.PARSE_ERROR),
        (b"[" * 100_000 + b"\n", worker.PARSE_ERROR),
        (b"x" * (worker.LONGEST_LINE * 3) + b"\n", worker.PARSE_ERROR),
        (b"[]\n", worker.INVALID_REQUEST),
        (b"3\n", worker.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1}\n', worker.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": true, "method": "hello"}\n', worker.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": null, "method": "hello"}\n', worker.INVALID_REQUEST),
        (b'{"id": 1, "method": "hello"}\n', worker.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "format_disk"}\n', worker.METHOD_NOT_FOUND),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "hello", "params": 3}\n', worker.INVALID_PARAMS),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "run", "params": {"verb": 3}}\n', worker.INVALID_PARAMS),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "cancel", "params": {"id": []}}\n', worker.INVALID_PARAMS),
    ]
    for data, code in cases:
        host.send(data)
        assert host.answer()["error"]["code"] == code, data[:60]
    host.ask("hello", 2)
    assert host.answer()["id"] == 2


def test_a_notification_is_never_answered(host: Host) -> None:
    host.send(b'{"jsonrpc": "2.0", "method": "nonsense"}\n{"jsonrpc": "2.0", "method": "hello"}\n\n')
    host.ask("hello", 3)
    assert host.answer()["id"] == 3


def test_a_bad_job_is_an_error_with_what_where_and_fix(host: Host) -> None:
    host.ask("run", 1, verb="swap", job={"plate": 3})
    error = host.answer()["error"]
    assert error["code"] == worker.UNDERSTUDY_ERROR - 2
    assert error["data"]["type"] == "JobError" and error["data"]["where"] and error["data"]["fix"]
    host.ask("run", 2, verb="fly", job={})
    assert host.answer()["error"]["data"]["type"] == "JobError"


def test_a_former_name_in_a_job_is_read_and_told(host: Host) -> None:
    job = {"plate": "/none/p.%04d.exr", "track": "/none/a.track", "model": "/none/m.onnx"}
    host.ask(
        "run", 1, verb="swap", job={**job, "output": "/none/o.%04d.exr", "matte_external": "/none/r.exr"}
    )
    assert host.answer()["error"]["data"]["type"] != "JobError", "the name was refused"
    told = [one["event"]["message"] for one in host.events if one["event"]["kind"] == "warning"]
    assert told == ["matte_external is now called matte_roto; the former name is still read."]


def test_a_real_run_answers_with_its_result(host: Host, tmp_path: Path) -> None:
    host.ask("run", "list", verb="models", job={"action": "list"})
    result = host.answer()["result"]
    assert result["folder"] == str(tmp_path)
    assert {row["state"] for row in result["models"]} == {"missing"}


def test_events_carry_the_id_of_their_run_and_prints_stay_out(host: Host) -> None:
    host.ask("run", "a", verb="demo", job={"shot_frames": 5})
    assert host.answer() == {
        "jsonrpc": "2.0",
        "id": "a",
        "result": {"runs": 1, "nothing": None, "exit_code": 0},
    }
    assert [event["id"] for event in host.events] == ["a"] * 5
    assert host.events[0]["event"]["kind"] == "progress"
    host.end()
    told = b"".join(host.errors)
    assert b"a library prints" in told and b"a C library prints" in told


def test_runs_wait_their_turn_and_share_what_is_warm(host: Host) -> None:
    host.ask("run", 1, verb="demo", job={"shot_frames": 20})
    host.ask("run", 2, verb="demo", job={"shot_frames": 2})
    host.ask("run", 1, verb="demo", job={"shot_frames": 2})
    assert host.answer()["error"]["code"] == worker.INVALID_REQUEST
    assert [host.answer()["result"]["runs"] for _ in range(2)] == [1, 2]
    assert [event["id"] for event in host.events] == [1] * 20 + [2] * 2


def test_cancel_ends_a_run_and_one_that_waits(host: Host) -> None:
    host.ask("run", 1, verb="demo", job={"shot_frames": 2000})
    host.ask("run", 2, verb="demo", job={"shot_frames": 2000})
    assert host.line()["method"] == "event"
    host.ask("cancel", "c2", id=2)
    host.ask("cancel", "c1", id=1)
    host.ask("cancel", "c9", id=9)
    answers = {message["id"]: message for message in (host.answer() for _ in range(5))}
    assert [answers[key]["result"]["cancelled"] for key in ("c1", "c2", "c9")] == [True, True, False]
    assert {answers[key]["error"]["code"] for key in (1, 2)} == {worker.CANCELLED}


def test_a_failed_run_leaves_the_worker_alive(host: Host) -> None:
    for identifier, code in ((1, worker.UNDERSTUDY_ERROR - 3), (2, worker.INTERNAL_ERROR)):
        host.ask("run", identifier, verb="demo", job={"seed": identifier})
        assert host.answer()["error"]["code"] == code
    host.ask("run", 3, verb="demo", job={"seed": 3})
    assert host.answer()["error"]["code"] == worker.INTERNAL_ERROR
    host.ask("run", 4, verb="demo", job={"shot_frames": 2})
    assert host.answer()["result"]["runs"] == 1


def test_shutdown_cancels_and_ends(host: Host) -> None:
    host.ask("run", 1, verb="demo", job={"shot_frames": 2000})
    assert host.line()["method"] == "event"
    host.ask("shutdown", 2)
    answers = {message["id"]: message for message in (host.answer() for _ in range(2))}
    assert answers[2]["result"] == {}
    assert answers[1]["error"]["code"] == worker.CANCELLED
    assert host.end() == 0


def test_the_end_of_stdin_ends_the_worker_and_its_run(host: Host) -> None:
    host.ask("run", 1, verb="demo", job={"shot_frames": 2000})
    assert host.line()["method"] == "event"
    assert host.child.stdin
    host.child.stdin.close()
    assert host.answer()["error"]["code"] == worker.CANCELLED
    assert host.child.wait(SECONDS) == 0


def test_a_host_that_stops_reading_ends_the_run(host: Host) -> None:
    host.ask("run", 1, verb="demo", job={"shot_frames": 2000})
    assert host.line()["method"] == "event"
    assert host.child.stdin and host.child.stdout
    host.child.stdout.close()
    host.child.stdin.close()
    assert host.child.wait(SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_worker_cleanly(host: Host, number: int) -> None:
    host.ask("hello", 1)
    host.answer()
    host.child.send_signal(number)
    assert host.child.wait(SECONDS) == 0
    host.end()
    assert b"Traceback" not in b"".join(host.errors)
