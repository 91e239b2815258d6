"""Finds how many faces an iteration should have: the fewest that still keep the device busy.

Fewer faces make more steps in an hour; but a device that waits for its own small steps to begin learns from
fewer faces than it could. Trying changes nothing: the run begins as it would have.
"""

from __future__ import annotations

from collections.abc import Mapping

from understudy.core.errors import TrainingError
from understudy.core.progress import Progress
from understudy.train.hardware import memory
from understudy.train.hardware.profile import synchronised
from understudy.train.step import try_step
from understudy.train.tasks.protocol import Task

LARGEST_BATCH = 256
# A batch is large enough once it reaches this share of the best rate that was seen.
_ENOUGH = 0.85
# Doubling it has to bring so much, or larger ones are not tried.
_WORTH = 1.08
# Nor are they where an iteration takes so long already.
_MOST_SECONDS = 1.5
_TIMED = 2


def find(task: Task) -> int:
    """Set the batch to what the device is fastest with, and give it.

    Raises:
        TrainingError: not even one face of each identity fits into memory.
    """
    state, rates = task.state, dict[int, float]()
    batch = 1
    while batch <= LARGEST_BATCH:
        state.report(Progress("try batches", len(rates), 0, f"{batch} faces of each performer"))
        seconds = _seconds(task, batch)
        if seconds is None:
            break
        rates[batch] = batch / seconds
        if seconds > _MOST_SECONDS or rates[batch] < _WORTH * rates.get(batch // 2, 0.0):
            break
        batch *= 2
    if not rates:
        raise TrainingError(
            f"Not even one face of each identity fits into the memory of {state.device.type}.",
            where=task.folder,
            fix="train with a smaller size or width, or on a device with more memory",
        )
    state.first_batch = choose(rates)
    return state.first_batch


def choose(rates: Mapping[int, float]) -> int:
    """The smallest batch that is nearly as fast as the fastest, by faces a second."""
    best = max(rates.values())
    return min(batch for batch, rate in rates.items() if rate >= _ENOUGH * best)


def _seconds(task: Task, batch: int) -> float | None:
    """How long an iteration of so many faces takes, None where memory does not suffice."""
    state = task.state
    state.first_batch = batch
    try:
        try_step(task)
        begun = synchronised(state.device)
        for _ in range(_TIMED):
            try_step(task)
        return (synchronised(state.device) - begun) / _TIMED
    except (MemoryError, RuntimeError) as exc:
        if not memory.is_shortage(exc):
            raise
    memory.release(state.device)
    return None
