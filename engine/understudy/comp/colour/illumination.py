"""Light: the plate's broad light and shade on the new face, the new face's own detail.

A network predicts the light it was trained on. What the plate's light does to the face, such as a warm side
or a shadow across it, is in the low frequencies, which carry little of the identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp.checks import finite_cover, require_fit
from understudy.comp.colour.matrix import ColourMatch
from understudy.core.errors import JobError
from understudy.image.frame import FloatImage

_SMALL_RADIUS_PX = 5.0


@dataclass(frozen=True, eq=False)
class Light:
    """The low frequencies of face and plate, as small pictures.

    Attributes:
        face, plate: (h, w, 3) float32, encoded units, h and w as small as their blur allows.
    """

    face: FloatImage
    plate: FloatImage

    @classmethod
    def mean(cls, several: Sequence[Light], shares: Sequence[float] | NDArray[np.float64]) -> Light:
        """The weighted mean of several frames' light, all of one size."""
        face, plate = (
            np.tensordot(np.asarray(shares, np.float32), np.stack([getattr(one, name) for one in several]), 1)
            for name in ("face", "plate")
        )
        return cls(face, plate)

    def lacking(self, solved: ColourMatch, size: tuple[int, int]) -> FloatImage:
        """What to add to the matched face so that its low frequencies are the plate's.

        Args:
            solved: The colour match that the face gets.
            size: Height and width to give it in.

        Returns:
            (height, width, 3) float32, encoded units.
        """
        apart = self.plate - solved.apply(self.face)
        return np.asarray(cv2.resize(apart, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def measure(face: FloatImage, plate: FloatImage, matte: FloatImage, *, radius_px: float) -> Light:
    """Blur face and plate alike, over the matte alone: neither hair nor background bleeds in.

    Where the matte is thin the nearest covered pixels decide.

    Args:
        face: (H, W, 3) float32, encoded space, unpremultiplied.
        plate: The same shape and space.
        matte: (H, W) float32 in 0..1.
        radius_px: Standard deviation of the Gaussian that tells light from detail, in pixels, above 0.

    Returns:
        The low frequencies of both; zeros where nothing lies under the matte.

    Raises:
        JobError: the radius is not a number above 0.
        PlateError: the shapes differ.
    Source:
        Naruniec et al. 2020, High-Resolution Neural Face Swapping for Visual Effects: contrast- and
        light-preserving compositing. Weighted by coverage: Knutsson & Westin 1993, Normalized Convolution.
    """
    require_fit(matte, face=face, plate=plate)
    if not math.isfinite(radius_px) or radius_px <= 0:
        raise JobError(f"A light radius of {radius_px} pixels is out of range.", fix="give more than 0")
    weight = finite_cover(matte, face, plate)
    # What is blurred this much can be blurred small: a wide Gaussian costs more than all the rest of a frame.
    height, width = weight.shape
    shrink = max(1.0, radius_px / _SMALL_RADIUS_PX)
    small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    radius = radius_px * small[0] / width
    norm = np.maximum(_spread(weight, small, radius), 1e-8)[..., None]
    covered, many = weight > 0, weight[..., None]
    blurred = []
    for picture in (face, plate):
        values = picture * many if covered.all() else np.where(covered[..., None], picture, 0) * many
        blurred.append(np.asarray(_spread(np.asarray(values, np.float32), small, radius) / norm, np.float32))
    return Light(*blurred)


def _spread(values: FloatImage, small: tuple[int, int], radius: float) -> FloatImage:
    """Blurred and small; a wider blur with a small weight decides where the narrow one covers nothing."""
    reduced = np.asarray(cv2.resize(values, small, interpolation=cv2.INTER_AREA), np.float32)
    reduced = reduced.reshape(small[1], small[0], *values.shape[2:])
    return np.asarray(_blur(reduced, radius) + np.float32(1e-3) * _blur(reduced, 3 * radius), np.float32)


def _blur(image: FloatImage, sigma: float) -> FloatImage:
    reach = min(math.ceil(3 * sigma), max(image.shape[:2]))
    window = (2 * reach + 1, 2 * reach + 1)
    blurred = cv2.GaussianBlur(image, window, sigma, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float32).reshape(image.shape)
