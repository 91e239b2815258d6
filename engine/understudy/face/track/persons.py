"""Which stretches show one person, by what a recognition network says of their faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from understudy.face.track.stretches import Stretch

Descriptors = NDArray[np.float32]

SAME, OTHER = 0.50, 0.60
"""Euclidean distances of descriptors: one person up to the first, two from the second on; between them it is
not sure. Measured on single faces: one performer .12 to .50, two .54 to 1.01 (adr/0026)."""
DESCRIBED_FACES = 5
"""So many faces of a stretch are described at most."""
_FRONT = 0.35


def best_frames(stretch: Stretch) -> list[int]:
    """The frames whose faces are described: the best of each fifth of a stretch.

    Best is large, sure of its landmarks, and seen from the front: a nose that lies between the eyes.
    """
    parts = np.array_split(sorted(stretch.faces), min(DESCRIBED_FACES, len(stretch.faces)))
    return [max(part.tolist(), key=lambda frame: _worth(stretch, frame)) for part in parts]


def apart(first: Descriptors | None, second: Descriptors | None) -> float:
    """Median distance of two stretches' descriptors; infinite where one could not be described."""
    if first is None or second is None:
        return float("inf")
    return float(np.median(np.linalg.norm(first[:, None] - second[None], axis=2)))


def parted(
    stretch: Stretch, rows: Mapping[int, Descriptors], look: Callable[[int], Descriptors | None]
) -> list[tuple[Stretch, Descriptors]]:
    """A stretch, parted where another person takes the first one's place: a cut that motion does not tell.

    Args:
        stretch: Its faces.
        rows: Frame number to the (128,) descriptor of some of its faces, at least one.
        look: The descriptor of the face in any other of its frames; None where it cannot be had.
    """
    frames = sorted(rows)
    table = np.stack([rows[frame] for frame in frames])
    gaps = [apart(table[:at], table[at:]) for at in range(1, len(frames))]
    if not gaps or max(gaps) < OTHER:
        return [(stretch, table)]
    at = int(np.argmax(gaps)) + 1
    begins = _change(stretch, frames[at - 1], frames[at], (table[:at], table[at:]), look)
    found: list[tuple[Stretch, Descriptors]] = []
    for low, high in ((stretch.first, begins), (begins, stretch.last + 1)):
        part = Stretch({frame: face for frame, face in stretch.faces.items() if low <= frame < high})
        found += parted(part, {frame: row for frame, row in rows.items() if low <= frame < high}, look)
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
        row = look(middle)
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


def distances(described: Sequence[Descriptors | None]) -> NDArray[np.float64]:
    """(N, N) of `apart`, 0 on the diagonal."""
    count = len(described)
    table = np.full((count, count), np.inf)
    padded = {
        index: one[np.arange(DESCRIBED_FACES) % len(one)]
        for index, one in enumerate(described)
        if one is not None
    }
    if padded:
        known, every = list(padded), np.stack(list(padded.values()))
        for index, one in padded.items():
            each = np.linalg.norm(every[:, :, None] - one[None, None], axis=3)
            table[index, known] = np.median(each.reshape(len(known), -1), axis=1)
    np.fill_diagonal(table, 0.0)
    return table


def persons(stretches: Sequence[Stretch], table: NDArray[np.float64]) -> list[list[int]]:
    """The stretches grouped by person: the nearest are joined first, never two that are in one frame.

    Args:
        table: (N, N) distances.

    Returns:
        The indices of each person's stretches, in order.

    Source:
        Single linkage, e.g. Sneath & Sokal 1973, Numerical Taxonomy; two groups whose medians say that they
        are two persons are never joined, which a chain of in-between faces could bring about.
    """
    groups = {index: [index] for index in range(len(stretches))}
    frames = {index: set(one.faces) for index, one in enumerate(stretches)}
    of = list(range(len(stretches)))
    rows, columns = np.nonzero(np.triu(table <= SAME, 1))
    for at in np.argsort(table[rows, columns], kind="stable"):
        one, other = of[int(rows[at])], of[int(columns[at])]
        if one == other or frames[one] & frames[other]:
            continue
        if np.median(table[np.ix_(groups[one], groups[other])]) >= OTHER:
            continue
        kept, gone = min(one, other), max(one, other)
        for index in groups[gone]:
            of[index] = kept
        groups[kept] = sorted(groups[kept] + groups.pop(gone))
        frames[kept] |= frames.pop(gone)
    return [groups[index] for index in sorted(groups)]


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
