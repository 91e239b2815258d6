"""The loss table: every loss of every training, with its weight and when it counts.

Each file in losses/terms/ holds one loss: the function that computes it and its rows, `TERMS`. A file there
is all that a new loss needs. A row cannot lack its function, a file cannot lack its rows, and what is
computed and what is weighted must be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from importlib import import_module
from pkgutil import iter_modules
from typing import Literal

import torch
from torch import Tensor

from understudy.jobs.training import RefineJob, RunFields, TrainJob
from understudy.train import schedule
from understudy.train.losses import terms
from understudy.train.losses.inputs import LossInputs

Training = Literal["model", "refiner", "rehearsal"]
"""What a row belongs to; a rehearsal is what an edit does with its performer's other faces."""

_DEFAULTS: Mapping[Training, type[RunFields]] = {
    "model": TrainJob,
    "refiner": RefineJob,
    "rehearsal": TrainJob,
}


@dataclass(frozen=True)
class LossTerm:
    """One row.

    Attributes:
        name: As the history records it, `loss/NAME`.
        training: Whose loss it is.
        weight: How much it counts beside the others, where its option asks for all of it.
        compute: Gives it as a scalar.
        reason: Why it is there.
        begins: The iteration it counts from.
        ramp_iterations: Over how many iterations its weight rises from there.
        option: The job's percentage of its weight; a row without one always counts.
        begins_option: The job's option that takes the place of `begins`.
        measured: Whether a validation computes it too; not what needs more than predictions.
    """

    name: str
    training: Training
    weight: float
    compute: Callable[[LossInputs], Tensor]
    reason: str
    begins: int = 0
    ramp_iterations: int = 0
    option: str = ""
    begins_option: str = ""
    measured: bool = True

    def at(self, iteration: int, job: RunFields | None = None) -> float:
        """Its weight at an iteration; without a job that of the options' defaults."""
        weight = self.weight * (self._option(self.option, job) / 100 if self.option else 1.0)
        ramp_iterations = self.ramp_iterations
        return weight * schedule.ramp(iteration, begins=self.first(job), ramp_iterations=ramp_iterations)

    def first(self, job: RunFields | None = None) -> int:
        """The iteration it counts from."""
        return int(self._option(self.begins_option, job)) if self.begins_option else self.begins

    def _option(self, name: str, job: RunFields | None) -> float:
        defaults = _DEFAULTS[self.training].model_fields
        return float(defaults[name].default if job is None else getattr(job, name))


def rows(training: Training) -> tuple[LossTerm, ...]:
    """A training's rows, in the order in which they begin to count, the heavier ones first."""
    found = [row for row in _all_rows() if row.training == training]
    return tuple(sorted(found, key=lambda row: (row.first(), -row.weight, row.name)))


def weights_at(training: Training, iteration: int, job: RunFields | None = None) -> dict[str, float]:
    """The weights of the losses that count at an iteration, by name; the others need not be computed."""
    weights = {row.name: row.at(iteration, job) for row in rows(training)}
    return {name: weight for name, weight in weights.items() if weight > 0}


def compute(
    training: Training, inputs: LossInputs, weights: Mapping[str, float], *, measuring: bool = False
) -> dict[str, Tensor]:
    """The losses that `weights` names, as scalars by name.

    Args:
        training: Whose rows.
        inputs: A part of a batch with its predictions.
        weights: As `weights_at` gives them.
        measuring: Leave out what a validation does not compute.
    """
    chosen = [row for row in rows(training) if row.name in weights and (row.measured or not measuring)]
    return {row.name: row.compute(inputs) for row in chosen}


def total(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The weighted sum, which training minimises.

    Raises:
        LookupError: a weighted loss was not computed, or a computed one has no weight.
    """
    if losses.keys() != weights.keys():
        raise LookupError(f"computed are {sorted(losses)}, weighted are {sorted(weights)}")
    return reduce(torch.add, [weights[name] * loss for name, loss in losses.items()])


@cache
def _all_rows() -> tuple[LossTerm, ...]:
    modules = [import_module(f"{terms.__name__}.{found.name}") for found in iter_modules(terms.__path__)]
    return collect({module.__name__: getattr(module, "TERMS", ()) for module in modules})


def collect(declared: Mapping[str, Sequence[LossTerm]]) -> tuple[LossTerm, ...]:
    """All rows of the files that declare them.

    Raises:
        LookupError: a file declares none, or two rows of one training have one name.
    """
    found: dict[tuple[Training, str], LossTerm] = {}
    for file, file_rows in declared.items():
        if not file_rows:
            raise LookupError(f"{file} declares no row of the loss table")
        for row in file_rows:
            if (row.training, row.name) in found:
                raise LookupError(f"{file} declares the loss {row.name!r} of the {row.training} once more")
            found[row.training, row.name] = row
    return tuple(found.values())
