"""Guided patch synthesis: a frame's pixels found again on the painted keyframe, coarse to fine.

The core of propagation where flow cannot be trusted. Everything is float and nothing is clipped; the same
input gives the same bits with any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import JobError, PlateError
from understudy.image.frame import FloatImage
from understudy.image.strips import in_strips
from understudy.patch import kernels
from understudy.patch.carry import grown
from understudy.patch.guides import SPREAD, Guides, style_channels
from understudy.patch.kernels import Places

Mask = NDArray[np.bool_]
Pixels = NDArray[np.int32]
Device = Literal["auto", "cpu", "cuda"]
# Steps of one search: places are taken over from pixels this far away, then nearer and nearer.
_STEPS = (8, 4, 2, 1)
_LARGEST_FINE_REACH_PX = 32
_FEWEST_PIXELS = 512  # worth a thread of their own


@dataclass(frozen=True)
class Options:
    """How the search goes.

    Attributes:
        patch: Edge of a patch in pixels, odd.
        uniformity: What using a part of the painting more often than its share costs; 0 leaves it free.
        search_votes: Rounds of search and vote at a level.
        searches: Searches in a round.
        stop: A pixel that a vote changes by less, of 255 levels, is left alone with its neighbourhood.
        levels: Pyramid levels at most.
        seed: Of every random choice.
        device: Where it runs; auto takes the GPU where numba finds one. The result is the same.
    """

    patch: int = 5
    uniformity: float = 3500.0
    search_votes: int = 6
    searches: int = 4
    stop: float = 5.0
    levels: int = 6
    seed: int = 1
    device: Device = "auto"


@dataclass(frozen=True)
class Task:
    """What is to be made of what.

    Attributes:
        style: (H, W, 3) float32, the painted keyframe.
        plate: (H, W, 3), what it was painted on.
        gain: (H, W) in 0..1, how far the painting follows what lies under it.
        here: (h, w, 3), what lies under it on the frame.
        guides: What patches are compared by.
        first: (h, w, 3), a first guess, and the result where nothing is to do.
        at: (h, w, 2), each pixel's place (x, y) on the keyframe, as far as it is known.
        todo: (h, w) bool, the pixels to make.
    """

    style: FloatImage
    plate: FloatImage
    gain: FloatImage
    here: FloatImage
    guides: Guides
    first: FloatImage
    at: NDArray[np.float32]
    todo: Mask


@dataclass(frozen=True)
class Made:
    """What came out.

    Attributes:
        picture: (h, w, 3) float32.
        error: (h, w) float32, root mean squared difference of a pixel's patch from its source, all weights
            counted, in 0..1 of the display's range; 0 where nothing was to do.
    """

    picture: FloatImage
    error: FloatImage


class Pass(NamedTuple):
    """One pass of a search: how far away a pixel asks, how far its random tries go, and their seed."""

    step: int
    reach: int
    seed: int


class Loops(Protocol):
    """The loops over the pixels of one level, and the arrays that they write, wherever these lie.

    `pixels` is (N, 2) int32, rows and columns; `radius` is half a patch.
    """

    def __init__(self, task: Task, places: Places) -> None:
        """Start with the first guess as the picture, and with these places, which are written to."""

    def compare(self, target: FloatImage, occurrence: FloatImage) -> None:
        """Compare patches by these from now on: the frame's guides, and what using a source patch costs."""

    def measure(self, pixels: Pixels, radius: int) -> None:
        """Write what the places of some pixels cost."""

    def search(self, pixels: Pixels, radius: int, passes: Iterable[Pass]) -> None:
        """Look for cheaper places."""

    def vote(self, pixels: Pixels, radius: int, scale: float) -> None:
        """Write some pixels of the picture."""

    def picture(self) -> FloatImage:
        """(h, w, 3) float32, as it is now; only to be looked at."""

    def places(self) -> Places:
        """(h, w, 2) int32, likewise."""

    def costs(self) -> FloatImage:
        """(h, w) float32, likewise."""


def loops_on(device: Device) -> Callable[[Task, Places], Loops]:
    """What runs the loops on a device.

    Raises:
        JobError: the GPU is asked for and there is none.
    """
    if device == "cpu":
        return CpuLoops
    from understudy.patch import cuda  # looks for a driver, which whoever stays on the CPU need not wait for

    if cuda.found():
        return cuda.CudaLoops
    if device == "auto":
        return CpuLoops
    raise JobError(
        "Patches were to be searched on the GPU, and numba finds none.",
        where="device",
        fix="see `understudy doctor`, install understudy[gpu] with NVIDIA's driver, or set device to auto",
    )


