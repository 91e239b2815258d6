"""The comb autoencoder: one encoder that every identity shares, one decoder for each.

The encoder must describe a face without saying whose it is; only then can another identity's decoder
draw the same expression, pose and light. Three things push it there: the code is narrow, the colour of
its input is jittered, and a small head has to read the landmarks' movement from it, measured from each
identity's own mean, so that "mouth open" means the same number for everybody.

Convention:
    Faces are (N, 3, S, S) RGB in the encoded space (ACEScct), mattes (N, 1, S, S) in 0..1.

Source:
    Naruniec et al. 2020, High-Resolution Neural Face Swapping for Visual Effects (the comb).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Where skin lies in ACEScct: the network sees (value - CENTRE) / SPAN, which is about -2..2.
CENTRE = 0.40
SPAN = 0.11
LANDMARK_COUNT = 68


@dataclass(frozen=True)
class Architecture:
    """Everything that decides the shape of the weights.

    Attributes:
        size: Edge of a face in pixels, a multiple of 16.
        width: Channels at the finest level.
        code: Length of the shared description of a face.
        identities: Names, in the order of their decoders.
    """

    size: int
    width: int
    identities: tuple[str, ...]
    code: int = 320

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels from the coarsest to the finest of the five levels."""
        return tuple(self.width * factor for factor in (8, 6, 4, 2, 1))

    @property
    def coarsest(self) -> int:
        """Edge of the coarsest level."""
        return self.size // 16

    def as_dict(self) -> dict[str, Any]:
        """Plain values for model.json."""
        return asdict(self) | {"identities": list(self.identities)}


def normalise(encoded: Tensor) -> Tensor:
    """Encoded space to the range the network works in."""
    return (encoded - CENTRE) / SPAN


def denormalise(value: Tensor) -> Tensor:
    """The network's range back to the encoded space."""
    return value * SPAN + CENTRE


def _activation(value: Tensor) -> Tensor:
    return functional.leaky_relu(value, 0.1)


class Residual(nn.Module):
    """Two 3×3 convolutions round a skip; the last one starts small, so that it starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, value: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return _activation(value + self.second(_activation(self.first(value))))


class Encoder(nn.Module):
    """(N, 3, S, S) to the code (N, C)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        coarse_to_fine = architecture.channels
        steps = [3, *reversed(coarse_to_fine[:-1])]
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 5 if fine == 3 else 3, stride=2, padding=2 if fine == 3 else 1)
            for fine, coarse in pairwise(steps)
        )
        self.residual = Residual(steps[-2])
        self.code = nn.Linear(steps[-1] * architecture.coarsest**2, architecture.code)
        self.landmarks = nn.Linear(architecture.code, LANDMARK_COUNT * 2)

    def forward(self, face: Tensor) -> Tensor:
        """Describe normalised faces."""
        value = face
        for index, convolution in enumerate(self.down):
            value = _activation(convolution(value))
            if index == len(self.down) - 2:
                value = self.residual(value)
        code: Tensor = self.code(value.flatten(1))
        return code


class Decoder(nn.Module):
    """The shared (N, C, S/16, S/16) to one identity's normalised face and matte logits (N, 4, S, S)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels = architecture.channels
        self.enter = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in pairwise(channels))
        self.mix = nn.ModuleList(nn.Conv2d(count, count, 3, padding=1) for count in channels[1:])
        self.residual = nn.ModuleList(Residual(count) for count in channels[1:-1])
        self.output = nn.Conv2d(channels[-1], 4, 3, padding=1)

    def forward(self, value: Tensor) -> Tensor:
        """Draw the identity."""
        for level, (enter, mix) in enumerate(zip(self.enter, self.mix, strict=True)):
            # The 1×1 goes before the upsampling: the same result for a quarter of the work.
            value = functional.interpolate(_activation(enter(value)), scale_factor=2.0, mode="nearest")
            value = _activation(mix(value))
            if level < len(self.residual):
                value = self.residual[level](value)
        drawn: Tensor = self.output(value)
        return drawn


class CodeNormaliser(nn.Module):
    """Each identity's codes moved to mean 0 and deviation 1, by slow averages of its own.

    Two performers' codes lie in different places even when they mean the same, and a decoder only knows the
    place of its own. Once both lie about the origin, "mouth open" of one is where it is of the other.

    Source:
        Chang et al. 2019, Domain-Specific Batch Normalization; here without gradients through the averages,
        because a batch of eight says little about them.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, identities: int, code: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(identities, code))
        self.register_buffer("variance", torch.ones(identities, code))

    def forward(self, code: Tensor, identity: int) -> Tensor:
        """(N, C) codes of one identity, normalised."""
        return (code - self.mean[identity]) * torch.rsqrt(self.variance[identity] + 1e-4)

    @torch.no_grad()
    def learn(self, code: Tensor, identity: int, *, share: float) -> None:
        """Move the averages towards a batch of codes."""
        values = code.detach().float()
        self.mean[identity].lerp_(values.mean(0), share)
        spread = (values - self.mean[identity]).square().mean(0)
        self.variance[identity].lerp_(spread, share)


class Comb(nn.Module):
    """The encoder, the shared expansion of its code, and a decoder for each identity."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture)
        coarse = architecture.channels[0]
        self.normaliser = CodeNormaliser(len(architecture.identities), architecture.code)
        self.expand = nn.Linear(architecture.code, coarse * architecture.coarsest**2)
        self.shared = Residual(coarse)
        self.decoders = nn.ModuleList(Decoder(architecture) for _ in architecture.identities)

    def describe(self, face: Tensor, identity: int) -> Tensor:
        """Normalised faces (N, 3, S, S) of one identity to codes (N, C)."""
        code: Tensor = self.normaliser(self.encoder(face), identity)
        return code

    def draw(self, code: Tensor, identity: int) -> tuple[Tensor, Tensor]:
        """Codes to one identity's normalised faces (N, 3, S, S) and matte logits (N, 1, S, S)."""
        edge = self.architecture.coarsest
        value = _activation(self.expand(code)).unflatten(1, (-1, edge, edge))
        drawn = self.decoders[identity](self.shared(value))
        return drawn[:, :3], drawn[:, 3:]

    def landmarks(self, code: Tensor) -> Tensor:
        """Landmark movement (N, 68, 2) read from the code, in standard deviations."""
        read: Tensor = self.encoder.landmarks(code)
        return read.view(-1, LANDMARK_COUNT, 2)

    def forward(self, face: Tensor) -> tuple[Tensor, ...]:
        """Encoded faces of the first identity to every identity's face and matte in turn.

        The exported graph is this: the first identity is the destination, who acts in the plate.
        """
        code = self.describe(normalise(face), 0)
        outputs: list[Tensor] = []
        for identity in range(len(self.decoders)):
            drawn, logits = self.draw(code, identity)
            outputs += [denormalise(drawn), torch.sigmoid(logits)]
        return tuple(outputs)
