"""Layers of the networks: residual blocks, attention, landmark maps, normalisation of latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.1
"""Slope of the leaky rectifiers below zero."""


def activation(value: Tensor) -> Tensor:
    """The leaky rectifier after every convolution."""
    return functional.leaky_relu(value, SLOPE)


def doubled(value: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, 2 H, 2 W) by nearest neighbours."""
    return functional.interpolate(value, scale_factor=2.0, mode="nearest")


class Residual(nn.Module):
    """Residual blocks of two 3×3 convolutions, which begin near the identity."""

    def __init__(self, channels: int, blocks: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.further = nn.ModuleList(Residual(channels) for _ in range(blocks - 1))
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, value: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        value = activation(value + self.second(activation(self.first(value))))
        for block in self.further:
            value = block(value)
        return value


class Attention(nn.Module):
    """Self-attention over a small feature map, so that both eyes and both cheeks agree.

    It begins as the identity: its gain is 0 and is learned.

    Source:
        Zhang et al. 2019, Self-Attention Generative Adversarial Networks.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = max(8, channels // 8)
        self.seek = nn.Conv2d(channels, self.narrow, 1)
        self.offer = nn.Conv2d(channels, self.narrow, 1)
        self.give = nn.Conv2d(channels, channels, 1)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, value: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        sought = self.seek(value).flatten(2).transpose(1, 2)
        likeness = sought @ self.offer(value).flatten(2) * self.narrow**-0.5
        looked = self.give(value).flatten(2) @ likeness.softmax(dim=2).transpose(1, 2)
        attended: Tensor = value + self.gain * looked.view_as(value)
        return attended


class Finer(nn.Module):
    """One more doubling, whose output is added to the doubled one of the level before.

    Source:
        Karras et al. 2018, Progressive Growing of GANs (blocks that are faded in); Karras et al. 2020,
        Analyzing and Improving the Image Quality of StyleGAN (pictures of all levels are summed).
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(coarse, fine, 1)
        self.mix = nn.Conv2d(fine, fine, 3, padding=1)

    def forward(self, value: Tensor) -> Tensor:
        """(N, coarse, H, W) to (N, fine, 2 H, 2 W)."""
        finer: Tensor = self.mix(doubled(activation(self.enter(value))))
        return activation(finer)


def dots(points: Tensor, edge: int) -> Tensor:
    """Landmarks (N, 68, 2), shares of the edge, as Gaussians (N, 68, edge, edge) of one pixel's deviation."""
    centres = torch.arange(edge, device=points.device, dtype=points.dtype) + 0.5
    profile = torch.exp(-0.5 * (centres - points[..., None] * edge).square())
    across, down = profile[:, :, 0], profile[:, :, 1]
    maps = down.transpose(1, 2)[:, :, None] * across.transpose(1, 2)[:, None]  # (N, y, x, 68)
    return maps.permute(0, 3, 1, 2)


class LatentNormaliser(nn.Module):
    """Normalises each identity's latents to mean 0 and deviation 1, by moving averages.

    Two performers' latents lie in different places even when they mean the same, and a decoder has only seen
    one of these places. Once both lie about the origin, "mouth open" is in the same place for both.

    Source:
        Chang et al. 2019, Domain-Specific Batch Normalization; here without gradients through the averages,
        because one batch says little about them.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, identities: int, latent: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(identities, latent))
        self.register_buffer("variance", torch.ones(identities, latent))

    def forward(self, latent: Tensor, identity: int) -> Tensor:
        """(N, L) latents of one identity, normalised."""
        return (latent - self.mean[identity]) * torch.rsqrt(self.variance[identity] + 1e-4)

    @torch.no_grad()
    def learn(self, latent: Tensor, identity: int, *, share: float) -> None:
        """Move the averages towards those of a batch of latents (N, L)."""
        values = latent.detach().float()
        self.mean[identity].lerp_(values.mean(0), share)
        spread = (values - self.mean[identity]).square().mean(0)
        self.variance[identity].lerp_(spread, share)
