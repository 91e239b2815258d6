"""The network of region mattes: a U-Net with a light encoder and a path at full resolution for soft edges.

Convention:
    Faces are (N, 3, H, W) sRGB codes in 0..1, red first; H and W are multiples of 32. The answer has one
    plane a region of `face.regions`.
Source:
    Ronneberger et al. 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation; skips are added,
    not joined, which halves the decoder's cost (Chaurasia & Culurciello 2017, LinkNet).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from understudy.face.regions import REGIONS

CHANNELS = (16, 32, 64, 112, 144)
"""From half the resolution to a thirty-second of it."""
FINE = 12
MOMENTUM, EPSILON = 0.03, 1e-5


class Normaliser(nn.Module):
    """Batch normalisation whose whole state are numbers that an average can hold.

    Source:
        Ioffe & Szegedy 2015, Batch Normalization.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.mean = nn.Buffer(torch.zeros(channels))
        self.variance = nn.Buffer(torch.ones(channels))

    def forward(self, value: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape; in training by the batch's own mean and variance."""
        return functional.batch_norm(
            value, self.mean, self.variance, self.weight, self.bias, self.training, MOMENTUM, EPSILON
        )


class Normalised(nn.Module):
    """A 3×3 convolution, batch normalisation and a rectifier."""

    def __init__(self, entering: int, leaving: int, stride: int = 1, rectified: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(entering, leaving, 3, stride, padding=1, bias=False)
        self.normaliser: nn.Module = Normaliser(leaving)
        self.rectified = rectified

    @torch.no_grad()
    def fold(self) -> None:
        """Make the normalisation a part of the convolution; what is predicted in evaluation mode stays."""
        own = self.normaliser
        if not isinstance(own, Normaliser):
            return
        gain = own.weight / torch.sqrt(own.variance + EPSILON)
        self.convolution.weight.mul_(gain[:, None, None, None])
        self.convolution.bias = nn.Parameter(own.bias - own.mean * gain)
        self.normaliser = nn.Identity()

    def forward(self, value: Tensor) -> Tensor:
        """(N, entering, H, W) to (N, leaving, H / stride, W / stride)."""
        value = self.normaliser(self.convolution(value))
        return functional.relu(value) if self.rectified else value


class Block(nn.Module):
    """Two convolutions round which the value is led."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Normalised(channels, channels)
        self.second = Normalised(channels, channels, rectified=False)
        nn.init.constant_(self.second.get_parameter("normaliser.weight"), 0.2)

    def forward(self, value: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return functional.relu(value + self.second(self.first(value)))


class RegionNetwork(nn.Module):
    """Faces to the logits of their regions."""

    def __init__(self) -> None:
        super().__init__()
        entering = (3, *CHANNELS[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(Normalised(a, b, 2), *(Block(b) for _ in range(blocks)))
            for a, b, blocks in zip(entering, CHANNELS, (0, 1, 1, 1, 2), strict=True)
        )
        self.around = nn.Linear(CHANNELS[-1], CHANNELS[-1])
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(CHANNELS))
        self.up = nn.ModuleList(Block(c) for c in CHANNELS[:-1])
        self.coarse = nn.Conv2d(CHANNELS[0], FINE, 1)
        self.sight = Normalised(3, FINE)
        self.fine = Normalised(FINE, FINE)
        self.answer = nn.Conv2d(FINE, len(REGIONS), 3, padding=1)

    def forward(self, faces: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB codes to (N, REGIONS, H, W) logits; softmax over the planes are the mattes."""
        seen = 4.0 * (faces - 0.45)
        levels: list[Tensor] = []
        value = seen
        for step in self.down:
            value = step(value)
            levels.append(value)
        mean = value.mean(dim=(2, 3))
        value = value + self.around(mean)[:, :, None, None]
        for k in range(len(CHANNELS) - 2, -1, -1):
            value = levels[k] + doubled(self.narrow[k](value))
            value = self.up[k](value)
        fine = self.sight(seen) + doubled(self.coarse(value))
        answer: Tensor = self.answer(self.fine(fine))
        return answer


def doubled(value: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, 2 H, 2 W), smoothly."""
    return functional.interpolate(value, scale_factor=2.0, mode="bilinear", align_corners=False)


class Covering(nn.Module):
    """The network as it is exported: faces to mattes, with normalisation folded into its convolutions."""

    def __init__(self, network: RegionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, face: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB codes to (N, REGIONS, H, W) mattes that sum to 1."""
        return torch.softmax(self.network(face), dim=1)
