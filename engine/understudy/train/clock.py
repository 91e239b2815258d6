"""When a run is over, how far it is, and when to report, validate and save."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from understudy.train.divergence import CHECK_ITERATIONS

SECONDS_BETWEEN_REPORTS = 1.0


class Limits(Protocol):
    """What a job says of its end; 0 leaves it to the other."""

    @property
    def iterations(self) -> int:
        """Iteration to stop at."""

    @property
    def minutes(self) -> float:
        """Time to train for."""


@dataclass
class Clock:
    """When things were done last, in seconds of the monotonic clock, and where the run began."""

    first: int
    begun: float = field(default_factory=time.monotonic)
    saved: float = field(default_factory=time.monotonic)
    counted: float = field(default_factory=time.monotonic)
    reported: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    def lap(self) -> float:
        """Seconds since the last call."""
        before, self.counted = self.counted, time.monotonic()
        return self.counted - before

    def over(self, limits: Limits, iteration: int) -> bool:
        """Whether the iterations are made or the minutes gone."""
        far = bool(limits.iterations) and iteration >= limits.iterations
        return far or (bool(limits.minutes) and self.elapsed >= limits.minutes * 60)

    def progress(self, limits: Limits, iteration: int) -> tuple[int, int]:
        """How much is done of how much: iterations, else seconds; of 0 where neither ends the run."""
        if limits.iterations or not limits.minutes:
            return iteration, limits.iterations
        elapsed = round(self.elapsed)
        return elapsed, max(elapsed, round(limits.minutes * 60))

    def may_report(self, iteration: int) -> bool:
        """Whether to report progress: at the checks, and every second where an iteration takes long."""
        now = time.monotonic()
        if iteration % CHECK_ITERATIONS and now - self.reported < SECONDS_BETWEEN_REPORTS:
            return False
        self.reported = now
        return True

    def may_save(self, minutes: float) -> bool:
        """Whether the last save is so long ago."""
        return time.monotonic() - self.saved > minutes * 60

    def progress_note(self, iteration: int, loss: float) -> str:
        """Loss, speed and iteration, as progress shows them."""
        return f"loss {loss:.4f}, {self.speed(iteration):.2f} it/s, iteration {iteration}"

    def speed(self, iteration: int) -> float:
        """Iterations a second in this run."""
        return (iteration - self.first) / max(self.elapsed, 1e-9)
