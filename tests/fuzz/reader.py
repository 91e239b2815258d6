"""What a reader of the harness is: how its valid files are made, how one is damaged, and how it is read."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class Undetected(Exception):
    """What carries a digest was taken in although it is not what was written."""


@dataclass(frozen=True)
class Reader:
    """One way into the engine from outside.

    Attributes:
        name: As the command line has it.
        make: Writes valid files into a folder, once.
        damage: Writes one damaged input into a second folder, from the first one's files; all that it chooses
            follows from the generator.
        read: Reads the input. An UnderstudyError or a right result is fine.
        whole: Whether an input is a copy of all valid files with damage in some of them.
    """

    name: str
    make: Callable[[Path], None]
    damage: Callable[[random.Random, Path, Path], None]
    read: Callable[[Path], None]
    whole: bool = False
