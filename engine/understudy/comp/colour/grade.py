"""The artist's own grade of the new face, as one more 3×4 matrix in the encoded space.

The encoded space is a logarithm (ACEScct), where exposure is a shift and contrast a gain about a pivot, so
every control here is affine. A grade folds into the colour match and costs nothing, here and in the host.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import JobError

# One stop, mid grey (0.18) and diffuse white (1.0) in ACEScct; Academy S-2016-001.
STOP = 1 / 17.52
MID_GREY = (math.log2(0.18) + 9.72) / 17.52
WHITE = 9.72 / 17.52


def matrix(
    *, gain_stops: float, gamma: float, lift: float, saturation: float, hue_degrees: float
) -> NDArray[np.float64]:
    """Gain, then gamma, lift, saturation and hue.

    Args:
        gain_stops: Exposure; 1 is twice the light.
        gamma: Contrast about mid grey, above 0; 1 changes nothing, more is flatter.
        lift: Raises the dark and leaves white, below 1; 0 changes nothing.
        saturation: Distance from grey, 0 or more; 1 changes nothing.
        hue_degrees: Turn about the grey axis.

    Returns:
        (3, 4) float64 in the encoded space.

    Raises:
        JobError: a value is out of range or no number.
    """
    values = (gain_stops, gamma, lift, saturation, hue_degrees)
    if not all(map(math.isfinite, values)) or gamma <= 0 or lift >= 1 or saturation < 0:
        raise JobError(f"A grade of {values} is out of range.", fix="see `understudy swap --help`")
    grey = np.full((3, 3), 1 / 3)
    linear = _turn(math.radians(hue_degrees)) @ (grey + saturation * (np.eye(3) - grey))
    scale, shift = 1.0, gain_stops * STOP
    for pivot, factor in ((MID_GREY, 1 / gamma), (WHITE, 1 - lift)):
        scale, shift = scale * factor, (shift - pivot) * factor + pivot
    # Saturation and hue leave greys where they are, so the shift needs no turning.
    return np.column_stack([scale * linear, np.full(3, shift)])


def _turn(angle: float) -> NDArray[np.float64]:
    """Rotation about the grey axis (Rodrigues' formula)."""
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    grey = np.full((3, 3), 1 / 3)
    return np.asarray(
        math.cos(angle) * np.eye(3) + math.sin(angle) * across + (1 - math.cos(angle)) * grey, np.float64
    )
