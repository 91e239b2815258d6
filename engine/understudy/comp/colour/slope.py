"""Slope: the linear change of brightness across a picture, which is light and not contrast."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp.checks import finite_cover
from understudy.image.frame import FloatImage

# A plane is fitted on a raster of so many pixels at most.
_FITTED_PX = 48
# Regularisation of the slope, as a share of the total weight: the visible part may be one column wide.
_LEVEL = 1e-3


def without_slope(picture: FloatImage, weight: FloatImage) -> FloatImage:
    """A picture less the plane fitted to each of its channels; its weighted mean stays.

    Args:
        picture: (H, W, 3) float32.
        weight: (H, W) float32, 0 or above: how much each pixel counts.

    Returns:
        (H, W, 3) float32; the picture itself where nothing counts.
    """
    weight = finite_cover(weight, picture)
    height, width = weight.shape
    small = (min(width, _FITTED_PX), min(height, _FITTED_PX))
    counted = picture * weight[..., None]
    if not np.isfinite(counted).all():
        counted[weight == 0] = 0
    share, sums = (cv2.resize(one, small, interpolation=cv2.INTER_AREA) for one in (weight, counted))
    total = float(share.sum())
    if not total > 0:
        return picture
    places = np.stack(np.meshgrid(_places(small[0]), _places(small[1])), axis=-1).reshape(-1, 2)
    middle = share.reshape(-1) @ places / total
    basis = places - middle
    known = basis.T @ (basis * share.reshape(-1, 1)) + _LEVEL * total * np.eye(2)
    right, down = np.linalg.solve(known, basis.T @ sums.reshape(-1, 3))
    across, along = (
        np.outer(_places(count) - centre, steep).astype(np.float32)
        for count, centre, steep in ((width, middle[0], right), (height, middle[1], down))
    )
    flat = picture - across
    flat -= along[:, None]
    return np.asarray(flat, np.float32)


def _places(count: int) -> NDArray[np.float64]:
    """Centres of pixels from -1 to 1."""
    return (2.0 * np.arange(count) + 1.0) / count - 1.0
