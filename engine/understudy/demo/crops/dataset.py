"""Crops on disk: one file a performer, so that a run that was stopped goes on where it was.

    training.0000.npy     (frames × variants, 256, 256, 6) uint8

Convention:
    The first three planes are sRGB codes, red first; the others are `face.regions.pack`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from understudy.core import atomic
from understudy.demo.crops.crop import crops
from understudy.face.regions import pack

FRAMES_EACH = 4
VARIANTS = {"training": 6, "test": 4}


def path_of(folder: Path, split: str, performer: int) -> Path:
    """Where a performer's crops lie."""
    return folder / f"{split}.{performer:04d}.npy"


def write(folder: Path, split: str, performer: int) -> int:
    """Render one performer's crops, unless they are there.

    Args:
        folder: It exists.
        split: `training` or `test`.
        performer: Its number in the split; the same number gives the same bytes.

    Returns:
        How many crops were made.
    """
    path = path_of(folder, split, performer)
    if path.exists():
        return 0
    made: list[NDArray[np.uint8]] = []
    for crop in crops(split, performer, frames=FRAMES_EACH, variants=VARIANTS[split]):
        codes = np.round(crop.codes * 255.0).clip(0, 255).astype(np.uint8)
        made.append(np.concatenate([codes, pack(crop.mattes, crop.known)], -1))
    with atomic.replacing(path) as partial, open(partial, "wb") as file:
        np.save(file, np.stack(made), allow_pickle=False)
    return len(made)
