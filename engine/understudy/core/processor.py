"""The processor's instruction set, on which the last bits of pixels depend.

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

    As OpenCV reports them: OPENCV_CPU_DISABLE removes instructions here as in its functions.
    """
    # A star marks instructions that are chosen at run time, a question mark those this processor lacks.
    found = [word.strip("*") for word in cv2.getCPUFeaturesLine().split() if not word.endswith("?")]
    return " ".join([platform.machine(), *found[-1:]])
