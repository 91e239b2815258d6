"""SMPTE time codes: counting on, and packing them as EXR headers hold them.

Layout of the two words: OpenEXR's `timecode` attribute, after SMPTE ST 12-1 (60-field packing). Rates above
39 frames a second have no room in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_TEXT = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2})")
_HIGHEST_RATE = 39


@dataclass(frozen=True)
class TimeCode:
    """The time code of a video's first frame.

    Attributes:
        frames: Since midnight, counted at `rate`.
        rate: Whole frames a second: 24 for 23.976.
        drop: Whether numbers are dropped to keep step with the clock, as at 29.97.
    """

    frames: int
    rate: int
    drop: bool

    @classmethod
    def parse(cls, text: str, rate: Fraction) -> TimeCode | None:
        """Read `10:11:12:13`, or `10:11:12;13` with dropped numbers; None where it is none."""
        found = _TEXT.fullmatch(text.strip())
        whole = round(rate)
        if found is None or not 1 <= whole <= _HIGHEST_RATE:
            return None
        hours, minutes, seconds, count = (int(found[at]) for at in (1, 2, 3, 5))
        drop = found[4] != ":" and whole == 30
        if hours > 23 or minutes > 59 or seconds > 59 or count >= whole:
            return None
        frames = ((hours * 60 + minutes) * 60 + seconds) * whole + count
        if drop:
            total = hours * 60 + minutes
            frames -= 2 * (total - total // 10)
        return cls(frames, whole, drop)

    def words(self, after: int) -> tuple[int, int]:
        """The header's two words for the frame so many after the first."""
        hours, minutes, seconds, count = self._parts(self.frames + after)
        time = (
            _bcd(count) | int(self.drop) << 6 | _bcd(seconds) << 8 | _bcd(minutes) << 16 | _bcd(hours) << 24
        )
        return time, 0

    def _parts(self, frames: int) -> tuple[int, int, int, int]:
        if self.drop:
            tens, rest = divmod(frames, 17982)  # ten minutes at 29.97
            frames += 18 * tens + (2 * ((rest - 2) // 1798) if rest >= 2 else 0)
        seconds, count = divmod(frames, self.rate)
        minutes, seconds = divmod(seconds, 60)
        return minutes // 60 % 24, minutes % 60, seconds, count


def _bcd(number: int) -> int:
    return number // 10 << 4 | number % 10
