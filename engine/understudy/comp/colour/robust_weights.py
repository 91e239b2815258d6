"""Robust weights: how much each pixel under a matte counts when colours are measured.

A beard in the plate is not dark skin, and must neither darken a shaven face nor count as shade on it. Light
from one side is not a beard: where bare skin is known, it is modelled as a plane over the face.
"""

from __future__ import annotations

import numpy as np

from understudy.comp import kernels
from understudy.comp.checks import require_fit
from understudy.comp.colour.matrix import Matrix
from understudy.image.frame import FloatImage

# Encoded units, a little over a stop: light may differ by this much between face and plate.
_USUAL_DIFFERENCE = 0.08
# Where light from one side is accounted for, they differ by less: most of a stop.
_USUAL_OFF_PLANE = 0.045
# A smaller share of the matte does not represent it: a face that the frame cuts below the eyes.
_ENOUGH = 0.1
# A plane is read off a raster of so many pixels at most, and what lies off it counts less from pass to pass.
_PLANE_PX = 48
_NARROWING = (0.32, 0.16, 0.08, 0.08)


def robust_weights(
    face: FloatImage, plate: FloatImage, matte: FloatImage, *, skin: FloatImage | None = None
) -> FloatImage:
    """The matte, lowered where face and plate differ in another way than most of it: a beard, a fringe.

    Args:
        face: (H, W, 3) float32, encoded space.
        plate: The same shape and space.
        matte: (H, W) float32 in 0..1.
        skin: (H, W) float32 in 0..1, where both are surely skin: what they mostly differ by is read there.
            Left out, or where hardly any of the matte is surely skin, it is one number for all of the matte.

    Returns:
        (H, W) float32, at most the matte; 0 where a pixel is not finite.

    Raises:
        PlateError: the shapes differ.
    Source:
        Welsch's weight about the weighted median, or a plane fitted by it, e.g. Holland & Welsch 1977.
    """
    require_fit(matte, face=face, plate=plate)
    of_face, of_plate, weight = (np.ascontiguousarray(one, np.float32) for one in (face, plate, matte))
    out = np.empty(matte.shape, np.float32)
    plane = None if skin is None else _plane(of_face, of_plate, weight, skin)
    usual = _USUAL_OFF_PLANE
    if plane is None:
        plane = np.array([kernels.median_apart(of_face, of_plate, weight), 0.0, 0.0])
        usual = _USUAL_DIFFERENCE
    kernels.trust_common(of_face, of_plate, weight, plane, usual, out)
    return out


def _plane(face: FloatImage, plate: FloatImage, matte: FloatImage, skin: FloatImage) -> Matrix | None:
    """(3,) what plate - face mostly is in lightness: in the middle, and more to the right and lower edge.

    None where too little is surely skin.
    """
    sums = np.zeros((*(min(edge, _PLANE_PX) for edge in matte.shape), 2))
    covered = kernels.apart_by_cells(face, plate, matte, np.ascontiguousarray(skin, np.float32), sums)
    if not sums[..., 0].sum() > _ENOUGH * covered:
        return None
    rows, columns = np.nonzero(sums[..., 0] > 0)
    weight = sums[rows, columns, 0]
    values = sums[rows, columns, 1] / weight
    places = [(2.0 * at + 1.0) / edge - 1.0 for at, edge in ((columns, sums.shape[1]), (rows, sums.shape[0]))]
    basis = np.stack([np.ones(len(weight)), *places], axis=1)
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    plane = np.array([values[order][np.searchsorted(reached, reached[-1] / 2)], 0.0, 0.0])
    for usual in _NARROWING:
        away = (values - basis @ plane) / usual
        weighted = basis * (weight * np.exp(-(away**2)))[:, None]
        # Regularisation of the slope: the visible part of a face may be one column of pixels.
        level = 1e-3 * weight.sum() * np.diag([0.0, 1.0, 1.0])
        plane = np.linalg.lstsq(weighted.T @ basis + level, weighted.T @ values, rcond=None)[0]
    return plane