def synthesise(task: Task, options: Options) -> Made:
    """Make the pixels that are to do.

    Args:
        task: Arrays of the keyframe are of one size, those of the frame of another.
        options: How the search goes.

    Raises:
        PlateError: a patch is even or does not fit into the keyframe.
        JobError: there is no such device, or it fails.
    Source:
        Fišer et al. 2016, StyLit; Jamriška et al. 2019, Stylizing Video by Example; Barnes et al. 2009,
        PatchMatch. Place search starts from the flow; a pixel of the frame that is not to do keeps it.
    """
    smallest = min(task.style.shape[:2])
    if options.patch % 2 == 0 or smallest < options.patch:
        raise PlateError(f"Patches of {options.patch} pixels do not fit a region of {smallest} pixels.")
    if not task.todo.any():
        return Made(task.first, np.zeros(task.todo.shape, np.float32))
    levels = _levels(min(smallest, *task.todo.shape), options)
    make = loops_on(options.device)
    places: Places | None = None
    for level in reversed(range(levels)):
        search = _Search(_reduced(task, level), options, level, places, make)
        for turn in range(options.search_votes):
            if not search.turn(turn):
                break
        places = search.loops.places()
    return search.finish()


class _Search:
    """One level: what it works on, and the pixels that still change."""

    def __init__(
        self,
        task: Task,
        options: Options,
        level: int,
        coarser: Places | None,
        make: Callable[[Task, Places], Loops],
    ) -> None:
        self.task, self.options, self.level, self.coarsest = task, options, level, coarser is None
        self.radius = options.patch // 2
        self.target = task.guides.target.copy()
        self.todo = self.active = task.todo
        self.loops = make(task, self._kept_inside(self._first_places(coarser)))
        if coarser is not None:
            # What the coarser level found votes before anything is searched.
            self._measure(0)
            self.loops.vote(_listed(self.todo), self.radius, self._scale())

    def turn(self, turn: int) -> bool:
        """One search and vote; whether anything is left that changes."""
        before = self._searched(turn, self.options.uniformity)
        after, at = self.loops.picture(), tuple(_listed(self.active).T)
        changed = np.zeros_like(self.todo)
        changed[at] = np.abs(after[at] - before).max(axis=1) * SPREAD > self.options.stop / 255
        self.active = grown(changed, self.options.patch) & self.todo
        return bool(self.active.any())

    def finish(self) -> Made:
        """A last search and vote with 3×3 patches and no price on use: the finest detail falls into place."""
        self.radius, self.active = 1, self.todo
        self._searched(self.options.search_votes, 0)
        each = np.sqrt(self.loops.costs() / (2 * self.radius + 1) ** 2)
        return Made(self.loops.picture(), np.where(self.todo, each, 0).astype(np.float32))

    def _searched(self, turn: int, uniformity: float) -> FloatImage:
        """Search for the active pixels and let them vote; (N, 3), what they were before."""
        picture, pixels = self.loops.picture(), _listed(self.active)
        before = picture[tuple(pixels.T)]
        self.target[..., :3] = style_channels(picture)
        self._measure(uniformity)
        self.loops.search(pixels, self.radius, self._passes(turn))
        self.loops.vote(pixels, self.radius, self._scale())
        return np.asarray(before, np.float32)

    def _first_places(self, coarser: Places | None) -> Places:
        """Where the flow leads, or what the coarser level found for what is to do."""
        places = np.rint(self.task.at[..., ::-1])
        if coarser is not None:
            height, width = self.todo.shape
            y, x = np.arange(height)[:, None], np.arange(width)
            parents = coarser[
                np.minimum(y // 2, coarser.shape[0] - 1), np.minimum(x // 2, coarser.shape[1] - 1)
            ]
            fine = 2 * parents + np.stack(np.broadcast_arrays(y % 2, x % 2), axis=2)
            places = np.where(self.todo[..., None], fine, places)
        return np.ascontiguousarray(places, np.int32)

    def _kept_inside(self, places: Places) -> Places:
        height, width = self.task.style.shape[:2]
        np.clip(places[..., 0], self.radius, height - 1 - self.radius, out=places[..., 0])
        np.clip(places[..., 1], self.radius, width - 1 - self.radius, out=places[..., 1])
        return places

    def _measure(self, uniformity: float) -> None:
        """Compare by what there is now; the price on use is frozen until the next time."""
        self.loops.compare(self.target, self._occurrence(uniformity))
        self.loops.measure(_listed(grown(self.todo, self.radius)), self.radius)

    def _occurrence(self, uniformity: float) -> FloatImage:
        """(H, W) float32, what each source patch costs by how often the target uses it."""
        height, width = self.task.style.shape[:2]
        if uniformity == 0:
            return np.zeros((height, width), np.float32)
        places, edge = self.loops.places(), 2 * self.radius + 1
        flat = places[..., 0].astype(np.int64) * width + places[..., 1]
        centres = np.bincount(flat.ravel(), minlength=height * width).reshape(height, width)
        covered = cv2.boxFilter(centres.astype(np.float32), -1, (edge, edge), normalize=False)
        mean = cv2.blur(covered, (edge, edge))
        share = self.todo.size / (height * width) * edge**2
        return np.asarray(mean * np.float32(uniformity / 255**2 / share), np.float32)

    def _passes(self, turn: int) -> list[Pass]:
        """Over the whole source at first on the coarsest level, then nearer and nearer."""
        whole = max(self.task.style.shape[:2])
        widest = whole if self.coarsest else min(whole, _LARGEST_FINE_REACH_PX)
        seed = ((self.options.seed * 64 + self.level) * 64 + turn) * 64
        return [
            Pass(_STEPS[number % len(_STEPS)], max(1, widest >> (number % 8)), seed + number)
            for number in range(self.options.searches * len(_STEPS))
        ]

    def _scale(self) -> float:
        return float(255**2 / ((2 * self.radius + 1) ** 2 * self.target.shape[2]))


class CpuLoops:
    """The loops on as many threads as OpenCV has been given."""

    def __init__(self, task: Task, places: Places) -> None:
        self._task, self._places, self._picture = task, places, task.first.copy()
        self._costs = np.zeros(task.todo.shape, np.float32)
        guides = task.guides
        self._widths = kernels.widths_of(guides.groups, guides.source.shape[2])
        self._target, self._occurrence = guides.target, np.zeros(task.style.shape[:2], np.float32)

    def compare(self, target: FloatImage, occurrence: FloatImage) -> None:
        """See `Loops`."""
        self._target, self._occurrence = target, occurrence

    def measure(self, pixels: Pixels, radius: int) -> None:
        """See `Loops`."""
        written = self._places, self._costs
        _in_strips(kernels.measure_rows, pixels, *written, *self._compared(), radius)

    def search(self, pixels: Pixels, radius: int, passes: Iterable[Pass]) -> None:
        """See `Loops`."""
        after = self._places.copy(), self._costs.copy()
        for one in passes:
            before = self._places, self._costs
            _in_strips(kernels.improve_rows, pixels, *before, *after, *self._compared(), radius, *one)
            # Each pass writes the same pixels; the rest is alike in both.
            (self._places, self._costs), after = after, before

    def vote(self, pixels: Pixels, radius: int, scale: float) -> None:
        """See `Loops`."""
        task, written = self._task, (self._picture, self._places, self._costs)
        read = (task.style, task.plate, task.gain, task.here)
        _in_strips(kernels.vote_rows, pixels, *written, *read, radius, scale)

    def picture(self) -> FloatImage:
        """See `Loops`."""
        return self._picture

    def places(self) -> Places:
        """See `Loops`."""
        return self._places

    def costs(self) -> FloatImage:
        """See `Loops`."""
        return self._costs

    def _compared(self) -> tuple[Any, ...]:
        guides = self._task.guides
        return self._target, guides.source, guides.counts, self._occurrence, self._widths


def _in_strips(rows: Any, pixels: Pixels, *arguments: Any) -> None:
    in_strips(partial(rows, pixels, *arguments), len(pixels), fewest=_FEWEST_PIXELS)


def _levels(smallest: int, options: Options) -> int:
    levels = 1
    while levels < options.levels and smallest >> levels >= 2 * options.patch + 1:
        levels += 1
    return levels


def _listed(mask: Mask) -> Pixels:
    """(N, 2) rows and columns of the pixels of a mask."""
    return np.ascontiguousarray(np.argwhere(mask), np.int32)


def _reduced(task: Task, level: int) -> Task:
    """The task at a half, a quarter … of its size."""
    if level == 0:
        return task
    part = 1 / 2**level

    def small(picture: FloatImage) -> FloatImage:
        size = tuple(max(1, round(edge * part)) for edge in picture.shape[1::-1])
        # A resize of more than four channels goes channel by channel; so does this.
        planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in cv2.split(picture)]
        return np.ascontiguousarray(np.stack(planes, axis=2) if picture.ndim == 3 else planes[0], np.float32)

    guides = task.guides
    return replace(
        task,
        **{name: small(getattr(task, name)) for name in ("style", "plate", "gain", "here", "first")},
        guides=replace(
            guides, source=small(guides.source), target=small(guides.target), counts=small(guides.counts)
        ),
        at=((small(task.at) + 0.5) * np.float32(part) - 0.5).astype(np.float32),
        todo=small(task.todo.astype(np.float32)) > 0,
    )
