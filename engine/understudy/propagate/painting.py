"""An artist's painted frame: the picture, and the matte of the fix where the file has one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.comp.merge import paste
from understudy.face.crop import finite, rgb_within
from understudy.image import colour
from understudy.image.frame import Box, FloatImage, Frame

# The relative difference up to which colours outside the alpha count as those of the frame below.
_SAME = 0.02


@dataclass(frozen=True)
class Painting:
    """A painted keyframe.

    Attributes:
        encoded: (H, W, 3) float32, encoded space: the painted picture over the frame below.
        alpha: (H, W) float32 in 0..1, the matte of the fix; None where the file's alpha does not give it, and
            the difference from the frame below has to.
        bad: Number of pixels that were NaN or infinite and count as unpainted.
    """

    encoded: FloatImage
    alpha: FloatImage | None
    bad: int


def read_painting(fix: Frame, base: Frame, window: Box) -> Painting:
    """A painted keyframe over the frame that was painted on.

    Args:
        fix: The artist's file; it may hold only a part of the frame, and be in another colour space.
        base: The frame that was painted on.
        window: The rectangle to return.
    """
    below = rgb_within(base, *window.slices(base.data_window))
    rgb, alpha, bad = below.copy(), np.zeros(below.shape[:2], np.float32), 0
    inside, has_matte = fix.data_window.intersect(window), fix.alpha_channel is not None
    if not inside.empty:
        here = inside.slices(window)
        part = fix.pixels[inside.slices(fix.data_window)]
        file_alpha = np.ones(part.shape[:2], np.float32)
        if fix.alpha_channel is not None:
            file_alpha = part[..., fix.channels.index(fix.alpha_channel)]
        colours = colour.convert(part[..., list(fix.rgb_index)], fix.colour_space, base.colour_space)
        if has_matte and _is_full_picture(colours, file_alpha, below[here]):
            has_matte, file_alpha = False, np.ones_like(file_alpha)
        elif has_matte and fix.premultiplied:
            colours = _unpremultiplied(part, file_alpha, fix, base)
        wrong = ~np.isfinite(colours).all(axis=2) | ~np.isfinite(file_alpha)
        bad = int(wrong.sum())
        alpha[here] = np.where(wrong, 0, np.clip(file_alpha, 0, 1))
        known = np.where(wrong[..., None], 0, colours).astype(np.float32)
        rgb[here] = paste.over(below[here], known, alpha[here])
    encoded = colour.encode(np.ascontiguousarray(finite(rgb), np.float32), base.colour_space)
    # An alpha that is 1 everywhere, or that equals the frame's below, is not the matte of a fix.
    has_matte = has_matte and not (alpha == 1).all() and not _equals_base_alpha(alpha, base, window)
    return Painting(encoded, alpha if has_matte else None, bad)


def _is_full_picture(colours: FloatImage, alpha: FloatImage, below: FloatImage) -> bool:
    """Whether the picture continues outside its alpha, as paint over a plate does: it is unpremultiplied."""
    beyond = (alpha == 0) & np.isfinite(colours).all(axis=2) & (np.abs(below).max(axis=2) > 0)
    if not beyond.any():
        return False
    apart = np.abs(colours[beyond] - below[beyond]).max(axis=1)
    return bool(np.median(apart / np.abs(below[beyond]).max(axis=1)) < _SAME)


def _unpremultiplied(part: FloatImage, alpha: FloatImage, fix: Frame, base: Frame) -> FloatImage:
    """Colours divided by their alpha in the file's colour space, then converted to the base's."""
    divided = part[..., list(fix.rgb_index)] / np.where(alpha > 0, np.maximum(alpha, 1e-6), 1)[..., None]
    return colour.convert(divided.astype(np.float32), fix.colour_space, base.colour_space)


def _equals_base_alpha(alpha: FloatImage, base: Frame, window: Box) -> bool:
    if base.alpha_channel is None:
        return False
    base_alpha = base.pixels[window.slices(base.data_window)][..., base.channels.index(base.alpha_channel)]
    return bool(np.array_equal(alpha, base_alpha))
