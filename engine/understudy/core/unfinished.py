"""Partial files: their names, and the removal of those that killed runs left.

A partial file or a scratch folder carries its owner in its name: machine, process and the time that process
started. A run removes a partial file of its own outputs when

    it is of this machine   the process has ended
    it is of another        nothing was written to it for `STALE_SECONDS`

so that a live run's partial file stays, on a shared folder too. A machine is its host name, its boot and its
namespace of process ids: two containers with one host name are two machines.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

STALE_SECONDS = 24 * 3600.0
"""A partial file of another machine counts as left over when it is this old; clocks of a farm differ."""

LONGEST_NAME = 255
_OWNER = r"(?P<machine>[0-9a-f]{8})-(?P<process>\d{1,10})-(?P<started>[0-9a-f]{1,16})-[0-9a-f]{8}"
# Releases before this one named no owner; SQLite writes journals beside a partial database.
_PARTIAL = re.compile(
    rf"\.(?P<stem>.+)\.(?:{_OWNER}|[0-9a-f]{{8}})\.partial(?P<suffix>(?:\.[^.]*?)?)"
    r"(?:-journal|-wal|-shm)?"
)
_SCRATCH = "understudy-{kind}-"
# Process start times are not told on every system: this process then has a number of its own.
_RANDOM_START = uuid.uuid4().hex[:8]


def partial_path(path: Path) -> Path:
    """A name beside `path` to write to before it takes its place.

    It keeps the suffix, because image libraries choose a format by it, and as much of the stem as a file
    name has room for.
    """
    ending = f".{_owner()}.partial{path.suffix}"
    stem = path.stem
    while stem and len(os.fsencode(f".{stem}{ending}")) > LONGEST_NAME:
        stem = stem[:-1]
    return path.with_name(f".{stem}{ending}")


def tidy(folder: Path, names: list[str], *, is_output: Callable[[str, str], bool]) -> list[Path]:
    """Remove the partial files in a folder that no live process owns.

    Args:
        folder: It is not listed again.
        names: Names in it.
        is_output: Whether a partial file's stem and suffix are of an output of this run.

    Returns:
        What was removed.
    """
    removed = []
    for name in names:
        found = _PARTIAL.fullmatch(name)
        if found is None or not is_output(found["stem"], found["suffix"]):
            continue
        path = folder / name
        with suppress(OSError):  # another run tidied up meanwhile, or the folder forbids it
            if not path.is_symlink() and path.is_file() and _is_left_over(found, path):
                path.unlink()
                removed.append(path)
    return removed


def tidy_folder(folder: Path) -> list[Path]:
    """Remove every partial file of a folder of ours that no live process owns; a missing folder has none."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return tidy(folder, names, is_output=lambda stem, suffix: True)


@contextmanager
def scratch_folder(kind: str) -> Iterator[Path]:
    """A temporary folder, removed at the end; those that killed runs of this user left are removed too.

    Args:
        kind: What it is for, one word.

    Raises:
        OSError: the machine's temporary folder cannot be written.
    """
    beginning = _SCRATCH.format(kind=kind)
    _tidy_scratch(Path(tempfile.gettempdir()), beginning)
    with tempfile.TemporaryDirectory(prefix=f"{beginning}{_owner()}-") as folder:
        yield Path(folder)


def _tidy_scratch(folder: Path, beginning: str) -> None:
    owned = re.compile(rf"{re.escape(beginning)}{_OWNER}-\w+")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = owned.fullmatch(entry.name)
            if found is None or entry.is_symlink() or not entry.is_dir():
                continue
            if _is_mine(entry.stat(follow_symlinks=False)) and _is_left_over(found, Path(entry.path)):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_mine(facts: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or facts.st_uid == os.getuid()


def _is_left_over(found: re.Match[str], path: Path) -> bool:
    if found["machine"] == _machine() and sys.platform != "win32":
        return not _lives(int(found["process"]), found["started"])
    return time.time() - path.stat().st_mtime > STALE_SECONDS


def _owner() -> str:
    process = os.getpid()
    return f"{_machine()}-{process}-{_started(process) or _RANDOM_START}-{uuid.uuid4().hex[:8]}"


def _lives(process: int, started: str) -> bool:
    """Whether that process still runs; a process number that another one has taken since does not count."""
    if process == os.getpid():
        return started == (_started(process) or _RANDOM_START)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # it is another user's
    now = _started(process)
    return not now or now == started


def _started(process: int) -> str:
    """When a process started, in ticks since the machine's boot; empty where the system does not say.

    Source:
        proc(5): field 22 of /proc/PID/stat; the second field, a name in brackets, may hold spaces.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return f"{int(text.rpartition(')')[2].split()[19]):x}"
    except (OSError, ValueError, IndexError):
        return ""


@cache
def _machine() -> str:
    """Eight hexadecimal digits for this machine and this boot."""
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    except OSError:
        parts.append(str(uuid.getnode()))
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
