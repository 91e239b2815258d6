"""Small tasks for the patch synthesis."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage
from understudy.patch import guides
from understudy.patch.guides import Side, Weights
from understudy.patch.synthesis import Mask, Task

BLIND = Weights(plate=0, edge=0, position=0, temporal=0)
"""Patches are compared by the painting alone."""


def noise(height: int, width: int, seed: int) -> FloatImage:
    """A texture with something to see at every size, about 0.2 to 0.8."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for deviation in (0.6, 2.0, 6.0):
        layer = cv2.GaussianBlur(rng.normal(size=(height, width, 3)).astype(np.float32), (0, 0), deviation)
        picture += layer / layer.std()
    return np.asarray(0.5 + 0.08 * picture, np.float32)


def task(
    style: FloatImage,
    plate: FloatImage,
    here: FloatImage,
    *,
    first: FloatImage | None = None,
    at: NDArray[np.float32] | None = None,
    todo: Mask | None = None,
    gain: float = 0.0,
    weights: Weights | None = None,
    counts: FloatImage | None = None,
) -> Task:
    """A task whose frame is as large as `here`; what is left out lies where it lies on the keyframe."""
    height, width = here.shape[:2]
    at = guides.identity(height, width) if at is None else at
    first = style.copy() if first is None else first
    counts = np.ones((height, width, 2), np.float32) if counts is None else counts
    both = guides.build(
        Side(style, plate, None, guides.identity(*style.shape[:2]), style),
        Side(first, here, None, at, first),
        weights or Weights(),
        seen=counts[..., 0],
        followed=counts[..., 1],
        extent_px=float(max(style.shape)),
    )
    return Task(
        style=style,
        plate=plate,
        gain=np.full(style.shape[:2], gain, np.float32),
        here=here,
        guides=both,
        first=first,
        at=at,
        todo=np.ones((height, width), bool) if todo is None else todo,
    )


def random_task(height: int, width: int, seed: int) -> Task:
    """Nothing is like anything, in part of the frame."""
    rng = np.random.default_rng(seed)
    style, plate, here, first = (noise(height, width, 4 * seed + n) for n in range(4))
    counts = rng.random((height, width, 2)).astype(np.float32)
    at = guides.identity(height, width) + rng.normal(0, 3, (height, width, 2)).astype(np.float32)
    todo = np.zeros((height, width), bool)
    todo[height // 5 : -height // 5, width // 6 :] = True
    return task(style, plate, here, first=first, at=at, todo=todo, gain=0.6, counts=counts)
