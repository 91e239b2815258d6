"""Where pixels lie: between EXR's windows and Blender's compositor. Every pixel convention is in this file.

EXR counts pixels from the upper left corner, y down, and a window's far ends lie within it. Blender's
compositor lays every image centred on the middle of the picture, x right, y up, in pixels; a pixel is an
area, so an image of an odd width among ones of an even width sits half a pixel off its raster until it is
moved by half a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence


def offset(window: Sequence[int], display: Sequence[int]) -> tuple[float, float]:
    """How far an image that holds `window` has to be moved to lie at its place in `display`.

    Args:
        window, display: (x0, y0, x1, y1) in EXR's pixels, both ends within.

    Returns:
        (x, y) pixels, right and up. Added to the centring they make whole pixels, so nothing is filtered.
    """
    across = (window[0] + window[2]) / 2 - (display[0] + display[2]) / 2
    down = (window[1] + window[3]) / 2 - (display[1] + display[3]) / 2
    return across, -down


def size(window: Sequence[int]) -> tuple[int, int]:
    """(width, height) in pixels of a window whose both ends lie within it."""
    return window[2] - window[0] + 1, window[3] - window[1] + 1


def sequence_user(first: int, last: int) -> tuple[int, int, int]:
    """What makes an image sequence show the file of the scene's own frame number.

    Returns:
        (frame_start, frame_duration, frame_offset) of an image node. Outside of the frames Blender holds the
        nearest one.
    """
    return first, last - first + 1, first - 1
