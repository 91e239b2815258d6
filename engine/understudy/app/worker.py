"""`understudy serve`: a warm child process that a host program drives by JSON-RPC 2.0 over stdin and stdout.

One JSON object a line, UTF-8, at most `LONGEST_LINE` bytes. There is no socket: who started the worker owns
it, and when its stdin ends the worker ends too.

    hello            {} → version, protocol, verbs, pid
    schema           {} → the JSON schema of every job
    run              {"verb", "job"} → the job's result, when it is done
    cancel           {"id"} → {"cancelled": bool}; the run of that id answers with an error
    shutdown         {} → {}; ends the worker
    event            a notification of the worker: {"id", "event"}

Runs take their turn, one after another in the order they came; the other methods answer at once. What a
library prints goes to stderr, because stdout belongs to the protocol.
"""

from __future__ import annotations

import math
import os
import queue
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from understudy import __version__
from understudy.app import verbs
from understudy.core import documents
from understudy.core.errors import HostError, UnderstudyError
from understudy.core.names import printable
from understudy.core.progress import Cancelled, Event, Finished, Reporter, Warned
from understudy.core.settings import Settings
from understudy.jobs import schema
from understudy.jobs.fields import Job
from understudy.jobs.table import VERBS, parse_job

PROTOCOL = 1
LONGEST_LINE = 1_000_000
SECONDS_TO_STOP = 60.0

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
CANCELLED = -32800
UNDERSTUDY_ERROR = -32000  # less the error's exit code, so that -32003 is a PlateError

Identifier = str | int


class Refusal(Exception):
    """A request that is answered with an error of the protocol."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Run:
    """A job that waits for its turn or has it."""

    identifier: Identifier
    job: Job
    warnings: list[str] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Answers requests from `requests` on `replies` until the requests end.

    Two threads: the caller's reads and answers, a second one runs the jobs.
    """

    def __init__(self, requests: IO[bytes], replies: IO[bytes], settings: Settings) -> None:
        self._requests = requests
        self._replies = replies
        self._settings = settings
        self._kept: verbs.Kept = {}
        self._writing = threading.Lock()
        self._waiting: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._runs: dict[Identifier, Run] = {}
        self._ending = False

    def serve(self) -> None:
        """Serve until shutdown, the end of the requests or Ctrl-C; then cancel what still runs."""
        runner = threading.Thread(target=self._run_all, name="understudy-runs", daemon=True)
        runner.start()
        try:
            while not self._ending and (line := self._read_line()) is not None:
                self._answer(line)
        except KeyboardInterrupt:
            pass
        finally:
            for run in list(self._runs.values()):
                run.cancelled.set()
            self._waiting.put(None)
            runner.join(SECONDS_TO_STOP)

    def _read_line(self) -> bytes | None:
        line = self._requests.readline(LONGEST_LINE + 1)
        if not line:
            return None
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = self._requests.readline(LONGEST_LINE)
            self._refuse(None, Refusal(PARSE_ERROR, f"A line is longer than {LONGEST_LINE} bytes."))
            return b"\n"
        return line

    def _answer(self, line: bytes) -> None:
        """Answer one line; no line, however wrong, ends the worker."""
        if not line.strip():
            return
        identifier: Identifier | None = None
        try:
            request = _parse(line)
            identifier = _identifier(request)
            result = self._call(request.get("method"), _parameters(request), identifier)
        except Refusal as refusal:
            if identifier is not None or refusal.code in (PARSE_ERROR, INVALID_REQUEST):
                self._refuse(identifier, refusal)
        except UnderstudyError as error:
            if identifier is not None:
                self._fail(identifier, error)
        except Exception as error:  # a bug in one request must not end the others
            sys.stderr.write(printable(traceback.format_exc()) + "\n")
            self._refuse(identifier, Refusal(INTERNAL_ERROR, f"{type(error).__name__}: {error}"))
        else:
            if identifier is not None and result is not None:
                self._send({"id": identifier, "result": result})

    def _call(
        self, method: Any, parameters: Mapping[str, Any], identifier: Identifier | None
    ) -> dict[str, Any] | None:
        """Do one request; None where the answer comes later."""
        match method:
            case "hello":
                facts = {"version": __version__, "protocol": PROTOCOL, "pid": os.getpid()}
                return {**facts, "verbs": list(VERBS)}
            case "schema":
                return schema.installed_document()
            case "run":
                self._enqueue(parameters, identifier)
                return None
            case "cancel":
                return {"cancelled": self._cancel(parameters)}
            case "shutdown":
                self._ending = True
                return {}
            case str():
                raise Refusal(METHOD_NOT_FOUND, f"There is no method {method[:100]!r}.")
        raise Refusal(INVALID_REQUEST, "The request names no method.")

    def _enqueue(self, parameters: Mapping[str, Any], identifier: Identifier | None) -> None:
        if identifier is None:
            raise Refusal(INVALID_REQUEST, "A run needs an id, to be answered and cancelled by.")
        if identifier in self._runs:
            raise Refusal(INVALID_REQUEST, f"A run with the id {identifier!r} is under way.")
        verb, values = parameters.get("verb"), parameters.get("job", {})
        if not isinstance(verb, str) or not isinstance(values, dict):
            raise Refusal(INVALID_PARAMS, "A run takes a verb (text) and a job (object).")
        warnings: list[str] = []
        run = Run(identifier, parse_job(verb, values, warn=warnings.append), warnings)
        self._runs[identifier] = run
        self._waiting.put(run)

    def _cancel(self, parameters: Mapping[str, Any]) -> bool:
        wanted = parameters.get("id")
        if isinstance(wanted, bool) or not isinstance(wanted, str | int):
            raise Refusal(INVALID_PARAMS, "A cancel takes the id of a run.")
        run = self._runs.get(wanted)
        if run is None:
            return False
        run.cancelled.set()
        return True

    def _run_all(self) -> None:
        while (run := self._waiting.get()) is not None:
            self._run_one(run)

    def _run_one(self, run: Run) -> None:
        """Run one job and send its answer; the id is free again just before the answer goes out."""
        failure: Refusal | UnderstudyError | None = None
        result: dict[str, Any] = {}
        try:
            if run.cancelled.is_set():
                raise Cancelled
            report = self._reporter(run)
            for message in run.warnings:
                report(Warned(message))
            result = verbs.run(run.job, report=report, settings=self._settings, kept=self._kept)
        except Cancelled:
            failure = Refusal(CANCELLED, "The run was cancelled; what is finished is kept.")
        except UnderstudyError as error:
            failure = error
        except (Exception, SystemExit) as error:  # reported to the host; the worker goes on
            sys.stderr.write(printable(traceback.format_exc()) + "\n")
            failure = Refusal(INTERNAL_ERROR, f"{type(error).__name__}: {error}")
        self._runs.pop(run.identifier, None)
        if isinstance(failure, UnderstudyError):
            self._fail(run.identifier, failure)
        elif failure is not None:
            self._refuse(run.identifier, failure)
        else:
            self._send({"id": run.identifier, "result": result})

    def _reporter(self, run: Run) -> Reporter:
        def tell(event: Event) -> None:
            if not isinstance(event, Finished):  # the answer itself carries the result
                self._send({"method": "event", "params": {"id": run.identifier, "event": asdict(event)}})
            if run.cancelled.is_set():
                raise Cancelled

        return tell

    def _fail(self, identifier: Identifier, error: UnderstudyError) -> None:
        code = UNDERSTUDY_ERROR - error.exit_code
        answer = {"code": code, "message": error.what, "data": error.as_dict()}
        self._send({"id": identifier, "error": answer})

    def _refuse(self, identifier: Identifier | None, refusal: Refusal) -> None:
        data = HostError(refusal.message).as_dict()
        answer = {"code": refusal.code, "message": refusal.message, "data": data}
        self._send({"id": identifier, "error": answer})

    def _send(self, message: Mapping[str, Any]) -> None:
        text = documents.dump(_plain({"jsonrpc": "2.0", **message}))
        try:
            with self._writing:
                self._replies.write(text.encode() + b"\n")
                self._replies.flush()
        except (OSError, ValueError):
            # The host is gone: stop as at the end of the requests.
            self._ending = True
            for run in list(self._runs.values()):
                run.cancelled.set()


