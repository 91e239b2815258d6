"""The comb autoencoder: one encoder that every identity shares, and what is each identity's own.

A decoder is told two things: where the landmarks are to lie, and a code of everything else, light, gaze,
what the mouth shows. The landmarks come from the track, moved by what sets the two performers' shapes apart
(identity_shape.py), so pose and expression are carried over by geometry and need not be learned through
the code; without them a mouth that the encoder has rarely seen open stays shut. The code must then say
nothing of whose face it is: it is narrow, its input is warped and its colours are jittered, and each
identity's codes are normalised by themselves.

Faces larger than `CORE` pixels are drawn at that size first and doubled by ever finer levels, which training
adds one after the other (growth.py). What the encoder describes is coarse: it sees them at the first size.

Convention:
    Faces are (N, 3, S, S) RGB in the encoded space (ACEScct), mattes (N, 1, S, S) in 0..1.

Source:
    Naruniec et al. 2020, High-Resolution Neural Face Swapping for Visual Effects (the comb).
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from understudy.inference.card import LANDMARK_COUNT
from understudy.train.networks.blocks import (
    Attention,
    CodeNormaliser,
    Finer,
    Residual,
    activation,
    dots,
    doubled,
)

# Where skin lies in ACEScct: the network sees (value - CENTRE) / SPAN, which is about -2..2.
CENTRE = 0.40
SPAN = 0.11
# Between the code and the coarsest level the channels go through a waist this many times narrower: a full
# matrix there would hold most of the weights and cost a quarter of an iteration.
NARROW = 4
# The largest face that is drawn without finer levels, and the fewest channels of one.
CORE = 128
FEWEST = 8
HALVINGS = 4

Variant = Literal["df", "liae"]


@dataclass(frozen=True)
class Architecture:
    """Everything that decides the shape of the weights.

    Attributes:
        size: Edge of a face in pixels, a multiple of 16 for each level from the coarsest one on.
        width: Channels at the finest level of the core.
        identities: Names, in the order of what is their own.
        code: Length of the shared description of a face.
        variant: What is an identity's own: a decoder (df), or the way from the code to the coarsest level,
            with one decoder for all (liae).
        residuals: Residual blocks at each level but the finest.
        attention: Whether the coarsest level looks at itself.
    """

    size: int
    width: int
    identities: tuple[str, ...]
    code: int = 160
    variant: Variant = "df"
    residuals: int = 1
    attention: bool = False

    @property
    def growths(self) -> int:
        """How often the core is doubled."""
        return max(0, math.ceil(math.log2(self.size / CORE)))

    @property
    def core(self) -> int:
        """Edge of the face that the encoder sees and that is drawn first."""
        return self.size // (1 << self.growths)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels from the coarsest to the finest of the core's five levels."""
        return tuple(self.width * factor for factor in (8, 6, 4, 2, 1))

    @property
    def finer(self) -> tuple[int, ...]:
        """Channels of the levels beyond the core."""
        return tuple(max(FEWEST, self.width >> level) for level in range(1, self.growths + 1))

    @property
    def coarsest(self) -> int:
        """Edge of the coarsest level."""
        return self.core >> HALVINGS

    @property
    def fits(self) -> bool:
        """Whether every level has a whole number of pixels."""
        return self.size % (1 << (HALVINGS + self.growths)) == 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for model.json."""
        return asdict(self) | {"identities": list(self.identities)}


def normalise(encoded: Tensor) -> Tensor:
    """Encoded space to the range the network works in."""
    return (encoded - CENTRE) / SPAN


def denormalise(value: Tensor) -> Tensor:
    """The network's range back to the encoded space."""
    return value * SPAN + CENTRE


