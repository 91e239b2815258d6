"""Detail: sharpening, softening, degrading and denoising a face, and measuring sharpness."""

from __future__ import annotations

import math

import cv2
import numpy as np

from understudy.core.errors import JobError
from understudy.image.frame import FloatImage


def sharpen(rgb: FloatImage, amount: float, radius_px: float) -> FloatImage:
    """Sharpen by an unsharp mask, or soften: rgb + amount/100 · (rgb − Gaussian(rgb)).

    The formula goes through 0 without a step: 100 doubles the detail finer than the radius, −100 leaves the
    Gaussian alone. Nothing is clipped, and the border is mirrored, so that no halo comes from outside.

    Args:
        rgb: (H, W, C) float32, encoded space.
        amount: −100..100 percent.
        radius_px: Standard deviation of the Gaussian in pixels, 0 or more.

    Returns:
        A new array of the same shape. Pixels that are not finite stay as they are and do not spread.

    Raises:
        JobError: amount or radius_px is out of range.
    """
    if not -100 <= amount <= 100:
        raise JobError(f"A sharpness of {amount} is out of range.", fix="set it between -100 and 100")
    if not math.isfinite(radius_px) or radius_px < 0:
        raise JobError(f"A radius of {radius_px} pixels is out of range.", fix="give 0 or more")
    image = np.ascontiguousarray(rgb, np.float32)
    if amount == 0 or radius_px == 0 or image.size == 0:
        return image.copy()
    share = amount / 100
    soft = _gaussian(image, radius_px)
    out = np.asarray(cv2.addWeighted(image, 1 + share, soft, -share, 0), np.float32).reshape(image.shape)
    if not np.isfinite(out).all():
        bad = ~np.isfinite(image)
        out[bad] = image[bad]
    return out


def matching_sharpness(
    face: FloatImage, plate: FloatImage, matte: FloatImage, radius_px: float, *, grain: FloatImage
) -> float:
    """The amount for `sharpen` that gives the face the plate's energy of fine detail.

    Args:
        face: (H, W, 3) float32, encoded space, aligned.
        plate: The same shape and space, aligned alike.
        matte: (H, W) float32 in 0..1; pixels weigh by it.
        radius_px: Standard deviation in pixels, above 0; finer detail counts.
        grain: (3,) deviation of the plate's grain, which is not detail of the face.

    Returns:
        −100..100; 0 where nothing lies under the matte or the face has no detail at all.

    Raises:
        JobError: radius_px is not above 0.
    """
    if not math.isfinite(radius_px) or radius_px <= 0:
        raise JobError(f"A radius of {radius_px} pixels is out of range.", fix="give more than 0")
    finite = np.asarray(np.isfinite(face).all(axis=2) & np.isfinite(plate).all(axis=2))
    weight = np.where(finite, matte, 0).astype(np.float64)[..., None]

    def fine(image: FloatImage) -> FloatImage:
        return np.asarray(image - _gaussian(image, radius_px), np.float32)

    def product(a: FloatImage, b: FloatImage) -> float:
        return float((weight * a * b).sum() / max(weight.sum(), 1e-6))

    clean_face, clean_plate = (
        np.where(finite[..., None], one, 0).astype(np.float32) for one in (face, plate)
    )
    # Sharpening by a makes of the fine part f: f + a·g, where g is what is fine in f. Its energy is to be the
    # plate's, whose grain is finer than the radius and so nearly all in the fine part.
    of_face, of_plate = fine(clean_face), fine(clean_plate)
    finer = fine(of_face)
    wanted = max(product(of_plate, of_plate) - float(np.square(grain).sum()), 0.0)
    square, line = product(finer, finer), product(of_face, finer)
    if square < 1e-14:
        return 0.0
    constant = product(of_face, of_face) - wanted
    under_root = max(line * line - square * constant, 0.0)
    return float(np.clip(100 * (math.sqrt(under_root) - line) / square, -100, 100))


def degrade(rgb: FloatImage, percent: float) -> FloatImage:
    """Lower the resolution: reduced to 100 − percent of its size, and enlarged again.

    Args:
        rgb: (H, W, C) float32.
        percent: 0..100; 0 keeps every bit.

    Returns:
        A new array of the same shape.

    Raises:
        JobError: percent is out of range.
    """
    if not 0 <= percent <= 100:
        raise JobError(f"A degrade of {percent} percent is out of range.", fix="set it between 0 and 100")
    height, width = rgb.shape[:2]
    share = max(1 - percent / 100, 0.02)
    small = (max(1, round(width * share)), max(1, round(height * share)))
    image = np.ascontiguousarray(rgb, np.float32)
    if small == (width, height) or image.size == 0:
        return image.copy()
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, np.float32).reshape(image.shape)


def denoise(rgb: FloatImage, percent: float, radius_px: float) -> FloatImage:
    """Smooth small differences and keep large ones: a bilateral filter.

    Args:
        rgb: (H, W, 3) float32, encoded space.
        percent: 0..100; at 100 differences of 0.05 encoded units count as noise. 0 keeps every bit.
        radius_px: Standard deviation in space, above 0.

    Returns:
        A new array of the same shape.

    Raises:
        JobError: percent is out of range.
    Source:
        Tomasi & Manduchi 1998, Bilateral Filtering for Gray and Color Images.
    """
    if not 0 <= percent <= 100:
        raise JobError(f"A denoise of {percent} percent is out of range.", fix="set it between 0 and 100")
    image = np.ascontiguousarray(rgb, np.float32)
    if percent == 0 or image.size == 0 or not np.isfinite(image).all():
        return image.copy()
    reach = max(3, 2 * math.ceil(2 * min(radius_px, 6.0)) + 1)
    smooth = cv2.bilateralFilter(image, reach, 0.05 * percent / 100, radius_px)
    return np.asarray(smooth, np.float32).reshape(image.shape)


def _gaussian(image: FloatImage, sigma: float) -> FloatImage:
    """Gaussian over the finite pixels alone."""
    # A window wider than the array only adds time.
    reach = min(math.ceil(3 * sigma), max(image.shape[:2]))
    window = (2 * reach + 1, 2 * reach + 1)
    finite = np.isfinite(image)
    if finite.all():
        out = cv2.GaussianBlur(image, window, sigma, borderType=cv2.BORDER_REFLECT)
        return np.asarray(out, np.float32).reshape(image.shape)
    filled = np.where(finite, image, 0)
    values = cv2.GaussianBlur(filled, window, sigma, borderType=cv2.BORDER_REFLECT)
    weights = cv2.GaussianBlur(finite.astype(np.float32), window, sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(values / np.maximum(weights, 1e-6), np.float32).reshape(image.shape)
