"""Square pictures in another size."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.image.frame import FloatImage


def resize(image: FloatImage, size: int) -> FloatImage:
    """(S, S[, 3]) float32 to (size, size[, 3]): cubic up, area down; a matte stays in 0..1."""
    if image.shape[0] == size:
        return image
    smaller = size < image.shape[0]
    resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    # A cubic overshoots a matte's edge; colour may overshoot, it has no bounds.
    bounded = resized if image.ndim == 3 else np.clip(resized, 0.0, 1.0)
    return np.asarray(bounded, np.float32)
