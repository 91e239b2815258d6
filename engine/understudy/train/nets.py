"""The comb autoencoder: one encoder that every identity shares, one decoder for each.

A decoder is told two things: where the landmarks are to lie, and a code of everything else, light, gaze,
what the mouth shows. The landmarks come from the track, moved by what sets the two performers' shapes apart
(face/shape.py), so pose and expression are carried over by geometry and need not be learned through the code;
without them a mouth that the encoder has rarely seen open stays shut. The code must then say nothing of whose
face it is: it is narrow, its input is warped and its colours are jittered, and each identity's codes are
normalised by themselves.

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

from understudy.runtime.model import LANDMARK_COUNT

# Where skin lies in ACEScct: the network sees (value - CENTRE) / SPAN, which is about -2..2.
CENTRE = 0.40
SPAN = 0.11
# Between the code and the coarsest level the channels go through a waist this many times narrower: a full
# matrix there would hold most of the weights and cost a quarter of an iteration.
NARROW = 4


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
    code: int = 160

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
        self.narrow = nn.Conv2d(steps[-1], steps[-1] // NARROW, 1)
        self.code = nn.Linear(steps[-1] // NARROW * architecture.coarsest**2, architecture.code)

    def forward(self, face: Tensor) -> Tensor:
        """Describe normalised faces."""
        value = face
        for index, convolution in enumerate(self.down):
            value = _activation(convolution(value))
            if index == len(self.down) - 2:
                value = self.residual(value)
        code: Tensor = self.code(_activation(self.narrow(value)).flatten(1))
        return code


def dots(points: Tensor, edge: int) -> Tensor:
    """Landmarks (N, 68, 2), shares of the edge, as soft dots (N, 68, edge, edge) a pixel in deviation."""
    centres = torch.arange(edge, device=points.device, dtype=points.dtype) + 0.5
    profile = torch.exp(-0.5 * (centres - points[..., None] * edge).square())
    across, down = profile[:, :, 0], profile[:, :, 1]
    drawn = down.transpose(1, 2)[:, :, None] * across.transpose(1, 2)[:, None]  # (N, y, x, 68)
    return drawn.permute(0, 3, 1, 2)


class Decoder(nn.Module):
    """The shared (N, C, S/16, S/16) to one identity's normalised face and matte logits (N, 4, S, S)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels = architecture.channels
        self.points = nn.ModuleList(
            nn.Conv2d(LANDMARK_COUNT, count, 1, bias=False) for count in channels[1:-1]
        )
        self.enter = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in pairwise(channels))
        self.mix = nn.ModuleList(nn.Conv2d(count, count, 3, padding=1) for count in channels[1:])
        self.residual = nn.ModuleList(Residual(count) for count in channels[1:-1])
        self.output = nn.Conv2d(channels[-1], 4, 3, padding=1)

    def forward(self, value: Tensor, points: Tensor) -> Tensor:
        """Draw the identity."""
        for level, (enter, mix) in enumerate(zip(self.enter, self.mix, strict=True)):
            # The 1×1 goes before the upsampling: the same result for a quarter of the work.
            value = functional.interpolate(_activation(enter(value)), scale_factor=2.0, mode="nearest")
            if level < len(self.points):
                value = value + self.points[level](dots(points, value.shape[-1]).to(value.dtype))
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
        because one batch says little about them.
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

    shapes: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.register_buffer("shapes", torch.zeros(len(architecture.identities), LANDMARK_COUNT, 2))
        self.encoder = Encoder(architecture)
        coarse = architecture.channels[0]
        self.normaliser = CodeNormaliser(len(architecture.identities), architecture.code)
        self.expand = nn.Linear(
            architecture.code + LANDMARK_COUNT * 2, coarse // NARROW * architecture.coarsest**2
        )
        self.widen = nn.Conv2d(coarse // NARROW, coarse, 1)
        self.shared = Residual(coarse)
        self.decoders = nn.ModuleList(Decoder(architecture) for _ in architecture.identities)

    def describe(self, face: Tensor, identity: int) -> Tensor:
        """Normalised faces (N, 3, S, S) of one identity to codes (N, C)."""
        code: Tensor = self.normaliser(self.encoder(face), identity)
        return code

    def asked(self, points: Tensor, *, of: int, to: int) -> Tensor:
        """Landmarks (N, 68, 2) of one identity as another acts them: with what is its own of their shape."""
        moved: Tensor = points + (self.shapes[to] - self.shapes[of])
        return moved

    def draw(self, code: Tensor, points: Tensor, identities: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Codes and landmarks to normalised faces (N, 3, S, S) and matte logits (N, 1, S, S), a pair a part.

        The batch falls into equal parts, the first drawn by the first of `identities`, and so on. `points`
        (N, 68, 2), shares of the face's edge, say where the landmarks are to lie.
        """
        edge = self.architecture.coarsest
        entered = torch.cat([code, ((points.flatten(1) - 0.5) * 4.0).to(code.dtype)], dim=1)
        expanded = _activation(self.expand(entered)).unflatten(1, (-1, edge, edge))
        value = self.shared(_activation(self.widen(expanded)))
        parts = [(value, points)]
        if len(identities) > 1:  # an exported graph draws one at a time, and a split would fix its batch
            parts = list(zip(value.chunk(len(identities)), points.chunk(len(identities)), strict=True))
        drawn = [self.decoders[index](*part) for index, part in zip(identities, parts, strict=True)]
        return [(face[:, :3], face[:, 3:]) for face in drawn]

    def forward(self, face: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        """Encoded faces of the first identity to every identity's face, matte and landmarks in turn.

        The exported graph is this: the first identity is the destination, who acts in the plate, and
        `landmarks` (N, 68, 2) are that face's, in shares of its edge.
        """
        return self.draw_all(self.describe(normalise(face), 0), landmarks)

    def draw_all(self, code: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        """Codes and landmarks of the first identity to every identity's encoded face, matte and landmarks."""
        outputs: list[Tensor] = []
        for identity in range(len(self.decoders)):
            points = self.asked(landmarks, of=0, to=identity)
            ((drawn, logits),) = self.draw(code, points, [identity])
            outputs += [denormalise(drawn.float()), torch.sigmoid(logits.float()), points]
        return tuple(outputs)
