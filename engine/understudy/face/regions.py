"""The regions of an aligned face: what each pixel shows.

Convention:
    Coverage is (H, W, REGIONS) float32 in 0..1 that sums to 1 over the last axis: a soft edge is the share of
    the pixel that each region fills, as alpha is.
"""

from __future__ import annotations

from typing import Final

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
strands, `glasses` frames and tinted lenses, `front` whatever else hides the head: hands, microphones, food, scarves,
hats, smoke."""
