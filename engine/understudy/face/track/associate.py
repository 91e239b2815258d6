"""Which stretch belongs to which performer, through a shot of one face or of several.

Where a recognition network described the faces, it tells the performers apart. Elsewhere position, size and
proportions have to do, which assume one performer where nothing contradicts it, and the result says so.

Convention: pixels of the plate, x right, y down, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from understudy.face.detect.protocol import DetectedFace, FaceBox, Points, box_round, overlap
from understudy.face.track import likeness
from understudy.face.track.persons import OTHER, SAME, Descriptors, apart, distances, persons
from understudy.face.track.stretches import Stretch

# A performer who is seen beside another is looked for before others, if this large a share of them is seen.
_WORTHY = 0.1
UNDER_BOX = "under the face box"
# A detection that shares this much of its area with a face of the track is that face.
_TAKEN = 0.5


@dataclass(frozen=True, eq=False)
class Wanted:
    """Whom to look for.

    Attributes:
        count: How many performers.
        box: (left, top, right, bottom) round the first performer's face, in pixels of the first frame.
        landmarks: (68, 2) of the first performer in a reference picture, in its own pixels.
        described: (1, 128) of the reference picture's face.
    """

    count: int = 1
    box: FaceBox | None = None
    landmarks: Points | None = None
    described: Descriptors | None = None


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was made of a stretch.

    Attributes:
        stretch: Its faces.
        performer: The performer's index, from left to right; None where it is left out.
        why: A few words.
        distance: Of its descriptors from the performer's, where they decided.
        sure: Whether a person should look.
    """

    stretch: Stretch
    performer: int | None
    why: str
    distance: float | None = None
    sure: bool = True


