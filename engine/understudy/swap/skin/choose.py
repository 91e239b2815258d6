"""Choice: which faces of a skin bank show what a prediction shows, for each region of the face.

A prediction and the bank's small pictures are compared in canonical position, in the band of detail that
both have. Scores are averaged over neighbouring frames, so that a choice does not change with their noise.

Convention:
    A score is the squared difference of two bands as a share of the prediction's own squared band: 0 is the
    same picture, 1 is no better than nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.face import align
from understudy.face.skin.canonical import PREVIEW_SIZE
from understudy.image.frame import FloatImage
from understudy.image.grey import LUMINANCE

REGIONS = ("right eye", "left eye", "mouth", "face")
RIGHT_EYE, LEFT_EYE, MOUTH, FACE = range(4)
# Landmarks of each region: an eye with its brow, the mouth; the face is the hull of all.
_POINTS = ((*range(36, 42), *range(17, 22)), (*range(42, 48), *range(22, 27)), tuple(range(48, 68)))
# How far a region reaches beyond the hull of its landmarks, in pixels of the small picture.
_GROWN_PX = (1, 1, 2)
# What is coarser than this, as a deviation in pixels of the small picture, is light and not feature.
_COARSE_PX = 3.0
# Encoded units: a band weaker than this is noise.
_NOISE = 0.004
# Colour differences count half of what lightness does.
_CHROMA = 0.5
# A region's score holds this share of the whole face's: an eye of the same pose fits better.
_WHOLE_SHARE = 0.5
# Scores that differ by less are of the same picture.
_ALIKE = 1e-6
PER_REGION = 3
"""Faces that are chosen for each region."""


@dataclass(frozen=True)
class Candidate:
    """A chosen face of a bank.

    Attributes:
        index: In the bank.
        priority: (4,) float32 for each region, 1 for the best face, falling to 0 for the first that was not
            chosen, so that a face that comes or goes from one frame to the next has no weight as it does.
    """

    index: int
    priority: NDArray[np.float32]


def band(picture: FloatImage, coarse_px: float) -> FloatImage:
    """(H, W, 3) what a picture holds that is finer than a blur: lightness, and red and blue beside it."""
    fine = picture - cv2.GaussianBlur(picture, (0, 0), coarse_px)
    light = fine @ LUMINANCE
    return np.asarray(
        np.dstack([light, _CHROMA * (fine[..., 0] - light), _CHROMA * (fine[..., 2] - light)]), np.float32
    )


@dataclass(frozen=True, eq=False)
class KnownFaces:
    """A bank's small pictures, made ready to be compared.

    Attributes:
        coverage: Of the aligned faces.
        bands: (N, P·P·3) float32, see `band`.
        energies: (N, 4) float32 each one's squared band, summed over each region.
    """

    coverage: str
    bands: NDArray[np.float32]
    energies: NDArray[np.float32]

    @classmethod
    def of(cls, previews: FloatImage, coverage: str) -> KnownFaces:
        """Those of (N, P, P, 3) encoded pictures in canonical position."""
        areas, shape = regions(coverage), previews.shape[1:3]
        bands = np.empty((len(previews), shape[0] * shape[1] * 3), np.float32)
        energies = np.empty((len(previews), len(REGIONS)), np.float32)
        for index, picture in enumerate(previews):
            found = band(picture, _COARSE_PX)
            bands[index] = found.ravel()
            energies[index] = (areas * (found**2).sum(axis=2)).sum(axis=(1, 2))
        return cls(coverage, bands, energies)

    def scores(self, seen: FloatImage) -> NDArray[np.float32]:
        """How each face differs from a prediction in each region.

        Args:
            seen: (P, P, 3) the prediction's small picture, encoded, in canonical position too.

        Returns:
            (N, 4) float32 scores, rounded: how many threads added them up must not be seen.
        """
        wanted, areas = band(seen, _COARSE_PX), regions(self.coverage)
        common = self.bands @ (areas[..., None] * wanted).reshape(len(areas), -1).T
        strength = (areas * (wanted**2).sum(axis=2)).sum(axis=(1, 2))
        apart = np.maximum(self.energies - 2 * common + strength, 0)
        each = apart / (strength + _NOISE**2 * areas.sum(axis=(1, 2)))
        return np.asarray(np.round(each + _WHOLE_SHARE * each[:, FACE:], 4), np.float32)


def chosen(averaged: NDArray[np.float32]) -> tuple[Candidate, ...]:
    """The candidates for each region, by index.

    Args:
        averaged: (N, 4) scores.
    """
    count, priorities = min(PER_REGION, len(averaged)), np.zeros_like(averaged)
    for region in range(len(REGIONS)):
        order = np.argsort(averaged[:, region], kind="stable")
        best, found = averaged[order[0], region], order[:count]
        beyond = averaged[order[count], region] if len(averaged) > count else averaged[order[-1], region] + 1
        # Faces that are all alike, such as a held frame's, have the same priority.
        apart = beyond - averaged[found, region] + _ALIKE
        priorities[found, region] = apart / (beyond - best + _ALIKE)
    return tuple(Candidate(int(index), priorities[index]) for index in np.flatnonzero(priorities.any(axis=1)))


def average(several: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> NDArray[np.float32]:
    """Several frames' scores as one, by weight."""
    shares = np.asarray(weights, np.float32) / np.float32(np.sum(weights))
    return np.asarray(sum(share * one for share, one in zip(shares, several, strict=True)), np.float32)


@lru_cache(maxsize=8)
def regions(coverage: str) -> NDArray[np.float32]:
    """(4, P, P) float32 in 0..1: where each region lies in canonical position."""
    points = np.asarray(align.template(coverage) * PREVIEW_SIZE - 0.5, np.float32)
    found = [_area(points[list(one)], grown) for one, grown in zip(_POINTS, _GROWN_PX, strict=True)]
    return np.stack([*found, _area(points, 0)])


def _area(points: NDArray[np.float32], grown_px: int) -> NDArray[np.float32]:
    area = np.zeros((PREVIEW_SIZE, PREVIEW_SIZE), np.float32)
    cv2.fillConvexPoly(area, cv2.convexHull(points).astype(np.int32), 1.0)
    wider = cv2.dilate(area, np.ones((3, 3), np.uint8), iterations=grown_px) if grown_px else area
    return np.asarray(cv2.GaussianBlur(wider, (0, 0), 1.0), np.float32)
