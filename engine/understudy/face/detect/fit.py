"""How well landmarks fit: the box network looks once more, at the face as its landmarks level it.

The mesh network's presence score says that a face is in the crop, not that the mesh lies on it: on heads that
lie or hang it stays at .93 (median) where the landmarks are 30 to 80 % of the face off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.face.detect.boxes import RoughFace
from understudy.face.detect.mesh import Region
from understudy.face.detect.protocol import DetectedFace, Points, box_round
from understudy.face.landmarks import EYES

# The mesh's presence falls towards profiles, where YuNet still detects a face. A mesh with a low score is
# kept where the box has a high one; its confidence says so in the track.
_PRESENT, _DOUBTFUL, _SURE_BOX = 0.5, 0.02, 0.8
# Measured on 847 fits of six clips at every 30 degrees: with an error below 3 % of the face, nine of ten are
# at most .058 apart with a score of .92 (hair, props and turns to 86 degrees reach .11 and .88); above 30 %
# the median is .14 with .82.
_APART, _FAR_APART = 0.12, 0.25
_SEEN, _BARELY_SEEN = 0.86, 0.70
_LEAST = 0.2
_SAME = 0.1
# A face that only a turned look sees must be seen again: hands and cloth that look like one reach .81.
_SEEN_TURNED = 0.85
_NOSE_TIP, _MOUTH_CORNERS = 30, (48, 54)


@dataclass(frozen=True, eq=False)
class Fit:
    """A mesh on one of the ways that a face may lie.

    Attributes:
        rough: The box that it began with.
        mesh: (478, 3) or (468, 3) pixels.
        points: (68, 2) pixels.
        presence: The mesh network's own score, 0 to 1.
        seen: What the box network sees in `level_region(points)`; None where it sees no face.
    """

    rough: RoughFace
    mesh: Points
    points: Points
    presence: float
    seen: RoughFace | None

    @property
    def apart(self) -> float:
        """Mean distance of the two networks' eyes, nose and mouth, as a share of the face's extent."""
        if self.seen is None:
            return float("inf")
        extent = float(np.ptp(self.points, axis=0).max())
        return float(np.hypot(*(self.seen.points - key_points(self.points)).T).mean()) / max(extent, 1e-6)

    @property
    def confidence(self) -> float:
        """The presence, and less where the second look sees no face or another one; 0 to 1."""
        if self.seen is None:
            return self.presence * _LEAST
        near = (_FAR_APART - self.apart) / (_FAR_APART - _APART)
        clear = (self.seen.score - _BARELY_SEEN) / (_SEEN - _BARELY_SEEN)
        return self.presence * float(np.clip(near, _LEAST, 1)) * float(np.clip(clear, _LEAST, 1))

    @property
    def quality(self) -> float:
        """By which the ways that one face may lie are compared."""
        return self.confidence * (self.seen.score if self.seen is not None else _LEAST)

    @property
    def holds(self) -> bool:
        """Whether there is a face at all."""
        if self.rough.alone and (self.seen is None or self.seen.score < _SEEN_TURNED):
            return False
        return self.presence >= (_DOUBTFUL if self.rough.score >= _SURE_BOX else _PRESENT)

    def agrees(self, other: Fit) -> bool:
        """Whether two fits are one and the same, to a tenth of the face."""
        extent = float(np.ptp(self.points, axis=0).max())
        return float(np.hypot(*(self.points - other.points).T).mean()) < _SAME * extent

    def face(self) -> DetectedFace:
        """What the detector gives back."""
        return DetectedFace(box_round(self.mesh), self.rough.score, self.points, self.confidence)


def key_points(points: Points) -> NDArray[np.float64]:
    """(4, 2) of 68 landmarks: the points that a `RoughFace` has."""
    eyes = points[EYES].reshape(2, 6, 2).mean(axis=1)
    mouth = points[list(_MOUTH_CORNERS)].mean(axis=0)
    return np.stack([*eyes, points[_NOSE_TIP], mouth]).astype(np.float64)


def level_region(points: Points, share: float) -> Region:
    """The square of which 68 landmarks fill a share of the edge, their eyes level."""
    line = np.subtract(*key_points(points)[[1, 0]])
    angle = float(np.arctan2(line[1], line[0]))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    level = points.astype(np.float64) @ turn.T
    low, high = level.min(axis=0), level.max(axis=0)
    centre = turn.T @ ((low + high) / 2)
    return Region((float(centre[0]), float(centre[1])), float((high - low).max()) / share, angle)
