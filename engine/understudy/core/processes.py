"""Child processes of the engine: Python by its full path, which imports nothing from the current folder.

A file `numba.py` or a folder `pip` beside a shot could run code that is not ours. `-P` keeps the current
folder off `sys.path` (Python 3.11: https://docs.python.org/3/using/cmdline.html#cmdoption-P), and empty or
relative entries of PYTHONPATH, which mean the same folder, are left out. Absolute ones stay: studios install
packages that way.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from understudy.core.errors import UnderstudyError


def run_python(arguments: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run this interpreter with arguments, without a terminal, and wait for it.

    Args:
        arguments: What follows the interpreter, such as `-m pip` or `-c CODE`.
        timeout: Seconds after which it is killed.

    Returns:
        Its exit code and what it printed; bytes that are not UTF-8 are replaced by marks.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took longer.
        UnderstudyError: this process runs inside a program that does not give the path of its Python.
    """
    return subprocess.run(
        [_interpreter(), "-P", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment(),
        timeout=timeout,
        check=False,
    )


def environment(values: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: this process's, with only absolute paths in PYTHONPATH."""
    found = dict(os.environ if values is None else values)
    entries = found.pop("PYTHONPATH", "").split(os.pathsep)
    if kept := [entry for entry in entries if os.path.isabs(entry)]:
        found["PYTHONPATH"] = os.pathsep.join(kept)
    found["PYTHONSAFEPATH"] = "1"  # for the child's own children
    return found


def loose_entries() -> list[str]:
    """The entries of PYTHONPATH that mean the current folder or something in it."""
    named = os.environ.get("PYTHONPATH", "")
    return [entry for entry in named.split(os.pathsep) if not os.path.isabs(entry)] if named else []


def _interpreter() -> str:
    if not os.path.isabs(sys.executable or ""):
        raise UnderstudyError(
            "The path of the Python interpreter is not known, so no child process can be started.",
            where=sys.executable or "sys.executable",
            fix="start `understudy` from its virtual environment",
        )
    return sys.executable
