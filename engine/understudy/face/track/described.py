"""A stretch's faces as a recognition network describes them, and where one person takes another's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
"""So many faces of a stretch are described at most."""
# Beyond these one person's descriptors are as far from each other as two persons' (adr/0026).
_CLEAR_YAW, _CLEAR_PX, _CLEAR_CONFIDENCE = np.radians(50), 40.0, 0.5
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
    """The frames whose faces are described: the best of each fifth of a stretch's clear ones.

    Best is large, sure of its landmarks, and seen from the front: a nose that lies between the eyes. Where no
    face is clear, the best of each fifth of all.
    """
    clear = [frame for frame, face in sorted(stretch.faces.items()) if is_clear(face)]
    frames = clear or sorted(stretch.faces)
    parts = np.array_split(frames, min(DESCRIBED_FACES, len(frames)))
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
    clear = [frame for frame in sorted(rows) if is_clear(stretch.faces[frame])]
    if not clear:
        return [(stretch, Described(np.stack(list(rows.values())), clear=False))]
    return _parted(stretch, {frame: rows[frame] for frame in clear}, look)


def _parted(
    stretch: Stretch, rows: Mapping[int, Descriptors], look: Callable[[int], Descriptors | None]
) -> list[tuple[Stretch, Described]]:
    frames = sorted(rows)
    table = np.stack([rows[frame] for frame in frames])
    gaps = [apart(table[:at], table[at:]) for at in range(1, len(frames))]
    if not gaps or max(gaps) < OTHER:
        return [(stretch, Described(table))]
    at = int(np.argmax(gaps)) + 1
    begins = _change(stretch, frames[at - 1], frames[at], (table[:at], table[at:]), look)
    found: list[tuple[Stretch, Described]] = []
    for low, high in ((stretch.first, begins), (begins, stretch.last + 1)):
        part = Stretch({frame: face for frame, face in stretch.faces.items() if low <= frame < high})
        found += _parted(part, {frame: row for frame, row in rows.items() if low <= frame < high}, look)
    return found


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
