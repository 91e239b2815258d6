"""Grey pictures: the luminance of a new face for a plate that has no colour.

Convention:
    Luminance is of light: colours are taken to scene-linear light, weighed by the primaries there, and taken
    back. White stays white, so that R, G and B of a grey picture are equal in every space.

Source:
    Academy TB-2014-004, the second row of the matrix from AP1 to CIE XYZ.
"""

from __future__ import annotations

import numpy as np

from understudy.image import colour
from understudy.image.frame import FloatImage

LUMINANCE = np.array([0.2722287168, 0.6740817658, 0.0536895174], np.float32)

# Chroma of a picture as a share of its light: the codes of a grey video round to 0.01 at most, and the palest
# skin, by moonlight and with most of its colour taken out, has more than 0.05. Between the two a picture
# counts as grey by degrees, so that no frame of a shot jumps.
_GREY, _COLOURED = 0.015, 0.04
_LEAST_LIGHT, _LARGEST_HALF = 1e-4, 65504.0


def without_colour(rgb: FloatImage, space: str) -> FloatImage:
    """(..., 3) colours as their luminance, three times; where the three are equal they stay as they are."""
    linear = colour.convert(rgb, space, colour.SCENE_LINEAR)
    light = np.repeat((linear @ LUMINANCE)[..., None], 3, axis=-1)
    made = colour.convert(np.ascontiguousarray(light, np.float32), colour.SCENE_LINEAR, space)
    bits = np.ascontiguousarray(rgb, np.float32).view(np.int32)
    same = (bits[..., 0] == bits[..., 1]) & (bits[..., 1] == bits[..., 2])
    return np.asarray(np.where(same[..., None], rgb, made[..., 1:2]), np.float32)


def grey_share(rgb: FloatImage, space: str, weights: FloatImage) -> float:
    """How far a picture is grey: 1 where it has no colour, 0 where it has some.

    Args:
        rgb: (H, W, 3) float32.
        space: Its colour space.
        weights: (H, W) of at least 0: what of the picture counts; all of it where none is above one half.
    """
    linear = np.nan_to_num(colour.convert(rgb, space, colour.SCENE_LINEAR), nan=0.0)
    np.clip(linear, 0, _LARGEST_HALF, out=linear)
    brightest = linear.max(axis=2)
    if not (weights > 0.5).any():
        weights = np.ones_like(brightest)  # a matte that finds no face says nothing of colour
    usual = float(np.median(brightest[weights > 0.5]))
    if usual <= _LEAST_LIGHT:
        return 0.0  # black says nothing of colour
    # A highlight counts at most as twice the usual brightness.
    weighed = weights * np.minimum(1, 2 * usual / np.maximum(brightest, _LEAST_LIGHT))
    chroma = float((weighed * (brightest - linear.min(axis=2))).sum() / (weighed * brightest).sum())
    return float(np.clip((_COLOURED - chroma) / (_COLOURED - _GREY), 0, 1))


def towards_grey(rgb: FloatImage, space: str, share: float) -> FloatImage:
    """(..., 3) colours, a share of the way to their luminance; share 0 gives them back as they are."""
    if share == 0:
        return rgb
    grey = without_colour(rgb, space)
    return grey if share == 1 else np.asarray(rgb + np.float32(share) * (grey - rgb), np.float32)
