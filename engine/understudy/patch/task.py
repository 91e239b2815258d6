"""What a patch synthesis is given and gives back, and what a device has to provide for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage
from understudy.patch.guides import Guides
from understudy.patch.kernels import Nnf

Mask = NDArray[np.bool_]
Pixels = NDArray[np.int32]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class SynthesisOptions:
    """How the search runs.

    Attributes:
        patch: Edge of a patch in pixels, odd.
        uniformity: Penalty for using a part of the source more often than its share; 0 turns it off.
        search_votes: Rounds of search and vote per pyramid level.
        searches: Searches per round.
        stop: A pixel that a vote changes by less than this, of 255 levels, is no longer searched.
        levels: Largest number of pyramid levels.
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
class SynthesisTask:
    """The inputs of a synthesis. The keyframe's arrays are of one size, the frame's of another.

    Attributes:
        style: (H, W, 3) float32, the painted keyframe.
        key_base: (H, W, 3), the picture that was painted on.
        gain: (H, W) in 0..1, how far the painted picture follows the one below it.
        frame_base: (h, w, 3), the frame's picture that the fix goes over.
        guides: What patches are compared by.
        initial: (h, w, 3), an initial estimate, and the result outside `mask`.
        prior: (h, w, 2), each pixel's position (x, y) on the keyframe by flow, where the search starts.
        mask: (h, w) bool, the pixels to synthesise.
    """

    style: FloatImage
    key_base: FloatImage
    gain: FloatImage
    frame_base: FloatImage
    guides: Guides
    initial: FloatImage
    prior: NDArray[np.float32]
    mask: Mask


@dataclass(frozen=True)
class SynthesisResult:
    """The result of a synthesis.

    Attributes:
        picture: (h, w, 3) float32.
        error: (h, w) float32, root mean squared difference of a pixel's patch from its source, all weights
            included, in 0..1 of the display's range; 0 outside the task's mask.
    """

    picture: FloatImage
    error: FloatImage


class SearchPass(NamedTuple):
    """One pass of a search: distance of the neighbours, radius of the random tries, and their seed."""

    step: int
    reach: int
    seed: int


class SearchBackend(Protocol):
    """The loops over the pixels of one pyramid level on one device, and the arrays that they write.

    `pixels` is (N, 2) int32, rows and columns; `radius` is half a patch.
    """

    def __init__(self, task: SynthesisTask, nnf: Nnf) -> None:
        """Start with the task's initial picture and a nearest-neighbour field, which is written to."""

    def compare(self, target: FloatImage, occurrence: FloatImage) -> None:
        """Set what patches are compared by: the frame's guides, and the penalty of each source patch."""

    def measure(self, pixels: Pixels, radius: int) -> None:
        """Compute the cost of the current match of each of `pixels`."""

    def search(self, pixels: Pixels, radius: int, passes: Iterable[SearchPass]) -> None:
        """Look for matches of lower cost."""

    def vote(self, pixels: Pixels, radius: int, scale: float) -> None:
        """Write the picture at `pixels` from the matches round them."""

    def picture(self) -> FloatImage:
        """(h, w, 3) float32, the current picture; read only."""

    def nnf(self) -> Nnf:
        """(h, w, 2) int32, the current nearest-neighbour field; read only."""

    def costs(self) -> FloatImage:
        """(h, w) float32, the current costs; read only."""
