"""Checks before face and plate are measured: one size, and where all pixels are finite."""

from __future__ import annotations

import numpy as np

from understudy.core.errors import PlateError
from understudy.image.frame import FloatImage


def require_fit(matte: FloatImage, **pictures: FloatImage) -> None:
    """Check that two pictures and a matte have one size.

    Args:
        matte: (H, W).
        pictures: Both (H, W, C), under their names in the message.

    Raises:
        PlateError: the shapes differ.
    """
    shapes = [picture.shape for picture in pictures.values()]
    if any(shape != shapes[0] or len(shape) != 3 or matte.shape != shape[:2] for shape in shapes):
        named = ", ".join(f"{name} {shape}" for name, shape in zip(pictures, shapes, strict=True))
        text = f"{named} and matte {matte.shape} do not fit each other."
        raise PlateError(text[0].upper() + text[1:])


def finite_cover(matte: FloatImage, *pictures: FloatImage) -> FloatImage:
    """(H, W) float32: the matte where it is above 0 and every (H, W, C) picture is finite, 0 elsewhere."""
    seen = matte > 0
    for picture in pictures:
        finite = np.isfinite(picture)
        if not finite.all():  # to ask every pixel costs ten times as much as to ask all at once
            seen = seen & finite.all(axis=2)
    return np.where(seen, matte, 0).astype(np.float32)