class Encoder(nn.Module):
    """(N, 3, S, S) of the core's size to the code (N, C)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        steps = [3, *reversed(architecture.channels[:-1])]
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 5 if fine == 3 else 3, stride=2, padding=2 if fine == 3 else 1)
            for fine, coarse in pairwise(steps)
        )
        self.residual = Residual(steps[-2], architecture.residuals)
        self.narrow = nn.Conv2d(steps[-1], steps[-1] // NARROW, 1)
        self.code = nn.Linear(steps[-1] // NARROW * architecture.coarsest**2, architecture.code)

    def forward(self, face: Tensor) -> Tensor:
        """Describe normalised faces."""
        value = face
        for index, convolution in enumerate(self.down):
            value = activation(convolution(value))
            if index == len(self.down) - 2:
                value = self.residual(value)
        code: Tensor = self.code(activation(self.narrow(value)).flatten(1))
        return code


class Decoder(nn.Module):
    """(N, C, coarsest, coarsest) to a normalised face and matte logits (N, 4, S, S)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels = architecture.channels
        self.points = nn.ModuleList(
            nn.Conv2d(LANDMARK_COUNT, count, 1, bias=False) for count in channels[1:-1]
        )
        self.enter = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in pairwise(channels))
        self.mix = nn.ModuleList(nn.Conv2d(count, count, 3, padding=1) for count in channels[1:])
        self.residual = nn.ModuleList(Residual(count, architecture.residuals) for count in channels[1:-1])
        self.output = nn.Conv2d(channels[-1], 4, 3, padding=1)
        self.finer = nn.ModuleList(
            Finer(coarse, fine) for coarse, fine in pairwise((channels[-1], *architecture.finer))
        )
        self.finer_output = nn.ModuleList(nn.Conv2d(fine, 4, 3, padding=1) for fine in architecture.finer)
        for added in self.finer_output:  # what a level adds begins at nothing
            for weights in added.parameters():
                nn.init.zeros_(weights)

    def coarse(self, levels: int) -> nn.ModuleList:
        """What draws at the coarsest of its levels."""
        lists = (self.enter, self.mix, self.residual, self.points)
        return nn.ModuleList(part for listed in lists for part in list(listed)[:levels])

    def forward(self, value: Tensor, points: Tensor, grown: float) -> Tensor:
        """Draw faces of the core's size, doubled as often as `grown` says.

        The last doubling, where it is none of the whole ones, counts by the fraction.
        """
        for level, (enter, mix) in enumerate(zip(self.enter, self.mix, strict=True)):
            # The 1×1 goes before the upsampling: the same result for a quarter of the work.
            value = doubled(activation(enter(value)))
            if level < len(self.points):
                value = value + self.points[level](dots(points, value.shape[-1]).to(value.dtype))
            value = activation(mix(value))
            if level < len(self.residual):
                value = self.residual[level](value)
        drawn: Tensor = self.output(value)
        for level in range(math.ceil(grown)):
            value = self.finer[level](value)
            smooth = functional.interpolate(drawn, scale_factor=2.0, mode="bilinear", align_corners=False)
            drawn = smooth + min(1.0, grown - level) * self.finer_output[level](value)
        return drawn


