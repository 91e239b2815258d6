"""Propagated fixes kept on disk, so that a long shot needs no more memory than a short one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from understudy.image.frame import Box
from understudy.patch.state import PropagatedFix


class DiskBuffer:
    """Fixes by frame number, in a folder of their own; each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boxes: dict[int, Box] = {}

    def put(self, number: int, propagated: PropagatedFix) -> None:
        """Store a frame's fix."""
        planes = np.concatenate(
            [propagated.picture, propagated.cover[..., None], propagated.confidence[..., None]], axis=2
        )
        np.save(self._path(number), planes, allow_pickle=False)
        self._boxes[number] = propagated.box

    def pop(self, number: int) -> PropagatedFix | None:
        """Remove and return a frame's fix; None where there is none."""
        box = self._boxes.pop(number, None)
        if box is None:
            return None
        planes = np.load(self._path(number), allow_pickle=False)
        self._path(number).unlink()
        return PropagatedFix(box, np.ascontiguousarray(planes[..., :3]), planes[..., 3], planes[..., 4])

    def drain(self) -> Iterator[tuple[int, PropagatedFix]]:
        """Remove and yield every stored fix, by frame number."""
        for number in sorted(self._boxes):
            propagated = self.pop(number)
            if propagated is not None:
                yield number, propagated

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.npy"
