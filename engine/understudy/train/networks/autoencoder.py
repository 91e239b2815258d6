"""The comb autoencoder: one encoder for all identities, and a decoder for each.

A decoder gets two inputs: the target landmarks, and a latent of everything else, light, gaze, what the mouth
shows. The landmarks come from the track, moved by the difference between the two performers' face shapes
(identity_shape.py), so pose and expression are carried over by geometry and need not be learned through the
latent; without them a mouth that the encoder has rarely seen open stays shut. The latent must not depend on
the identity: it is narrow, the encoder's input is warped and its colours are jittered, and each identity's
latents are normalised by their own statistics.

Faces larger than `CORE` pixels are predicted at that size first and doubled by finer levels, which training
adds one after the other (growth.py). The encoder always sees the first size: what it describes is coarse.

Names of modules and buffers are those in checkpoints of version 1.

Convention:
    Faces are (N, 3, S, S) RGB in the encoded space (ACEScct), mattes (N, 1, S, S) in 0..1. Latents are
    (N, L), landmarks (N, 68, 2) in shares of the face's edge.

Source:
    Naruniec et al. 2020, High-Resolution Neural Face Swapping for Visual Effects (the comb).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from understudy.inference.card import LANDMARK_COUNT
from understudy.train.networks.blocks import (
    Attention,
    Finer,
    LatentNormaliser,
    Residual,
    activation,
    dots,
    doubled,
)

# Where skin lies in ACEScct: the network sees (value - CENTRE) / SPAN, which is about -2..2.
CENTRE = 0.40
SPAN = 0.11
# Between the latent and the coarsest level there is a bottleneck this many times narrower: a full matrix
# there would hold most of the weights and cost a quarter of an iteration.
NARROW = 4
# The largest face that is predicted without finer levels, and the fewest channels of one.
CORE = 128
FEWEST = 8
HALVINGS = 4

Variant = Literal["df", "liae"]


@dataclass(frozen=True)
class Architecture:
    """Everything that the shapes of the weights depend on.

    Attributes:
        size: Edge of a face in pixels, a multiple of 16 for each level from the coarsest one on.
        width: Channels at the finest level of the core.
        identities: Names, in the order of their parts.
        latent: Length of the shared description of a face.
        variant: Each identity's part: a decoder (df), or the layer between the latent and the coarsest
            level, with one decoder for all (liae).
        residuals: Residual blocks at each level but the finest.
        attention: Whether the coarsest level has self-attention.
    """

    size: int
    width: int
    identities: tuple[str, ...]
    latent: int = 160
    variant: Variant = "df"
    residuals: int = 1
    attention: bool = False

    @property
    def growths(self) -> int:
        """How often the core is doubled."""
        return max(0, math.ceil(math.log2(self.size / CORE)))

    @property
    def core(self) -> int:
        """Edge of the face that the encoder sees and that is predicted first."""
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
        """Plain values for model.json, where the latent's length is called `code`."""
        values = asdict(self) | {"identities": list(self.identities)}
        values["code"] = values.pop("latent")
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The architecture that `as_dict` gave."""
        renamed = {"latent" if name == "code" else name: value for name, value in values.items()}
        renamed["identities"] = tuple(str(name) for name in renamed["identities"])
        return cls(**renamed)


def normalise(encoded: Tensor) -> Tensor:
    """Encoded space to the range the network works in."""
    return (encoded - CENTRE) / SPAN


def denormalise(value: Tensor) -> Tensor:
    """The network's range back to the encoded space."""
    return value * SPAN + CENTRE


