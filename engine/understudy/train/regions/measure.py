"""How good region mattes are against rendered truth.

Convention:
    Pixels that are not known (props far from the head) do not count.
    IoU is of the largest region of each pixel, counted over all test pixels together. A soft pixel is one
    whose true matte of what lies over the face (`front`, `hair`, `glasses`, `beard`) is between 0.05 and
    0.95; its error is the absolute difference of that matte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from understudy.face import regions
from understudy.train.regions.crops import Crops

SOFT = (0.05, 0.95)
_OVER = [regions.FRONT, regions.HAIR, regions.GLASSES, regions.BEARD]


@dataclass(frozen=True)
class Measured:
    """Figures over a set of crops."""

    iou: dict[str, float]
    """Of each region that occurs."""
    mean_iou: float
    alpha_error: float
    """Mean absolute error of what lies over the face, in soft pixels."""
    pixels_right: float
    """Share of all pixels whose largest region is right."""


@torch.no_grad()
def measure(predict: Callable[[Tensor], Tensor], crops: Crops, batch: int = 8) -> Measured:
    """Measure a predictor.

    Args:
        predict: (N, 3, H, W) sRGB codes to (N, REGIONS, H, W) mattes.
        crops: Test crops, of which none was trained on.
        batch: How many at once.
    """
    count = len(regions.REGIONS)
    confusion = torch.zeros(count, count, dtype=torch.float64)
    error, soft_pixels = 0.0, 0.0
    for first in range(0, len(crops), batch):
        taken = crops.batch(range(first, min(first + batch, len(crops))))
        predicted = predict(taken.faces).float()
        known = taken.known > 0.5
        pairs = (taken.mattes.argmax(1) * count + predicted.argmax(1))[known]
        confusion += torch.bincount(pairs, minlength=count**2).view(count, count)
        truth, found = taken.mattes[:, _OVER].sum(1), predicted[:, _OVER].sum(1)
        soft = (truth > SOFT[0]) & (truth < SOFT[1]) & known
        error += float((truth - found).abs()[soft].sum())
        soft_pixels += float(soft.sum())
    hits = confusion.diag()
    either = confusion.sum(0) + confusion.sum(1) - hits
    iou = {
        name: round(float(hits[k] / either[k]), 4)
        for k, name in enumerate(regions.REGIONS)
        if confusion[k].sum() > 0
    }
    return Measured(
        iou,
        round(sum(iou.values()) / len(iou), 4),
        round(error / max(soft_pixels, 1.0), 4),
        round(float(hits.sum() / confusion.sum()), 4),
    )
