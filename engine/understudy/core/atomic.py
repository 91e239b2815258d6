"""Atomic writes: after a crash a path holds the old file or the new one, never a part."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.core import unfinished


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; on success it becomes `path`, else it is removed.

    The temporary name keeps the suffix, because image libraries choose a format by it. The data reaches the
    disk before the rename, so that a machine that loses power keeps one of the two files whole. What a
    killed run leaves is named so that the next one can remove it (unfinished.py).

    Raises:
        OSError: the disk is full, the folder cannot be written, or what is there is neither a regular file
            nor a link; `path` is as it was.
    """
    path = Path(path)
    _refuse_special(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = unfinished.partial_path(path)
    try:
        yield partial
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file at once, atomically."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 text file at once, atomically."""
    write_bytes(path, text.encode())


def _refuse_special(path: Path) -> None:
    """A rename would replace a device node or a FIFO without a word."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise FileExistsError(
            errno.EEXIST, "It is not a regular file; only regular files are replaced", str(path)
        )
