"""The recipe that the field of face replacement started from, about 2018, to measure ours against.

One encoder that both performers share and a decoder for each, trained as autoencoders on warped faces:
nothing tells the network of landmarks, and it learns no matte. Its graph takes and gives what ours does, so
that one swap job runs either. classic_training.py trains it.

What differs from then: the edge is that of the recipe it is measured against and not 64, so the dense layers
grow with it; and faces are stretched from the encoded space, where then they were a display's values.

Convention:
    Faces are (N, 3, S, S) RGB. The network sees 0..1, a display's black to its white in the encoded space
    (ACEScct); `stretch` and `unstretch` lead there and back. Grids are those of `affine_grid`: the edge is 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from understudy.train.data.samples import LoadedFaces

ENCODER_CHANNELS = (128, 256, 512, 1024)
DENSE = 1024
SHARED_CHANNELS = 512
DECODER_CHANNELS = (256, 128, 64)
# A display's black and white in ACEScct: crops of a display's footage then fill the sigmoid's 0..1.
BLACK = 0.0729
WHITE = 0.5548
# Of the random affine: degrees, share of the size, share of the edge, share of the faces.
ROTATION, ZOOM, SHIFT, FLIP = 10.0, 0.05, 0.05, 0.4
# The warp's lattice has this many points a side, reaches beyond the face to this many edges, and each point
# strays by this deviation in grid units: five pixels where the face is 128.
LATTICE, REACH, STRAY = 5, 1.25, 2 * 5 / 128

Loss = Callable[[Tensor, Tensor], Tensor]


def stretch(encoded: Tensor) -> Tensor:
    """The encoded space to what the network sees."""
    return (encoded - BLACK) / (WHITE - BLACK)


def unstretch(value: Tensor) -> Tensor:
    """What the network draws to the encoded space."""
    return value * (WHITE - BLACK) + BLACK


def _activation(value: Tensor) -> Tensor:
    return functional.leaky_relu(value, 0.1)


class Up(nn.Module):
    """(N, C, H, W) to (N, D, 2H, 2W): a 3×3 convolution to four times the channels, shuffled into pixels."""

    def __init__(self, entering: int, leaving: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(entering, 4 * leaving, 3, padding=1)

    def forward(self, value: Tensor) -> Tensor:
        """Twice the edge."""
        return functional.pixel_shuffle(_activation(self.convolution(value)), 2)


class Encoder(nn.Module):
    """(N, 3, S, S) to the shared map (N, 512, S/8, S/8), through two dense layers."""

    def __init__(self, size: int) -> None:
        super().__init__()
        entering = (3, *ENCODER_CHANNELS[:-1])
        pairs = zip(entering, ENCODER_CHANNELS, strict=True)
        self.down = nn.ModuleList(nn.Conv2d(few, many, 5, stride=2, padding=2) for few, many in pairs)
        self.coarsest = size // 2 ** len(ENCODER_CHANNELS)
        self.narrow = nn.Linear(ENCODER_CHANNELS[-1] * self.coarsest**2, DENSE)
        self.widen = nn.Linear(DENSE, ENCODER_CHANNELS[-1] * self.coarsest**2)
        self.up = Up(ENCODER_CHANNELS[-1], SHARED_CHANNELS)

    def forward(self, face: Tensor) -> Tensor:
        """Describe faces of 0..1."""
        value = face
        for convolution in self.down:
            value = _activation(convolution(value))
        value = self.widen(self.narrow(value.flatten(1)))
        matching_description: Tensor = self.up(value.unflatten(1, (-1, self.coarsest, self.coarsest)))
        return matching_description


class Decoder(nn.Sequential):
    """(N, 512, S/8, S/8) to one performer's faces (N, 3, S, S) of 0..1."""

    def __init__(self) -> None:
        entering = (SHARED_CHANNELS, *DECODER_CHANNELS[:-1])
        ups = [Up(few, many) for few, many in zip(entering, DECODER_CHANNELS, strict=True)]
        super().__init__(*ups, nn.Conv2d(DECODER_CHANNELS[-1], 3, 5, padding=2), nn.Sigmoid())


