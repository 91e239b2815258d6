"""Structural similarity at several scales."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.ssim import dissimilarity
from understudy.train.losses.table import LossTerm


def multiscale_dissimilarity(
    predicted: Tensor,
    truth: Tensor,
    weight: Tensor,
    *,
    whole: Tensor | None = None,
    scales: int = 3,
    window: int = 7,
) -> Tensor:
    """1 - SSIM with a box window, averaged over `scales` halvings.

    Args:
        predicted, truth: (N, 3, H, W), normalised.
        weight: (N, 1, H, W) how much a pixel counts.
        whole: The weights of the whole batch where these are a part of it.
        scales: How many sizes, each half of the one before.
        window: Edge of the window in pixels of each size.

    Source:
        Wang et al. 2004 (SSIM) and 2003 (several scales).
    """
    total = predicted.new_zeros(())
    for scale in range(scales):
        if scale:
            predicted, truth, weight = (
                functional.avg_pool2d(value, 2) for value in (predicted, truth, weight)
            )
            whole = None if whole is None else functional.avg_pool2d(whole, 2)
        total = total + dissimilarity(predicted, truth, weight, whole, window)
    return total / scales


def compute(inputs: LossInputs) -> Tensor:
    """The loss of a part of a batch."""
    return multiscale_dissimilarity(inputs.in_place, inputs.truth, inputs.weight, whole=inputs.whole)


_REASON = "Multi-scale SSIM keeps edges that L1 alone would average away."
TERMS = (
    LossTerm("structure", "model", 1.0, compute, _REASON),
    LossTerm("structure", "refiner", 1.0, compute, _REASON),
)