@dataclass(frozen=True, eq=False)
class Association:
    """The performers of a shot.

    Attributes:
        performers: For each, at most as many as were wanted and from left to right, their stretches in order.
        verdicts: What was made of every stretch, in the order of frames.
        rival: How large the largest person who was left out is, as a share of the first performer.
    """

    performers: list[list[Stretch]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    rival: float = 0.0

    def faces(self) -> list[dict[int, DetectedFace]]:
        """For each performer, frame number to face, in order; frames without that face are absent."""
        return [
            dict(sorted((frame, face) for one in parts for frame, face in one.faces.items()))
            for parts in self.performers
        ]


def associate(
    stretches: Sequence[Stretch],
    wanted: Wanted | None = None,
    described: Sequence[Descriptors | None] | None = None,
) -> Association:
    """The performers of a shot.

    The first is the one under the box, else the one most like the reference, else the one that is largest for
    longest. The next is the largest that is seen beside those before, else the largest that is none of them.

    Args:
        stretches: As `stretches.stretches` gives them.
        wanted: Whom to look for; one performer when left out.
        described: Each stretch's descriptors; None where there is no recognition network.
    """
    wanted = wanted or Wanted()
    if not stretches:
        return Association()
    if described is None:
        return _ordered(stretches, *_by_proportions(stretches, wanted))
    return _by_identity(stretches, wanted, described)


def without(
    detections: Mapping[int, Sequence[DetectedFace]], taken: Mapping[int, Sequence[Points]]
) -> dict[int, list[DetectedFace]]:
    """The detections that are not a face whose landmarks are known already.

    Args:
        taken: Frame number to (68, 2) landmarks of the faces that are not looked for.
    """
    return {
        frame: [face for face in faces if not _is_any(face, taken.get(frame, ()))]
        for frame, faces in detections.items()
    }


def _is_any(face: DetectedFace, known: Sequence[Points]) -> bool:
    box = box_round(face.landmarks)
    return any(overlap(box, box_round(points)) >= _TAKEN for points in known)


# --- by the recognition network ---


def _by_identity(
    stretches: Sequence[Stretch], wanted: Wanted, described: Sequence[Descriptors | None]
) -> Association:
    table = distances(described)
    groups = persons(stretches, table)
    first, seed = _first_person(stretches, groups, wanted, described)
    if first is None:
        others = [Verdict(one, None, seed.why, seed.distance) for one in stretches]
        return Association([], others)
    chosen = _more_persons(stretches, groups, table, first, wanted.count)
    verdicts: dict[int, Verdict] = {}
    for performer, group in enumerate(chosen):
        begun = max(group, key=lambda index: stretches[index].mass)
        for index in group:
            near = min((table[index, other] for other in group if other != index), default=None)
            verdicts[index] = Verdict(stretches[index], performer, "same performer", near)
        verdicts[begun] = Verdict(stretches[begun], performer, "largest of its performer")
    if seed.why:
        verdicts[stretches.index(seed.stretch)] = seed
    parts = [[stretches[index] for index in group] for group in chosen]
    for index in sorted(set(range(len(stretches))) - set(verdicts), key=lambda one: stretches[one].first):
        to = [float(min(table[index, other] for other in group)) for group in chosen]
        # A box on somebody else than the reference shows overrules it.
        like = float("inf") if seed.why == UNDER_BOX else apart(described[index], wanted.described)
        verdicts[index] = _left(stretches[index], parts, to, like)
    masses = [sum(stretches[index].mass for index in group) for group in groups if group not in chosen]
    rival = max(masses, default=0.0) / sum(stretches[index].mass for index in chosen[0])
    result = _ordered(stretches, parts, [verdicts[index] for index in range(len(stretches))])
    return Association(result.performers, result.verdicts, rival)


def _left(stretch: Stretch, parts: list[list[Stretch]], to: Sequence[float], like: float) -> Verdict:
    """A stretch that the network joined to no performer; where it is not sure, proportions decide."""
    free = [index for index, group in enumerate(parts) if not any(stretch.meets(one) for one in group)]
    if not free:
        near = min(to)
        return Verdict(stretch, None, "another performer: both are in one frame", _finite(near))
    if 0 in free and like <= SAME:
        parts[0].append(stretch)
        return Verdict(stretch, 0, "like the reference", like)
    best = min(free, key=lambda index: to[index])
    if OTHER <= to[best] < np.inf:
        return Verdict(stretch, None, "another performer", float(to[best]))
    gap = min(likeness.nearest(stretch, one) for one in parts[best])
    if gap <= likeness.SAME:
        parts[best].append(stretch)
        return Verdict(stretch, best, "perhaps the same performer, by proportions", _finite(to[best]), False)
    return Verdict(stretch, None, "perhaps another performer, by proportions", _finite(to[best]), False)


def _finite(distance: float) -> float | None:
    return float(distance) if np.isfinite(distance) else None


def _first_person(
    stretches: Sequence[Stretch],
    groups: list[list[int]],
    wanted: Wanted,
    described: Sequence[Descriptors | None],
) -> tuple[list[int] | None, Verdict]:
    """The first performer's group and why; no group where the reference is somebody else."""
    under = likeness.under_box(stretches, wanted.box)
    if under is not None:
        group = next(group for group in groups if any(stretches[index] is under for index in group))
        return group, Verdict(under, 0, UNDER_BOX)
    if wanted.described is not None:
        near = [min(apart(described[index], wanted.described) for index in group) for group in groups]
        best = int(np.argmin(near))
        if np.isfinite(near[best]):
            example = stretches[min(groups[best], key=lambda one: apart(described[one], wanted.described))]
            if near[best] >= OTHER:
                return None, Verdict(example, None, "not the reference's performer", near[best])
            sure = near[best] <= SAME
            return groups[best], Verdict(example, 0, "like the reference", near[best], sure)
    if wanted.landmarks is not None:
        like = likeness.most_like(stretches, wanted.landmarks)
        group = next(group for group in groups if any(stretches[index] is like for index in group))
        return group, Verdict(like, 0, "like the reference, by proportions", None, False)
    group = max(groups, key=lambda one: sum(stretches[index].mass for index in one))
    largest = max((stretches[index] for index in group), key=lambda one: one.mass)
    if wanted.box is not None:
        return group, Verdict(largest, 0, likeness.BOX_MISSED, None, False)
    return group, Verdict(largest, 0, "")


def _more_persons(
    stretches: Sequence[Stretch],
    groups: list[list[int]],
    table: np.ndarray,
    first: list[int],
    count: int,
) -> list[list[int]]:
    def mass(group: list[int]) -> float:
        return sum(stretches[index].mass for index in group)

    def meet(group: list[int], other: list[int]) -> bool:
        return any(stretches[one].meets(stretches[two]) for one in group for two in other)

    chosen = [first]
    while len(chosen) < count:
        rest = [group for group in groups if group not in chosen]
        beside = [
            group
            for group in rest
            if all(meet(group, other) for other in chosen) and mass(group) >= _WORTHY * mass(first)
        ]
        unlike = [
            group
            for group in rest
            if all(meet(group, other) or _unlike(table, group, other) for other in chosen)
        ]
        candidates = beside or unlike
        if not candidates:
            break
        chosen.append(max(candidates, key=mass))
    return chosen


def _unlike(table: np.ndarray, group: list[int], other: list[int]) -> bool:
    """Whether the network is sure that two groups are two persons."""
    near = float(table[np.ix_(group, other)].min())
    return bool(OTHER <= near < np.inf)


# --- by proportions ---


def _by_proportions(
    stretches: Sequence[Stretch], wanted: Wanted
) -> tuple[list[list[Stretch]], list[Verdict]]:
    """Every stretch is given to the performer whom it is most like.

    Never to one who is in a frame of it, and only where it is less like all other faces.
    """
    grown = likeness.performers(stretches, wanted.count, wanted.box, wanted.landmarks)
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
        nearest = min(pending, key=lambda one: min(_frames_apart(one, each.all) for each in grown))
        pending.remove(nearest)
        best = likeness.performer_of(nearest, [one.all for one in grown], rivals)
        if best is not None:
            grown[best].all.faces |= nearest.faces
            parts[best].append(nearest)
            why = "assumed to be the same performer, by proportions"
            verdicts[id(nearest)] = Verdict(nearest, best, why, None, False)
            continue
        why = "assumed to be another performer, by proportions"
        verdicts[id(nearest)] = Verdict(nearest, None, why, None, False)
        if any(nearest.meets(one.all) for one in grown):
            rivals.append(nearest)
    return parts, [verdicts[id(one)] for one in stretches]


def _frames_apart(stretch: Stretch, performer: Stretch) -> int:
    return min(abs(stretch.first - performer.last), abs(performer.first - stretch.last))


def _ordered(
    stretches: Sequence[Stretch], parts: list[list[Stretch]], verdicts: Sequence[Verdict]
) -> Association:
    """Performers from left to right, everything else in the order of frames."""

    def middle(index: int) -> float:
        faces = [face for one in parts[index] for face in one.faces.values()]
        return float(np.median([(face.box[0] + face.box[2]) / 2 for face in faces]))

    order = sorted(range(len(parts)), key=middle)
    place = {old: new for new, old in enumerate(order)}
    told = [
        Verdict(
            one.stretch,
            None if one.performer is None else place[one.performer],
            one.why,
            one.distance,
            one.sure,
        )
        for one in sorted(verdicts, key=lambda one: one.stretch.first)
    ]
    return Association([sorted(parts[old], key=lambda one: one.first) for old in order], told)
