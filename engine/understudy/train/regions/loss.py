"""What region mattes are trained by."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from understudy.face import regions

WEIGHTS = torch.ones(len(regions.REGIONS))
"""Of each region's pixels: small regions count more, or large ones would be all that is learned."""
WEIGHTS[[regions.BROWS, regions.EYES, regions.INNER_MOUTH]] = 3.0
WEIGHTS[[regions.LIPS, regions.GLASSES, regions.EAR]] = 2.0
WEIGHTS[[regions.FRONT, regions.BEARD, regions.NECK, regions.HAIR]] = 1.3
EDGE_WEIGHT = 2.0
OVERLAP_SHARE, ALPHA_SHARE = 0.5, 1.0


def region_loss(logits: Tensor, mattes: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy with soft labels, heavier on edges; overlap of each region; error of alpha on edges.

    Args:
        logits: (N, REGIONS, H, W).
        mattes: The same shape, summing to 1.
        known: (N, H, W) weight of each pixel, 0 where nothing is known.

    Source:
        Soft overlap after Rahman & Wang 2016 (IoU loss) and Milletari et al. 2016 (V-Net), over the batch.
    """
    logits = logits.float()
    log = functional.log_softmax(logits, dim=1)
    predicted = log.exp()
    weight = (mattes * WEIGHTS[None, :, None, None]).sum(1)
    soft = 1.0 - mattes.amax(1)
    # Beside an edge counts as the edge: what is wrong there is a halo.
    edge = functional.max_pool2d((soft > 0.04).float()[:, None], 3, 1, 1)[:, 0]
    edge = edge * known
    weight = weight * (known + EDGE_WEIGHT * edge)
    entropy = -(mattes * log).sum(1)
    floor = -(mattes * mattes.clamp_min(1e-6).log()).sum(1)
    crossed = (weight * (entropy - floor)).sum() / weight.sum().clamp_min(1.0)
    counted = known[:, None]
    both = (torch.minimum(predicted, mattes) * counted).sum((0, 2, 3))
    either = (torch.maximum(predicted, mattes) * counted).sum((0, 2, 3))
    there = (mattes * counted).sum((0, 2, 3)) > 20.0
    overlap = (1.0 - (both + 10.0) / (either + 10.0))[there].mean()
    alpha = ((predicted - mattes).abs().sum(1) * edge).sum() / (2.0 * edge.sum().clamp_min(1.0))
    return crossed + OVERLAP_SHARE * overlap + ALPHA_SHARE * alpha
