"""The mean face in numbers, and the weight of each point when a face is aligned.

The mean: generalised Procrustes over the mesh's landmarks in near-frontal frames of five performances (two
people, two digital performers), each performance averaged by its median, mirrored onto itself and scaled so
that the outer ends of the brows are one apart. Its unit square thus runs from brow to lower lip, like the
square that the peers count their coverages from, with the brows' top at 0.0126.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# fmt: off
_JAW = (
    (-0.1144, 0.2249), (-0.1114, 0.3529), (-0.1013, 0.4850), (-0.0796, 0.6277), (-0.0445, 0.7813),
    (0.0067, 0.9030), (0.0663, 0.9904), (0.2145, 1.1215), (0.5000, 1.2110), (0.7855, 1.1215),
    (0.9337, 0.9904), (0.9933, 0.9030), (1.0445, 0.7813), (1.0796, 0.6277), (1.1013, 0.4850),
    (1.1114, 0.3529), (1.1144, 0.2249),
)
_BROWS = (
    (0.0000, 0.0763), (0.0493, 0.0351), (0.1289, 0.0126), (0.2374, 0.0181), (0.3717, 0.0409),
    (0.6283, 0.0409), (0.7626, 0.0181), (0.8711, 0.0126), (0.9507, 0.0351), (1.0000, 0.0763),
)
_NOSE = (
    (0.5000, 0.1669), (0.5000, 0.2891), (0.5000, 0.4033), (0.5000, 0.4744), (0.3538, 0.5671),
    (0.4288, 0.5824), (0.5000, 0.5873), (0.5712, 0.5824), (0.6462, 0.5671),
)
_EYES = (
    (0.1144, 0.1905), (0.1673, 0.1572), (0.2523, 0.1528), (0.3461, 0.2049), (0.2662, 0.2147),
    (0.1807, 0.2177), (0.6539, 0.2049), (0.7477, 0.1528), (0.8327, 0.1572), (0.8856, 0.1905),
    (0.8193, 0.2177), (0.7338, 0.2147),
)
_MOUTH = (
    (0.2691, 0.7868), (0.3677, 0.7248), (0.4316, 0.7075), (0.5000, 0.7198), (0.5684, 0.7075),
    (0.6323, 0.7248), (0.7309, 0.7868), (0.6329, 0.8859), (0.5714, 0.9087), (0.5000, 0.9163),
    (0.4286, 0.9087), (0.3671, 0.8859), (0.2897, 0.7871), (0.3942, 0.7656), (0.5000, 0.7659),
    (0.6058, 0.7656), (0.7103, 0.7871), (0.6067, 0.8181), (0.5000, 0.8308), (0.3933, 0.8181),
)
# fmt: on

BASE: NDArray[np.float64] = np.array(_JAW + _BROWS + _NOSE + _EYES + _MOUTH)
"""(68, 2): the mean face in its brow-to-lip unit square; x right, y down."""


def _weights() -> NDArray[np.float64]:
    """How much each point counts.

    A placement must not move when the performer talks or blinks: the jaw and the lower lip count for nothing,
    brows and lids for little. It must not grow when the head turns either: width shrinks with the cosine of
    the yaw, height does not, so that points far apart in height (eyes against nose base and upper lip) carry
    the scale. With these weights the scale of a turned mesh stays within 3.5% up to 60 degrees of yaw; eye
    corners and nose alone lose 7%, equal weights on brows, eyes and nose gain 17%. The upper lip and the
    mouth's corners also take a third off the roll that the nose's depth feigns in a turned head.
    """
    weights = np.zeros(68)
    weights[17:27] = 0.1
    weights[27:31] = 0.5
    weights[31:36] = 2.0
    weights[36:48] = 0.15
    weights[[36, 39, 42, 45]] = 1.0
    weights[50:53] = 0.7
    weights[[48, 54]] = 0.4
    return weights


WEIGHTS: NDArray[np.float64] = _weights()
"""(68,): see `_weights`."""

SIDES = [0, 1, 2, 3, 13, 14, 15, 16]
"""The jaw's points beside the ears: they tell how far a head is turned, and do not move with the mouth."""
