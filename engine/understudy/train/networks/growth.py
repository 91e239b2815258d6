"""Progressive growing: a large model learns small faces first, and doubles them level by level.

Small faces train quickly, and hold all there is to learn of pose, light and expression; their previews come
early. Everything is a function of the iteration, so that a resumed run grows as an uninterrupted one.

Source:
    Karras et al. 2018, Progressive Growing of GANs.
"""

from __future__ import annotations

# A level that joins counts from nothing to all of it in this share of its stage.
FADE_SHARE = 0.25


def grown(iteration: int, *, growths: int, every: int) -> float:
    """How many finer levels are used at an iteration; the one that is faded in by its fraction.

    Args:
        iteration: Iterations made so far.
        growths: The finer levels that there are.
        every: Iterations of a stage; 0 begins with all levels.
    """
    if every == 0 or growths == 0:
        return float(growths)
    stage, into = divmod(iteration, every)
    if stage == 0:
        return 0.0
    if stage > growths:
        return float(growths)
    # The step after an iteration must count already, or its level would not be used at all.
    return stage - 1 + min(1.0, (into + 1) / max(1.0, FADE_SHARE * every))


def stage_began(iteration: int, *, growths: int, every: int) -> int:
    """The iteration at which the newest level at an iteration joined, 0 for the first."""
    if every == 0:
        return 0
    return min(iteration // every, growths) * every
