"""What the network and the recipe made of one frame, and how it gets into the plate's rectangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.comp import match, merge
from understudy.face import canonical
from understudy.image.frame import Box, FloatImage


@dataclass(frozen=True)
class Drawn:
    """What the network made of one frame: all that compositing needs of it, at the network's size S.

    Attributes:
        face: (S, S, 3) the new face, encoded.
        learned, destination: (S, S) the mattes of the new face and of the plate's own.
        plate: (S, S, 3) the plate's own face, encoded.
        landmarks: (68, 2) pixels of the plate.
        plate_to_aligned: (2, 3) matrix at S.
    """

    face: FloatImage
    learned: FloatImage
    destination: FloatImage
    plate: FloatImage
    landmarks: FloatImage
    plate_to_aligned: np.ndarray

    @property
    def size(self) -> int:
        """S."""
        return int(self.face.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes it holds."""
        return sum(one.nbytes for one in (self.face, self.learned, self.destination, self.plate))


@dataclass(frozen=True)
class NewFace:
    """A new face, aligned, at its working size W.

    Attributes:
        rgb: (W, W, 3) encoded, before its colour match.
        match: The colour match.
        light: (W, W, 3) what to add after the match, encoded; None where nothing is added.
        learned, hull: (W, W) the two mattes as they came.
        matte: (W, W) the final matte, without the opacity.
        opacity: 0..1.
        plate_to_aligned: (2, 3) matrix at W, the artist's own move included.
        path: The same at even steps while the shutter is open; empty where it does not blur.
    """

    rgb: FloatImage
    match: match.ColourMatch
    light: FloatImage | None
    learned: FloatImage
    hull: FloatImage
    matte: FloatImage
    opacity: float
    plate_to_aligned: np.ndarray
    path: tuple[np.ndarray, ...] = ()

    @property
    def size(self) -> int:
        """W."""
        return int(self.rgb.shape[0])

    def finished(self) -> FloatImage:
        """(W, W, 3) encoded, matched and lit."""
        matched = self.match.apply(self.rgb)
        return matched if self.light is None else np.asarray(matched + self.light, np.float32)

    def box(self, window: Box) -> Box:
        """The face's rectangle of the plate within `window`."""
        boxes = [merge.paste_box(to_plate, self.size, window) for to_plate in self._to_plate()]
        present = [box for box in boxes if not box.empty] or boxes[:1]
        return Box(
            min(box.x0 for box in present),
            min(box.y0 for box in present),
            max(box.x1 for box in present),
            max(box.y1 for box in present),
        )

    def warp_colours(self, encoded: FloatImage, box: Box) -> FloatImage:
        """An aligned picture warped into the rectangle."""
        return self._warp(encoded, box, "cubic")

    def warp_matte(self, aligned: FloatImage, box: Box) -> FloatImage:
        """An aligned matte warped into the rectangle."""
        return self._warp(aligned, box, "linear")

    def _to_plate(self) -> list[np.ndarray]:
        return [canonical.invert(matrix) for matrix in self.path or (self.plate_to_aligned,)]

    def _warp(self, aligned: FloatImage, box: Box, interpolation: str) -> FloatImage:
        places = self._to_plate()
        total = merge.warp_to_box(aligned, places[0], box, interpolation)
        for to_plate in places[1:]:
            total += merge.warp_to_box(aligned, to_plate, box, interpolation)
        return np.asarray(total / np.float32(len(places)), np.float32)
