"""Occlusion: what is in front of the plate's face, by comparison with the model's reconstruction of it."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.comp.checks import require_fit
from understudy.comp.colour import illumination, methods
from understudy.comp.colour.robust_weights import robust_weights
from understudy.image.frame import FloatImage

# Encoded units: what differs by less than the first is skin as the model knows it, by more than the second
# something else; a stop is 0.057. Chosen on a rendered performer with a hand, a microphone and a bar drawn
# in front, so that a clean face keeps 99 percent of its matte.
_SKIN, _OTHER = 0.035, 0.07
# Shares of the picture's edge: a reconstruction is soft, and which is not an occluder; how far the plate's
# own edges may carry what was found; and what counts as broad light.
_BLUR, _REACH, _LIGHT = 0.02, 0.08, 0.15
# Below this deviation, encoded units squared, the plate counts as one surface.
_ONE_SURFACE = 4e-4
_FAINT, _SURE = 0.15, 0.4


def visible(plate: FloatImage, reconstruction: FloatImage, matte: FloatImage) -> FloatImage:
    """Visibility of the plate's face: 1 where it is seen, 0 where something lies in front of it.

    The plate is compared with the model's reconstruction of the same face; where they differ by more than a
    soft reconstruction explains, something lies in front. The result is then fitted to the plate's own
    edges. An occluder that has the skin's colour and brightness is not told from it.

    Args:
        plate: (H, W, 3) float32, encoded space.
        reconstruction: The same shape and space, the model's reconstruction of the plate's own performer.
        matte: (H, W) float32 in 0..1, where a face is expected; elsewhere nothing is found.

    Returns:
        (H, W) float32 in 0..1; 1 where a pixel is not finite.

    Raises:
        PlateError: the shapes differ.
    Source:
        He et al. 2010, Guided Image Filtering, for the fit to the plate's edges.
    """
    require_fit(matte, plate=plate, reconstruction=reconstruction)
    common = robust_weights(reconstruction, plate, matte)
    if not common.any():
        return np.ones_like(matte)
    seen = np.asarray((np.isfinite(plate) & np.isfinite(reconstruction)).all(axis=2, keepdims=True))
    edge = max(matte.shape)
    matched = methods.solve("mean", reconstruction, plate, common)
    # Light that the network did not guess is broad, and an occluder is not: broad differences are left out.
    lit = illumination.measure(reconstruction, plate, common, radius_px=_LIGHT * edge).lacking(
        matched, matte.shape
    )
    apart = np.where(seen, plate - matched.apply(reconstruction) - lit, 0).astype(np.float32)
    away = np.abs(cv2.GaussianBlur(apart, (0, 0), max(_BLUR * edge, 0.3))).max(axis=2)
    found = np.where(matte > 0, _step(away, _SKIN, _OTHER), 0).astype(np.float32)
    fitted = _fit(np.where(seen, plate, 0).astype(np.float32), found, max(1, round(_REACH * edge)))
    return np.asarray(np.where(seen[..., 0], 1 - _step(fitted, _FAINT, _SURE), 1), np.float32)


def _step(value: FloatImage, low: float, high: float) -> FloatImage:
    share = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _fit(guide: FloatImage, values: FloatImage, radius: int) -> FloatImage:
    """In every window, the values as a linear function of the guide's colours; windows averaged."""
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(image: FloatImage) -> FloatImage:
        return np.asarray(cv2.blur(image, window), np.float32)

    colour, value = mean(guide), mean(values)
    towards = [mean(guide[..., c] * values) - colour[..., c] * value for c in range(3)]
    r, g, b = (guide[..., c] for c in range(3))
    rr, rg, rb, gg, gb, bb = (
        mean(first * second) - colour[..., i] * colour[..., j] + (_ONE_SURFACE if i == j else 0)
        for first, second, i, j in (
            (r, r, 0, 0), (r, g, 0, 1), (r, b, 0, 2), (g, g, 1, 1), (g, b, 1, 2), (b, b, 2, 2)
        )
    )  # fmt: skip
    # Cramer's rule: the matrix is symmetric, and the floor keeps its determinant from 0.
    inverse = ((gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb),
               (gb * rb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb),
               (rg * gb - gg * rb, rb * rg - rr * gb, rr * gg - rg * rg))  # fmt: skip
    whole = np.maximum(rr * inverse[0][0] + rg * inverse[1][0] + rb * inverse[2][0], 1e-12)
    slope = np.stack(
        [sum(inverse[i][j] * towards[j] for j in range(3)) / whole for i in range(3)], axis=-1
    ).astype(np.float32)
    shift = value - (slope * colour).sum(axis=2)
    return np.asarray((mean(slope) * guide).sum(axis=2) + mean(shift), np.float32)
