"""Colour spaces, by OpenColorIO: conversions. With `colour_config` the only user of PyOpenColorIO.

Convention:
    Arrays end in three channels R, G, B, float32. Values are never clipped: they may be negative or far
    above 1, and a conversion to another space and back returns them. The encoded space, which networks and
    statistics see, is ACEScct: scene values from 0 to 222 lie between 0.07 and 1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import PyOpenColorIO as ocio
from numpy.typing import NDArray

from understudy.core.errors import ColourError
from understudy.image import colour_config
from understudy.image.colour_config import Space
from understudy.image.colour_names import CONFIG_NAME, DISPLAY, ENCODED, RAW, SCENE_LINEAR
from understudy.image.frame import FloatImage

__all__ = ["CONFIG_NAME", "DISPLAY", "ENCODED", "RAW", "SCENE_LINEAR"]

HDR_WHITE = 2.03
"""Where diffuse white lies in HLG and PQ, 1 being 100 nits: 203 nits, ITU-R BT.2408."""
_INTERCHANGE = "ACES2065-1"


def spaces() -> tuple[str, ...]:
    """The full name of every colour space there is, and `raw` for data."""
    return tuple(RAW if name.lower() == RAW else name for name in colour_config.all_names())


def check_space(name: str) -> str:
    """The full name of a space, from its name, an alias, a role or an everyday name, in any case.

    Raises:
        ColourError: there is no such space; the error lists near names.
    """
    return _space(name).name


def encoding_of(name: str) -> str:
    """OCIO's encoding of a space: scene-linear, log, sdr-video, hdr-video or data.

    Raises:
        ColourError: there is no such space.
    """
    return _space(name).encoding


def _space(name: str) -> Space:
    space = colour_config.find(name)
    if space is None:
        raise ColourError(
            f"There is no colour space {name!r}.",
            where=CONFIG_NAME,
            fix=f"use one of {', '.join(colour_config.near_names(name))}",
        )
    return space


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
    if names[0] == names[1] or RAW in names or result.size == 0:
        return result
    pixels = result.reshape(1, -1, 3) if result.ndim != 3 else result
    height, width = pixels.shape[:2]
    try:
        for processor in _processors(colour_config.find(source), colour_config.find(destination), exact):
            processor.apply(ocio.PackedImageDesc(pixels, width, height, 3))
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
    if check_space(space) == RAW:
        return None
    probe = np.concatenate([np.zeros((1, 3)), np.eye(3), 2 * np.eye(3), np.full((1, 3), 16.0)])
    seen = convert(probe.astype(np.float32)[None], space, SCENE_LINEAR)[0].astype(np.float64)
    matrix = (seen[1:4] - seen[0]).T
    return matrix if np.allclose(probe @ matrix.T, seen, rtol=1e-4, atol=1e-5) else None


def to_display(rgb: FloatImage, space: str) -> NDArray[np.uint8]:
    """Convert a picture for viewing or face detection; never for pixels that go back into a plate.

    Args:
        rgb: (H, W, 3) float32 in `space`.

    Returns:
        (H, W, 3) uint8 sRGB, clipped; NaN becomes black. Diffuse white of HLG and PQ is white.
    """
    if encoding_of(space) == "hdr-video":
        light = convert(rgb, space, SCENE_LINEAR, exact=False)
        light /= np.float32(HDR_WHITE)
        rgb, space = light, SCENE_LINEAR
    shown = convert(rgb, space, DISPLAY, exact=False)
    np.nan_to_num(shown, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(shown, 0.0, 1.0, out=shown)
    shown *= 255.0
    shown += 0.5
    return shown.astype(np.uint8)


@lru_cache(maxsize=64)
def _processors(source: Space, destination: Space, exact: bool) -> tuple[Any, ...]:
    """The CPU processors between two spaces, in order; they hold no state, so threads share them."""
    flags = ocio.OPTIMIZATION_LOSSLESS if exact else ocio.OPTIMIZATION_GOOD
    try:
        return tuple(one.getOptimizedCPUProcessor(flags) for one in _steps(source, destination))
    except ocio.Exception as exc:
        raise ColourError(
            f"There is no conversion from {source.name} to {destination.name}.",
            where=str(exc)[:500],
            fix="give the configuration of OCIO the role aces_interchange, or name another space",
        ) from exc


def _steps(source: Space, destination: Space) -> list[Any]:
    """OCIO's processors: one within a configuration, else two that meet in ACES2065-1."""
    if source.config is not None and source.config is destination.config:
        return [source.config.getProcessor(source.name, destination.name)]
    return [_half(source, back=False), _half(destination, back=True)]


def _half(space: Space, *, back: bool) -> Any:
    """The processor from a space to ACES2065-1, or back."""
    pinned = colour_config.pinned()
    if space.made is not None:
        way = ocio.TRANSFORM_DIR_INVERSE if back else ocio.TRANSFORM_DIR_FORWARD
        return pinned.getProcessor(colour_config.to_interchange(space.made), way)
    ends = (space.config, space.name), (pinned, _INTERCHANGE)
    (first, name), (last, other) = reversed(ends) if back else ends
    if first is last:
        return first.getProcessor(name, other)
    return ocio.Config.GetProcessorFromConfigs(first, name, last, other)
