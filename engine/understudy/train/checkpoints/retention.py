"""Which checkpoints stay: the newest ones, and of older ones ever fewer.

    the newest `keep_checkpoints`      all of them
    up to a day old                    the newest of each hour
    older                              the newest of each day (UTC)
    always                             the newest one that nothing was wrong with, and the best one

Age is counted from now, by the time that a checkpoint says it was saved at. What Understudy did not write is
never removed: a folder with any file in it that a checkpoint has not, or whose state.json says no such time,
stays, so a checkpoint is kept for good by putting a file beside its weights. The best one is that with
the least error on unseen faces, of those since the model last grew or was joined.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from understudy.core.errors import TrainingError
from understudy.train.checkpoints import store

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True)
class Saved:
    """A checkpoint of ours.

    Attributes:
        saved_at: Seconds since 1970.
        sound: Whether all was well then.
        error: On unseen faces, infinite where it was not measured.
        era: The iteration since which errors compare.
    """

    path: Path
    iteration: int
    saved_at: float
    sound: bool
    error: float = math.inf
    era: int = 0


def thin(folder: Path, *, newest: int, now: float | None = None) -> list[Path]:
    """Remove the checkpoints that the rule above does not keep; gives their paths."""
    ours = written_by_us(folder)
    kept = {saved.path for saved in choose(ours, newest=newest, now=time.time() if now is None else now)}
    dropped = [saved.path for saved in ours if saved.path not in kept]
    for path in dropped:
        _remove(path)
    return dropped


def choose(ours: Sequence[Saved], *, newest: int, now: float) -> list[Saved]:
    """The checkpoints to keep of `ours`, oldest first."""
    ordered = sorted(ours, key=lambda saved: saved.iteration)
    kept = {saved.iteration: saved for saved in ordered[-newest:]}
    kept |= {saved.iteration: saved for saved in [saved for saved in ordered if saved.sound][-1:]}
    comparable = [saved for saved in ordered if saved.era == ordered[-1].era]
    best = min(comparable, key=lambda saved: saved.error, default=None)
    if best is not None and best.error < math.inf:
        kept[best.iteration] = best
    slots: dict[tuple[int, int], Saved] = {}
    for saved in ordered:  # a later one takes the slot over
        span = HOUR if now - saved.saved_at < DAY else DAY
        slots[span, int(saved.saved_at // span)] = saved
    kept |= {saved.iteration: saved for saved in slots.values()}
    return [kept[iteration] for iteration in sorted(kept)]


def forget_after(folder: Path, iteration: int) -> None:
    """Remove what a run that went back to `iteration` has left behind it."""
    for saved in written_by_us(folder):
        if saved.iteration > iteration:
            _remove(saved.path)


def written_by_us(folder: Path) -> list[Saved]:
    """The checkpoints that Understudy wrote and nobody added anything to, oldest first."""
    found = []
    for candidate in store.find(folder):
        try:
            state = store.read_state(candidate)
            saved_at = float(state["saved_at"])
            names = {entry.name for entry in candidate.path.iterdir()}
        except (TrainingError, OSError, KeyError, TypeError, ValueError):
            continue
        if names <= store.FILES:
            sound = state.get("sound") is True
            error = store.held_out_error(state)
            era = store.era(state)
            found.append(Saved(candidate.path, candidate.iteration, saved_at, sound, error, era))
    return found


def _remove(path: Path) -> None:
    # Renamed first: a process killed while it deletes leaves no half of a checkpoint under its name.
    with suppress(OSError):  # somebody tidied up meanwhile, or reads it on a system that forbids it
        hidden = path.rename(path.with_name(store.partial_name(path.name)))
        shutil.rmtree(hidden)
