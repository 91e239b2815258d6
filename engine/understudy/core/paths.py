r"""File names: which texts are valid, how they are shown, and how libraries open names that are not UTF-8.

On Linux a name is bytes. Python holds bytes that are not UTF-8 as lone surrogates (PEP 383,
`surrogateescape`), and so do our jobs: `os.fsencode` gives the bytes back. In JSON such a byte is an escape
(`\udc80` to `\udcff`), which json reads back as the same text. In messages and in SQLite it is written `\x80`
to `\xff`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.core.names import printable

LONGEST_BYTES = 4096  # PATH_MAX of Linux; what is longer, no call opens
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_name(value: str | os.PathLike[str]) -> str:
    """Check a text that names a file or a pattern of files, and return it unchanged.

    Raises:
        ValueError: it is empty or too long, holds a character that no name can, or names a pipe or a device.
    """
    text = os.fspath(value)
    if not text or text.isspace():
        raise ValueError("the name of a file is empty")
    if "\0" in text:
        raise ValueError("the name of a file holds the character NUL")
    try:
        length = len(os.fsencode(text))
    except UnicodeEncodeError:
        raise ValueError("the name of a file holds half of a character (a lone surrogate)") from None
    if length > LONGEST_BYTES:
        raise ValueError(f"the name of a file is longer than {LONGEST_BYTES} bytes")
    if is_special(Path(text)):
        raise ValueError("this is a pipe, a socket or a device, and no file")
    return text


def check_text(text: str) -> str:
    """A text that is not a file's name: words, names of performers and colour spaces.

    Raises:
        ValueError: it is no Unicode text, or holds the character NUL.
    """
    if "\0" in text:
        raise ValueError("the text holds the character NUL")
    if _SURROGATE.search(text):
        raise ValueError("the text is not UTF-8")
    return text


def is_special(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device: reading one may never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def open_regular(path: Path) -> int:
    """Open a regular file for reading and nothing else, without blocking on a pipe.

    Returns:
        Its descriptor, which the caller closes.

    Raises:
        OSError: it is missing, cannot be read, or is not a regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except ValueError as exc:  # NUL, or a lone surrogate that stands for no byte
        raise OSError(errno.EINVAL, "no file can be called so", as_text(path)) from exc
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file", as_text(path))


def as_text(name: object) -> str:
    r"""A file's name as Unicode text, for people and for SQLite: bytes that are not UTF-8 as `\xe9`."""
    return _SURROGATE.sub(lambda found: printable(found[0]), str(name))


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A path that a UTF-8-only library can open: the file's own, or that of a temporary link to it.

    The link is to the file, which need not exist yet, and keeps its suffix.

    Raises:
        OSError: no link can be made.
    """
    text = str(path)
    if _SURROGATE.search(text) is None:
        yield text
        return
    with tempfile.TemporaryDirectory(prefix="understudy-") as folder:
        link = Path(folder) / f"link{as_text(path.suffix) if path.suffix.isascii() else ''}"
        link.symlink_to(path.absolute())
        yield str(link)
