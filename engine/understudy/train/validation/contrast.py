"""Contrast of predicted faces, which tells a face from a flat colour."""

from __future__ import annotations

from torch import Tensor


def contrast(predicted: Tensor, truth: Tensor, matte: Tensor) -> Tensor:
    """The predicted faces' contrast as a share of the true faces': 1 the same, 0 for flat colours.

    Contrast is the standard deviation of the pixels inside the matte, one channel at a time, averaged over
    faces and channels; (N, 3, H, W) faces, (N, 1, H, W) matte.
    """
    return _deviation(predicted, matte) / (_deviation(truth, matte) + 1e-4)


def _deviation(faces: Tensor, matte: Tensor) -> Tensor:
    pixels = matte.sum(dim=(2, 3), keepdim=True) + 1e-6
    middle = (faces * matte).sum(dim=(2, 3), keepdim=True) / pixels
    return (((faces - middle).square() * matte).sum(dim=(2, 3), keepdim=True) / pixels).sqrt().mean()