def serve(settings: Settings) -> None:
    """Serve this process's host, and keep stdin and stdout for the protocol alone."""
    replies = os.fdopen(os.dup(1), "wb")
    try:
        with os.fdopen(os.dup(0), "rb") as requests:
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.close(nothing)
            # C libraries write to descriptor 1 behind Python's back; both now reach stderr.
            os.dup2(2, 1)
            sys.stdout = sys.stderr
            Worker(requests, replies, settings).serve()
    finally:
        with suppress(OSError):  # a host that has gone leaves its last answer in the buffer
            replies.close()


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = documents.parse(line)
    except ValueError as exc:
        raise Refusal(PARSE_ERROR, "A line is not JSON.") from exc
    if not isinstance(request, dict):
        raise Refusal(INVALID_REQUEST, "A request is one JSON object a line; there are no batches.")
    return request


def _plain(value: Any) -> Any:
    """A value that JSON can hold: NaN and infinity become null, unknown types become text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _identifier(request: Mapping[str, Any]) -> Identifier | None:
    identifier = request.get("id")
    if identifier is None and "id" not in request:
        return None
    if isinstance(identifier, bool) or not isinstance(identifier, str | int):
        raise Refusal(INVALID_REQUEST, "An id is text or a whole number.")
    if request.get("jsonrpc") != "2.0":
        raise Refusal(INVALID_REQUEST, 'A request says "jsonrpc": "2.0".')
    return identifier


def _parameters(request: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = request.get("params", {})
    if not isinstance(parameters, dict):
        raise Refusal(INVALID_PARAMS, "The params are one JSON object.")
    return parameters
