"""Which stretch belongs to which performer, by position and proportions alone: every join is a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.face.detect.protocol import FaceBox, Points
from understudy.face.track.choice import with_others
from understudy.face.track.likeness import BOX_MISSED, SAME, UNDER_BOX, most_like, nearest, under_box
from understudy.face.track.stretches import Stretch
from understudy.face.track.verdicts import Verdict, Wanted


@dataclass(eq=False)
class _Grown:
    """A performer as it grows: the stretch it began as, all faces so far, and why it was chosen.

    `sure` is whether that was said by the job, or a guess that a person should look at.
    """

    seed: Stretch
    all: Stretch
    why: str
    sure: bool


def by_proportions(stretches: Sequence[Stretch], wanted: Wanted) -> tuple[list[list[Stretch]], list[Verdict]]:
    """Every stretch is given to the performer whom it is most like.

    Never to one who is in a frame of it, and only where it is less like all other faces.

    Returns:
        The stretches of each performer, and what was made of every one.
    """
    grown = _performers(stretches, wanted.count, wanted.box, wanted.landmarks)
    parts = [[one.seed] for one in grown]
    verdicts = {
        id(one.seed): Verdict(one.seed, index, one.why, None, one.sure) for index, one in enumerate(grown)
    }
    others = [one for one in stretches if id(one) not in verdicts]
    rivals = [one for one in others if all(one.meets(performer.all) for performer in grown)]
    for one in rivals:
        verdicts[id(one)] = Verdict(one, None, "another performer: both are in one frame")
    pending = [one for one in others if one not in rivals]
    while pending:
        # The nearest in time first: what it adds helps to tell the farther ones.
        here = min(pending, key=lambda one: min(_frames_apart(one, each.all) for each in grown))
        pending.remove(here)
        best = _performer_of(here, [one.all for one in grown], rivals)
        if best is not None:
            grown[best].all.faces |= here.faces
            parts[best].append(here)
            why = "assumed to be the same performer, by proportions"
            verdicts[id(here)] = Verdict(here, best, why, None, False)
            continue
        why = "assumed to be another performer, by proportions"
        verdicts[id(here)] = Verdict(here, None, why, None, False)
        if any(here.meets(one.all) for one in grown):
            rivals.append(here)
    return parts, [verdicts[id(one)] for one in stretches]


def _frames_apart(stretch: Stretch, performer: Stretch) -> int:
    return min(abs(stretch.first - performer.last), abs(performer.first - stretch.last))


def _performers(
    stretches: Sequence[Stretch], count: int, box: FaceBox | None, reference: Points | None
) -> list[_Grown]:
    """The stretch that each performer begins as."""
    seed, why, sure = _choose(stretches, box, reference)
    chosen = with_others(
        seed,
        stretches,
        count,
        mass=lambda one: one.mass,
        meet=Stretch.meets,
        differ=lambda one, other: nearest(one, other) > SAME,
    )
    grown = [_Grown(one, Stretch(dict(one.faces)), "largest of its performer", True) for one in chosen]
    grown[0].why, grown[0].sure = why, sure
    return grown


def _performer_of(stretch: Stretch, grown: Sequence[Stretch], rivals: Sequence[Stretch]) -> int | None:
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


def _choose(
    stretches: Sequence[Stretch], box: FaceBox | None, reference: Points | None
) -> tuple[Stretch, str, bool]:
    under = under_box(stretches, box)
    if under is not None:
        return under, UNDER_BOX, True
    if reference is not None:
        return most_like(stretches, reference), "like the reference, by proportions", False
    largest = max(stretches, key=lambda one: one.mass)
    return largest, "largest" if box is None else BOX_MISSED, box is None
