"""What training asks for.

Every term is a mean over pixels or values, so that its weight means the same at every size. Where the faces
are a part of a batch, `whole`, the weights (N, 1, H, W) of all of it, makes the term that part's share: the
shares of all parts add up to the batch's term, and their gradients to its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

# Faces are normalised (nets.normalise), where skin spans about four units: the dynamic range in SSIM's
# two constants, K1 = 0.01 and K2 = 0.03 as published.
_RANGE = 4.0
_C1 = (0.01 * _RANGE) ** 2
_C2 = (0.03 * _RANGE) ** 2


@dataclass(frozen=True)
class Weights:
    """How much each term counts, and why.

    Attributes:
        absolute: L1 sets colour and light.
        structure: Multi-scale SSIM keeps edges that L1 alone would average away.
        matte: The matte is easy; a small weight is enough.
    """

    absolute: float = 1.0
    structure: float = 1.0
    matte: float = 0.3


def weighted_absolute(drawn: Tensor, truth: Tensor, weight: Tensor, *, whole: Tensor | None = None) -> Tensor:
    """L1 between (N, 3, H, W) faces; `weight` (N, 1, H, W) says how much a pixel counts."""
    everything = weight if whole is None else whole
    return ((drawn - truth).abs() * weight).sum() / (3.0 * everything.sum() + 1e-6)


def structural(
    drawn: Tensor,
    truth: Tensor,
    weight: Tensor,
    *,
    whole: Tensor | None = None,
    scales: int = 3,
    window: int = 7,
) -> Tensor:
    """1 - SSIM with a box window, averaged over `scales` halvings and weighted by pixel.

    Source:
        Wang et al. 2004 (SSIM) and 2003 (several scales).
    """
    total = drawn.new_zeros(())
    for scale in range(scales):
        if scale:
            drawn, truth, weight = (functional.avg_pool2d(value, 2) for value in (drawn, truth, weight))
            whole = None if whole is None else functional.avg_pool2d(whole, 2)
        total = total + _dissimilarity(drawn, truth, weight, whole, window)
    return total / scales


def _dissimilarity(a: Tensor, b: Tensor, weight: Tensor, whole: Tensor | None, window: int) -> Tensor:
    # The window's means are two small matrix products: on a CPU that is many times faster than pooling.
    down = _window_matrix(a.shape[2], window, a)
    right = _window_matrix(a.shape[3], window, a).T

    def mean(value: Tensor) -> Tensor:
        return down @ (value.contiguous() @ right)

    mean_a, mean_b = mean(a), mean(b)
    variance = (mean(a * a + b * b) - mean_a**2 - mean_b**2).clamp(min=0)
    covariance = mean(a * b) - mean_a * mean_b
    similarity = ((2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)) / (
        (mean_a**2 + mean_b**2 + _C1) * (variance + _C2)
    )
    inner = mean(weight)
    everything = inner if whole is None else mean(whole)
    return ((1.0 - similarity) * inner).sum() / (a.shape[1] * everything.sum() + 1e-6)


def _window_matrix(size: int, window: int, like: Tensor) -> Tensor:
    """(size - window + 1, size): each row averages `window` neighbours."""
    rows = torch.arange(size - window + 1, device=like.device)[:, None]
    columns = torch.arange(size, device=like.device)[None]
    inside = (columns >= rows) & (columns < rows + window)
    return inside.to(like.dtype) / window


def matte_loss(logits: Tensor, matte: Tensor, *, whole: Tensor | None = None) -> Tensor:
    """Binary cross entropy between matte logits and the matte, (N, 1, H, W)."""
    share = 1.0 if whole is None else len(matte) / len(whole)
    return functional.binary_cross_entropy_with_logits(logits, matte) * share


def contrast(drawn: Tensor, truth: Tensor, matte: Tensor) -> Tensor:
    """How much of the true faces' contrast the drawn ones have: 1 as much, 0 for flat colours.

    Contrast is the deviation of the pixels inside the matte, a channel at a time, averaged over faces and
    channels; (N, 3, H, W) faces, (N, 1, H, W) matte.
    """
    return _deviation(drawn, matte) / (_deviation(truth, matte) + 1e-4)


def _deviation(faces: Tensor, matte: Tensor) -> Tensor:
    pixels = matte.sum(dim=(2, 3), keepdim=True) + 1e-6
    middle = (faces * matte).sum(dim=(2, 3), keepdim=True) / pixels
    return (((faces - middle).square() * matte).sum(dim=(2, 3), keepdim=True) / pixels).sqrt().mean()
