"""Which detection belongs to which performer, through a shot of one face or of several.

Convention: pixels of the plate, x right, y down, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from understudy.face import align
from understudy.face.detect.protocol import DetectedFace, FaceBox, Points, box_round, overlap
from understudy.face.template import BASE, WEIGHTS

# A face may be out of sight for this many frames and still be known by where it was.
_LOST_FRAMES = 10
# How far it may move from one frame to the next, in its own sizes, and grow, as a factor.
_REACH = 0.5
_GROWTH = 1.35
# The largest distance between two tracklets of one performer, in brow widths.
_SAME_PERFORMER = 0.12
# A tracklet that is seen beside another is another performer, if it weighs at least this share of it.
_WORTHY = 0.1
# A detection that shares this much of its area with a face of the track is that face.
_TAKEN = 0.5
# A pair that cannot be; it costs more than any that can, so that as many faces as can be are continued.
_IMPOSSIBLE, _IMPOSSIBLE_COST = float("inf"), 10.0


@dataclass(eq=False)
class _Tracklet:
    """One face over neighbouring frames: it moves and grows little from one to the next."""

    faces: dict[int, DetectedFace] = field(default_factory=dict)

    @property
    def first(self) -> int:
        return min(self.faces)

    @property
    def last(self) -> int:
        return max(self.faces)

    @property
    def mass(self) -> float:
        return sum(face.size_px * max(face.confidence, 0.05) for face in self.faces.values())

    @property
    def middle_px(self) -> float:
        """Where it lies from left to right: the median over its frames."""
        return float(np.median([_middle(face)[0] for face in self.faces.values()]))

    def normalised(self) -> NDArray[np.float64]:
        """(N, 68, 2) of up to 32 of its faces in the brow-to-lip square."""
        frames = sorted(self.faces)
        chosen = frames[:: max(1, len(frames) // 32)]
        return np.stack([_normalised(self.faces[frame].landmarks) for frame in chosen])

    def meets(self, other: _Tracklet) -> bool:
        """Whether both are in one frame, and so of two performers."""
        return bool(self.faces.keys() & other.faces.keys())


def associate(
    detections: Mapping[int, Sequence[DetectedFace]],
    *,
    count: int = 1,
    reference_box: FaceBox | None = None,
    reference_landmarks: Points | None = None,
) -> list[dict[int, DetectedFace]]:
    """The faces of a shot's performers, by position, size and proportions.

    Detections are first joined into tracklets over neighbouring frames. Each performer begins as one
    tracklet. The first is the one under the reference box, else the one most like the reference, else the one
    that is largest for longest. The next is the largest that is seen beside those before, else the largest
    that looks like none of them. Every other tracklet is given to the performer whom it is most like: never
    to one who is in a frame of it, and only where it is less like all other faces.

    Args:
        detections: Frame number to the faces detected there.
        count: How many performers to look for.
        reference_box: (left, top, right, bottom) round the first performer's face, in pixels of the first
            frame.
        reference_landmarks: (68, 2) of the first performer in a reference picture, in its own pixels.

    Returns:
        For each performer that was found, at most `count` and from left to right, frame number to face, in
        order; frames without that face are absent.

    Source:
        Kuhn 1955, The Hungarian Method for the Assignment Problem, for all faces of a frame at once.
    """
    tracklets = _tracklets(detections)
    if not tracklets:
        return []
    performers = _performers(tracklets, count, reference_box, reference_landmarks)
    others = [one for one in tracklets if one not in performers]
    rivals = [one for one in others if all(one.meets(performer) for performer in performers)]
    pending = [one for one in others if one not in rivals]
    while pending:
        # The nearest in time first: what it adds helps to tell the farther ones.
        nearest = min(pending, key=lambda one: min(_apart(one, performer) for performer in performers))
        pending.remove(nearest)
        performer = _performer_of(nearest, performers, rivals)
        if performer is not None:
            performer.faces |= nearest.faces
        elif any(nearest.meets(one) for one in performers):
            rivals.append(nearest)
    ordered = sorted(performers, key=lambda one: one.middle_px)
    return [{frame: one.faces[frame] for frame in sorted(one.faces)} for one in ordered]


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


def _tracklets(detections: Mapping[int, Sequence[DetectedFace]]) -> list[_Tracklet]:
    tracklets: list[_Tracklet] = []
    frames = sorted(detections)
    step = int(np.median(np.diff(frames))) if len(frames) > 1 else 1
    for frame in frames:
        live = [one for one in tracklets if frame - one.last <= _LOST_FRAMES * max(1, step)]
        faces = detections[frame]
        continued = _assigned(live, faces, frame, step)
        for index, face in enumerate(faces):
            if index in continued:
                continued[index].faces[frame] = face
            else:
                tracklets.append(_Tracklet({frame: face}))
    return tracklets


def _assigned(
    live: Sequence[_Tracklet], faces: Sequence[DetectedFace], frame: int, step: int
) -> dict[int, _Tracklet]:
    """Which tracklet each of a frame's faces continues: as many as can be, at the least total cost."""
    if not live or not faces:
        return {}
    costs = np.array([[_cost(one, face, frame, step) for face in faces] for one in live])
    pairs = zip(*linear_sum_assignment(np.minimum(costs, _IMPOSSIBLE_COST)), strict=True)
    return {int(face): live[one] for one, face in pairs if np.isfinite(costs[one, face])}


