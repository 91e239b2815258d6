"""Who is who by position and proportions alone: where no recognition network is at hand or it is not sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.face.detect.protocol import FaceBox, Points, overlap
from understudy.face.track.stretches import LOST_FRAMES, Stretch, normalised, proportions_apart

BOX_MISSED = "largest; no face lies under the face box"
SAME = 0.12
"""The largest distance between two stretches of one performer, in brow widths."""
# A stretch that is seen beside another is another performer, if it weighs at least this share of it.
_WORTHY = 0.1


@dataclass(eq=False)
class Grown:
    """A performer as it grows: the stretch it began as, all faces so far, and why it was chosen.

    `sure` is whether that was said by the job, or a guess that a person should look at.
    """

    seed: Stretch
    all: Stretch
    why: str
    sure: bool


def performers(
    stretches: Sequence[Stretch], count: int, box: FaceBox | None, reference: Points | None
) -> list[Grown]:
    """The stretch that each performer begins as."""
    seed, why, sure = _choose(stretches, box, reference)
    chosen = [seed]
    while len(chosen) < count:
        rest = [one for one in stretches if one not in chosen]
        beside = [
            one
            for one in rest
            if all(one.meets(other) for other in chosen) and one.mass >= _WORTHY * chosen[0].mass
        ]
        unlike = [one for one in rest if all(_differs(one, other) for other in chosen)]
        candidates = beside or unlike
        if not candidates:
            break
        chosen.append(max(candidates, key=lambda one: one.mass))
    grown = [Grown(one, Stretch(dict(one.faces)), "largest of its performer", True) for one in chosen]
    grown[0].why, grown[0].sure = why, sure
    return grown


def performer_of(stretch: Stretch, grown: Sequence[Stretch], rivals: Sequence[Stretch]) -> int | None:
    """The index of the performer whose face a stretch shows; None where that cannot be told."""
    free = [index for index, one in enumerate(grown) if not stretch.meets(one)]
    if not free:
        return None
    gaps = [nearest(stretch, grown[index]) for index in free]
    best = int(np.argmin(gaps))
    others = [one for one in (*grown, *rivals) if one is not grown[free[best]] and one is not stretch]
    alike = gaps[best] <= SAME
    if alike and all(gaps[best] < nearest(stretch, other) for other in others):
        return free[best]
    return None


def under_box(stretches: Sequence[Stretch], box: FaceBox | None) -> Stretch | None:
    """The stretch under a box that was drawn on the first frame; None where none is."""
    if box is None:
        return None
    begun = min(one.first for one in stretches)
    # The face may be detected a few frames later.
    near = [one for one in stretches if one.first <= begun + LOST_FRAMES]
    best = max(near, key=lambda one: _agreement(one.faces[one.first].box, box))
    return best if _agreement(best.faces[best.first].box, box) > 0 else None


def most_like(stretches: Sequence[Stretch], reference: Points) -> Stretch:
    """The stretch whose proportions are nearest to those of (68, 2) landmarks."""
    longest = max(len(one.faces) for one in stretches)
    # A stretch of a few frames may look like anyone.
    worthy = [one for one in stretches if len(one.faces) * 10 >= longest]
    wanted = normalised(reference)
    return min(worthy, key=lambda one: min(proportions_apart(wanted, other) for other in one.normalised()))


def nearest(stretch: Stretch, other: Stretch) -> float:
    """The median distance of a stretch's faces, each from the most alike of another's: poses differ."""
    theirs = other.normalised()
    gaps = [min(proportions_apart(face, one) for one in theirs) for face in stretch.normalised()]
    return float(np.median(gaps))


def _differs(one: Stretch, other: Stretch) -> bool:
    return one.meets(other) or nearest(one, other) > SAME


def _choose(
    stretches: Sequence[Stretch], box: FaceBox | None, reference: Points | None
) -> tuple[Stretch, str, bool]:
    under = under_box(stretches, box)
    if under is not None:
        return under, "under the face box", True
    if reference is not None:
        return most_like(stretches, reference), "like the reference, by proportions", False
    largest = max(stretches, key=lambda one: one.mass)
    return largest, "largest" if box is None else BOX_MISSED, box is None


def _agreement(detected: FaceBox, given: FaceBox) -> float:
    """Shared area over joint area, plus a little for a middle inside the box: boxes are drawn loosely."""
    x, y = (detected[0] + detected[2]) / 2, (detected[1] + detected[3]) / 2
    inside = given[0] <= x <= given[2] and given[1] <= y <= given[3]
    return overlap(detected, given) + (0.5 if inside else 0.0)
