"""What an artist's file says: the painted picture, and where on it the fix is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.comp.merge import paste
from understudy.face.crop import finite, rgb_within
from understudy.image import colour
from understudy.image.frame import Box, FloatImage, Frame

# Colours beyond the alpha that are this near to what was painted on, as a share of it, are that.
_THE_SAME = 0.02


@dataclass(frozen=True)
class Painting:
    """A painted keyframe.

    Attributes:
        encoded: (H, W, 3) float32, encoded space: the painted picture, whole.
        alpha: (H, W) float32 in 0..1 where the file says where the fix is; None where only the difference
            from what was painted on tells.
        bad: Pixels that were no numbers, and are taken as unpainted.
    """

    encoded: FloatImage
    alpha: FloatImage | None
    bad: int


def read_painting(fix: Frame, base: Frame, window: Box) -> Painting:
    """A keyframe over what it was painted on.

    Args:
        fix: The artist's file; it may hold only a part of the frame, and be of another colour space.
        base: What was painted on.
        window: The rectangle to give.
    """
    under = rgb_within(base, *window.slices(base.data_window))
    rgb, alpha, bad = under.copy(), np.zeros(under.shape[:2], np.float32), 0
    inside, says = fix.data_window.intersect(window), "A" in fix.channels
    if not inside.empty:
        here = inside.slices(window)
        part = fix.pixels[inside.slices(fix.data_window)]
        own = part[..., fix.channels.index("A")] if says else np.ones(part.shape[:2], np.float32)
        colours = colour.convert(part[..., list(fix.rgb_index)], fix.colour_space, base.colour_space)
        if says and _is_whole(colours, own, under[here]):
            says, own = False, np.ones_like(own)
        elif says and fix.premultiplied:
            colours = _unpremultiplied(part, own, fix, base)
        wrong = ~np.isfinite(colours).all(axis=2) | ~np.isfinite(own)
        bad = int(wrong.sum())
        alpha[here] = np.where(wrong, 0, np.clip(own, 0, 1))
        known = np.where(wrong[..., None], 0, colours).astype(np.float32)
        rgb[here] = paste.over(under[here], known, alpha[here])
    encoded = colour.encode(np.ascontiguousarray(finite(rgb), np.float32), base.colour_space)
    # An alpha that is 1 all over, or the plate's own, only says that there is a picture.
    says = says and not (alpha == 1).all() and not _is_plates_own(alpha, base, window)
    return Painting(encoded, alpha if says else None, bad)


def _is_whole(colours: FloatImage, alpha: FloatImage, under: FloatImage) -> bool:
    """Whether a picture goes on beyond its alpha, as paint over a plate does: it is multiplied by nothing."""
    beyond = (alpha == 0) & np.isfinite(colours).all(axis=2) & (np.abs(under).max(axis=2) > 0)
    if not beyond.any():
        return False
    apart = np.abs(colours[beyond] - under[beyond]).max(axis=1)
    return bool(np.median(apart / np.abs(under[beyond]).max(axis=1)) < _THE_SAME)


def _unpremultiplied(part: FloatImage, alpha: FloatImage, fix: Frame, base: Frame) -> FloatImage:
    """Colours divided by their alpha, in the space they were multiplied in, then in the base's."""
    divided = part[..., list(fix.rgb_index)] / np.where(alpha > 0, np.maximum(alpha, 1e-6), 1)[..., None]
    return colour.convert(divided.astype(np.float32), fix.colour_space, base.colour_space)


def _is_plates_own(alpha: FloatImage, base: Frame, window: Box) -> bool:
    if "A" not in base.channels:
        return False
    own = base.pixels[window.slices(base.data_window)][..., base.channels.index("A")]
    return bool(np.array_equal(alpha, own))
