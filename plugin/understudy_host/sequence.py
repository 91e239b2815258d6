"""Files of an image sequence, by frame number; names as the engine and the hosts write them."""

from __future__ import annotations

import os
import re

_TOKEN = re.compile(r"%0?\d{0,2}d|#+|@+")
_NUMBERED = re.compile(r"\.(-?\d{1,9})\.[^.]+$")


def files(pattern: str) -> dict[int, str]:
    """The files that are there, by ascending frame number; a folder that is not there has none.

    Args:
        pattern: Such as fix.%04d.exr or fix.####.exr. One image is frame 1, or the number in a name such as
            fix.1017.exr.
    """
    folder, name = os.path.dirname(pattern), _base(pattern)
    token = _TOKEN.search(name)
    if token is None:
        numbered = _NUMBERED.search(name)
        return {int(numbered[1]) if numbered else 1: pattern} if os.path.isfile(pattern) else {}
    before, after = re.escape(name[: token.start()]), re.escape(name[token.end() :])
    wanted = re.compile(f"{before}(-?\\d{{1,9}}){after}")
    try:
        names = os.listdir(folder or ".")
    except FileNotFoundError:
        return {}
    matches = [match for match in map(wanted.fullmatch, names) if match is not None]
    found = {int(match[1]): os.path.join(folder, match[0]) for match in matches}
    return dict(sorted(found.items()))


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
