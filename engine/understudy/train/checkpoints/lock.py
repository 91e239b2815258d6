"""One run at a time on one model folder.

The lock is the operating system's, held on an open file: it ends with the process that holds it, however
that ends, so that a crash leaves nothing behind that someone would have to remove. What is written into the
file is only for the message that the second run shows; nothing is decided by it.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from understudy.core.errors import TrainingError
from understudy.core.progress import Reporter, Warned

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = "training.lock"
# Windows keeps others from reading the bytes that are locked: lock one far behind what they want to read.
_LOCKED_BYTE = 1 << 30
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}


@contextmanager
def hold(folder: Path, *, report: Reporter) -> Iterator[None]:
    """Hold the model folder for training; the folder is made where there is none.

    Reading the folder, as an export does, needs no lock. A disk that knows no locks is warned of, and the
    run goes on.

    Raises:
        TrainingError: another run holds it, in this process or any other, or the file cannot be opened.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as exc:
        raise TrainingError(
            f"The model folder cannot be written: {exc.strerror}.", where=path, fix="check the disk's rights"
        ) from exc
    try:
        try:
            _lock(descriptor)
        except OSError as exc:
            if exc.errno in _TAKEN:
                raise TrainingError(
                    f"Another run trains this model{_who(path)}.",
                    where=folder,
                    fix="stop that run or wait for its end, or train into another folder",
                ) from exc
            message = (
                f"This disk knows no file locks ({exc.strerror}): see that one run alone trains {folder}."
            )
            report(Warned(message))
        else:
            _sign(descriptor)
        yield
    finally:
        os.close(descriptor)  # and with it the lock


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        # Not lockf: its locks are a process's, and two runs in one worker would both get it.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sign(descriptor: int) -> None:
    with suppress(OSError):  # the lock is held even on a full disk
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())


def _who(path: Path) -> str:
    with suppress(OSError, ValueError):
        signature = path.read_bytes()[:200].decode()
        if signature.isprintable() and signature:
            return f": {signature}"
    return ""
