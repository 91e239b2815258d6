"""Face names, which files, options and layers share; and text from outside made safe for a terminal."""

from __future__ import annotations

import re

DEFAULT_FACE = "face"
"""What a shot's face is called where nobody named it, and in files that knew one face only."""
FACE_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,31}$"
"""A face's name: it begins the names of layers, in which hosts allow letters, digits and underscores."""


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, *, lines: bool = True) -> str:
    r"""Text made safe for a terminal or a log: control characters become escapes, such as `\x1b`.

    Names of files, headers, cards and libraries' errors come from anywhere. An escape sequence in one would
    colour, hide or forge lines, and a direction mark (U+202E) would reverse a file's name.

    Args:
        text: Any text; lone surrogates, which stand for bytes that are not UTF-8, become `\xe9`.
        lines: Whether it may have several lines; otherwise a line's end is escaped too.
    """
    shown = _CONTROL.sub(_escape, text)
    return shown if lines else shown.replace("\n", r"\n").replace("\t", " ")


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name, see core/paths.py
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def is_face_name(name: str) -> bool:
    """Whether a text can be a face's name."""
    return re.fullmatch(FACE_NAME, name) is not None