class Encoder(nn.Module):
    """(N, 3, S, S) of the core's size to latents (N, L)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        steps = [3, *reversed(architecture.channels[:-1])]
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 5 if fine == 3 else 3, stride=2, padding=2 if fine == 3 else 1)
            for fine, coarse in pairwise(steps)
        )
        self.residual = Residual(steps[-2], architecture.residuals)
        self.narrow = nn.Conv2d(steps[-1], steps[-1] // NARROW, 1)
        self.code = nn.Linear(steps[-1] // NARROW * architecture.coarsest**2, architecture.latent)

    def forward(self, face: Tensor) -> Tensor:
        """Encode normalised faces."""
        value = face
        for index, convolution in enumerate(self.down):
            value = activation(convolution(value))
            if index == len(self.down) - 2:
                value = self.residual(value)
        latent: Tensor = self.code(activation(self.narrow(value)).flatten(1))
        return latent


class Decoder(nn.Module):
    """Features (N, C, coarsest, coarsest) to normalised faces and matte logits (N, 4, S, S)."""

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
        for added in self.finer_output:  # a new level adds nothing at first
            for weights in added.parameters():
                nn.init.zeros_(weights)

    def coarse(self, levels: int) -> nn.ModuleList:
        """The layers of its coarsest levels."""
        lists = (self.enter, self.mix, self.residual, self.points)
        return nn.ModuleList(part for listed in lists for part in list(listed)[:levels])

    def forward(self, value: Tensor, points: Tensor, grown: float) -> Tensor:
        """Predict faces of the core's size, doubled as often as `grown` says.

        A fraction of `grown` is the weight of the last doubling.
        """
        for level, (enter, mix) in enumerate(zip(self.enter, self.mix, strict=True)):
            # The 1×1 goes before the upsampling: the same result for a quarter of the work.
            value = doubled(activation(enter(value)))
            if level < len(self.points):
                value = value + self.points[level](dots(points, value.shape[-1]).to(value.dtype))
            value = activation(mix(value))
            if level < len(self.residual):
                value = self.residual[level](value)
        predicted: Tensor = self.output(value)
        for level in range(math.ceil(grown)):
            value = self.finer[level](value)
            smooth = functional.interpolate(predicted, scale_factor=2.0, mode="bilinear", align_corners=False)
            predicted = smooth + min(1.0, grown - level) * self.finer_output[level](value)
        return predicted


class Comb(nn.Module):
    """The encoder, the shared layers after the latent, and each identity's part.

    Attributes:
        grown: How many of the finer levels are used; a fraction is the weight of the last one.
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
        self.normaliser = LatentNormaliser(count, architecture.latent)
        entered = architecture.latent + LANDMARK_COUNT * 2
        expanded = coarse // NARROW * architecture.coarsest**2
        self.expand = nn.Linear(entered, expanded)
        self.inner = nn.ModuleList(nn.Linear(entered, expanded) for _ in range(count if alike else 0))
        self.widen = nn.Conv2d(coarse // NARROW * (2 if alike else 1), coarse, 1)
        self.shared = Residual(coarse, architecture.residuals)
        self.attention = Attention(coarse) if architecture.attention else None
        self.decoders = nn.ModuleList(Decoder(architecture) for _ in range(1 if alike else count))

    @property
    def edge(self) -> int:
        """Edge of the faces that it takes and predicts now."""
        return self.architecture.core << math.ceil(self.grown)

    @property
    def identity_parts(self) -> nn.ModuleList:
        """Each identity's part: its decoder, or its layer before the shared one."""
        return self.inner if len(self.inner) else self.decoders

    def encode(self, face: Tensor, identity: int) -> Tensor:
        """Normalised faces (N, 3, S, S) of one identity to normalised latents (N, L)."""
        latent: Tensor = self.normaliser(self.encode_raw(face), identity)
        return latent

    def encode_raw(self, face: Tensor) -> Tensor:
        """Normalised faces of any identities to latents (N, L) that are not normalised yet."""
        times = 1 << math.ceil(self.grown)
        latent: Tensor = self.encoder(functional.avg_pool2d(face, times) if times > 1 else face)
        return latent

    def move_landmarks(self, points: Tensor, *, of: int, to: int) -> Tensor:
        """Landmarks (N, 68, 2) of one identity, moved to another's face shape."""
        moved: Tensor = points + (self.shapes[to] - self.shapes[of])
        return moved

    def decode(self, latent: Tensor, points: Tensor, identities: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Latents and target landmarks to faces and matte logits.

        Args:
            latent: (N, L) normalised.
            points: (N, 68, 2) where the landmarks must lie.
            identities: The batch falls into as many equal parts; each is decoded as one identity.

        Returns:
            For each part normalised faces (N, 3, S, S) and matte logits (N, 1, S, S).
        """
        entered = torch.cat([latent, ((points.flatten(1) - 0.5) * 4.0).to(latent.dtype)], dim=1)
        expanded = self._expanded(self.expand(entered))
        if len(self.inner):
            inner = [self.inner[index](part) for index, part in self._parts(identities, entered)]
            expanded = torch.cat([expanded, self._expanded(torch.cat(inner))], dim=1)
        value = self.shared(activation(self.widen(expanded)))
        if self.attention is not None:
            value = self.attention(value)
        if len(self.inner):
            predicted = list(self.chunked(self.decoders[0](value, points, self.grown), len(identities)))
        else:
            places = self.chunked(points, len(identities))
            parts = zip(self._parts(identities, value), places, strict=True)
            predicted = [self.decoders[index](part, place, self.grown) for (index, part), place in parts]
        return [(face[:, :3], face[:, 3:]) for face in predicted]

    def forward(self, face: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        """Encoded faces of the destination to every identity's face, matte and landmarks in turn.

        The exported graph is this: the destination acts in the plate, and `landmarks` (N, 68, 2) are that
        face's, in shares of its edge.
        """
        return self.decode_all(self.encode(normalise(face), self.destination), landmarks)

    def decode_all(self, latent: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        """Latents and landmarks of the destination to every identity's face, matte and landmarks."""
        outputs: list[Tensor] = []
        for identity in range(len(self.architecture.identities)):
            points = self.move_landmarks(landmarks, of=self.destination, to=identity)
            ((predicted, logits),) = self.decode(latent, points, [identity])
            outputs += [denormalise(predicted.float()), torch.sigmoid(logits.float()), points]
        return tuple(outputs)

    def with_part_of(self, identity: int) -> Comb:
        """A copy with the part of one identity alone, as its first."""
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
        # An exported graph decodes one identity at a time, and a split would fix its batch.
        return value.chunk(count) if count > 1 else (value,)
