"""Which stretch belongs to which performer, told by a recognition network.

Proportions decide what it leaves open, and the result says that this is not sure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from understudy.face.track import likeness
from understudy.face.track.choice import with_others
from understudy.face.track.described import OTHER, SAME, Described, apart
from understudy.face.track.persons import Distances, persons
from understudy.face.track.stretches import Stretch
from understudy.face.track.verdicts import Association, Verdict, Wanted, ordered

_UNCLEAR = "no face is seen clearly"

Groups = list[list[int]]


def by_identity(
    stretches: Sequence[Stretch], wanted: Wanted, described: Sequence[Described | None]
) -> Association:
    """The performers of a shot; none where the reference's is not in it.

    Args:
        stretches: At least one.
        wanted: Whom to look for.
        described: Of each stretch, what the network says; None where no frame of it could be read.
    """
    distances = Distances.of(described)
    groups = persons(stretches, distances)
    like = [_like(one, wanted.described) for one in described]
    first, seed = _first_person(stretches, groups, wanted, like, described)
    if first is None:
        return Association([], [Verdict(one, None, seed.why, seed.distance, seed.sure) for one in stretches])
    chosen = _more_persons(stretches, groups, distances, first, wanted.count)
    verdicts = _joined(stretches, chosen, distances)
    if seed.why:
        verdicts[stretches.index(seed.stretch)] = seed
    # A box on somebody else than the reference shows overrules it.
    like = [np.inf for _ in like] if seed.why == likeness.UNDER_BOX else like
    parts = [[stretches[index] for index in group] for group in chosen]
    rest = [group for group in groups if group not in chosen]
    group_of = {index: group for group in rest for index in group}
    for index in sorted(group_of, key=lambda one: stretches[one].first):
        to = [distances.between([index], one) for one in chosen]
        others = [distances.two_persons(group_of[index], one) for one in chosen]
        clear = bool(distances.clear[index])
        verdicts[index] = _left(stretches[index], parts, to, others, like[index], clear=clear)
    largest = max((_mass(stretches, group) for group in rest), default=0.0)
    result = ordered(stretches, parts, [verdicts[index] for index in range(len(stretches))])
    return Association(result.performers, result.verdicts, largest / _mass(stretches, chosen[0]))


def _joined(stretches: Sequence[Stretch], chosen: Groups, distances: Distances) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    for performer, group in enumerate(chosen):
        for index in group:
            near = min(
                (float(distances.apart[index, other]) for other in group if other != index), default=None
            )
            verdicts[index] = Verdict(stretches[index], performer, "same performer", near)
        begun = max(group, key=lambda index: stretches[index].mass)
        verdicts[begun] = Verdict(stretches[begun], performer, "largest of its performer")
    return verdicts


def _left(
    stretch: Stretch,
    parts: list[list[Stretch]],
    to: Sequence[float],
    others: Sequence[bool],
    like: float,
    *,
    clear: bool,
) -> Verdict:
    """A stretch that the network joined to no performer; where it is not sure, proportions decide."""
    free = [index for index, group in enumerate(parts) if not any(stretch.meets(one) for one in group)]
    if not free:
        return Verdict(stretch, None, "another performer: both are in one frame", _finite(min(to)))
    if 0 in free and like <= SAME:
        parts[0].append(stretch)
        return Verdict(stretch, 0, "like the reference", like)
    open_to = [index for index in free if not others[index]]
    if not open_to:
        return Verdict(stretch, None, "another performer", _finite(min(to[index] for index in free)))
    best = min(open_to, key=lambda index: to[index])
    gap = min(likeness.nearest(stretch, one) for one in parts[best])
    unlike = OTHER <= to[best] < np.inf
    if gap <= likeness.SAME and not unlike:
        parts[best].append(stretch)
        return Verdict(stretch, best, "perhaps the same performer, by proportions", _finite(to[best]), False)
    why = "perhaps another performer" if clear else f"perhaps another performer: {_UNCLEAR}"
    return Verdict(stretch, None, why, _finite(to[best]), False)


def _finite(distance: float) -> float | None:
    return float(distance) if np.isfinite(distance) else None


def _like(described: Described | None, reference: Described | None) -> float:
    return np.inf if described is None or reference is None else apart(described.rows, reference.rows)


def _first_person(
    stretches: Sequence[Stretch],
    groups: Groups,
    wanted: Wanted,
    like: Sequence[float],
    described: Sequence[Described | None],
) -> tuple[list[int] | None, Verdict]:
    """The first performer's group and why; no group where the reference is somebody else."""
    under = likeness.under_box(stretches, wanted.box)
    if under is not None:
        return _group_of(under, stretches, groups), Verdict(under, 0, likeness.UNDER_BOX)
    if wanted.described is not None and min(like) < np.inf:
        return _referred(stretches, groups, wanted.described, like, described)
    if wanted.landmarks is not None:
        best = likeness.most_like(stretches, wanted.landmarks)
        judged = Verdict(best, 0, "like the reference, by proportions", None, False)
        return _group_of(best, stretches, groups), judged
    group = max(groups, key=lambda one: _mass(stretches, one))
    largest = max((stretches[index] for index in group), key=lambda one: one.mass)
    if wanted.box is not None:
        return group, Verdict(largest, 0, likeness.BOX_MISSED, None, False)
    return group, Verdict(largest, 0, "")


def _referred(
    stretches: Sequence[Stretch],
    groups: Groups,
    reference: Described,
    like: Sequence[float],
    described: Sequence[Described | None],
) -> tuple[list[int] | None, Verdict]:
    """The group most like the reference; none where all are as far from it as somebody else."""
    best = int(np.argmin(like))
    example, near = described[best], like[best]
    if near >= OTHER:
        clear = reference.clear and example is not None and example.clear
        why = (
            "not the reference's performer" if clear else f"perhaps not the reference's performer: {_UNCLEAR}"
        )
        return None, Verdict(stretches[best], None, why, near, clear)
    sure = near <= SAME
    why = "like the reference" if sure else "perhaps like the reference"
    return _group_of(stretches[best], stretches, groups), Verdict(stretches[best], 0, why, near, sure)


def _group_of(stretch: Stretch, stretches: Sequence[Stretch], groups: Groups) -> list[int]:
    return next(group for group in groups if any(stretches[index] is stretch for index in group))


def _mass(stretches: Sequence[Stretch], group: Sequence[int]) -> float:
    return sum(stretches[index].mass for index in group)


def _more_persons(
    stretches: Sequence[Stretch], groups: Groups, distances: Distances, first: list[int], count: int
) -> Groups:
    def mass(group: list[int]) -> float:
        return _mass(stretches, group)

    def meet(group: list[int], other: list[int]) -> bool:
        return any(stretches[one].meets(stretches[two]) for one in group for two in other)

    return with_others(first, groups, count, mass=mass, meet=meet, differ=distances.two_persons)
