"""Where the time of a run goes, how near it comes to what the device can do, and what holds it up.

A profiled run reads the clock when each part of an iteration is done. On a GPU it waits for
the device each time, so that a part's time is its own; that costs what overlapping would have saved, a few
percent. A run that is not profiled calls an empty function instead.

The arithmetic is counted, not estimated: every matrix product and convolution of one iteration, forwards and
backwards, two operations for a multiplication and an addition. The peak is what one large matrix product of
the same precision reaches on the same device with the same threads.

Shares and speeds are those of a long run, however short this one was: a validation counts with its part in
`preview_iterations`, and a checkpoint with its part in `save_minutes`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from understudy.train.state import TrainingState, no_timing

COMPUTED = ("data", "forward", "backward", "optimiser")
EACH = (*COMPUTED, "other")
"""Parts of every iteration; other is what lies between them."""
RARE = ("validation", "preview", "saving")
_TRIAL_SECONDS = 0.5
_PRODUCT_EDGES = (512, 1024, 2048, 4096, 8192)
_MUCH, _SOME, _LITTLE = 0.4, 0.25, 0.15


@contextmanager
def profiled(state: TrainingState, *, wanted: bool) -> Iterator[Profile | None]:
    """A profile of what a training does meanwhile, None where nobody wants one."""
    profile = Profile(state) if wanted else None
    try:
        yield profile
    finally:
        if profile is not None:
            profile.close()


class Profile:
    """The clock of a run; it starts when it is made, and `close` stops it.

    The first iteration of a run builds what later ones use again. It is left out, unless it is the only one.
    """

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._seconds: list[dict[str, float]] = []
        self._current = dict.fromkeys(EACH, 0.0)
        self._rare: dict[str, list[float]] = {part: [] for part in RARE}
        self._counter: FlopCounterMode | None = None
        self._counted: int | None = None
        state.mark_time = self._mark
        self._last = self._now()

    @property
    def operations(self) -> int:
        """Floating-point operations of one iteration's products and convolutions; 0 before the first."""
        return self._counted or 0

    def close(self) -> None:
        """Stop the clock."""
        if self._state.mark_time == self._mark:
            self._mark("other")
            self._state.mark_time = no_timing
        self._stop_counting()

    def report(self) -> dict[str, Any]:
        """What was found, for a result; the peak is measured now."""
        self.close()
        if not self._seconds:
            return {"bottleneck": "No iteration was made, so that nothing is known."}
        timed = self._seconds[1:] or self._seconds
        spent = {part: sum(one[part] for one in timed) / len(timed) for part in EACH}
        iteration = sum(spent.values())
        spent |= {part: self._of_a_long_run(part, iteration) for part in RARE}
        whole = sum(spent.values())
        shares = {part: seconds / whole for part, seconds in spent.items()}
        peak = measure_peak(self._state.device, mixed=self._state.job.mixed_precision)
        rate = self.operations / max(spent["forward"] + spent["backward"], 1e-9)
        return {
            "iterations_a_second": round(1.0 / whole, 3),
            "images_a_second": round(self._state.faces_per_iteration / whole, 2),
            **{f"{part}_ms": round(1000 * spent[part], 2) for part in COMPUTED},
            **{f"{part}_percent": round(100 * share, 1) for part, share in shares.items()},
            "teraflops": round(rate / 1e12, 3),
            "teraflops_at_most": round(peak / 1e12, 3),
            "percent_of_the_peak": round(100 * rate / peak, 1),
            "bottleneck": bottleneck(shares, of_peak=rate / peak),
        }

    def _of_a_long_run(self, part: str, iteration: float) -> float:
        """Seconds of a rare part for each iteration, which itself takes so many."""
        usual = median(self._rare[part]) if self._rare[part] else 0.0
        if part == "saving":
            return usual * iteration / (60 * self._state.job.save_minutes)
        return usual / self._state.job.preview_iterations

    def _mark(self, part: str) -> None:
        """Count the time since the last mark for `part`."""
        now = self._now()
        if part in RARE:
            self._rare[part].append(now - self._last)
        else:
            self._current[part] += now - self._last
        self._last = now
        if part == "data" and self._counted is None:
            self._stop_counting()  # of an attempt that memory did not suffice for
            self._start_counting()
        if part == "optimiser":
            if self._counted is None:
                self._counted = self._stop_counting()
            self._seconds.append(self._current)
            self._current = dict.fromkeys(EACH, 0.0)

    def _now(self) -> float:
        return synchronised(self._state.device)

    def _start_counting(self) -> None:
        self._counter = FlopCounterMode(display=False)
        self._counter.__enter__()

    def _stop_counting(self) -> int:
        counted = 0
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            counted, self._counter = self._counter.get_total_flops(), None
        return counted


def bottleneck(shares: dict[str, float], *, of_peak: float) -> str:
    """What holds training up, in one sentence.

    Args:
        shares: By part, its share of the time.
        of_peak: The arithmetic of forward and backward as a share of what the device can do.
    """
    if shares["validation"] + shares["preview"] > _SOME:
        return "Validations hold training up: a larger --preview-iterations makes them fewer."
    if shares["saving"] > _SOME:
        return "Saving holds training up: a larger --save-minutes or a faster disk helps."
    if shares["data"] > _MUCH:
        return (
            "Making the batches holds training up: moving and grading the faces takes longer than learning."
        )
    if shares["optimiser"] > _MUCH:
        return "The optimiser holds training up: the weights are many for so small a --batch."
    if of_peak < _LITTLE:
        return (
            "Forward and backward hold training up, but not by their arithmetic: moving data and starting "
            "many small steps does, and a larger --batch would cost less than it adds."
        )
    return "Arithmetic holds training up: a smaller --size or --width, or a faster device, is what helps."


def measure_peak(device: torch.device, *, mixed: bool) -> float:
    """Floating-point operations a second of a large matrix product, in the precision that training uses."""
    kind = torch.bfloat16 if mixed and device.type in ("cpu", "cuda") else torch.float32
    best, begun = 0.0, time.perf_counter()
    for edge in _PRODUCT_EDGES:
        left, right = (torch.ones((edge, edge), device=device, dtype=kind) for _ in range(2))
        for _ in range(3):
            before = synchronised(device)
            torch.mm(left, right)
            best = max(best, 2.0 * edge**3 / max(synchronised(device) - before, 1e-9))
        if time.perf_counter() - begun > _TRIAL_SECONDS:
            break
    return best


def synchronised(device: torch.device) -> float:
    """The time in seconds, once the device has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
