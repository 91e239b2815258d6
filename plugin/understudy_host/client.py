"""The engine's process, seen from a host: started when it is needed, spoken to in JSON lines, ended with it.

There is no socket: the engine is a child of the host, and when its stdin closes it ends.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, Callable

from understudy_host.errors import HostError

PROTOCOL = 1
PROGRAM = "understudy"
PROGRAM_VARIABLE = "UNDERSTUDY_ENGINE"
SECONDS_TO_START = 60.0
SECONDS_TO_STOP = 5.0
_SECONDS_FOR_LAST_WORDS = 2.0
_POLL_SECONDS = 0.05
_CANCELLED = -32800
# A host's own interpreter is not the engine's: with these the engine would load the host's modules.
_NOT_FOR_THE_ENGINE = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")

Event = dict[str, Any]


class Cancelled(Exception):
    """The artist stopped the run; what is finished is kept."""


def find_program() -> str:
    """The engine's program, by its full path: what UNDERSTUDY_ENGINE names, or `understudy` on the path.

    Nothing is taken from the current folder: empty and relative entries of the path are passed over, and so
    is Windows's rule that the current folder comes first.

    Raises:
        HostError: there is none.
    """
    named = os.environ.get(PROGRAM_VARIABLE, "").strip()
    folders = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(entry)]
    if os.path.dirname(named):
        candidates = [named] if os.path.isabs(named) else []
    else:
        candidates = [os.path.join(folder, named or PROGRAM) for folder in folders]
    # Not shutil.which: on Windows it asks the current folder first.
    suffixes = [*os.environ.get("PATHEXT", "").split(os.pathsep), ""] if os.name == "nt" else [""]
    for path in (candidate + suffix for candidate in candidates for suffix in suffixes):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise HostError(
        "The Understudy engine is not installed here, or cannot be found.",
        named,
        f"install the engine and set {PROGRAM_VARIABLE} to the full path of its `{PROGRAM}` program",
    )


class Engine:
    """A running engine. Runs take their turn; it may be used from any thread.

    Attributes:
        version: What the engine says of itself.
    """

    def __init__(self, program: str | None = None) -> None:
        """Start the engine and wait until it answers.

        Raises:
            HostError: it is missing, does not start, or is of a version that this plugin does not know.
        """
        self._program = program or find_program()
        self._told: deque[str] = deque(maxlen=12)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._count = 0
        self._process = self._spawn()
        self._stopped = threading.Event()
        self._readers = [
            threading.Thread(target=work, name="understudy-engine", daemon=True)
            for work in (self._read_answers, self._read_errors)
        ]
        for reader in self._readers:
            reader.start()
        try:
            self.version = self._greet()
        except HostError:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it can take another run."""
        return self._process.poll() is None and not self._stopped.is_set()

    @property
    def process_id(self) -> int:
        """Of the engine's process."""
        return self._process.pid

    def run(
        self,
        verb: str,
        job: Mapping[str, Any],
        on_event: Callable[[Event], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """Run a job and wait for it.

        Args:
            verb: A verb of the job table.
            job: Its values.
            on_event: Called with progress, warnings and failures of single frames, in this thread.
            is_cancelled: Asked many times a second; the run ends soon after it says yes.

        Returns:
            The job's result.

        Raises:
            HostError: the engine refused or failed, or stopped in the middle.
            Cancelled: is_cancelled said yes.
        """
        identifier, answers = self._request("run", {"verb": verb, "job": dict(job)})
        asked = False
        try:
            while True:
                if not asked and is_cancelled is not None and is_cancelled():
                    asked = True
                    self._send(
                        {
                            "jsonrpc": "2.0",
                            "method": "cancel",
                            "id": -identifier,
                            "params": {"id": identifier},
                        }
                    )
                message = self._next(answers, "It stopped in the middle of a run.")
                if message is None:
                    continue
                if "event" in message:
                    if on_event is not None:
                        on_event(message["event"])
                    continue
                return self._result(message)
        finally:
            self._answers.pop(identifier, None)

    def close(self) -> None:
        """End the engine; what it has finished is kept."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.close()  # the engine ends with its requests
        except OSError:
            pass  # it has ended already, with a request on its way
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join(SECONDS_TO_STOP)
        self._stopped.set()

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_THE_ENGINE}
        environment["PYTHONSAFEPATH"] = "1"  # it runs nothing that lies in the host's current folder
        # A console window would open beside the host on Windows.
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        try:
            return subprocess.Popen(
                [self._program, "serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                creationflags=flags,
            )
        except OSError as error:
            raise HostError(
                f"The engine does not start: {error.strerror}.", self._program, "install the engine again"
            ) from error

    def _greet(self) -> str:
        started = "It stopped while it started."
        try:
            identifier, answers = self._request("hello", {})
        except HostError:  # gone before it could be asked
            for reader in self._readers:  # its last words may still be on their way
                reader.join(_SECONDS_FOR_LAST_WORDS)
            raise self._gone(started) from None
        waited, message = 0.0, None
        while message is None:
            if waited > SECONDS_TO_START:
                raise HostError(
                    f"The engine did not answer in {SECONDS_TO_START:.0f} seconds.",
                    self._program,
                    f"run `{PROGRAM} doctor` in a terminal",
                )
            message = self._next(answers, started)
            waited += _POLL_SECONDS
        self._answers.pop(identifier, None)
        result = self._result(message)
        if result.get("protocol") != PROTOCOL:
            raise HostError(
                f"The engine is version {result.get('version')}, of protocol {result.get('protocol')}; "
                f"this plugin speaks protocol {PROTOCOL}.",
                self._program,
                "install the engine and the plugin of one version",
            )
        return str(result.get("version"))

    def _request(self, method: str, params: Mapping[str, Any]) -> Any:
        with self._lock:
            self._count += 1
            identifier = self._count
        answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers[identifier] = answers
        self._send({"jsonrpc": "2.0", "id": identifier, "method": method, "params": dict(params)})
        return identifier, answers

    def _send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            with self._lock:
                assert self._process.stdin is not None
                self._process.stdin.write(line)
                self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self._gone("It is not running any more.") from error

    def _next(self, answers: queue.Queue[dict[str, Any]], when: str) -> dict[str, Any] | None:
        """The next message of a request; None where there is none yet."""
        try:
            return answers.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            if self._stopped.is_set() and answers.empty():
                raise self._gone(when) from None
            return None

    def _gone(self, when: str) -> HostError:
        code = self._process.poll()
        said = [line for line in self._told if line.strip()]
        return HostError(
            f"The engine has stopped. {when}",
            f"exit code {code}" + (f", last words: {said[-1][:300]}" if said else ""),
            "start it again: what is finished is kept, and the same bake goes on from there",
        )

    def _result(self, message: Mapping[str, Any]) -> dict[str, Any]:
        error = message.get("error")
        if error is not None:
            if error.get("code") == _CANCELLED:
                raise Cancelled
            raise HostError.of_engine(error)
        return dict(message.get("result") or {})

    def _read_answers(self) -> None:
        """Sort the engine's lines to the requests they belong to, until it ends."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._sort(line)
        self._process.wait()
        self._stopped.set()

    def _sort(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self._told.append(line.decode(errors="replace"))
            return
        if message.get("method") == "event":
            identifier, told = message["params"]["id"], {"event": message["params"]["event"]}
        else:
            identifier, told = message.get("id"), message
        answers = self._answers.get(identifier)
        if answers is not None:
            answers.put(told)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._told.append(line.decode(errors="replace").rstrip())


class Engines:
    """The one engine of a host session: started at its first job, and again after it was lost."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def get(self) -> Engine:
        """The running engine.

        Raises:
            HostError: it cannot be started.
        """
        with self._lock:
            if self._engine is not None and not self._engine.alive:
                self._engine.close()
                self._engine = None
            if self._engine is None:
                self._engine = Engine()
            return self._engine

    def close(self) -> None:
        """End it, if it runs."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None


def failed_frames(result: Mapping[str, Any]) -> list[int]:
    """The frames that a run could not make."""
    return [int(frame) for frame in result.get("failed_frames") or []]
