"""Likeness: how near a face is to either of two performers, along the direction that separates them.

The feature space is fixed and needs no network: the face's detail at 48 pixels, its light and local contrast
taken out, inside the hull that all faces share; of that the directions in which the true faces vary most. In
it the two performers' means are two points, and what varies within either of them, acting, pose and light,
counts as little as it varies: distances are in deviations of that (Mahalanobis), and the way from one mean to
the other is Fisher's discriminant. It separates these two performers and is not valid for anybody else.

Convention:
    Faces are (N, 3, S, S) RGB in the encoded space. A face's place is 0 where the destination's unseen faces
    lie, and 1 where the source's do.

Source:
    Belhumeur et al. 1997, Eigenfaces vs. Fisherfaces. Seen on two rendered performers: 100 true swaps, the
    source's face acting and lit as the destination, lay at 0.88, a model's swaps at 0.82, and the plate they
    were made of at 0.17; on two filmed performers swaps lay at 0.97. It was fitted on none of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from understudy.train.validation.blur import blurred

FEWEST_FACES = 40
_EDGE = 48
_BLUR_PX = 4.0
# A contrast below this, in the encoded space, is noise rather than detail.
_LEAST_CONTRAST = 0.01
_DIRECTIONS = 48
# Of the covariance a few hundred faces leave uncertain.
_SHRINKAGE = 0.05
# Two performers count as told apart when their unseen faces' places are this many deviations from each other.
_CLEARLY = 4.0


@dataclass(frozen=True, eq=False)
class Likeness:
    """The discriminant between two performers.

    Attributes:
        middle, directions: (P,) and (K, P): from a face's detail to its features.
        means: (2, K) of the destination and the source.
        whiten: (K, K) after which the variation within a performer is 1 in every direction.
        places: The destination's and the source's unseen faces along the discriminant, unscaled.
    """

    middle: NDArray[np.float64]
    directions: NDArray[np.float64]
    means: NDArray[np.float64]
    whiten: NDArray[np.float64]
    places: tuple[float, float]

    def distances(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2): how far faces lie from the destination's and the source's mean.

        Args:
            seen: (N, P) of `detail`, inside the hull the likeness was fitted with.

        Returns:
            Deviations; about 1 is as far as a performer's own faces lie.
        """
        offsets = (self._features(seen)[:, None] - self.means[None]) @ self.whiten
        distances: NDArray[np.float64] = np.sqrt((offsets**2).mean(axis=2))
        return distances

    def place(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,): 0 as the destination, 1 as the source."""
        first, last = self.places
        return (self._along(self._features(seen)) - first) / (last - first)

    def _features(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        return (seen - self.middle) @ self.directions.T

    def _along(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        axis = (self.means[1] - self.means[0]) @ self.whiten
        along: NDArray[np.float64] = (features - self.means[0]) @ self.whiten @ axis / (axis @ axis)
        return along


def detail(faces: Tensor) -> Tensor:
    """(N, E, E): the faces' grey at 48 pixels, its local level and contrast taken out."""
    grey = functional.interpolate(faces, size=(_EDGE, _EDGE), mode="area").mean(dim=1, keepdim=True)
    fine = grey - blurred(grey, _BLUR_PX)
    contrast = (blurred(fine.square(), _BLUR_PX) + _LEAST_CONTRAST**2).sqrt()
    return (fine / contrast)[:, 0]


def shared_hull(mattes: Tensor) -> NDArray[np.bool_]:
    """(E, E): where nearly all of the mattes (N, 1, S, S) are."""
    mean = functional.interpolate(mattes.mean(dim=0, keepdim=True), size=(_EDGE, _EDGE), mode="area")
    return np.asarray((mean[0, 0] > 0.9).cpu().numpy(), np.bool_)


def fit(
    destination: NDArray[np.float64],
    source: NDArray[np.float64],
    *,
    unseen: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Likeness | None:
    """Fit the discriminant between two performers.

    Args:
        destination, source: (N, P) of `detail` inside the shared hull, true faces of each.
        unseen: The same of other true faces of each, which the scale is set by.

    Returns:
        None where there are too few faces, or where unseen ones are not told apart clearly.
    """
    parts = (destination, source)
    if min(map(len, parts)) < FEWEST_FACES or not min(map(len, unseen)) or not destination.shape[1]:
        return None
    every = np.concatenate(parts)
    middle = every.mean(axis=0)
    count = min(_DIRECTIONS, len(every) // 4)
    directions = _principal(every - middle, count)
    features = [(part - middle) @ directions.T for part in parts]
    means = np.stack([part.mean(axis=0) for part in features])
    within = sum((part - mean).T @ (part - mean) for part, mean in zip(features, means, strict=True))
    covariance = within / len(every)
    level = np.trace(covariance) / count
    covariance = (1.0 - _SHRINKAGE) * covariance + _SHRINKAGE * level * np.eye(count)
    whiten = np.linalg.cholesky(np.linalg.inv(covariance))
    found = Likeness(middle, directions, means, whiten, (0.0, 1.0))
    places = [found.place(part) for part in unseen]
    apart = float(np.median(places[1]) - np.median(places[0]))
    if apart < _CLEARLY * max(float(part.std()) for part in places):
        return None
    ends = (float(np.median(places[0])), float(np.median(places[1])))
    return Likeness(middle, directions, means, whiten, ends)


def _principal(offsets: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(count, P): the directions in which N faces vary most; by their N×N products, as N is far below P."""
    values, vectors = np.linalg.eigh(offsets @ offsets.T)
    largest = slice(None, -count - 1, -1)
    scale = np.sqrt(np.maximum(values[largest], 1e-12))
    directions: NDArray[np.float64] = (vectors[:, largest] / scale).T @ offsets
    return directions
