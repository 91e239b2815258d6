"""Small tasks for the patch synthesis."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage
from understudy.patch import guides
from understudy.patch.guides import GuideInputs, GuideWeights
from understudy.patch.task import Mask, SynthesisTask

BLIND = GuideWeights(plate=0, edge=0, position=0, temporal=0)
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
    initial: FloatImage | None = None,
    prior: NDArray[np.float32] | None = None,
    mask: Mask | None = None,
    gain: float = 0.0,
    weights: GuideWeights | None = None,
    validity: FloatImage | None = None,
) -> SynthesisTask:
    """A task whose frame is as large as `here`; what is left out lies where it lies on the keyframe."""
    height, width = here.shape[:2]
    prior = guides.identity(height, width) if prior is None else prior
    initial = style.copy() if initial is None else initial
    validity = np.ones((height, width, 2), np.float32) if validity is None else validity
    both = guides.build(
        GuideInputs(style, plate, None, guides.identity(*style.shape[:2]), style),
        GuideInputs(initial, here, None, prior, initial),
        weights or GuideWeights(),
        plate_validity=validity[..., 0],
        temporal_validity=validity[..., 1],
        extent_px=float(max(style.shape)),
    )
    return SynthesisTask(
        style=style,
        key_base=plate,
        gain=np.full(style.shape[:2], gain, np.float32),
        frame_base=here,
        guides=both,
        initial=initial,
        prior=prior,
        mask=np.ones((height, width), bool) if mask is None else mask,
    )


def random_task(height: int, width: int, seed: int) -> SynthesisTask:
    """Nothing is like anything, in part of the frame."""
    rng = np.random.default_rng(seed)
    style, plate, here, initial = (noise(height, width, 4 * seed + n) for n in range(4))
    validity = rng.random((height, width, 2)).astype(np.float32)
    prior = guides.identity(height, width) + rng.normal(0, 3, (height, width, 2)).astype(np.float32)
    mask = np.zeros((height, width), bool)
    mask[height // 5 : -height // 5, width // 6 :] = True
    return task(style, plate, here, initial=initial, prior=prior, mask=mask, gain=0.6, validity=validity)
