"""Unbroken stretches: one face over neighbouring frames of one shot, told by motion alone.

Convention: pixels of the plate, x right, y down, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from understudy.face import align
from understudy.face.detect.protocol import DetectedFace, Points
from understudy.face.template import BASE, WEIGHTS
from understudy.face.track.cuts import cuts

LOST_FRAMES = 10
"""A face may be out of sight for this many frames and still be known by where it was."""
# How far it may move from one frame to the next, in its own sizes, and grow, as a factor.
_REACH = 0.5
_GROWTH = 1.35
# A pair that cannot be; it costs more than any that can, so that as many faces as can be are continued.
_IMPOSSIBLE, _IMPOSSIBLE_COST = float("inf"), 10.0


@dataclass(eq=False)
class Stretch:
    """One face over neighbouring frames: it moves and grows little from one to the next."""

    faces: dict[int, DetectedFace] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """Its first frame."""
        return min(self.faces)

    @property
    def last(self) -> int:
        """Its last frame."""
        return max(self.faces)

    @property
    def mass(self) -> float:
        """How much of a performer it shows: sizes in pixels, weighted by confidence, summed over frames."""
        return sum(face.size_px * max(face.confidence, 0.05) for face in self.faces.values())

    @property
    def middle_px(self) -> float:
        """Where it lies from left to right: the median over its frames."""
        return float(np.median([_middle(face)[0] for face in self.faces.values()]))

    def normalised(self) -> NDArray[np.float64]:
        """(N, 68, 2) of up to 32 of its faces in the brow-to-lip square."""
        frames = sorted(self.faces)
        chosen = frames[:: max(1, len(frames) // 32)]
        return np.stack([normalised(self.faces[frame].landmarks) for frame in chosen])

    def meets(self, other: Stretch) -> bool:
        """Whether both are in one frame, and so of two performers."""
        return bool(self.faces.keys() & other.faces.keys())


def stretches(detections: Mapping[int, Sequence[DetectedFace]]) -> list[Stretch]:
    """A shot's faces joined over neighbouring frames; none goes on beyond a cut.

    Source:
        Kuhn 1955, The Hungarian Method for the Assignment Problem, for all faces of a frame at once.
    """
    found: list[Stretch] = []
    frames = sorted(detections)
    step = int(np.median(np.diff(frames))) if len(frames) > 1 else 1
    begins = cuts({frame: faces[0].thumbnail for frame, faces in detections.items() if faces})
    shot_begins = frames[0] if frames else 0
    for frame in frames:
        if frame in begins:
            shot_begins = frame
        live = [
            one for one in found if frame - one.last <= LOST_FRAMES * max(1, step) and one.last >= shot_begins
        ]
        faces = detections[frame]
        continued = _assigned(live, faces, frame, step)
        for index, face in enumerate(faces):
            if index in continued:
                continued[index].faces[frame] = face
            else:
                found.append(Stretch({frame: face}))
    return found


def normalised(points: Points) -> NDArray[np.float64]:
    """(68, 2): landmarks moved into the brow-to-lip square."""
    return align.transform(points, align.similarity(points, BASE, WEIGHTS))


def proportions_apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Mean distance of two normalised faces, lips left out: they say what is spoken, not who speaks."""
    return float(np.hypot(*(first[:48] - second[:48]).T).mean())


def _assigned(
    live: Sequence[Stretch], faces: Sequence[DetectedFace], frame: int, step: int
) -> dict[int, Stretch]:
    """Which stretch each of a frame's faces continues: as many as can be, at the least total cost."""
    if not live or not faces:
        return {}
    costs = np.array([[_cost(one, face, frame, step) for face in faces] for one in live])
    pairs = zip(*linear_sum_assignment(np.minimum(costs, _IMPOSSIBLE_COST)), strict=True)
    return {int(face): live[one] for one, face in pairs if np.isfinite(costs[one, face])}


def _cost(stretch: Stretch, face: DetectedFace, frame: int, step: int) -> float:
    """How unlike a stretch's next face this one is; infinite where it cannot be it."""
    last = stretch.last
    before = stretch.faces[last]
    waited = (frame - last) / max(1, step)
    # The farther back, the less is known of where the face is now.
    reach = _REACH * (1 + 0.15 * (waited - 1))
    moved = float(np.hypot(*(_middle(face) - _middle(before)))) / before.size_px
    grown = abs(float(np.log(max(face.size_px, 1e-6) / max(before.size_px, 1e-6))))
    if moved > reach or grown > np.log(_GROWTH) * (1 + 0.1 * (waited - 1)):
        return _IMPOSSIBLE
    bent = proportions_apart(normalised(face.landmarks), normalised(before.landmarks))
    return moved / reach + grown + 2 * bent


def _middle(face: DetectedFace) -> NDArray[np.float64]:
    return np.array([(face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2])
