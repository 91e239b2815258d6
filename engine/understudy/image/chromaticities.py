"""Primaries and white points, and spaces that are made of them.

Convention:
    Eight numbers: x and y of red, green, blue and white, CIE 1931. A space that no configuration has is
    named by its primaries and curve, such as `Linear, primaries 0.64 0.33 0.3 0.6 0.15 0.06 0.3127 0.329`:
    the name holds all of it, so that it can be written to a file and parsed again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Primaries = tuple[float, float, float, float, float, float, float, float]

AP0: Primaries = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
AP1: Primaries = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
REC_709: Primaries = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
P3_D65: Primaries = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
REC_2020: Primaries = (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329)
ADOBE_RGB: Primaries = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.329)
SMPTE_C: Primaries = (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, 0.3127, 0.329)
EBU: Primaries = (0.64, 0.33, 0.29, 0.6, 0.15, 0.06, 0.3127, 0.329)
P3_DCI: Primaries = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351)
NTSC_1953: Primaries = (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.31, 0.316)

LINEAR_SPACES: dict[str, Primaries] = {
    "ACES2065-1": AP0,
    "ACEScg": AP1,
    "Linear Rec.709 (sRGB)": REC_709,
    "Linear P3-D65": P3_D65,
    "Linear Rec.2020": REC_2020,
    "Linear AdobeRGB": ADOBE_RGB,
}
"""Scene-linear spaces of the pinned configuration that are known by their primaries."""

TOLERANCE = 0.002
"""Headers round: 0.3127 0.329 is written as .313 .329, and AP1's white as 0.322 0.338."""

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_NAME = re.compile(
    r"(Linear|sRGB curve|Gamma (?P<gamma>\d(?:\.\d{1,4})?)), primaries "
    r"(?P<numbers>-?\d\.\d+(?: -?\d\.\d+){7})"
)


@dataclass(frozen=True)
class MadeSpace:
    """A space defined by primaries and a curve: gamma 1 is linear, 0 stands for sRGB's curve."""

    primaries: Primaries
    gamma: float = 1.0

    @property
    def name(self) -> str:
        """What it is called."""
        curve = "Linear" if self.gamma == 1 else "sRGB curve" if self.gamma == 0 else f"Gamma {self.gamma:g}"
        return f"{curve}, primaries {' '.join(_number(value) for value in self.primaries)}"

    @classmethod
    def parse(cls, name: str) -> MadeSpace | None:
        """The space of such a name; None where it is none, or its primaries are none."""
        found = _NAME.fullmatch(name)
        numbers = [float(word) for word in found["numbers"].split()] if found else []
        primaries = as_primaries(numbers)
        if found is None or primaries is None:
            return None
        gamma = float(found["gamma"]) if found["gamma"] else 1.0 if found[1] == "Linear" else 0.0
        return cls(primaries, gamma) if gamma == 0 or 0.5 <= gamma <= 4 else None

    def to_ap0(self) -> NDArray[np.float64]:
        """(3, 3) matrix from its linear light to ACES2065-1."""
        return rgb_to_rgb(self.primaries, AP0)


def as_primaries(numbers: Sequence[float]) -> Primaries | None:
    """Eight numbers as primaries; None where they do not define a space."""
    if len(numbers) != 8 or not all(math.isfinite(value) and abs(value) < 10 for value in numbers):
        return None
    values = [float(value) for value in numbers]
    corners = np.array(values[:6]).reshape(3, 2)
    area = np.linalg.det(np.column_stack([corners, np.ones(3)]))
    if abs(area) < 1e-3 or values[7] < 0.05:
        return None
    red, green, blue = _to_xyz(values).sum(axis=0)
    inside = np.linalg.solve(np.column_stack([corners, np.ones(3)]).T, [values[6], values[7], 1.0])
    if inside.min() <= 0 or min(red, green, blue) == 0:
        return None  # the white lies outside the triangle
    first = tuple(values)
    assert len(first) == 8
    return first


def alike(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two sets of primaries are the same up to the rounding of headers."""
    return all(abs(a - b) <= TOLERANCE for a, b in zip(one, other, strict=True))


def linear_space(primaries: Primaries) -> str:
    """Name of the scene-linear space with these primaries: the configuration's, or one made of them."""
    known = (name for name, values in LINEAR_SPACES.items() if alike(values, primaries))
    return next(known, MadeSpace(primaries).name)


def rgb_to_rgb(source: Primaries, destination: Primaries) -> NDArray[np.float64]:
    """(3, 3) matrix between the linear lights of two sets of primaries, white to white by Bradford.

    Formula: SMPTE RP 177-1993 for RGB to XYZ; the Bradford adaptation as in ICC.1:2022, annex E.
    """
    there = _to_xyz(destination)
    adapted = _adaptation(source[6:], destination[6:]) @ _to_xyz(source)
    return np.asarray(np.linalg.solve(there, adapted), np.float64)


def to_xyz_d50(primaries: Primaries) -> NDArray[np.float64]:
    """(3, 3) matrix from linear light to XYZ under D50, as ICC profiles hold it; columns are R, G and B."""
    d50 = (0.9642, 1.0, 0.8249)
    total = sum(d50)
    return np.asarray(
        _adaptation(primaries[6:], (d50[0] / total, d50[1] / total)) @ _to_xyz(primaries), np.float64
    )


def from_xyz_d50(columns: NDArray[np.float64]) -> Primaries | None:
    """Primaries with the white D65 whose colorants an ICC profile holds; None where they make none."""
    white = np.array([0.3127, 0.329])
    adapted = _adaptation((0.34567, 0.3585), (float(white[0]), float(white[1]))) @ columns
    sums = adapted.sum(axis=0)
    if not np.isfinite(adapted).all() or np.abs(sums).min() < 1e-6:
        return None
    corners = (adapted / sums)[:2].T.ravel()
    return as_primaries([*corners.tolist(), *white.tolist()])


def _to_xyz(primaries: Sequence[float]) -> NDArray[np.float64]:
    corners = np.array(primaries[:6], np.float64).reshape(3, 2)
    xyz = np.column_stack([corners, 1 - corners.sum(axis=1)]).T
    return np.asarray(xyz * np.linalg.solve(xyz, _white(primaries[6:])), np.float64)


def _white(xy: Sequence[float]) -> NDArray[np.float64]:
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adaptation(source: Sequence[float], destination: Sequence[float]) -> NDArray[np.float64]:
    scale = (_BRADFORD @ _white(destination)) / (_BRADFORD @ _white(source))
    return np.asarray(np.linalg.solve(_BRADFORD, scale[:, None] * _BRADFORD), np.float64)


def _number(value: float) -> str:
    text = f"{value:.5f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text
