"""Which checkpoint of a folder: the newest that is whole, to train on, or the best, to use."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from understudy.core.errors import TrainingError
from understudy.core.progress import Reporter, Warned
from understudy.train.checkpoints import store
from understudy.train.checkpoints.store import Checkpoint
from understudy.train.validation.early_stopping import OVERFIT_SHARE

Loaded = TypeVar("Loaded")


def newest(folder: Path, load: Callable[[Checkpoint], Loaded], *, report: Reporter) -> Loaded | None:
    """What `load` makes of the newest checkpoint that it can read; None where there is none at all.

    Raises:
        TrainingError: the newest that is whole is from a later version, or there are some and none can be
            read.
    """
    found = store.find(folder)
    for candidate in reversed(found):
        try:
            return load(candidate)
        except TrainingError as exc:
            if store.is_later(candidate):
                raise
            report(Warned(f"{exc.what} ({candidate.path}) The checkpoint before it is tried."))
    if found:  # beginning anew without a word would end in overwriting what may still be saved
        raise TrainingError(
            f"None of the model's {len(found)} checkpoints can be read.",
            where=folder,
            fix="restore them from a backup, or move them away to begin anew",
        )
    return None


def best(folder: Path, load: Callable[[Checkpoint, dict[str, Any]], Loaded]) -> Loaded:
    """What `load` makes of the checkpoint to use, given with its state.

    The folder may be in training: a checkpoint that is thinned out while it is read gives way to another.

    Raises:
        TrainingError: it is damaged; or `load` says so.
        IndexError: there is none.
    """
    saved = store.find(folder)
    while True:
        chosen = choose(saved)
        try:
            return load(chosen, store.read_state(chosen))
        except TrainingError:
            before, saved = saved, store.find(folder)
            if not saved or saved == before:
                raise


def choose(saved: Sequence[Checkpoint]) -> Checkpoint:
    """The checkpoint to use of those there are, oldest first.

    That is the newest, unless an older one predicted unseen faces better by more than validations scatter:
    then the best one, because training has overfitted since.
    """
    newest, errors, eras = saved[-1], {}, {}
    for found in saved:
        try:
            state = store.read_state(found)
        except TrainingError:  # thinned out meanwhile, or damaged: loading says so if it is the newest
            continue
        if found == newest or state.get("sound") is True:
            eras[found] = store.era(state)
            errors[found] = store.held_out_error(state)
    comparable = [found for found in errors if eras[found] == eras.get(newest)]
    least = min(comparable, key=lambda found: errors[found], default=newest)
    measured = errors.get(newest, math.inf)
    worse = measured < math.inf and measured > errors[least] * (1.0 + OVERFIT_SHARE)
    return least if worse else newest
