"""What a plate's alpha means: whether its colours are multiplied by it, decided by what the frame holds.

Files are often wrong about it: an alpha that is 0 everywhere beside a full picture, another actor's roto, 255
for opaque. A file format says what is meant by definition, and the pixels show whether that can be true.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from understudy.image.frame import FloatImage, Frame

Alpha = Literal["auto", "premultiplied", "straight", "ignore"]

# An alpha that a filter overshot stays within these; 255, or -1 for "none", does not.
_LOWEST, _HIGHEST = -0.5, 1.5
_TRANSPARENT = 1 / 256
# Of the pixels without coverage, the share that shows light from which the alpha is no coverage of this
# picture. Glows and flares are light without coverage, and legal; they fill less of it.
_LIT_SHARE = 0.25
_LIT = 0.02
_OUT_OF_RANGE_SHARE = 0.001


def decided(frame: Frame, wanted: Alpha) -> Frame:
    """The frame with its alpha decided, and a note where that differs from the file format's definition.

    Args:
        frame: As the format has it by definition: `premultiplied` in EXR, straight in PNG.
        wanted: What the user declared, or `auto`.
    """
    name = frame.alpha_channel
    if name is None:
        return frame
    if wanted == "auto":
        return _by_content(frame, frame.pixels[..., frame.channels.index(name)])
    if wanted == "ignore":
        return replace(frame, premultiplied=False, alpha_as_stored=True)
    premultiplied = wanted == "premultiplied"
    differs = premultiplied != frame.premultiplied
    return replace(frame, premultiplied=premultiplied, alpha_as_stored=differs)


def _by_content(frame: Frame, alpha: FloatImage) -> Frame:
    why = _why_ignored(frame, alpha)
    if not why:
        return frame
    note = f"The plate's alpha is ignored: {why}. Say --alpha premultiplied or straight if it counts."
    return replace(frame, premultiplied=False, alpha_as_stored=True, notes=(*frame.notes, note))


def _why_ignored(frame: Frame, alpha: FloatImage) -> str:
    """Why the alpha cannot be the coverage of this picture; empty where it can."""
    with np.errstate(invalid="ignore"):
        lowest, highest = float(np.fmin.reduce(alpha, axis=None)), float(np.fmax.reduce(alpha, axis=None))
        if np.isnan(lowest):
            return "it holds no number"
        if lowest < _LOWEST or highest > _HIGHEST:
            outside = (alpha < _LOWEST) | (alpha > _HIGHEST)
            if outside.mean() > _OUT_OF_RANGE_SHARE:
                return f"it runs from {lowest:.4g} to {highest:.4g}, not from 0 to 1"
        if lowest > _TRANSPARENT:
            return ""
        transparent = alpha <= _TRANSPARENT
        if not frame.premultiplied and not transparent.all():
            return ""  # straight colours go on where nothing is covered
        light = np.abs(frame.rgb()).max(axis=2)
        bright = float(np.nanpercentile(np.where(np.isfinite(light), light, np.nan)[::4, ::4], 99))
        lit = light[transparent] > max(_LIT * bright, 1e-5)
    if transparent.all():
        return "it is 0 everywhere, and the picture is not black" if lit.any() else ""
    return "the picture goes on where it is 0" if lit.mean() > _LIT_SHARE else ""
