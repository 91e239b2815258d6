"""Runs damaged inputs in forked children under limits of time and memory, and counts what comes of them."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import resource
import selectors
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.reader import Reader, Undetected
from understudy.core import documents
from understudy.core.errors import UnderstudyError

SECONDS = 30.0
MEMORY_BYTES = 3 * 2**30
"""How much a child may take beyond what it begins with."""
FINE = ("refused", "read")
FAULTS = ("traceback", "hang", "crash", "memory", "undetected")


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        counts: How often each verdict was given, by reader.
        last: What was said of each reader's last input.
        faults: Of each input at fault: reader, seed, verdict, what was said.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[str, int, str, str]] = field(default_factory=list)


def write_input(reader: Reader, seed: int, valid: Path, case: Path) -> None:
    """The damaged input of a seed: always the same for the same valid files."""
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    reader.damage(random.Random(f"{reader.name}:{seed}"), valid, case)


def judge(reader: Reader, case: Path) -> tuple[str, str]:
    """Read one input: the verdict, and what was said."""
    try:
        reader.read(case)
    except UnderstudyError as error:
        told = str(error)
        # What a terminal, a log and a host are sent.
        try:
            documents.dump(error.as_dict()).encode()
        except UnicodeEncodeError:
            return "traceback", f"the error cannot be sent: {told!r}"
        return "refused", told
    except Undetected as error:
        return "undetected", str(error)
    except MemoryError:
        return "memory", traceback.format_exc()
    except BaseException:
        return "traceback", traceback.format_exc()
    return "read", ""


class Child:
    """A forked process that reads one input after another; it is started again after a crash or a hang."""

    def __init__(self, reader: Reader, seeds: Sequence[int], work: Path) -> None:
        self.reader, self.work = reader, work
        self._seeds = iter(seeds)
        self.case = work / f"case-{reader.name}-{seeds[0] if seeds else 0}"
        self.seed, self._process = 0, 0
        self.begun = 0.0
        self._asks, self.answers = -1, -1

    @property
    def valid(self) -> Path:
        """The folder of the reader's valid files."""
        return self.work / "valid" / self.reader.name

    def next(self) -> bool:
        """Hand the next seed to the child; False where there is none left."""
        seed = next(self._seeds, None)
        if seed is None:
            self.end()
            return False
        if self._process == 0:
            self._start()
        self.seed, self.begun = seed, time.monotonic()
        os.write(self._asks, f"{seed}\n".encode())
        return True

    def answer(self) -> tuple[str, str]:
        """The verdict of the seed that was handed out, or what ended the child."""
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(self.answers, 65536)
            if not part:
                return self._why_it_ended()
            line += part
        verdict, said = json.loads(line)
        return verdict, said

    def hang(self) -> tuple[str, str]:
        """End a child that takes too long: it writes where it stood, and is killed."""
        os.kill(self._process, signal.SIGABRT)
        time.sleep(0.5)
        return "hang", f"no answer within {SECONDS:g} seconds\n{self._ended()[1]}"

    def end(self) -> None:
        """End the child, and tidy."""
        if self._process:
            self._ended()
        shutil.rmtree(self.case, ignore_errors=True)

    def _why_it_ended(self) -> tuple[str, str]:
        status, log = self._ended()
        code = os.waitstatus_to_exitcode(status)
        what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ("memory" if "MemoryError" in log or "bad_alloc" in log else "crash"), f"{what}\n{log}"

    def _ended(self) -> tuple[int, str]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        _, status = os.waitpid(self._process, 0)
        os.close(self._asks)
        os.close(self.answers)
        self._process, self._asks, self.answers = 0, -1, -1
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        return status, log[-4000:]

    @property
    def _log(self) -> Path:
        return self.work / f"{self.case.name}.log"

    def _start(self) -> None:
        asked, self._asks = os.pipe()
        self.answers, answer = os.pipe()
        self._process = os.fork()
        if self._process:
            os.close(asked)
            os.close(answer)
            return
        try:
            os.close(self._asks)
            os.close(self.answers)
            self._serve(asked, answer)
        finally:
            os._exit(0)

    def _serve(self, asked: int, answer: int) -> None:
        """In the child: read seeds until there are none."""
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for number in (1, 2):
            os.dup2(log, number)
        faulthandler.enable(log)
        _limit_memory()
        with os.fdopen(asked) as seeds:
            for line in seeds:
                os.ftruncate(log, 0)
                write_input(self.reader, int(line), self.valid, self.case)
                verdict = judge(self.reader, self.case)
                os.write(answer, (json.dumps(verdict) + "\n").encode())


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def make_valid(readers: Sequence[Reader], work: Path) -> None:
    """Write every reader's valid files, in a child: what is forked later has used no library yet."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            for reader in readers:
                folder = work / "valid" / reader.name
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                reader.make(folder)
                verdict = _judge_valid(reader, folder, work / "case-valid")
                assert verdict in (None, ("read", "")), f"{reader.name}: {verdict}"
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    if os.waitpid(process, 0)[1]:
        raise SystemExit("the valid files could not be made")


def _judge_valid(reader: Reader, folder: Path, case: Path) -> tuple[str, str] | None:
    """The verdict on a whole valid folder, for the readers that read one; None for the others."""
    if not reader.whole:
        return None
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(folder, case)
    verdict = judge(reader, case)
    shutil.rmtree(case)
    return verdict


def run(readers: Sequence[Reader], seeds: Sequence[int], work: Path, *, jobs: int = 2) -> Outcome:
    """Read an input for every reader and seed; inputs at fault are kept in `work/kept`."""
    make_valid(readers, work)
    outcome = Outcome({reader.name: Counter() for reader in readers})
    waiting = _children(readers, seeds, work)
    busy: dict[int, Child] = {}
    with selectors.DefaultSelector() as ready:
        while True:
            while len(busy) < jobs and (child := next(waiting, None)) is not None:
                _hand_out(child, busy, ready)
            if not busy:
                return outcome
            heard = {key.fd for key, _ in ready.select(timeout=0.5)}
            for descriptor, child in list(busy.items()):
                late = time.monotonic() - child.begun > SECONDS
                if descriptor not in heard and not late:
                    continue
                ready.unregister(descriptor)
                del busy[descriptor]
                _note(child, child.answer() if descriptor in heard else child.hang(), outcome)
                _hand_out(child, busy, ready)


def _children(readers: Sequence[Reader], seeds: Sequence[int], work: Path) -> Iterator[Child]:
    """Children of a few hundred inputs each: readers run beside each other, and leaks do not add up."""
    for start in range(0, len(seeds), 250):
        for reader in readers:
            yield Child(reader, seeds[start : start + 250], work)


def _hand_out(child: Child, busy: dict[int, Child], ready: selectors.BaseSelector) -> None:
    if child.next():
        busy[child.answers] = child
        ready.register(child.answers, selectors.EVENT_READ)


def _note(child: Child, answer: tuple[str, str], outcome: Outcome) -> None:
    verdict, said = answer
    outcome.counts[child.reader.name][verdict] += 1
    outcome.last[child.reader.name] = f"{verdict}\n{said}".strip()
    if verdict in FINE:
        return
    outcome.faults.append((child.reader.name, child.seed, verdict, said))
    kept = child.work / "kept" / f"{child.reader.name}-{child.seed}"
    write_input(child.reader, child.seed, child.valid, kept)
    (child.work / "kept" / f"{kept.name}.txt").write_text(f"{verdict}\n{said}\n", errors="replace")
