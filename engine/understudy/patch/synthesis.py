"""Guided patch synthesis: pixels of a frame found again on the painted keyframe, from coarse to fine.

Propagation uses it where flow confidence is low. All values are float and nothing is clipped. The same input
gives the same bits with any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from understudy.core.errors import PlateError
from understudy.image.frame import FloatImage
from understudy.patch.backends import backend_for
from understudy.patch.boxes import dilate
from understudy.patch.guides import DISPLAY_SCALE, style_channels
from understudy.patch.kernels import Nnf
from understudy.patch.task import (
    Mask,
    Pixels,
    SearchBackend,
    SearchPass,
    SynthesisOptions,
    SynthesisResult,
    SynthesisTask,
)

# Distances of the neighbours that a search takes matches from, in turn.
_STEPS = (8, 4, 2, 1)
_LARGEST_FINE_REACH_PX = 32


def synthesise(task: SynthesisTask, options: SynthesisOptions) -> SynthesisResult:
    """Synthesise the pixels of the task's mask.

    The search starts from the flow; pixels outside the mask keep their flow position as their match.

    Raises:
        PlateError: the patch size is even or larger than the keyframe.
        JobError: the device is missing or fails.

    Source:
        Fišer et al. 2016, StyLit; Jamriška et al. 2019, Stylizing Video by Example; Barnes et al. 2009,
        PatchMatch.
    """
    smallest = min(task.style.shape[:2])
    if options.patch % 2 == 0 or smallest < options.patch:
        raise PlateError(f"Patches of {options.patch} pixels do not fit a region of {smallest} pixels.")
    if not task.mask.any():
        return SynthesisResult(task.initial, np.zeros(task.mask.shape, np.float32))
    levels = _levels(min(smallest, *task.mask.shape), options)
    make = backend_for(options.device)
    nnf: Nnf | None = None
    for level in reversed(range(levels)):
        search = _LevelSearch(_reduced(task, level), options, level, nnf, make)
        for turn in range(options.search_votes):
            if not search.turn(turn):
                break
        nnf = search.backend.nnf()
    return search.finish()


class _LevelSearch:
    """The search on one pyramid level, and the pixels that still change."""

    def __init__(
        self,
        task: SynthesisTask,
        options: SynthesisOptions,
        level: int,
        coarser: Nnf | None,
        make: Callable[[SynthesisTask, Nnf], SearchBackend],
    ) -> None:
        self.task, self.options, self.level, self.coarsest = task, options, level, coarser is None
        self.radius = options.patch // 2
        self.target = task.guides.target.copy()
        self.mask = self.active = task.mask
        self.backend = make(task, self._clamped(self._initial_nnf(coarser)))
        if coarser is not None:
            # The coarser level's matches vote before the first search.
            self._measure(0)
            self.backend.vote(_listed(self.mask), self.radius, self._scale())

    def turn(self, turn: int) -> bool:
        """One search and vote. Returns whether any pixel still changes."""
        before = self._searched(turn, self.options.uniformity)
        after, at = self.backend.picture(), tuple(_listed(self.active).T)
        changed = np.zeros_like(self.mask)
        changed[at] = np.abs(after[at] - before).max(axis=1) * DISPLAY_SCALE > self.options.stop / 255
        self.active = dilate(changed, self.options.patch) & self.mask
        return bool(self.active.any())

    def finish(self) -> SynthesisResult:
        """A last search and vote, with 3×3 patches and no uniformity, for the finest detail."""
        self.radius, self.active = 1, self.mask
        self._searched(self.options.search_votes, 0)
        each = np.sqrt(self.backend.costs() / (2 * self.radius + 1) ** 2)
        return SynthesisResult(self.backend.picture(), np.where(self.mask, each, 0).astype(np.float32))

    def _searched(self, turn: int, uniformity: float) -> FloatImage:
        """Search the active pixels and let them vote. Returns their old values, (N, 3)."""
        picture, pixels = self.backend.picture(), _listed(self.active)
        before = picture[tuple(pixels.T)]
        self.target[..., :3] = style_channels(picture)
        self._measure(uniformity)
        self.backend.search(pixels, self.radius, self._passes(turn))
        self.backend.vote(pixels, self.radius, self._scale())
        return np.asarray(before, np.float32)

    def _initial_nnf(self, coarser: Nnf | None) -> Nnf:
        """The flow's positions; within the mask the coarser level's matches, doubled."""
        nnf = np.rint(self.task.prior[..., ::-1])
        if coarser is not None:
            height, width = self.mask.shape
            y, x = np.arange(height)[:, None], np.arange(width)
            parents = coarser[
                np.minimum(y // 2, coarser.shape[0] - 1), np.minimum(x // 2, coarser.shape[1] - 1)
            ]
            fine = 2 * parents + np.stack(np.broadcast_arrays(y % 2, x % 2), axis=2)
            nnf = np.where(self.mask[..., None], fine, nnf)
        return np.ascontiguousarray(nnf, np.int32)

    def _clamped(self, nnf: Nnf) -> Nnf:
        """Matches moved so that every patch lies whole inside the source."""
        height, width = self.task.style.shape[:2]
        np.clip(nnf[..., 0], self.radius, height - 1 - self.radius, out=nnf[..., 0])
        np.clip(nnf[..., 1], self.radius, width - 1 - self.radius, out=nnf[..., 1])
        return nnf

    def _measure(self, uniformity: float) -> None:
        """Compute all costs anew; the uniformity penalty then stays fixed until the next call."""
        self.backend.compare(self.target, self._occurrence(uniformity))
        self.backend.measure(_listed(dilate(self.mask, self.radius)), self.radius)

    def _occurrence(self, uniformity: float) -> FloatImage:
        """(H, W) float32, the uniformity penalty of each source patch, by how often it is used."""
        height, width = self.task.style.shape[:2]
        if uniformity == 0:
            return np.zeros((height, width), np.float32)
        nnf, edge = self.backend.nnf(), 2 * self.radius + 1
        flat = nnf[..., 0].astype(np.int64) * width + nnf[..., 1]
        centres = np.bincount(flat.ravel(), minlength=height * width).reshape(height, width)
        covered = cv2.boxFilter(centres.astype(np.float32), -1, (edge, edge), normalize=False)
        mean = cv2.blur(covered, (edge, edge))
        share = self.mask.size / (height * width) * edge**2
        return np.asarray(mean * np.float32(uniformity / 255**2 / share), np.float32)

    def _passes(self, turn: int) -> list[SearchPass]:
        """The passes of one round: the random tries' radius shrinks; the coarsest level starts with all."""
        whole = max(self.task.style.shape[:2])
        widest = whole if self.coarsest else min(whole, _LARGEST_FINE_REACH_PX)
        seed = ((self.options.seed * 64 + self.level) * 64 + turn) * 64
        return [
            SearchPass(_STEPS[number % len(_STEPS)], max(1, widest >> (number % 8)), seed + number)
            for number in range(self.options.searches * len(_STEPS))
        ]

    def _scale(self) -> float:
        return float(255**2 / ((2 * self.radius + 1) ** 2 * self.target.shape[2]))


