"""Runs a Python program that the kernel ends at its first socket: what a test of `no network` is made with.

Source:
    seccomp(2) and linux/seccomp.h, linux/filter.h: a classic BPF program over `struct seccomp_data`.
"""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

# Number of socket(2), and the audit name of the machine that the numbers are of.
_MACHINES = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}
ENDED_BY_A_SOCKET = -signal.SIGSYS if hasattr(signal, "SIGSYS") else 0

# AF_UNIX (1) is let through: it reaches this machine alone.
_GUARD = """
import ctypes, struct, sys
number, machine = {number}, {machine}
rows = [
    (0x20, 0, 0, 4), (0x15, 0, 5, machine),      # load arch; another one: allow
    (0x20, 0, 0, 0), (0x15, 0, 3, number),       # load the call; not socket(2): allow
    (0x20, 0, 0, 16), (0x15, 1, 0, 1),           # load its first argument; AF_UNIX: allow
    (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7FFF0000),  # end the process; allow
]
code = b"".join(struct.pack("HBBI", *row) for row in rows)
memory = ctypes.create_string_buffer(code, len(code))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(len(rows), ctypes.addressof(memory))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
    print("the kernel takes no filter")
    sys.exit(77)
sys.argv = ["understudy"]
"""


def start(code: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start Python code that may open no socket beyond this machine; its streams are pipes."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        pytest.skip("the kernel's filter of sockets is written for Linux on x86_64 and aarch64")
    number, machine = _MACHINES[platform.machine()]
    guard = _GUARD.replace("{number}", str(number)).replace("{machine}", str(machine))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", guard + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
    )


def run(code: str, environment: Mapping[str, str], timeout: float = 120) -> Any:
    """Run such code to its end: its exit code, stdout and stderr; skips where the kernel takes no filter."""
    child = start(code, environment)
    out, err = child.communicate(timeout=timeout)
    if child.returncode == 77:
        pytest.skip("the kernel takes no filter of sockets here")
    return child.returncode, out.decode(errors="replace"), err.decode(errors="replace")


def command(arguments: Sequence[str]) -> str:
    """Code that runs a command of the engine."""
    return f"from understudy.app.cli import main\nraise SystemExit(main({list(arguments)!r}))"
