"""Who the other performers are, once the first is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_One = TypeVar("_One")
# A performer who is seen beside another is looked for before others, if this large a share of them is seen.
_WORTHY = 0.1


def with_others(
    first: _One,
    everybody: Sequence[_One],
    count: int,
    *,
    mass: Callable[[_One], float],
    meet: Callable[[_One, _One], bool],
    differ: Callable[[_One, _One], bool],
) -> list[_One]:
    """The first performer and at most `count - 1` more.

    The next is always the largest of those that are seen beside all before, else the largest that is surely
    none of them.

    Args:
        first: The first performer.
        everybody: Stretches, or groups of them, the first among them.
        count: How many performers are wanted.
        mass: How large one is for how long.
        meet: Whether two are in one frame.
        differ: Whether two that are in no frame together are two persons.
    """
    chosen = [first]
    while len(chosen) < count:
        rest = [one for one in everybody if one not in chosen]
        beside = [
            one
            for one in rest
            if all(meet(one, other) for other in chosen) and mass(one) >= _WORTHY * mass(first)
        ]
        unlike = [one for one in rest if all(meet(one, other) or differ(one, other) for other in chosen)]
        candidates = beside or unlike
        if not candidates:
            break
        chosen.append(max(candidates, key=mass))
    return chosen
