"""Which stretches show one person, by the distances of their descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.face.track.described import DESCRIBED_FACES, OTHER, SAME, Described
from understudy.face.track.stretches import Stretch


@dataclass(frozen=True, eq=False)
class Distances:
    """How far stretches are from each other.

    Attributes:
        apart: (N, N) median distances of descriptors, 0 on the diagonal; infinite where one has none.
        clear: (N,), whether a large distance of this stretch means another person.
    """

    apart: NDArray[np.float64]
    clear: NDArray[np.bool_]

    @classmethod
    def of(cls, described: Sequence[Described | None]) -> Distances:
        """The distances between stretches; None stands for one that could not be described."""
        count = len(described)
        apart = np.full((count, count), np.inf)
        known = [index for index, one in enumerate(described) if one is not None]
        rows = [one.rows[np.arange(DESCRIBED_FACES) % len(one.rows)] for one in described if one is not None]
        if rows:
            every = np.stack(rows)
            for index, one in zip(known, rows, strict=True):
                each = np.linalg.norm(every[:, :, None] - one[None, None], axis=3)
                apart[index, known] = np.median(each.reshape(len(known), -1), axis=1)
        np.fill_diagonal(apart, 0.0)
        return cls(apart, np.array([one is not None and one.clear for one in described], bool))

    def between(self, group: Sequence[int], other: Sequence[int]) -> float:
        """The distance of the nearest two stretches of two groups."""
        return float(self.apart[np.ix_(group, other)].min())

    def two_persons(self, group: Sequence[int], other: Sequence[int]) -> bool:
        """Whether two groups surely show two persons, by the median of what is clear in both."""
        pairs = np.ix_([one for one in group if self.clear[one]], [one for one in other if self.clear[one]])
        return bool(self.apart[pairs].size and np.median(self.apart[pairs]) >= OTHER)


def persons(stretches: Sequence[Stretch], distances: Distances) -> list[list[int]]:
    """The stretches grouped by person: the nearest are joined first, never two that are in one frame.

    Returns:
        The indices of each person's stretches, in order.

    Source:
        Single linkage, e.g. Sneath & Sokal 1973, Numerical Taxonomy; two groups that surely show two persons
        are never joined, which a chain of in-between faces could bring about.
    """
    groups = {index: [index] for index in range(len(stretches))}
    frames = {index: set(one.faces) for index, one in enumerate(stretches)}
    of = list(range(len(stretches)))
    rows, columns = np.nonzero(np.triu(distances.apart <= SAME, 1))
    for at in np.argsort(distances.apart[rows, columns], kind="stable"):
        one, other = of[int(rows[at])], of[int(columns[at])]
        if one == other or frames[one] & frames[other]:
            continue
        if distances.two_persons(groups[one], groups[other]):
            continue
        kept, gone = min(one, other), max(one, other)
        for index in groups[gone]:
            of[index] = kept
        groups[kept] = sorted(groups[kept] + groups.pop(gone))
        frames[kept] |= frames.pop(gone)
    return [groups[index] for index in sorted(groups)]