class Comb(nn.Module):
    """The encoder, the expansion of its code, and what is each identity's own.

    Attributes:
        grown: How many of the finer levels draw; the last one by its fraction.
        destination: The identity that the faces given to `forward` are of.
    """

    shapes: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.grown = float(architecture.growths)
        self.destination = 0
        count = len(architecture.identities)
        alike = architecture.variant == "liae"
        self.register_buffer("shapes", torch.zeros(count, LANDMARK_COUNT, 2))
        self.encoder = Encoder(architecture)
        coarse = architecture.channels[0]
        self.normaliser = CodeNormaliser(count, architecture.code)
        entered = architecture.code + LANDMARK_COUNT * 2
        expanded = coarse // NARROW * architecture.coarsest**2
        self.expand = nn.Linear(entered, expanded)
        self.inner = nn.ModuleList(nn.Linear(entered, expanded) for _ in range(count if alike else 0))
        self.widen = nn.Conv2d(coarse // NARROW * (2 if alike else 1), coarse, 1)
        self.shared = Residual(coarse, architecture.residuals)
        self.attention = Attention(coarse) if architecture.attention else None
        self.decoders = nn.ModuleList(Decoder(architecture) for _ in range(1 if alike else count))

    @property
    def edge(self) -> int:
        """Edge of the faces that it draws now."""
        return self.architecture.core << math.ceil(self.grown)

    @property
    def owns(self) -> nn.ModuleList:
        """What is each identity's own."""
        return self.inner if len(self.inner) else self.decoders

    def describe(self, face: Tensor, identity: int) -> Tensor:
        """Normalised faces (N, 3, S, S) of one identity to codes (N, C)."""
        code: Tensor = self.normaliser(self.encode(face), identity)
        return code

    def encode(self, face: Tensor) -> Tensor:
        """Normalised faces of the size that is drawn now to codes (N, C) that are not normalised yet."""
        times = 1 << math.ceil(self.grown)
        code: Tensor = self.encoder(functional.avg_pool2d(face, times) if times > 1 else face)
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
        entered = torch.cat([code, ((points.flatten(1) - 0.5) * 4.0).to(code.dtype)], dim=1)
        expanded = self._expanded(self.expand(entered))
        if len(self.inner):
            own = [self.inner[index](part) for index, part in self._parts(identities, entered)]
            expanded = torch.cat([expanded, self._expanded(torch.cat(own))], dim=1)
        value = self.shared(activation(self.widen(expanded)))
        if self.attention is not None:
            value = self.attention(value)
        if len(self.inner):
            drawn = list(self.chunked(self.decoders[0](value, points, self.grown), len(identities)))
        else:
            places = self.chunked(points, len(identities))
            parts = zip(self._parts(identities, value), places, strict=True)
            drawn = [self.decoders[index](part, place, self.grown) for (index, part), place in parts]
        return [(face[:, :3], face[:, 3:]) for face in drawn]

    def forward(self, face: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        """Encoded faces of the destination to every identity's face, matte and landmarks in turn.

        The exported graph is this: the destination acts in the plate, and `landmarks` (N, 68, 2) are that
        face's, in shares of its edge.
        """
        return self.draw_all(self.describe(normalise(face), self.destination), landmarks)

    def draw_all(self, code: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        """Codes and landmarks of the destination to every identity's encoded face, matte and landmarks."""
        outputs: list[Tensor] = []
        for identity in range(len(self.architecture.identities)):
            points = self.asked(landmarks, of=self.destination, to=identity)
            ((drawn, logits),) = self.draw(code, points, [identity])
            outputs += [denormalise(drawn.float()), torch.sigmoid(logits.float()), points]
        return tuple(outputs)

    def alone(self, identity: int) -> Comb:
        """A copy that holds what is one identity's own, as its first, and nobody else's."""
        kept = copy.deepcopy(self)
        if len(kept.inner):
            kept.inner = nn.ModuleList([kept.inner[identity]])
        else:
            kept.decoders = nn.ModuleList([kept.decoders[identity]])
        return kept

    def only(self, *identities: int) -> Comb:
        """A copy that holds these identities and nothing of any other; they keep this order.

        The destination must be among them.
        """
        kept, chosen = copy.deepcopy(self), list(identities)
        names = tuple(self.architecture.identities[index] for index in chosen)
        kept.architecture = replace(self.architecture, identities=names)
        kept.destination = chosen.index(self.destination)
        kept.shapes = self.shapes[chosen]
        kept.normaliser.mean = self.normaliser.mean[chosen]
        kept.normaliser.variance = self.normaliser.variance[chosen]
        if len(kept.inner):
            kept.inner = nn.ModuleList(kept.inner[index] for index in chosen)
        else:
            kept.decoders = nn.ModuleList(kept.decoders[index] for index in chosen)
        return kept

    def _expanded(self, value: Tensor) -> Tensor:
        edge = self.architecture.coarsest
        coarse: Tensor = activation(value).unflatten(1, (-1, edge, edge))
        return coarse

    def _parts(self, identities: list[int], value: Tensor) -> list[tuple[int, Tensor]]:
        return list(zip(identities, self.chunked(value, len(identities)), strict=True))

    @staticmethod
    def chunked(value: Tensor, count: int) -> tuple[Tensor, ...]:
        """A batch in so many equal parts."""
        # An exported graph draws one at a time, and a split would fix its batch.
        return value.chunk(count) if count > 1 else (value,)
