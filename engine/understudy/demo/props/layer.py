"""Layers that lie over a face's picture and over its labels alike.

Convention:
    Colour is scene-linear Rec.709, not premultiplied where it is drawn. Alpha is a matte in 0..1: what a
    layer hides of the picture it takes from the regions behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from understudy.demo.template import Floats


@dataclass(frozen=True)
class Layer:
    """One thing in front of a face, or on it."""

    colour: Floats
    """(H, W, 3) float32."""
    alpha: Floats
    """(H, W) float32."""
    region: int
    """The region of `face.regions` that it is; -1 changes the picture and no label (a clear lens)."""
    shadow: float = 0.0
    """How much of the light it takes from what lies close behind it."""


@dataclass(frozen=True)
class Picture:
    """A face's picture and what its pixels show."""

    pixels: Floats
    """(H, W, 3) float32, scene-linear Rec.709."""
    mattes: Floats
    """(H, W, REGIONS) float32."""


def over(picture: Picture, layer: Layer, light_xy: tuple[float, float], unit_px: float) -> Picture:
    """Lay one layer over a picture.

    Args:
        picture: What lies behind.
        layer: What lies in front.
        light_xy: Where the light comes from on the picture, x right, y down; shadows fall the other way.
        unit_px: Pixels of one centimetre.

    Returns:
        A new picture; its mattes sum to 1 as before.
    """
    pixels = picture.pixels
    if layer.shadow > 0:
        pixels = pixels * (1.0 - layer.shadow * _shadow(layer.alpha, light_xy, unit_px))[..., None]
    alpha = layer.alpha[..., None]
    pixels = (pixels + alpha * (layer.colour - pixels)).astype(np.float32)
    if layer.region < 0:
        return replace(picture, pixels=pixels)
    mattes = picture.mattes * (1.0 - alpha)
    mattes[..., layer.region] += layer.alpha
    return Picture(pixels, mattes)


def _shadow(alpha: Floats, light_xy: tuple[float, float], unit_px: float) -> Floats:
    """A soft contact shadow, moved away from the light."""
    soft = cv2.GaussianBlur(alpha, (0, 0), max(0.5, 0.7 * unit_px))
    shift = np.array([[1, 0, -0.9 * unit_px * light_xy[0]], [0, 1, -0.9 * unit_px * light_xy[1]]], np.float64)
    height, width = alpha.shape
    return np.asarray(cv2.warpAffine(soft, shift, (width, height)), dtype=np.float32)


def blurred(layer: Layer, sigma_px: float = 0.0, motion_px: tuple[float, float] = (0.0, 0.0)) -> Layer:
    """A layer out of focus, or in motion: colour and alpha blur together, premultiplied.

    Args:
        layer: Sharp.
        sigma_px: Spread of the defocus.
        motion_px: x and y that it moves by while the shutter is open.
    """
    both = np.dstack([layer.colour * layer.alpha[..., None], layer.alpha]).astype(np.float32)
    both = moved(defocused(both, sigma_px), motion_px)
    alpha = np.clip(both[..., 3], 0.0, 1.0)
    colour = both[..., :3] / np.maximum(both[..., 3:], 1e-4)
    return replace(layer, colour=colour.astype(np.float32), alpha=alpha)


def defocused(planes: Floats, sigma_px: float) -> Floats:
    """Planes out of focus."""
    if sigma_px < 0.2:
        return planes
    return np.asarray(
        cv2.GaussianBlur(planes, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE), dtype=np.float32
    )


def moved(planes: Floats, motion_px: tuple[float, float]) -> Floats:
    """Planes in straight motion: the mean along a line of that length."""
    length = float(np.hypot(*motion_px))
    if length < 1.0:
        return planes
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    middle, reach = half * 16, np.array(motion_px) * 8
    start = (int(middle - reach[0]), int(middle - reach[1]))
    end = (int(middle + reach[0]), int(middle + reach[1]))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
    filtered = cv2.filter2D(planes, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(filtered, dtype=np.float32)
