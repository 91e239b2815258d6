"""Conversion between float32 pixels and the numbers that a file stores.

Convention:
    A stored integer of n bits means value / (2**n - 1), so that 1.0 is the highest. Ten and twelve bit
    values travel in uint16 with their bits repeated below, as image libraries hand them over. A half
    passes through float32 and back unchanged, NaN payloads included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage

BITS = {"uint8": 8, "uint10": 10, "uint12": 12, "uint16": 16}
"""Integer storages and their depth."""
_LARGEST_HALF = np.float32(65504.0)


def from_stored(stored: NDArray[Any], storage: str) -> FloatImage:
    """Convert stored numbers to float32 pixels; `storage` is the file's own type."""
    bits = BITS.get(storage)
    if bits is None:
        return np.ascontiguousarray(stored, np.float32)
    if bits < 16 and stored.dtype == np.uint16:
        stored = stored >> (16 - bits)
    pixels = stored.astype(np.float32)
    pixels /= np.float32(2**bits - 1)
    return pixels


def to_stored(pixels: FloatImage, storage: str) -> NDArray[Any]:
    """Convert pixels to stored numbers: integers are rounded and clipped, NaN is 0; halves saturate.

    A finite value beyond the range of half becomes the largest half and never infinity; infinity stays.
    """
    pixels = np.ascontiguousarray(pixels)  # channels picked out of others may lie in another order
    if storage == "float":
        return pixels
    if storage == "half":
        return _to_half(pixels)
    bits = BITS[storage]
    scaled = np.nan_to_num(pixels, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(scaled, 0.0, 1.0, out=scaled)
    scaled *= np.float32(2**bits - 1)
    scaled += np.float32(0.5)
    if bits == 8:
        return scaled.astype(np.uint8)
    stored = scaled.astype(np.uint16)
    return stored if bits == 16 else (stored << (16 - bits)) | (stored >> (2 * bits - 16))


def _to_half(pixels: FloatImage) -> NDArray[np.float16]:
    with np.errstate(over="ignore", invalid="ignore"):
        stored = pixels.astype(np.float16)
    overflowed = np.isinf(stored)
    if overflowed.any():
        overflowed &= np.isfinite(pixels)
        stored[overflowed] = np.copysign(_LARGEST_HALF, pixels[overflowed]).astype(np.float16)
    return stored
