"""Stills without frame numbers: the pictures of a folder or a wildcard, in natural order."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from understudy.core.errors import PlateError
from understudy.image.exr import SUFFIXES
from understudy.image.sequence import MAX_FRAMES

UNREAD = frozenset(
    {".heic", ".heif", ".avif", ".webp", ".jxl", ".bmp", ".tga", ".psd", ".gif"}
    | {".cr2", ".cr3", ".nef", ".arw", ".raf", ".dng", ".rw2", ".orf"}
)
"""Pictures that people put beside those that are read."""
_RENDERED = frozenset({".exr", ".dpx"})
_SIGNS = "*?["
_DIGITS = re.compile(r"(\d+)")


def is_wildcard(text: str) -> bool:
    """Whether a path's last part holds a wildcard."""
    return any(sign in Path(text).name for sign in _SIGNS)


def find_stills(text: str) -> tuple[list[Path], list[Path]]:
    """The pictures of a folder or a wildcard, in natural order, and those beside them that are not read.

    Args:
        text: A folder, or a path whose last part is a wildcard: `photos/*.jpg`.

    Raises:
        PlateError: the folder cannot be read, holds no picture, or holds a numbered sequence of frames.
    """
    path = Path(text)
    folder, wildcard = (path, "*") if path.is_dir() else (path.parent, path.name)
    try:
        files = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_file()]
    except OSError as exc:
        raise PlateError(
            f"The folder cannot be read: {exc.strerror}.", where=folder, fix="check the path"
        ) from exc
    named = [entry for entry in files if fnmatch.fnmatch(entry.name.lower(), wildcard.lower())]
    stills = sorted((one for one in named if one.suffix.lower() in SUFFIXES), key=natural)
    unread = sorted((one for one in named if one.suffix.lower() in UNREAD), key=natural)
    if path.is_dir():
        _refuse_sequences(folder, stills)
    if not stills:
        kinds = f"; {unread[0].name} is of a kind that is not read" if unread else ""
        raise PlateError(
            f"No picture is there that can be read{kinds}.",
            where=text,
            fix="write them as .jpg, .png, .tif or .exr",
        )
    if len(stills) > MAX_FRAMES:
        raise PlateError(f"There are more than {MAX_FRAMES:,} pictures.", where=text, fix="name fewer")
    return stills, unread


def natural(path: Path) -> list[tuple[int, int, str]]:
    """The key of natural order: `photo2` before `photo10`, without regard to case."""
    parts = _DIGITS.split(path.name.lower())
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts] + [(2, 0, path.name)]


def _refuse_sequences(folder: Path, stills: list[Path]) -> None:
    """Frames of a shot keep their numbers: they are opened by a pattern."""
    for still in stills:
        numbered = re.search(r"(\d+)$", still.stem)
        dotted = re.search(r"\.\d+$", still.stem)
        if numbered is not None and (still.suffix.lower() in _RENDERED or dotted):
            start = still.stem[: numbered.start()]
            pattern = folder / f"{start}%0{len(numbered[0])}d{still.suffix}"
            raise PlateError(
                "The plate is a folder with frames of a sequence, whose numbers count.",
                where=folder,
                fix=f"name {pattern}",
            )
