"""The kind of processor that this is, as far as pixels depend on it.

Libraries sum in another order with other vector instructions, so the last bits of a frame depend on them.
Measured between AVX2 and none: up to 0.0005 apart, in 0.1 % of a swap's pixels.
"""

from __future__ import annotations

import platform
from functools import cache

import cv2


@cache
def instructions() -> str:
    """The architecture and the widest vector instructions, such as `x86_64 AVX512-SKX`.

    As OpenCV finds them: its own setting OPENCV_CPU_DISABLE takes instructions away here as in its functions.
    """
    # A star marks what is chosen at run time, a question mark what this processor lacks.
    found = [word.strip("*") for word in cv2.getCPUFeaturesLine().split() if not word.endswith("?")]
    return " ".join([platform.machine(), *found[-1:]])
