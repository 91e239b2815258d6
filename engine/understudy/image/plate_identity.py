"""The identity of a plate: by the place and content of its frames, not by the path that was typed.

`s1/p.%04d.exr`, `./s1/p.####.exr`, a link to the folder and a copy on another mount are one plate. Two
folders with the same file names are two, as long as their frames differ.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.core import documents
from understudy.core.content import ContentHashes
from understudy.image.plate import Plate
from understudy.image.sequence import Pattern

_LARGEST_TEXT = 20_000


@dataclass(frozen=True)
class PlateIdentity:
    """A plate's identity, by place and content.

    Attributes:
        place: Absolute, with links followed, the number as %04d; empty where it is not known.
        samples: SHA-256 of the files of some frames, by their numbers.
    """

    place: str
    samples: Mapping[int, str] = field(default_factory=dict)

    def as_text(self) -> str:
        """As JSON."""
        return json.dumps({"place": self.place, "samples": {str(n): s for n, s in self.samples.items()}})

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return Path(self.place).name


def parse(text: str) -> PlateIdentity | None:
    """What `as_text` wrote; None where the text is something else."""
    try:
        told: Any = documents.parse(text, largest_bytes=_LARGEST_TEXT)
        samples = {int(number): str(digest) for number, digest in told["samples"].items()}
        return PlateIdentity(str(told["place"]), samples)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def identity(plate: Plate, frames: Sequence[int], contents: ContentHashes) -> PlateIdentity:
    """An opened plate's identity, with samples of the first, the middle and the last of some frames.

    Args:
        plate: Opened.
        frames: Frames to sample: those with a face, so that a slate does not count.
        contents: Digests of files.
    """
    there = [number for number in sorted(set(frames)) if number in plate.frames]
    chosen = sorted({there[0], there[len(there) // 2], there[-1]}) if there else []
    found = {number: contents.of(plate.file(number)) for number in chosen}
    return PlateIdentity(place_of(plate.name), {number: digest for number, digest in found.items() if digest})


def place_of(text: str) -> str:
    """Where a plate of that name lies, seen from the current folder."""
    if Pattern.is_pattern(text) and not Path(text).exists():
        pattern = Pattern.parse(text)
        name = f"{pattern.prefix}%0{pattern.padding}d{pattern.suffix}"
        return str(Path(os.path.realpath(pattern.folder)) / name)
    return os.path.realpath(text)


def holds(plate: Plate, known: PlateIdentity, contents: ContentHashes) -> bool | None:
    """Whether a plate's frames hold what those of a known one do; None where they share no sampled frame."""
    shared = [number for number in known.samples if number in plate.frames]
    if not shared:
        return None
    return all(contents.of(plate.file(number)) == known.samples[number] for number in shared)


def same(plate: Plate, known: PlateIdentity, contents: ContentHashes) -> bool | None:
    """Whether a plate is a known one, by place or by content; None where that cannot be decided."""
    if known.place and known.place == place_of(plate.name):
        return True
    return holds(plate, known, contents)
