"""Fit: chosen faces of a bank moved onto a prediction and joined, each pixel from those that agree with it.

A face is moved by the splines of both faces' landmarks through canonical position, and then by optical flow
between what both show at the prediction's resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from understudy.comp.merge import paste
from understudy.face.skin import canonical
from understudy.image.frame import Box, FloatImage
from understudy.image.strips import in_strips
from understudy.patch import flow
from understudy.swap.skin import choose
from understudy.swap.skin.choose import FACE, Candidate

# Edge of the pictures that flow and agreement are computed on.
_EDGE = 128
# Edge of those that flow is computed on, which is smoothed further than their pixels.
_FLOW_EDGE = 64
# Deviations as shares of the edge: how smooth the flow is, over what area agreement is measured, and what is
# coarser than features.
_SMOOTH, _AREA, _COARSE = 4 / 128, 2 / 128, 6 / 128
# A face of the bank is blurred by this before it is compared, in pixels of the network: no prediction is as
# sharp as its raster allows.
_BLUR_PX = 0.5
# Encoded units: bands weaker than this agree with anything.
_NOISE = 0.01
# How much faster than its difference a face loses weight against the best one at a pixel.
_SHARPNESS, _EVEN = 4.0, 0.05
# A face with less weight than this is left out there: it costs as much as any other.
_LEAST_WEIGHT = 0.03


@dataclass(frozen=True)
class Fitted:
    """What the performer's own frames show where a prediction lies.

    Attributes:
        rgb: (W, W, 3) encoded, in the prediction's raster.
        difference: (W, W) float32, how far it is from the prediction in the band that both have, as a share
            of the prediction's own: 0 is the same.
        eyes, mouth: (W, W) in 0..1, where they lie.
    """

    rgb: FloatImage
    difference: FloatImage
    eyes: FloatImage
    mouth: FloatImage


@dataclass(frozen=True)
class BankCrop:
    """A face of a bank, read.

    Attributes:
        whole: (B, B, 3) encoded, as the bank holds it.
        small: The same at the edge that fits are made at, or as it is where it is smaller.
        field: Where each point of the mean face lies on it, (EDGE, EDGE, 2).
    """

    whole: FloatImage
    small: FloatImage
    field: canonical.Field

    @classmethod
    def of(cls, crop: FloatImage, landmarks: FloatImage, coverage: str) -> BankCrop:
        """A crop made ready, with its landmarks as shares of its edge."""
        small = crop if len(crop) <= _EDGE else _resized(crop, _EDGE)
        return cls(
            crop, small, canonical.widened(canonical.from_canonical(landmarks, coverage=coverage), _EDGE)
        )

    @property
    def nbytes(self) -> int:
        """Bytes it holds."""
        return self.whole.nbytes + self.small.nbytes + self.field.nbytes


def fit(
    face: FloatImage,
    landmarks: FloatImage,
    candidates: Sequence[Candidate],
    crops: Sequence[BankCrop],
    coverage: str,
    size: int,
) -> Fitted:
    """Move the candidates onto a prediction and join them.

    Args:
        face: (S, S, 3) the prediction, encoded.
        landmarks: (68, 2) shares of its edge.
        candidates: At least one.
        crops: Theirs.
        coverage: Of the aligned faces.
        size: W, edge of the result.
    """
    here = canonical.widened(canonical.from_canonical(landmarks, coverage=coverage), _EDGE)
    placed, differences = _placed(canonical.sampled(face, here), crops, len(face))
    areas = [_resized(one, _EDGE) for one in choose.regions(coverage)]
    priorities = np.stack([_priority(one, areas) for one in candidates])
    weights, difference = _weights(differences, priorities)
    back = canonical.widened(canonical.to_canonical(landmarks, coverage=coverage), _EDGE)
    joined = _joined([one.whole for one in crops], placed, weights, back, size)
    eyes = np.maximum(areas[choose.RIGHT_EYE], areas[choose.LEFT_EYE])
    rest = (_resized(canonical.sampled(one, back), size) for one in (difference, eyes, areas[choose.MOUTH]))
    return Fitted(joined, *rest)


def _placed(
    wanted: FloatImage, crops: Sequence[BankCrop], network_px: int
) -> tuple[list[canonical.Field], FloatImage]:
    """Where in each crop the canonical picture's points lie, and (N, EDGE, EDGE) how each differs from it."""
    band = choose.band(wanted, _COARSE * _EDGE)
    strength = _blurred((band**2).sum(axis=2), _AREA * _EDGE) + np.float32(_NOISE**2)
    placed = [crop.field for crop in crops]
    differences = np.empty((len(crops), _EDGE, _EDGE), np.float32)

    def place(first: int, last: int) -> None:
        for index in range(first, last):
            small = crops[index].small
            softened = _blurred(small, _BLUR_PX * len(small) / network_px)
            placed[index] = _followed(wanted, softened, placed[index])
            apart = choose.band(canonical.sampled(softened, placed[index]), _COARSE * _EDGE) - band
            differences[index] = _blurred((apart**2).sum(axis=2), _AREA * _EDGE) / strength

    in_strips(place, len(crops), fewest=1)
    return placed, differences


