"""A Gaussian blur of pictures on the device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def blurred(pictures: Tensor, deviation_px: float) -> Tensor:
    """(N, C, H, W) blurred by a Gaussian of three deviations' radius; the border's pixels go on outside."""
    radius = round(3 * deviation_px)
    offsets = torch.arange(-radius, radius + 1, device=pictures.device, dtype=pictures.dtype)
    kernel = torch.exp(-0.5 * (offsets / deviation_px).square())
    channels = pictures.shape[1]
    kernel = (kernel / kernel.sum()).expand(channels, 1, 1, -1)
    padded = functional.pad(pictures, (radius,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel, groups=channels)
    return functional.conv2d(across, kernel.transpose(2, 3), groups=channels)
