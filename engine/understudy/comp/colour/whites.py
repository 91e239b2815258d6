"""Whites: eyes and teeth are matched by the light, not by the tone of the skin.

A match that turns dark skin into light skin multiplies it by ten. Eyes and teeth are about as light whatever
the skin is: they are matched by the brightest part of the eyes, which is white in both faces.

Convention:
    Landmarks are (68, 2) pixels of one square raster, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp.checks import finite_cover
from understudy.comp.mattes import matte as mattes
from understudy.comp.mattes.polygon import filled
from understudy.image.frame import FloatImage

Colour = NDArray[np.float64]

_EYES = (slice(36, 42), slice(42, 48))
_INNER_LIPS = slice(60, 68)
# Share of the raster's edge: the soft border round eyes and mouth.
_SOFT = 0.01
# Share of an eye's pixels that count as its white: the brightest.
_WHITE_SHARE = 0.4
# Before any white is seen, the skin's shift counts as if it were this share of a face's pixels; both eyes
# wide open show about ten times as much white.
_PRIOR_SHARE = 2e-4
# The skin's shift is limited to a stop, in encoded units: the rest is the skin's tone.
_PRIOR_LIMIT = 0.057


@dataclass(frozen=True, eq=False)
class Whites:
    """The whites of the eyes of face and plate.

    Attributes:
        face, plate: (3,) float64 mean colour, encoded units.
        share: Of the raster's pixels, the fewer of the two that were seen; 0 for shut eyes.
    """

    face: Colour
    plate: Colour
    share: float

    @classmethod
    def mean(cls, several: Sequence[Whites], shares: Sequence[float] | Colour) -> Whites:
        """The mean of several frames; a frame with open eyes counts more than one with shut ones."""
        weights = np.array([one.share * share for one, share in zip(several, shares, strict=True)])
        total = float(weights.sum())
        if total == 0:
            return several[0]
        face, plate = (
            np.sum([weight * getattr(one, name) for weight, one in zip(weights, several, strict=True)], 0)
            for name in ("face", "plate")
        )
        return cls(face / total, plate / total, total / float(np.sum(shares)))


@dataclass(frozen=True, eq=False)
class WhitesMatch:
    """What eyes and the inside of the mouth get in place of the skin's match.

    Attributes:
        matte: (S, S) float32 in 0..1.
        shift: (3,) float64, encoded units: added to their colours.
    """

    matte: FloatImage
    shift: Colour


def matte(landmarks: FloatImage, size: int) -> FloatImage:
    """Eyes and the inside of the mouth, with a soft border.

    Args:
        landmarks: Of the face they are looked for on.
        size: Edge of the raster.

    Returns:
        (size, size) float32 in 0..1.

    Raises:
        FaceError: the landmarks have another shape, or are not finite.
    """
    points = mattes.face_points(landmarks)
    cover = np.maximum.reduce([filled(points[part], size) for part in (*_EYES, _INNER_LIPS)])
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), _SOFT * size), np.float32)


def measure(
    face: FloatImage,
    plate: FloatImage,
    cover: FloatImage,
    *,
    face_landmarks: FloatImage,
    plate_landmarks: FloatImage,
) -> Whites:
    """The whites of both faces' eyes.

    Args:
        face: (S, S, 3) float32, encoded.
        plate: The same shape and space.
        cover: (S, S) float32 in 0..1; what is not covered does not count.
        face_landmarks, plate_landmarks: Where the eyes are in each.

    Raises:
        FaceError: landmarks have another shape, or are not finite.
    """
    seen = finite_cover(cover, face, plate)
    found = [
        _white(picture, seen * _eyes(landmarks, len(face)))
        for picture, landmarks in ((face, face_landmarks), (plate, plate_landmarks))
    ]
    return Whites(found[0][0], found[1][0], min(found[0][1], found[1][1]) / cover.size)


def shift(whites: Whites, skin_shift: Colour) -> Colour:
    """(3,) what to add to the whites, encoded units.

    Args:
        whites: As measured.
        skin_shift: (3,) plate less face of the skin's mean; it stands in for the whites where eyes are shut.
    """
    guess = np.clip(skin_shift, -_PRIOR_LIMIT, _PRIOR_LIMIT)
    trust = whites.share / (whites.share + _PRIOR_SHARE)
    return np.asarray(trust * (whites.plate - whites.face) + (1.0 - trust) * guess, np.float64)


def _eyes(landmarks: FloatImage, size: int) -> FloatImage:
    """Pixels of the eyes; one that is half lid or more does not count: a shut eye has no others."""
    points = mattes.face_points(landmarks)
    cover = np.maximum(*(filled(points[part], size) for part in _EYES))
    return np.asarray(np.maximum(2 * cover - 1, 0), np.float32)


def _white(picture: FloatImage, weight: FloatImage) -> tuple[Colour, float]:
    """Mean colour of the brightest pixels, and how many they are; zeros where there are none."""
    rows, columns = np.nonzero(weight > 0)
    weights = weight[rows, columns].astype(np.float64)
    colours = picture[rows, columns].astype(np.float64)
    order = np.argsort(-colours.mean(axis=1), kind="stable")
    reached = np.cumsum(weights[order])
    if not len(order) or not reached[-1] > 0:
        return np.zeros(3), 0.0
    taken = np.clip(_WHITE_SHARE * reached[-1] - (reached - weights[order]), 0, weights[order])
    return np.asarray(taken @ colours[order] / taken.sum()), float(taken.sum())
