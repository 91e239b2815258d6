"""What a host knows of a job's input files without reading them: their sizes and times.

A host asks at every move of a knob, and a plate may have thousands of frames on a slow server. So what was
found is kept for a while that follows from what it cost: at most one part in SHARE of the time goes into it.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from understudy_host import sequence

SHARE = 20
Facts = list[list[int]]


class _Known(NamedTuple):
    facts: Facts
    until: float


_known: dict[tuple[str, str], _Known] = {}


def of(path: str, kind: str) -> Facts:
    """Of each file that is there: its frame number, size in bytes and time of change in nanoseconds.

    Args:
        path: A file, or a sequence's pattern.
        kind: As the schema says of a path: `file`, `sequence` or `folder`.
    """
    begun = time.monotonic()
    known = _known.get((path, kind))
    if known is not None and begun < known.until:
        return known.facts
    facts = _look(path, kind)
    ended = time.monotonic()
    _known[path, kind] = _Known(facts, ended + SHARE * (ended - begun))
    return facts


def _look(path: str, kind: str) -> Facts:
    named = sequence.files(path) if kind == "sequence" else {0: path}
    found = []
    for number, name in named.items():
        try:
            told = os.stat(name)
        except (OSError, ValueError):  # gone since, or no name that a file can have
            continue
        found.append([number, told.st_size, told.st_mtime_ns])
    return found
