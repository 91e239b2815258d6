"""The exponential moving average (EMA) of a network's weights, which is what is measured and exported."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_ema(ema: nn.Module, network: nn.Module, share: float) -> None:
    """Move every weight and buffer of `ema` towards those of `network` by `share` of the distance."""
    slow_ones = [*ema.parameters(), *ema.buffers()]
    fast_ones = [*network.parameters(), *network.buffers()]
    for slow, fast in zip(slow_ones, fast_ones, strict=True):
        slow.lerp_(fast, share)
