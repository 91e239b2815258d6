"""Follow one face through a shot in which there may be several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from understudy.face import align
from understudy.face.detect.protocol import DetectedFace, FaceBox, Points, overlap
from understudy.face.template import BASE, WEIGHTS

# A face may be out of sight for this many frames and still be known by where it was.
_LOST_FRAMES = 10
# How far it may move from one frame to the next, in its own sizes, and grow, as a factor.
_REACH = 0.5
_GROWTH = 1.35
# The farthest that two stretches of one performer lie apart in shape, in brow widths.
_SAME_SHAPE = 0.12


@dataclass
class _Stretch:
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

    def shapes(self) -> NDArray[np.float64]:
        """(N, 68, 2) of up to 32 of its faces in the brow-to-lip square."""
        frames = sorted(self.faces)
        chosen = frames[:: max(1, len(frames) // 32)]
        return np.stack([_shape(self.faces[frame].landmarks) for frame in chosen])


def follow(
    detections: Mapping[int, Sequence[DetectedFace]],
    *,
    reference_box: FaceBox | None = None,
    reference_landmarks: Points | None = None,
) -> dict[int, DetectedFace]:
    """The one face of a shot, by position, size and shape.

    Faces are first joined into stretches over neighbouring frames. One stretch is chosen: the one under the
    reference box, else the one whose shape is nearest to the reference's, else the one that is largest for
    longest. Stretches before and after it are added where they never share a frame with it and their shape is
    nearer to it than to any other face that does.

    Args:
        detections: Frame number to the faces found there.
        reference_box: (left, top, right, bottom) round the face, in pixels of the first frame.
        reference_landmarks: (68, 2) of the performer in a reference picture, in its own pixels.

    Returns:
        Frame number to face, in order; frames in which it was not found are absent.
    """
    stretches = _stretches(detections)
    if not stretches:
        return {}
    chosen = _choose(stretches, reference_box, reference_landmarks)
    faces = dict(chosen.faces)
    others = [one for one in stretches if one is not chosen]
    rivals = [one for one in others if faces.keys() & one.faces.keys()]
    pending = [one for one in others if not faces.keys() & one.faces.keys()]
    while pending:
        known = _Stretch(faces)
        # The nearest in time first: what it adds helps to tell the farther ones.
        nearest = min(pending, key=lambda one: _apart(one, known))
        pending.remove(nearest)
        if faces.keys() & nearest.faces.keys():
            rivals.append(nearest)
        elif _is_same(nearest, known, rivals):
            faces |= nearest.faces
    return {frame: faces[frame] for frame in sorted(faces)}


def _stretches(detections: Mapping[int, Sequence[DetectedFace]]) -> list[_Stretch]:
    stretches: list[_Stretch] = []
    frames = sorted(detections)
    step = int(np.median(np.diff(frames))) if len(frames) > 1 else 1
    for frame in frames:
        live = [one for one in stretches if frame - one.last <= _LOST_FRAMES * max(1, step)]
        pairs = sorted(
            (cost, id(face), stretch_index, face_index)
            for stretch_index, stretch in enumerate(live)
            for face_index, face in enumerate(detections[frame])
            if (cost := _cost(stretch, face, frame, step)) is not None
        )
        taken: set[int] = set()
        continued: set[int] = set()
        for _, _, stretch_index, face_index in pairs:
            if face_index not in taken and stretch_index not in continued:
                live[stretch_index].faces[frame] = detections[frame][face_index]
                taken.add(face_index)
                continued.add(stretch_index)
        for face_index, face in enumerate(detections[frame]):
            if face_index not in taken:
                stretches.append(_Stretch({frame: face}))
    return stretches


def _cost(stretch: _Stretch, face: DetectedFace, frame: int, step: int) -> float | None:
    """How unlike a stretch's next face this one is; None where it cannot be it."""
    last = stretch.last
    before = stretch.faces[last]
    waited = (frame - last) / max(1, step)
    # The farther back, the less is known of where the face is now.
    reach = _REACH * (1 + 0.15 * (waited - 1))
    moved = float(np.hypot(*(_middle(face) - _middle(before)))) / before.size_px
    grown = abs(float(np.log(max(face.size_px, 1e-6) / max(before.size_px, 1e-6))))
    if moved > reach or grown > np.log(_GROWTH) * (1 + 0.1 * (waited - 1)):
        return None
    bent = _distance(_shape(face.landmarks), _shape(before.landmarks))
    return moved / reach + grown + 2 * bent


def _choose(stretches: list[_Stretch], box: FaceBox | None, reference: Points | None) -> _Stretch:
    if box is not None:
        begun = min(one.first for one in stretches)
        # The box is drawn on the first frame; the face may be found a few frames later.
        near = [one for one in stretches if one.first <= begun + _LOST_FRAMES]
        best = max(near, key=lambda one: _agreement(one.faces[one.first].box, box))
        if _agreement(best.faces[best.first].box, box) > 0:
            return best
    if reference is not None:
        longest = max(len(one.faces) for one in stretches)
        # A stretch of a few frames may look like anyone.
        worthy = [one for one in stretches if len(one.faces) * 10 >= longest]
        shape = _shape(reference)
        return min(worthy, key=lambda one: min(_distance(shape, other) for other in one.shapes()))
    return max(stretches, key=lambda one: one.mass)


def _agreement(found: FaceBox, drawn: FaceBox) -> float:
    """Shared area over joint area, plus a little for a middle inside the box: boxes are drawn loosely."""
    x, y = (found[0] + found[2]) / 2, (found[1] + found[3]) / 2
    inside = drawn[0] <= x <= drawn[2] and drawn[1] <= y <= drawn[3]
    return overlap(found, drawn) + (0.5 if inside else 0.0)


def _is_same(stretch: _Stretch, known: _Stretch, rivals: list[_Stretch]) -> bool:
    mine = _nearest(stretch, known)
    return mine <= _SAME_SHAPE and all(mine < _nearest(stretch, rival) for rival in rivals)


def _nearest(stretch: _Stretch, other: _Stretch) -> float:
    """The median of a stretch's shapes' distances, each from the most alike of another's: poses differ."""
    theirs = other.shapes()
    return float(np.median([min(_distance(shape, one) for one in theirs) for shape in stretch.shapes()]))


def _apart(stretch: _Stretch, known: _Stretch) -> int:
    return min(abs(stretch.first - known.last), abs(known.first - stretch.last))


def _middle(face: DetectedFace) -> NDArray[np.float64]:
    return np.array([(face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2])


def _shape(points: Points) -> NDArray[np.float64]:
    """(68, 2): landmarks moved into the brow-to-lip square."""
    return align.transform(points, align.similarity(points, BASE, WEIGHTS))


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Mean distance of two shapes, lips left out: they say what is spoken, not who speaks."""
    return float(np.hypot(*(first[:48] - second[:48]).T).mean())
