"""How good region mattes are against rendered truth.

Convention:
    Pixels that are not known (props far from the head) do not count.
    IoU is of the largest region of each pixel, counted over all test pixels together. A soft pixel is one
    whose true matte of what lies over the face (`front`, `hair`, `glasses`, `beard`) is between 0.05 and
    0.95; its error is the absolute difference of that matte. It is in a soft edge if within
    EDGE_PX of it there are a solid and a clear pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from understudy.face import regions
from understudy.train.regions.crops import Crops

SOFT = (0.05, 0.95)
EDGE_PX = 5
_OVER = [regions.FRONT, regions.HAIR, regions.GLASSES, regions.BEARD]


@dataclass(frozen=True)
class Measured:
    """Figures over a set of crops."""

    iou: dict[str, float]
    """Of each region that occurs."""
    mean_iou: float
    alpha_error: float
    """Mean absolute error of what lies over the face, in soft edges."""
    soft_error: float
    """The same in all soft pixels: smoke and tinted lenses, too."""
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
    errors, pixels = torch.zeros(2), torch.zeros(2)
    for first in range(0, len(crops), batch):
        taken = crops.batch(range(first, min(first + batch, len(crops))))
        predicted = predict(taken.faces).float()
        known = taken.known > 0.5
        pairs = (taken.mattes.argmax(1) * count + predicted.argmax(1))[known]
        confusion += torch.bincount(pairs, minlength=count**2).view(count, count)
        truth, found = taken.mattes[:, _OVER].sum(1), predicted[:, _OVER].sum(1)
        soft = (truth > SOFT[0]) & (truth < SOFT[1]) & known
        for k, counted in enumerate((soft & _at_edges(truth), soft)):
            errors[k] += (truth - found).abs()[counted].sum()
            pixels[k] += counted.sum()
    hits = confusion.diag()
    either = confusion.sum(0) + confusion.sum(1) - hits
    iou = {
        name: round(float(hits[k] / either[k]), 4)
        for k, name in enumerate(regions.REGIONS)
        if confusion[k].sum() > 0
    }
    alpha_error, soft_error = (errors / pixels.clamp_min(1.0)).tolist()
    return Measured(
        iou,
        round(sum(iou.values()) / len(iou), 4),
        round(alpha_error, 4),
        round(soft_error, 4),
        round(float(hits.sum() / confusion.sum()), 4),
    )


def _at_edges(truth: Tensor) -> Tensor:
    """(N, H, W) where a solid and a clear pixel are both near."""
    near = [
        functional.max_pool2d(p.float()[:, None], 2 * EDGE_PX + 1, 1, EDGE_PX) > 0
        for p in (truth >= SOFT[1], truth <= SOFT[0])
    ]
    return (near[0] & near[1])[:, 0]
