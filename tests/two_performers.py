"""Two drawn performers in memory: a texture each, eyes and a mouth that open as their landmarks say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from understudy.comp.mattes.matte import hull
from understudy.face import align
from understudy.face.landmarks import LIDS, LIPS
from understudy.train.data.samples import HELD_OUT_EVERY, HELD_OUT_RUN, LoadedFaces
from understudy.train.networks import autoencoder
from understudy.train.tasks.model_state import ModelState

EDGE = 64
NAMES = ("anna", "bert")


def landmarks(mouth: float, eyes: float) -> np.ndarray:
    """(68, 2) pixels; gaps in shares of the edge."""
    matrix = align.plate_to_aligned(align.TEMPLATE * 200, coverage="full", size=EDGE)
    points = align.transform(align.TEMPLATE * 200, matrix)
    for pairs, gap in (
        (LIPS, mouth),
        (LIDS, eyes),
    ):
        for upper, lower in pairs:
            middle = points[[upper, lower], 1].mean()
            points[upper, 1], points[lower, 1] = middle - gap * EDGE / 2, middle + gap * EDGE / 2
    return points.astype(np.float32)


def draw(points: np.ndarray, texture: np.ndarray, light: float) -> np.ndarray:
    """(EDGE, EDGE, 3) encoded: skin with the performer's texture, eyes, and a mouth."""
    picture = 0.4 + texture
    for first, last, value in ((36, 42, 0.6), (42, 48, 0.6), (60, 68, 0.2)):
        shape = np.zeros((EDGE, EDGE), np.uint8)  # OpenCV draws soft edges into bytes only
        outline = np.round(points[first:last] * 16).astype(np.int32)
        cv2.fillPoly(shape, [cv2.convexHull(outline)], 255, cv2.LINE_AA, shift=4)
        picture += (value - picture) * (shape[..., None] / np.float32(255))
    ramp = np.linspace(-0.5, 0.5, EDGE, dtype=np.float32)[None, :, None]
    return picture * (1.0 + light * ramp)


def texture(seed: int, strength: float = 0.03) -> np.ndarray:
    """(EDGE, EDGE, 3) of one performer."""
    coarse = np.random.default_rng(seed).normal(0.0, strength, (16, 16, 1)).astype(np.float32)
    return np.repeat(cv2.resize(coarse, (EDGE, EDGE), interpolation=cv2.INTER_CUBIC)[..., None], 3, axis=2)


def bank(
    name: str,
    *,
    look: np.ndarray,
    seed: int,
    count: int = 100,
    talks: bool = True,
    face: np.ndarray | None = None,
) -> LoadedFaces:
    """A performance of so many successive frames; `face` draws another's texture in it."""
    random = np.random.default_rng(seed)
    phase, speed = random.uniform(0, 6, 2), random.uniform(0.15, 0.3, 2)
    frames = np.arange(count)
    mouths = (0.05 + 0.05 * np.sin(phase[0] + speed[0] * frames)) * talks
    eyes = 0.05 + 0.02 * np.sin(phase[1] + speed[1] * frames)
    lights = 0.2 * np.sin(0.05 * frames + phase[0])
    points = [landmarks(mouth, eye) for mouth, eye in zip(mouths, eyes, strict=True)]
    shown = look if face is None else face
    faces = np.stack([draw(point, shown, light) for point, light in zip(points, lights, strict=True)])
    held_out = frames % HELD_OUT_EVERY >= HELD_OUT_EVERY - HELD_OUT_RUN
    mattes = np.stack([hull(points[0], EDGE)] * count)[:, None]
    return LoadedFaces(
        name,
        torch.from_numpy(faces.astype(np.float32)).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(np.concatenate([mattes, np.zeros_like(mattes)], axis=1).astype(np.float32)),
        torch.from_numpy((np.stack(points) + 0.5) / EDGE),
        torch.zeros(count, 2),
        torch.from_numpy(frames[~held_out]),
        torch.from_numpy(frames[held_out]),
        torch.from_numpy(frames > 0),
    )


class Painter:
    """Stands in for a network: it draws what the test says for the frames that are swapped.

    Attributes:
        swaps: (N, 3, EDGE, EDGE) the swap of every held-out face, in their order.
    """

    def __init__(self, swaps: Tensor) -> None:
        self.swaps, self._next, self._described = swaps, 0, 0
        self.edge = EDGE

    def encode(self, face: Tensor, identity: int) -> Tensor:
        """The faces themselves."""
        self._described = identity
        return face

    def move_landmarks(self, points: Tensor, *, of: int, to: int) -> Tensor:
        """Both performers are of one shape."""
        return points

    def decode(self, code: Tensor, points: Tensor, identities: list[int]) -> list[tuple[Tensor, Tensor]]:
        """A performer's own faces as they are, or the next of the swaps."""
        if identities == [self._described]:
            return [(code, code[:, :1])]
        first, self._next = self._next, (self._next + len(code)) % len(self.swaps)
        return [(autoencoder.normalise(self.swaps[first : first + len(code)]), code[:, :1])]


def study(banks: list[LoadedFaces], swaps: Tensor) -> ModelState:
    """A study whose averaged network draws the truth for a performer itself, and `swaps` for a swap."""
    painter = Painter(swaps)
    described: Any = SimpleNamespace(
        architecture=SimpleNamespace(size=EDGE, identities=NAMES), destination=0, source=1, coverage="full"
    )
    network: Any = painter
    nothing: Any = None
    return ModelState(
        job=nothing,
        device=torch.device("cpu"),
        description=described,
        network=network,
        ema=network,
        optimiser=nothing,
        facesets={},
        faces=dict(enumerate(banks)),
    )
