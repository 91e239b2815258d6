"""Colour spaces, by OpenColorIO and one of its built-in configurations. The only user of PyOpenColorIO.

Convention:
    Arrays end in three channels R, G, B, float32. Values are never clipped: they may be negative or far
    above 1, and a conversion to another space and back returns them. The encoded space, which networks and
    statistics see, is ACEScct: scene values from 0 to 222 lie between 0.07 and 1.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import PyOpenColorIO as ocio
from numpy.typing import NDArray

from understudy.core.errors import ColourError
from understudy.image.frame import FloatImage

CONFIG_NAME = "cg-config-v2.1.0_aces-v1.3_ocio-v2.3"
"""Built-in configuration, pinned by its name so that an upgrade never changes a picture."""
ENCODED = "ACEScct"
"""Space that networks and colour statistics see."""
SCENE_LINEAR = "ACEScg"
"""Space that an EXR is in unless told."""
DISPLAY = "sRGB - Texture"
"""Space that 8 to 16 bit images and videos are in unless told."""

_RAW = "raw"


# Where our own EXR files say which space they are in; OpenEXR has no attribute of its own that all read.
SPACE_ATTRIBUTE = "understudy:colour_space"


def default_space(path: Path | str, assumed: str | None = None) -> str:
    """The colour space a file is taken to be in when nobody says: ACEScg or `assumed` for EXR, else sRGB."""
    return (assumed or SCENE_LINEAR) if Path(path).suffix.lower() == ".exr" else DISPLAY


def said_space(value: object) -> str | None:
    """The space that a file's header names, None where it names none that exists."""
    try:
        return check_space(value) if isinstance(value, str) and value else None
    except ColourError:
        return None


def spaces() -> tuple[str, ...]:
    """Every colour space of the pinned configuration by its full name, and `raw` for data."""
    return tuple(space.getName() for space in _config().getColorSpaces())


def check_space(name: str) -> str:
    """Give a space's full name from its name or one of its aliases, in any case.

    Raises:
        ColourError: there is no such space; the error lists near names.
    """
    if name.lower() == _RAW:
        return _RAW
    space = _config().getColorSpace(name) if name else None
    if space is not None:
        return cast(str, space.getName())
    known = {label.lower(): label for label in spaces()}
    for entry in _config().getColorSpaces():
        known.update({alias.lower(): entry.getName() for alias in entry.getAliases()})
    near = difflib.get_close_matches(name.lower(), known, n=6, cutoff=0.5)
    names = list(dict.fromkeys(known[label] for label in near)) or list(spaces())
    raise ColourError(
        f"There is no colour space {name!r}.",
        where=CONFIG_NAME,
        fix=f"use one of {', '.join(names)}",
    )


def convert(rgb: FloatImage, source: str, destination: str, *, exact: bool = True) -> FloatImage:
    """Move colours from one space to another without clipping.

    Args:
        rgb: (..., 3) float32 in `source`; it is left as it is.
        source: Name or alias of a space; `raw` is data and is returned unchanged.
        destination: Likewise.
        exact: False takes half the time, with errors up to 1e-4 of the value; for pictures to look at.

    Returns:
        A new array of the same shape, float32. NaN stays NaN.

    Raises:
        ColourError: a space is unknown, or the last axis is not three wide.
    """
    if rgb.ndim < 1 or rgb.shape[-1] != 3:
        raise ColourError(f"Colours have the shape {rgb.shape}, not (..., 3).")
    result = np.array(rgb, np.float32, order="C", copy=True)
    names = check_space(source), check_space(destination)
    if names[0] == names[1] or _RAW in (name.lower() for name in names) or result.size == 0:
        return result
    pixels = result.reshape(1, -1, 3) if result.ndim != 3 else result
    height, width = pixels.shape[:2]
    try:
        _processor(*names, exact).apply(ocio.PackedImageDesc(pixels, width, height, 3))
    except ocio.Exception as exc:
        raise ColourError(f"Colours cannot go from {source} to {destination}.", where=str(exc)) from exc
    return result


def encode(rgb: FloatImage, space: str) -> FloatImage:
    """Move (..., 3) colours from `space` to the encoded space."""
    return convert(rgb, space, ENCODED)


def decode(encoded: FloatImage, space: str) -> FloatImage:
    """Move (..., 3) colours from the encoded space to `space`."""
    return convert(encoded, ENCODED, space)


def linear_to_encoded(space: str) -> NDArray[np.float64] | None:
    """The (3, 3) matrix from a scene-linear space to the light that the encoded space is a logarithm of.

    For hosts that encode by their own nodes: matrix first, then ACEScct's curve on each channel.

    Returns:
        None where the space is not linear.

    Raises:
        ColourError: the space is unknown.
    """
    if check_space(space).lower() == _RAW:
        return None
    probe = np.concatenate([np.zeros((1, 3)), np.eye(3), 2 * np.eye(3), np.full((1, 3), 16.0)])
    seen = convert(probe.astype(np.float32)[None], space, SCENE_LINEAR)[0].astype(np.float64)
    matrix = (seen[1:4] - seen[0]).T
    return matrix if np.allclose(probe @ matrix.T, seen, rtol=1e-4, atol=1e-5) else None


def to_display(rgb: FloatImage, space: str) -> NDArray[np.uint8]:
    """Make a picture to look at or to detect faces in; never for pixels that go back into a plate.

    Args:
        rgb: (H, W, 3) float32 in `space`.

    Returns:
        (H, W, 3) uint8 sRGB, clipped; NaN becomes black.
    """
    shown = convert(rgb, space, DISPLAY, exact=False)
    np.nan_to_num(shown, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(shown, 0.0, 1.0, out=shown)
    shown *= 255.0
    shown += 0.5
    return shown.astype(np.uint8)


@lru_cache(maxsize=1)
def _config() -> Any:
    try:
        return ocio.Config.CreateFromBuiltinConfig(CONFIG_NAME)
    except ocio.Exception as exc:
        raise ColourError(
            f"OpenColorIO does not know its configuration {CONFIG_NAME}.",
            where=f"OpenColorIO {ocio.GetVersion()}",
            fix="install the OpenColorIO version that Understudy names",
        ) from exc


@lru_cache(maxsize=64)
def _processor(source: str, destination: str, exact: bool) -> Any:
    """The CPU processor between two spaces; it holds no state, so threads share it."""
    flags = ocio.OPTIMIZATION_LOSSLESS if exact else ocio.OPTIMIZATION_GOOD
    try:
        return _config().getProcessor(source, destination).getOptimizedCPUProcessor(flags)
    except ocio.Exception as exc:
        raise ColourError(f"There is no conversion from {source} to {destination}.", where=str(exc)) from exc
