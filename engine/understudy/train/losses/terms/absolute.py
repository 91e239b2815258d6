"""L1 of the pixels."""

from __future__ import annotations

from torch import Tensor

from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.table import LossTerm


def weighted_l1(predicted: Tensor, truth: Tensor, weight: Tensor, *, whole: Tensor | None = None) -> Tensor:
    """Mean absolute difference of (N, 3, H, W) faces; `weight` (N, 1, H, W) says how much a pixel counts."""
    everything = weight if whole is None else whole
    return ((predicted - truth).abs() * weight).sum() / (3.0 * everything.sum() + 1e-6)


def compute(inputs: LossInputs) -> Tensor:
    """The loss of a part of a batch."""
    return weighted_l1(inputs.faces, inputs.truth, inputs.weight, whole=inputs.whole)


_REASON = "L1 sets colour and light."
TERMS = (
    LossTerm("absolute", "model", 1.0, compute, _REASON),
    LossTerm("absolute", "refiner", 1.0, compute, _REASON),
)
