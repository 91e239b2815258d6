"""Rehearsal: on the faces that nobody edited, an edit must act as its performer does.

Source:
    Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity, equation 10;
    Rebuffi et al. 2017, iCaRL: Incremental Classifier and Representation Learning (rehearsal).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.ssim import C2, window_mean
from understudy.train.losses.table import LossTerm


def structure_difference(predicted: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """1 - the structure in SSIM, weighted by pixel, at a half and a quarter of the size.

    It depends on where light and dark lie, and neither on their level and colour nor on their strength: of
    faces whose looks were edited it compares the acting. The finest detail is left to the edit.

    Args:
        predicted, truth: (N, 3, H, W), normalised.
        weight: (N, 1, H, W) how much a pixel counts.
    """
    total = predicted.new_zeros(())
    predicted, truth = (value.mean(1, keepdim=True) for value in (predicted, truth))
    for _ in range(2):
        predicted, truth, weight = (functional.avg_pool2d(value, 2) for value in (predicted, truth, weight))
        mean = window_mean(predicted)
        a, b = predicted, truth
        variance_a = (mean(a * a) - mean(a) ** 2).clamp(min=0)
        variance_b = (mean(b * b) - mean(b) ** 2).clamp(min=0)
        structure = (mean(a * b) - mean(a) * mean(b) + C2 / 2) / (
            (variance_a * variance_b + 1e-8).sqrt() + C2 / 2
        )
        inner = mean(weight)
        total = total + ((1.0 - structure) * inner).sum() / (inner.sum() + 1e-6)
    return total / 2


def compute(inputs: LossInputs) -> Tensor:
    """The loss of a part of a batch."""
    share = len(inputs.faces) / inputs.count
    return structure_difference(inputs.faces, inputs.truth, inputs.weight) * share


TERMS = (
    LossTerm(
        "rehearsal",
        "rehearsal",
        1.0,
        compute,
        "An edit has few faces; on all the others its local structure must stay the performer's, because "
        "that is the acting.",
    ),
)
