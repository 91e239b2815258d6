"""Crops from disk, and batches of them.

Convention:
    A file is (N, H, W, 6) uint8: sRGB codes, then `face.regions.pack`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from understudy.core.errors import TrainingError
from understudy.face.regions import REGIONS, UNKNOWN, known_of

PLANES = 6


@dataclass(frozen=True)
class Batch:
    """Faces and what they show, on the CPU."""

    faces: Tensor
    """(N, 3, H, W) float32 sRGB codes in 0..1."""
    mattes: Tensor
    """(N, REGIONS, H, W) float32 that sum to 1."""
    known: Tensor
    """(N, H, W) float32: 0 where the mattes are neither learned nor measured."""


class Crops:
    """All crops of some files, read from the disk when they are asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open files.

        Raises:
            TrainingError: there is none, or one holds no crops.
        """
        self._files: list[NDArray[Any]] = []
        for path in paths:
            try:
                planes = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as exc:
                raise TrainingError(
                    f"Crops cannot be read: {exc}.", where=path, fix="render them again"
                ) from exc
            if planes.ndim != 4 or planes.shape[-1] != PLANES or planes.dtype != np.uint8:
                raise TrainingError("The file holds no crops.", where=path, fix="render them again")
            self._files.append(planes)
        self._ends = np.cumsum([len(file) for file in self._files])
        if not len(self):
            raise TrainingError("There are no crops to learn from.", fix="render them first")

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def batch(self, numbers: Sequence[int], size: int | None = None, mirrored: Sequence[bool] = ()) -> Batch:
        """Crops by their numbers.

        Args:
            numbers: Each from 0 to len − 1.
            size: Edge to scale them to; as they are when left out.
            mirrored: For each, whether it is turned left to right.
        """
        taken = []
        for k, number in enumerate(numbers):
            file = int(np.searchsorted(self._ends, number, side="right"))
            crop = self._files[file][number - self._ends[file]]
            taken.append(crop[:, ::-1] if k < len(mirrored) and mirrored[k] else crop)
        planes = torch.from_numpy(np.stack(taken)).permute(0, 3, 1, 2)
        faces = planes[:, :3].float() / 255.0
        share = planes[:, 5:6].float() / 255.0
        known = torch.from_numpy(known_of(np.stack(taken)[..., 3:]))[:, None].float()
        mattes = torch.zeros(len(taken), len(REGIONS), *planes.shape[2:])
        mattes.scatter_(1, planes[:, 4:5].long(), 1.0 - share)
        mattes.scatter_(1, planes[:, 3:4].long() % UNKNOWN, share)
        if size is not None and size != planes.shape[-1]:
            faces, mattes, known = (
                functional.interpolate(p, size=(size, size), mode="area") for p in (faces, mattes, known)
            )
        return Batch(faces, mattes, known[:, 0])
