"""Frame ranges and file name patterns.

Convention:
    Frames are numbers, never indices; ranges are inclusive. `1001-1100x2` is every second frame, commas
    join parts, and numbers may be negative: `-5--1`.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from understudy.core.errors import JobError, PlateError

MAX_FRAMES = 1_000_000
"""More frames than this in one range is taken for a slip of the hand."""

_PART = re.compile(r"(-?\d{1,9})(?:-(-?\d{1,9})(?:[x:](\d{1,9}))?)?")
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
_TOKENS = (re.compile(r"%(0?)(\d{0,2})d"), re.compile(r"#+"), re.compile(r"@+"))
_GOOD_RANGE = "write it like 1001-1100, 1001-1100x2 or 1001,1005"


@dataclass(frozen=True)
class FrameRange:
    """Frame numbers, ascending, each once; never empty.

    Raises:
        JobError: there is no number, or more than `MAX_FRAMES`.
    """

    numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(sorted(set(self.numbers))))
        if not self.numbers:
            raise JobError("The frame range is empty.", fix=_GOOD_RANGE)
        if len(self.numbers) > MAX_FRAMES:
            raise JobError(f"The frame range holds more than {MAX_FRAMES:,} frames.", fix="check its numbers")

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """Read a range such as `1001-1100x2,1200`.

        Raises:
            JobError: it is empty, reversed, too long or not a range.
        """
        numbers: set[int] = set()
        for part in text.split(","):
            numbers.update(_parse_part(part.strip(), text))
            if len(numbers) > MAX_FRAMES:
                break
        return cls(tuple(numbers))

    @classmethod
    def between(cls, first: int, last: int) -> FrameRange:
        """Every frame from `first` to `last`, both included."""
        return cls(tuple(range(first, last + 1)))

    @property
    def first(self) -> int:
        """The lowest frame number."""
        return self.numbers[0]

    @property
    def last(self) -> int:
        """The highest frame number."""
        return self.numbers[-1]

    def runs(self) -> tuple[FrameRange, ...]:
        """The range cut into runs without a gap."""
        cuts = [0]
        cuts += [i for i in range(1, len(self)) if self.numbers[i] != self.numbers[i - 1] + 1]
        ends = [*cuts[1:], len(self)]
        return tuple(FrameRange(self.numbers[a:b]) for a, b in zip(cuts, ends, strict=True))

    def run_nearest(self, frame: int) -> FrameRange:
        """The run without a gap that lies nearest to `frame`; the earlier one of two."""
        return min(self.runs(), key=lambda run: max(run.first - frame, frame - run.last))

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, frame: object) -> bool:
        if not isinstance(frame, int):
            return False
        at = bisect.bisect_left(self.numbers, frame)
        return at < len(self.numbers) and self.numbers[at] == frame

    def __str__(self) -> str:
        parts: list[str] = []
        start = 0
        while start < len(self.numbers):
            end = _stride_end(self.numbers, start)
            parts.append(_format_stride(self.numbers[start : end + 1]))
            start = end + 1
        return ",".join(parts)


def _parse_part(part: str, whole: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise JobError(f"{part!r} is not a frame range.", where=f"frames = {whole[:200]!r}", fix=_GOOD_RANGE)
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    step = 1 if match[3] is None else int(match[3])
    if last < first:
        raise JobError(
            f"The frame range {part} runs backwards.",
            where=f"frames = {whole[:200]!r}",
            fix=f"write {last}-{first}",
        )
    if step < 1 or (last - first) // step >= MAX_FRAMES:
        raise JobError(
            f"The frame range {part} has no step or more than {MAX_FRAMES:,} frames.",
            where=f"frames = {whole[:200]!r}",
            fix="check its numbers",
        )
    return range(first, last + 1, step)


def _stride_end(numbers: tuple[int, ...], start: int) -> int:
    """Index of the last number that goes on from `start` in equal steps worth writing as a range."""
    if start + 1 >= len(numbers):
        return start
    step = numbers[start + 1] - numbers[start]
    end = start + 1
    while end + 1 < len(numbers) and numbers[end + 1] - numbers[end] == step:
        end += 1
    return end if step == 1 or end - start >= 2 else start


def _format_stride(numbers: tuple[int, ...]) -> str:
    if len(numbers) == 1:
        return str(numbers[0])
    step = numbers[1] - numbers[0]
    return f"{numbers[0]}-{numbers[-1]}" + ("" if step == 1 else f"x{step}")


@dataclass(frozen=True)
class Pattern:
    """File names of a sequence: a folder, what stands before and after the number, and its padding."""

    folder: Path
    prefix: str
    padding: int
    suffix: str

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read `plate.%04d.exr`, `plate.####.exr` or `plate.@@@@.exr`; the number stands in the file name.

        Raises:
            PlateError: there is no place for the number, or there are several.
        """
        path = Path(text)
        fix = "write the frame number as %04d or ####, such as plate.%04d.exr"
        for token in _TOKENS:
            found = list(token.finditer(path.name))
            if len(found) > 1:
                raise PlateError("The pattern has more than one place for the number.", where=text, fix=fix)
            if found:
                start, end = found[0].span()
                return cls(path.parent, path.name[:start], _padding(found[0]), path.name[end:])
        raise PlateError("The pattern has no place for the frame number.", where=text, fix=fix)

    @staticmethod
    def is_pattern(text: str) -> bool:
        """Whether the file name holds a place for the frame number."""
        return any(token.search(Path(text).name) for token in _TOKENS)

    def path(self, frame: int) -> Path:
        """The file of one frame."""
        return self.folder / f"{self.prefix}{frame:0{self.padding}d}{self.suffix}"

    def frame_of(self, name: str) -> int | None:
        """The frame of a file name; None where the name is not of the sequence."""
        if not (name.startswith(self.prefix) and name.endswith(self.suffix)):
            return None
        digits = name[len(self.prefix) : len(name) - len(self.suffix)]
        if _NUMBER.fullmatch(digits) is None or self.path(int(digits)).name != name:
            return None
        return int(digits)

    def is_member(self, name: str) -> bool:
        """Whether a file name is of the sequence, whatever its frame."""
        return self.frame_of(name) is not None

    def find(self) -> FrameRange:
        """The frames that are on disk.

        Raises:
            PlateError: the folder cannot be read, or holds no frame of the sequence.
        """
        try:
            names = [entry.name for entry in self.folder.iterdir()]
        except OSError as exc:
            raise PlateError(
                f"The folder of the sequence cannot be read: {exc.strerror}.",
                where=self.folder,
                fix="check the path and its permissions",
            ) from exc
        frames = [number for name in names if (number := self.frame_of(name)) is not None]
        if not frames:
            raise PlateError(
                "The sequence has no frame on disk.",
                where=str(self),
                fix="check the folder, the name and the number of digits",
            )
        return FrameRange(tuple(frames))

    def __str__(self) -> str:
        return str(self.folder / f"{self.prefix}%0{self.padding}d{self.suffix}")


def _padding(match: re.Match[str]) -> int:
    if match.re is not _TOKENS[0]:
        return len(match[0])
    return int(match[2] or 1) if match[1] or not match[2] else 1