class Classic(nn.Module):
    """The shared encoder and a decoder for each performer; the destination is the first."""

    def __init__(self, size: int, performers: int = 2) -> None:
        super().__init__()
        self.size = size
        self.encoder = Encoder(size)
        self.decoders = nn.ModuleList(Decoder() for _ in range(performers))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):  # as it was; torch's own start is weaker
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def draw(self, face: Tensor, performer: int) -> Tensor:
        """Faces of 0..1 as one performer's."""
        drawn: Tensor = self.decoders[performer](self.encoder(face))
        return drawn

    def forward(self, face: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        """The exported graph: the second performer predicted for the first, and the first's reconstruction.

        Mattes are 1 everywhere and landmarks (N, 68, 2) are those given, because the network knows neither.
        """
        described = self.encoder(stretch(face))
        own, new = (unstretch(decoder(described)) for decoder in self.decoders)
        whole = torch.ones_like(own[:, :1])
        return new, whole, landmarks + 0.0, own, whole + 0.0


def mean_absolute(drawn: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error."""
    return (drawn - truth).abs().mean()


def dissimilarity(drawn: Tensor, truth: Tensor) -> Tensor:
    """DSSIM, (1 - SSIM) / 2, of faces of 0..1 with an 11×11 Gaussian window.

    Source:
        Wang et al. 2004.
    """
    offsets = torch.arange(-5, 6, device=drawn.device, dtype=drawn.dtype)
    profile = torch.exp(-0.5 * (offsets / 1.5).square())
    profile = (profile / profile.sum()).expand(drawn.shape[1], 1, 1, 11)

    def mean(value: Tensor) -> Tensor:
        across = functional.conv2d(value, profile, groups=value.shape[1])
        return functional.conv2d(across, profile.transpose(2, 3), groups=value.shape[1])

    mean_a, mean_b = mean(drawn), mean(truth)
    variance = mean(drawn * drawn + truth * truth) - mean_a**2 - mean_b**2
    covariance = mean(drawn * truth) - mean_a * mean_b
    similarity = ((2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)) / (
        (mean_a**2 + mean_b**2 + 1e-4) * (variance + 9e-4)
    )
    return ((1.0 - similarity) / 2.0).mean()


LOSSES: dict[str, Loss] = {"l1": mean_absolute, "dssim": dissimilarity}


def draw_batch(
    bank: LoadedFaces, *, count: int, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Faces to learn from, warped and as they are, (count, 3, size, size) of 0..1 both."""
    device = bank.faces.device
    picked = bank.training[torch.randint(len(bank.training), (count,), generator=generator).to(device)]
    affine = _random_affine(count, generator).to(device)
    grid = functional.affine_grid(affine, [count, 3, size, size], align_corners=False)
    bent = grid + random_bend(count, size, generator).to(device)
    faces = stretch(bank.faces[picked].float())
    edges: dict[str, Any] = {"align_corners": False, "padding_mode": "border"}
    warped = functional.grid_sample(faces, bent, mode="bilinear", **edges)
    truth = functional.grid_sample(faces, grid, mode="bicubic", **edges)  # sharp, as our recipe's truth is
    return warped, truth


def _random_affine(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2, 3) small turns, sizes and shifts; some are mirrors."""
    random = torch.rand((count, 4), generator=generator) * 2.0 - 1.0
    angle, zoom = torch.deg2rad(random[:, 0] * ROTATION), 1.0 + random[:, 1] * ZOOM
    across, down = (random[:, 2:] * SHIFT * 2.0).unbind(1)
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    mirror = torch.where(torch.rand(count, generator=generator) < FLIP, -1.0, 1.0)
    rows = [cosine * mirror, -sine, across, sine * mirror, cosine, down]
    return torch.stack(rows, dim=1).view(count, 2, 3)


def random_bend(count: int, size: int, generator: torch.Generator) -> Tensor:
    """(count, size, size, 2) offsets of a lattice whose points stray, in grid units.

    The truth was moved by the similarity that fits the lattice best, so that what is left between the two
    pictures has no shift, turn or size of its own. Here these are taken out of the lattice instead.
    """
    lattice = torch.randn((count, 2, LATTICE, LATTICE), generator=generator) * STRAY
    across = torch.linspace(-1.0, 1.0, LATTICE).expand(LATTICE, LATTICE)
    down, one = across.T, torch.ones(LATTICE, LATTICE)
    similar = [(one, 0 * one), (0 * one, one), (across, down), (-down, across)]
    basis = functional.normalize(torch.stack([torch.stack(pair) for pair in similar]).flatten(1))
    flat = lattice.flatten(1)
    lattice = (flat - flat @ basis.T @ basis).view_as(lattice)
    wide = round(size * REACH)
    offsets = functional.interpolate(lattice, size=(wide, wide), mode="bilinear", align_corners=True)
    first = (wide - size) // 2
    return offsets[:, :, first : first + size, first : first + size].permute(0, 2, 3, 1)
