"""The regions of an aligned face: what each pixel shows.

Convention:
    Mattes are (H, W, REGIONS) float32 in 0..1 that sum to 1 over the last axis: a soft edge is the share of
    the pixel that each region fills, as alpha is.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

(
    BACKGROUND,
    SKIN,
    BROWS,
    EYES,
    LIPS,
    INNER_MOUTH,
    HAIR,
    BEARD,
    GLASSES,
    NECK,
    EAR,
    FRONT,
) = range(12)

REGIONS: Final = (
    "background",
    "skin",
    "brows",
    "eyes",
    "lips",
    "inner mouth",
    "hair",
    "beard",
    "glasses",
    "neck",
    "ear",
    "front",
)
"""Names in the order of the last axis. `background` holds clothes, `eyes` lashes, `hair` fringes and loose
strands, `glasses` frames and tinted lenses, `front` whatever else hides the head: hands, microphones, food,
scarves, hats, smoke."""

Floats = NDArray[np.floating[Any]]
Bytes = NDArray[np.uint8]


UNKNOWN = 128


def pack(mattes: Floats, known: NDArray[np.bool_] | None = None) -> Bytes:
    """Mattes in three bytes a pixel: the two largest regions, and the first one's share of both.

    Args:
        mattes: (..., REGIONS) in 0..1.
        known: (...) where they are to be learned and measured; everywhere when left out.

    Returns:
        (..., 3) uint8. A third region of a pixel is given to the two in their proportion.
    """
    order = np.argsort(mattes, axis=-1)
    first, second = order[..., -1:], order[..., -2:-1]
    most = np.take_along_axis(mattes, first, -1)
    next_most = np.take_along_axis(mattes, second, -1)
    share = np.round(255.0 * most / np.maximum(most + next_most, 1e-6))
    if known is not None:
        first = first + np.where(known, 0, UNKNOWN)[..., None]
    return np.concatenate([first, second, share], -1).astype(np.uint8)


def unpack(packed: Bytes) -> Floats:
    """(..., 3) of `pack` to (..., REGIONS) float32 that sum to 1."""
    mattes = np.zeros((*packed.shape[:-1], len(REGIONS)), np.float32)
    share = packed[..., 2:3].astype(np.float32) / 255.0
    np.put_along_axis(mattes, packed[..., 1:2].astype(np.int64), 1.0 - share, -1)
    np.put_along_axis(mattes, packed[..., :1].astype(np.int64) % UNKNOWN, share, -1)
    return mattes


def known_of(packed: Bytes) -> NDArray[np.bool_]:
    """(..., 3) of `pack` to (...): where the mattes are to be learned and measured."""
    return np.asarray(packed[..., 0] < UNKNOWN)
