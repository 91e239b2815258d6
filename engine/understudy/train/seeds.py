"""Seeds of random choices: one for every purpose, run, iteration and identity."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A seed that depends on every part and on their order.

    Sums and products of the parts collide: packed as `iteration * 16 + identity`, the seventeenth identity
    saw the random numbers of the first one's next iteration. A hash has no such pattern.

    Args:
        parts: What the random numbers are for, such as ("batch", seed, iteration, identity).

    Returns:
        0 to 2**32 - 1: torch's generator on a CPU uses no more bits of a seed than these.
    """
    digest = hashlib.sha256("\0".join(map(repr, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
