"""Every error that Understudy raises on purpose.

    UnderstudyError            exit code 1
    ├── JobError               2   a job, an option or a knob value is wrong
    ├── PlateError             3   an image, a video or a sequence cannot be read or written
    ├── ColourError            4   a colour space or a colour conversion
    ├── FaceError              5   detection, landmarks, face sets and tracks
    ├── ModelError             6   a model file, its card, or inference
    ├── TrainingError          7   training could not start or go on
    ├── ReleaseError           8   the performer's permission is missing or does not cover the use
    └── HostError              9   the worker and the program that hosts it

Each holds what happened, where, and what to do; `str()` gives those three lines, the same in a terminal, in
a compositor and on a farm log.
"""

from __future__ import annotations


class UnderstudyError(Exception):
    """An error a user can act on.

    Args:
        what: One sentence: what is wrong.
        where: The file, frame or field it concerns.
        fix: What the user can do, as an imperative without a full stop.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: object = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = str(where)
        self.fix = fix

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}: {self.what}"]
        if self.where:
            lines.append(f"  at: {self.where}")
        if self.fix:
            lines.append(f"  try: {self.fix}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, str | int]:
        """The error as plain values, for a JSON line."""
        return {
            "type": type(self).__name__,
            "what": self.what,
            "where": self.where,
            "fix": self.fix,
            "exit_code": self.exit_code,
        }


class JobError(UnderstudyError):
    """A job, an option or a knob value is wrong."""

    exit_code = 2


class PlateError(UnderstudyError):
    """An image, a video or a sequence cannot be read or written."""

    exit_code = 3


class ColourError(UnderstudyError):
    """A colour space is unknown, or a conversion failed."""

    exit_code = 4


class FaceError(UnderstudyError):
    """Detection, landmarks, a face set or a track is at fault."""

    exit_code = 5


class ModelError(UnderstudyError):
    """A model file, its card, or inference with it is at fault."""

    exit_code = 6


class TrainingError(UnderstudyError):
    """Training could not start or go on."""

    exit_code = 7


class ReleaseError(UnderstudyError):
    """The performer's permission is missing or does not cover the use."""

    exit_code = 8


class HostError(UnderstudyError):
    """The worker, or the program that hosts it, is at fault."""

    exit_code = 9
