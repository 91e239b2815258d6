"""Where a shot ends and another begins, told by small pictures of whole frames."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL_PX = 16
# One less the correlation of two frames' thumbnails. From one frame to the next of filmed and rendered
# footage it is .013 at most; over cuts between its clips .10 to .94. A cut also stands out from the steps
# around it, unless it is so large that no camera move explains it.
_CUT, _STANDS_OUT, _SURE_CUT = 0.04, 4.0, 0.25
_FLAT = 1e-3


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(16, 16, 3) uint8 of an (H, W, 3) uint8 picture, by area."""
    small = cv2.resize(image, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def cuts(thumbnails: Mapping[int, NDArray[Any] | None]) -> set[int]:
    """The frames that begin a new shot.

    Args:
        thumbnails: Frame number to its thumbnail; frames without one are left out of the comparison.
    """
    known = [(frame, one) for frame, one in sorted(thumbnails.items()) if one is not None]
    steps = [_unlike(first, second) for (_, first), (_, second) in pairwise(known)]
    found: set[int] = set()
    for index, step in enumerate(steps):
        around = [*steps[max(0, index - 2) : index], *steps[index + 1 : index + 3]]
        stands_out = step >= _STANDS_OUT * float(np.median(around)) if around else True
        if step >= _SURE_CUT or (step >= _CUT and stands_out):
            found.add(known[index + 1][0])
    return found


def _unlike(first: NDArray[Any], second: NDArray[Any]) -> float:
    """1 less the correlation, which a flash or a fade does not change; flat frames are like flat ones."""
    a, b = (one.astype(np.float64) / 255 for one in (first, second))
    a, b = a - a.mean(), b - b.mean()
    spread = float(a.std()), float(b.std())
    if min(spread) < _FLAT:
        return 0.0 if max(spread) < _FLAT else 1.0
    return 1 - float((a * b).mean()) / (spread[0] * spread[1])
