"""A stretch's faces as a recognition network describes them, and where one person takes another's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from understudy.face.detect.protocol import DetectedFace
from understudy.face.pose import pose
from understudy.face.track.stretches import Stretch

Descriptors = NDArray[np.float32]

SAME, OTHER = 0.50, 0.60
"""Euclidean distances of descriptors: one person up to the first, two from the second on; between them it is
not sure. Measured in adr/0026."""
DESCRIBED_FACES = 5
"""So many faces of a stretch are compared with others'."""
# A longer stretch is looked at more often, for somebody may take the performer's place in it.
_LOOK_FRAMES, _MOST_LOOKS = 10, 30
# Beyond these one person's descriptors are as far from each other as two persons' (adr/0026).
_CLEAR_YAW, _CLEAR_PX, _CLEAR_CONFIDENCE = np.radians(50), 30.0, 0.5
_FRONT = 0.35


@dataclass(frozen=True, eq=False)
class Described:
    """What the network says of a stretch.

    Attributes:
        rows: (N, 128), one for each face that was described, N at least 1.
        clear: Whether a large distance means another person. It does not where all faces are seen from the
            side, are small, or were fitted badly; a small distance means the same person even then.
    """

    rows: Descriptors
    clear: bool = True


def is_clear(face: DetectedFace) -> bool:
    """Whether a face is seen well enough for the network to tell it from others."""
    return (
        face.size_px >= _CLEAR_PX
        and face.confidence >= _CLEAR_CONFIDENCE
        and abs(pose(face.landmarks)[0]) <= _CLEAR_YAW
    )


def best_frames(stretch: Stretch) -> list[int]:
    """The frames whose faces are described: the best of each fifth of the clear ones, or each ten.

    Best is large, sure of its landmarks, and seen from the front: a nose that lies between the eyes. Where no
    face is clear, the best of all.
    """
    clear = [frame for frame, face in sorted(stretch.faces.items()) if is_clear(face)]
    frames = clear or sorted(stretch.faces)
    looks = min(max(DESCRIBED_FACES, len(frames) // _LOOK_FRAMES), _MOST_LOOKS)
    parts = np.array_split(frames, min(looks, len(frames)))
    return [max(part.tolist(), key=lambda frame: _worth(stretch, frame)) for part in parts]


def apart(first: Descriptors, second: Descriptors) -> float:
    """Median distance between two stretches' descriptors."""
    return float(np.median(np.linalg.norm(first[:, None] - second[None], axis=2)))


def parted(
    stretch: Stretch, rows: Mapping[int, Descriptors], look: Callable[[int], Descriptors | None]
) -> list[tuple[Stretch, Described]]:
    """A stretch, parted where another person takes the first one's place: a cut that motion does not tell.

    Args:
        stretch: Its faces.
        rows: Frame number to the (128,) descriptor of the faces that `best_frames` chose, at least one.
        look: The descriptor of the face in any other of its frames; None where it cannot be had.
    """
    frames = [frame for frame in sorted(rows) if is_clear(stretch.faces[frame])]
    if not frames:
        return [(stretch, _compared(list(rows.values()), clear=False))]
    changes = [
        at for at in range(1, len(frames)) if np.linalg.norm(rows[frames[at]] - rows[frames[at - 1]]) >= OTHER
    ]
    if not changes:
        return [(stretch, _compared([rows[frame] for frame in frames]))]
    groups = [frames[low:high] for low, high in pairwise([0, *changes, len(frames)])]
    sides = [np.stack([rows[frame] for frame in group]) for group in groups]
    begins = [
        _change(stretch, groups[at - 1][-1], groups[at][0], (sides[at - 1], sides[at]), look)
        for at in range(1, len(groups))
    ]
    found: list[tuple[Stretch, Described]] = []
    for side, (low, high) in zip(sides, pairwise([stretch.first, *begins, stretch.last + 1]), strict=True):
        part = Stretch({frame: face for frame, face in stretch.faces.items() if low <= frame < high})
        found.append((part, _compared(list(side))))
    return found


def _compared(rows: Sequence[Descriptors], *, clear: bool = True) -> Described:
    """At most `DESCRIBED_FACES` of a stretch's descriptors, evenly chosen."""
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), DESCRIBED_FACES)).round().astype(int)
    return Described(np.stack([rows[index] for index in chosen]), clear)


def _change(
    stretch: Stretch,
    last: int,
    begins: int,
    sides: tuple[Descriptors, Descriptors],
    look: Callable[[int], Descriptors | None],
) -> int:
    """The first frame of the second person, between two frames that are known, by halving."""
    between = [frame for frame in sorted(stretch.faces) if last < frame < begins]
    while between:
        middle = between[len(between) // 2]
        row = look(middle) if is_clear(stretch.faces[middle]) else None
        if row is None:
            between.remove(middle)
            continue
        before, after = (float(np.median(np.linalg.norm(side - row, axis=1))) for side in sides)
        if before <= after:
            between = [frame for frame in between if frame > middle]
        else:
            begins = middle
            between = [frame for frame in between if frame < middle]
    return begins


def _worth(stretch: Stretch, frame: int) -> float:
    face = stretch.faces[frame]
    points = face.landmarks.astype(np.float64)
    eyes = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    across = eyes[1] - eyes[0]
    along = float((points[30] - eyes[0]) @ across / max(float(across @ across), 1e-6))
    # The network's crop has 150 px: a larger face says no more.
    return (
        min(face.size_px, 150.0)
        * max(face.confidence, 0.02)
        * float(np.exp(-(((along - 0.5) / _FRONT) ** 2)))
    )