def _levels(smallest: int, options: SynthesisOptions) -> int:
    levels = 1
    while levels < options.levels and smallest >> levels >= 2 * options.patch + 1:
        levels += 1
    return levels


def _listed(mask: Mask) -> Pixels:
    """(N, 2) rows and columns of the true pixels of a mask."""
    return np.ascontiguousarray(np.argwhere(mask), np.int32)


def _reduced(task: SynthesisTask, level: int) -> SynthesisTask:
    """The task at 1 / 2^level of its size."""
    if level == 0:
        return task
    part = 1 / 2**level

    def small(picture: FloatImage) -> FloatImage:
        size = tuple(max(1, round(edge * part)) for edge in picture.shape[1::-1])
        # OpenCV resizes at most four channels at once.
        planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in cv2.split(picture)]
        return np.ascontiguousarray(np.stack(planes, axis=2) if picture.ndim == 3 else planes[0], np.float32)

    guides = task.guides
    pictures = ("style", "key_base", "gain", "frame_base", "initial")
    return replace(
        task,
        **{name: small(getattr(task, name)) for name in pictures},
        guides=replace(
            guides, source=small(guides.source), target=small(guides.target), validity=small(guides.validity)
        ),
        prior=((small(task.prior) + 0.5) * np.float32(part) - 0.5).astype(np.float32),
        mask=small(task.mask.astype(np.float32)) > 0,
    )
