"""Results that wait on disk, so that a long shot needs no more memory than a short one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from understudy.image.frame import Box
from understudy.patch.state import Fixed


class Waiting:
    """Fixes of frames in a folder of their own, each until it is taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boxes: dict[int, Box] = {}

    def keep(self, number: int, fixed: Fixed) -> None:
        """Put a frame's fix away."""
        planes = np.concatenate([fixed.picture, fixed.cover[..., None], fixed.confidence[..., None]], axis=2)
        np.save(self._path(number), planes, allow_pickle=False)
        self._boxes[number] = fixed.box

    def take(self, number: int) -> Fixed | None:
        """A frame's fix, None where none waits; it does not wait any more."""
        box = self._boxes.pop(number, None)
        if box is None:
            return None
        planes = np.load(self._path(number), allow_pickle=False)
        self._path(number).unlink()
        return Fixed(box, np.ascontiguousarray(planes[..., :3]), planes[..., 3], planes[..., 4])

    def rest(self) -> Iterator[tuple[int, Fixed]]:
        """Every frame that still waits, with its fix; none waits any more."""
        for number in sorted(self._boxes):
            fixed = self.take(number)
            if fixed is not None:
                yield number, fixed

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.npy"
