"""Structural similarity of normalised faces, of which two losses are made.

Source:
    Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Faces are normalised (autoencoder.normalise), where skin spans about four units: the dynamic range in SSIM's
# two constants, K1 = 0.01 and K2 = 0.03 as published.
_RANGE = 4.0
C1 = (0.01 * _RANGE) ** 2
C2 = (0.03 * _RANGE) ** 2


def dissimilarity(a: Tensor, b: Tensor, weight: Tensor, whole: Tensor | None, window: int) -> Tensor:
    """1 - SSIM of (N, C, H, W) pictures, the mean weighted by `weight` (N, 1, H, W).

    Args:
        a, b: The pictures.
        weight: How much a pixel counts.
        whole: The weights of the whole batch where this is a part of it.
        window: Edge of the box window in pixels; only windows inside the picture count.
    """
    mean = window_mean(a, window)
    mean_a, mean_b = mean(a), mean(b)
    variance = (mean(a * a + b * b) - mean_a**2 - mean_b**2).clamp(min=0)
    covariance = mean(a * b) - mean_a * mean_b
    similarity = ((2 * mean_a * mean_b + C1) * (2 * covariance + C2)) / (
        (mean_a**2 + mean_b**2 + C1) * (variance + C2)
    )
    inner = mean(weight)
    everything = inner if whole is None else mean(whole)
    return ((1.0 - similarity) * inner).sum() / (a.shape[1] * everything.sum() + 1e-6)


def window_mean(like: Tensor, window: int = 7) -> Callable[[Tensor], Tensor]:
    """The mean over a box window, for pictures of the size of `like`; (H - window + 1) rows come out."""
    # Two small matrix products: on a CPU that is many times faster than pooling.
    down = _window_matrix(like.shape[2], window, like)
    right = _window_matrix(like.shape[3], window, like).T

    def mean(value: Tensor) -> Tensor:
        return down @ (value.contiguous() @ right)

    return mean


def _window_matrix(size: int, window: int, like: Tensor) -> Tensor:
    """(size - window + 1, size): each row averages `window` neighbours."""
    rows = torch.arange(size - window + 1, device=like.device)[:, None]
    columns = torch.arange(size, device=like.device)[None]
    inside = (columns >= rows) & (columns < rows + window)
    return inside.to(like.dtype) / window