def _followed(wanted: FloatImage, crop: FloatImage, there: canonical.Field) -> canonical.Field:
    """Where in a crop each point of the canonical picture lies, followed by flow."""
    pair = (_resized(one, _FLOW_EDGE) for one in (wanted, canonical.sampled(crop, there)))
    shift = _blurred(flow.one_way(*pair), _SMOOTH * _FLOW_EDGE) * np.float32(_EDGE / _FLOW_EDGE)
    return flow.sample(there, _resized(shift, _EDGE))


def _priority(candidate: Candidate, areas: Sequence[FloatImage]) -> FloatImage:
    """(EDGE, EDGE) a candidate's priority in the regions; the face's is that of what is in no other."""
    inner = np.stack(areas[:FACE])
    rest = np.clip(1 - inner.max(axis=0), 0, 1) * candidate.priority[FACE]
    return np.asarray(
        np.maximum((inner * candidate.priority[:FACE, None, None]).max(axis=0), rest) + 1e-3, np.float32
    )


def _weights(differences: FloatImage, priorities: FloatImage) -> tuple[FloatImage, FloatImage]:
    """(N, EDGE, EDGE) weights that sum to 1, and (EDGE, EDGE) the joined faces' difference."""
    best = differences.min(axis=0)
    weights = priorities * np.exp(-_SHARPNESS * (differences - best) / (best + _EVEN))
    weights /= weights.sum(axis=0)
    weights = np.maximum(weights - _LEAST_WEIGHT, 0)
    weights /= weights.sum(axis=0)
    return weights.astype(np.float32), np.asarray((weights * differences).sum(axis=0), np.float32)


def _joined(
    crops: Sequence[FloatImage],
    placed: Sequence[canonical.Field],
    weights: FloatImage,
    back: canonical.Field,
    size: int,
) -> FloatImage:
    """(size, size, 3) the weighted mean of the moved crops, each read once at its full resolution."""
    total, rgb = np.zeros((size, size, 1), np.float32), np.zeros((size, size, 3), np.float32)
    for crop, at, weight in zip(crops, placed, weights, strict=True):
        share = np.clip(_resized(canonical.sampled(weight, back), size), 0, 1)[..., None]
        box = paste.covered(share[..., 0])
        if box.empty:
            continue
        part = box.slices(Box(0, 0, size, size))
        inside = np.ascontiguousarray(canonical.widened(canonical.sampled(at, back), size)[part])
        rgb[part] += share[part] * canonical.sampled(crop, inside, sharp=True)
        total[part] += share[part]
    return np.asarray(rgb / np.maximum(total, 1e-6), np.float32)


def _blurred(picture: FloatImage, deviation_px: float) -> FloatImage:
    return flow.blurred(np.asarray(picture, np.float32), deviation_px)


def _resized(picture: FloatImage, edge: int) -> FloatImage:
    how = cv2.INTER_AREA if len(picture) > edge else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (edge, edge), interpolation=how), np.float32)
