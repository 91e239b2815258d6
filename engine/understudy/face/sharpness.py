"""How sharp a face is."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import FaceError

_EDGE = 128


def sharpness(crop: NDArray[np.floating[Any]]) -> float:
    """How sharp a face is, whatever its size and contrast: 0 is blank, about 0.02 soft, above 0.1 crisp.

    The variance of the Laplacian of the crop's inner part at 128 px, divided by the variance of its
    luminance, so that hard light does not pass for focus.

    Args:
        crop: (S, S, 3) or (S, S), encoded space; NaN counts as 0.

    Raises:
        FaceError: the crop has no pixels.
    Source:
        Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy; normalised here.
    """
    if crop.size == 0 or crop.ndim not in (2, 3):
        raise FaceError(f"A crop of the shape {crop.shape} has no sharpness.")
    plain = np.nan_to_num(np.asarray(crop, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    luma = plain if plain.ndim == 2 else plain[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    small = cv2.resize(luma, (_EDGE, _EDGE), interpolation=cv2.INTER_AREA)
    # Hair and background lie at the rim.
    inner = small[_EDGE // 8 : -_EDGE // 8, _EDGE // 8 : -_EDGE // 8]
    contrast = float(inner.var())
    if contrast < 1e-8:
        return 0.0
    return float(cv2.Laplacian(inner, cv2.CV_32F)[1:-1, 1:-1].var()) / contrast