def _cost(tracklet: _Tracklet, face: DetectedFace, frame: int, step: int) -> float:
    """How unlike a tracklet's next face this one is; infinite where it cannot be it."""
    last = tracklet.last
    before = tracklet.faces[last]
    waited = (frame - last) / max(1, step)
    # The farther back, the less is known of where the face is now.
    reach = _REACH * (1 + 0.15 * (waited - 1))
    moved = float(np.hypot(*(_middle(face) - _middle(before)))) / before.size_px
    grown = abs(float(np.log(max(face.size_px, 1e-6) / max(before.size_px, 1e-6))))
    if moved > reach or grown > np.log(_GROWTH) * (1 + 0.1 * (waited - 1)):
        return _IMPOSSIBLE
    bent = _distance(_normalised(face.landmarks), _normalised(before.landmarks))
    return moved / reach + grown + 2 * bent


def _performers(
    tracklets: list[_Tracklet], count: int, box: FaceBox | None, reference: Points | None
) -> list[_Tracklet]:
    """The tracklet that each performer begins as."""
    chosen = [_choose(tracklets, box, reference)]
    while len(chosen) < count:
        rest = [one for one in tracklets if one not in chosen]
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
    return chosen


def _differs(one: _Tracklet, other: _Tracklet) -> bool:
    return one.meets(other) or _nearest(one, other) > _SAME_PERFORMER


def _choose(tracklets: list[_Tracklet], box: FaceBox | None, reference: Points | None) -> _Tracklet:
    if box is not None:
        begun = min(one.first for one in tracklets)
        # The box is drawn on the first frame; the face may be detected a few frames later.
        near = [one for one in tracklets if one.first <= begun + _LOST_FRAMES]
        best = max(near, key=lambda one: _agreement(one.faces[one.first].box, box))
        if _agreement(best.faces[best.first].box, box) > 0:
            return best
    if reference is not None:
        longest = max(len(one.faces) for one in tracklets)
        # A tracklet of a few frames may look like anyone.
        worthy = [one for one in tracklets if len(one.faces) * 10 >= longest]
        wanted = _normalised(reference)
        return min(worthy, key=lambda one: min(_distance(wanted, other) for other in one.normalised()))
    return max(tracklets, key=lambda one: one.mass)


def _agreement(detected: FaceBox, given: FaceBox) -> float:
    """Shared area over joint area, plus a little for a middle inside the box: boxes are drawn loosely."""
    x, y = (detected[0] + detected[2]) / 2, (detected[1] + detected[3]) / 2
    inside = given[0] <= x <= given[2] and given[1] <= y <= given[3]
    return overlap(detected, given) + (0.5 if inside else 0.0)


def _performer_of(
    tracklet: _Tracklet, performers: Sequence[_Tracklet], rivals: Sequence[_Tracklet]
) -> _Tracklet | None:
    """The performer whose face a tracklet shows; None where that cannot be told."""
    free = [one for one in performers if not tracklet.meets(one)]
    if not free:
        return None
    distances = [_nearest(tracklet, one) for one in free]
    best = int(np.argmin(distances))
    others = [one for one in (*performers, *rivals) if one is not free[best] and one is not tracklet]
    alike = distances[best] <= _SAME_PERFORMER
    if alike and all(distances[best] < _nearest(tracklet, other) for other in others):
        return free[best]
    return None


def _nearest(tracklet: _Tracklet, other: _Tracklet) -> float:
    """The median distance of a tracklet's faces, each from the most alike of another's: poses differ."""
    theirs = other.normalised()
    return float(np.median([min(_distance(face, one) for one in theirs) for face in tracklet.normalised()]))


def _apart(tracklet: _Tracklet, performer: _Tracklet) -> int:
    return min(abs(tracklet.first - performer.last), abs(performer.first - tracklet.last))


def _middle(face: DetectedFace) -> NDArray[np.float64]:
    return np.array([(face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2])


def _normalised(points: Points) -> NDArray[np.float64]:
    """(68, 2): landmarks moved into the brow-to-lip square."""
    return align.transform(points, align.similarity(points, BASE, WEIGHTS))


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Mean distance of two normalised faces, lips left out: they say what is spoken, not who speaks."""
    return float(np.hypot(*(first[:48] - second[:48]).T).mean())
