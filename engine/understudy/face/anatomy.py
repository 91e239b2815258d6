"""Prior covariances of landmarks: how people's faces differ, what acting moves, how a face is misplaced.

Each mode is a direction in which landmarks move together; its length is the standard deviation among people.
A mouth at rest is shut and a nose does not act: such priors separate a difference between two performances
from a difference between two performers (identity_shape.py).

Convention:
    Millimetres on a face whose eyes' outer corners lie `EYES_APART` apart; x right, y down, as in a picture.
    A mode is (68, 2), and a covariance (136, 136) over landmarks flattened as (x, y, x, y, …).

Source:
    Deviations among people are of the size that Farkas 1994, Anthropometry of the Head and Face, gives, both
    sexes taken together and rounded. Those of acting are our estimate: how the means of performances differ
    along what the action units of Ekman and Friesen 1978, Facial Action Coding System, do to a face.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from understudy.face.align import TEMPLATE
from understudy.face.landmarks import BROWS, EYES, JAW, LIDS, LIPS, MOUTH
from understudy.face.pose import MEAN

Numbers = NDArray[np.float64]

EYES_APART = 91.0
"""Between the outer corners of the eyes, in millimetres."""

# Deviation in every direction that no mode covers, except the openings of lids and lips.
_ELSE = 1.5
# Deviations of a face's placement: shift, scale, roll and pitch; wide priors.
_SHIFT, _SCALE, _ROLL, _NOD = 5.0, 0.1, 0.05, 0.14

_NOSE_BASE = slice(31, 36)
_LIDS_UP, _LIDS_DOWN = [37, 38, 43, 44], [40, 41, 46, 47]
_EYES_OUT, _EYES_IN = [36, 45], [39, 42]
_LIP_UP, _LIP_DOWN = [49, 50, 51, 52, 53], [55, 56, 57, 58, 59]
_INNER_UP, _INNER_DOWN = [61, 62, 63], [65, 66, 67]
_CORNERS = [48, 54, 60, 64]

_X, _Y = TEMPLATE.T
_MIDDLE = 0.5
# +1 on the picture's right of the face, -1 on its left, 0 on the middle line.
_SIDE = np.where(np.abs(_X - _MIDDLE) < 0.004, 0.0, np.sign(_X - _MIDDLE))
_EYE_LINE, _NOSE_LINE, _CHIN_LINE = _Y[EYES].mean(), _Y[33], _Y[8]
_MOUTH_LINE = _Y[[60, 64]].mean()

Move = tuple[Sequence[int] | slice, Numbers | Sequence[float] | float, Numbers | Sequence[float] | float]


def _mode(deviation: float, *moves: Move) -> Numbers:
    """(68, 2): points, and how far they move right and down, in deviations."""
    mode = np.zeros((68, 2))
    for points, right, down in moves:
        mode[points, 0] = right
        mode[points, 1] = down
    return deviation * mode


def _between(top: float, bottom: float, points: slice = slice(None)) -> Numbers:
    """0 above one height of the face, 1 below another, and evenly between."""
    share: Numbers = np.clip((_Y[points] - top) / (bottom - top), 0.0, 1.0)
    return share


def _outward(points: slice, end: int) -> Numbers:
    """How far points lie from the middle line: 1 for the point `end`, -1 across."""
    share: Numbers = (_X[points] - _MIDDLE) / (_X[end] - _MIDDLE)
    return share


def _people() -> Iterable[Numbers]:
    """How faces at rest differ."""
    nose = _between(_EYE_LINE, _NOSE_LINE)
    nose[BROWS], nose[EYES] = 0.0, 0.0
    under_nose = _between(_NOSE_LINE, _MOUTH_LINE, JAW)
    under_mouth = _between(_MOUTH_LINE, _CHIN_LINE, JAW)
    yield _mode(1.5, (EYES, _SIDE[EYES], 0), (BROWS, _SIDE[BROWS], 0))  # how far apart the eyes are
    yield _mode(0.6, (_EYES_OUT, _SIDE[_EYES_OUT], 0), (_EYES_IN, -_SIDE[_EYES_IN], 0))  # how long an eye is
    yield _mode(0.6, (_LIDS_UP, 0, -1), (_LIDS_DOWN, 0, 1))  # how open, at rest
    yield _mode(1.0, (_EYES_OUT, 0, 1), ([37, 41, 44, 46], 0, 0.5))  # how slanted
    yield _mode(2.0, (BROWS, 0, 1))
    yield _mode(1.5, (BROWS, 0, np.abs(_X[BROWS] - _MIDDLE) / 0.2 - 0.75))  # brows that slope
    yield _mode(0.8, (BROWS, _SIDE[BROWS], 0))
    # A longer nose puts all that is below it lower, and so do a longer lip and chin.
    yield _mode(3.5, (slice(None), 0, nose))
    yield _mode(1.1, (_NOSE_BASE, _outward(_NOSE_BASE, 35), 0))
    yield _mode(1.5, ([29, 30], 0, [0.5, 1.0]))  # the tip alone
    yield _mode(2.2, (MOUTH, 0, 1), (JAW, 0, under_nose))
    yield _mode(1.7, (MOUTH, _outward(MOUTH, 54), 0))
    yield _mode(1.3, (_LIP_UP, 0, [-0.5, -1, -1, -1, -0.5]))
    yield _mode(1.5, (_LIP_DOWN, 0, [0.5, 1, 1, 1, 0.5]))
    yield _mode(4.0, (JAW, 0, under_mouth))
    yield _mode(2.7, (JAW, _outward(JAW, 16), 0))
    yield _mode(3.3, (JAW, _SIDE[JAW] * np.exp(-0.5 * ((_Y[JAW] - _Y[5]) / 0.12) ** 2), 0))  # its angles
    yield _mode(1.0, (JAW, 0, 1 - _between(_Y[0], _CHIN_LINE, JAW)))


def _acting() -> Iterable[Numbers]:
    """How the mean expression of a performance may differ from a face at rest."""
    jaw = slice(3, 14)
    corner = np.abs(_outward(MOUTH, 54))
    yield _mode(1.5, (_LIDS_UP, 0, -0.7), (_LIDS_DOWN, 0, 0.3))  # wide eyes, or narrow ones
    yield _mode(2.5, (BROWS, 0, 1))
    yield _mode(1.5, ([20, 21, 22, 23], -_SIDE[[20, 21, 22, 23]], 1))  # a frown
    yield _mode(
        4.0,  # a mouth that opens, and the jaw with it
        (_LIP_DOWN + _INNER_DOWN, 0, 1),
        (_CORNERS, 0, 0.4),
        (jaw, 0, 0.9 * _between(_MOUTH_LINE, _CHIN_LINE, jaw)),
    )
    yield _mode(3.0, (MOUTH, _SIDE[MOUTH] * corner, -0.6 * corner))  # a smile
    yield _mode(2.0, (_CORNERS, 0, 1), ([49, 53, 55, 59], 0, 0.4))  # corners down
    yield _mode(1.0, (_LIP_UP, 0, [0.6, 1, 1, 1, 0.6]), (_INNER_UP, 0, 1))  # the upper lip


def _placing() -> Iterable[Numbers]:
    """Differences that come from alignment and pitch, not from shape or acting."""
    off = (TEMPLATE - TEMPLATE[27:48].mean(axis=0)) * EYES_APART / np.ptp(_X[[36, 45]])
    yield _mode(_SHIFT, (slice(None), 1, 0))
    yield _mode(_SHIFT, (slice(None), 0, 1))
    yield _mode(_SCALE, (slice(None), off[:, 0], off[:, 1]))
    yield _mode(_ROLL, (slice(None), -off[:, 1], off[:, 0]))
    # Pitch moves a point in proportion to its depth.
    yield _mode(_NOD, (slice(None), 0, MEAN[:, 2] * EYES_APART))


def _covariance(modes: Iterable[Numbers]) -> Numbers:
    flat = np.stack([mode.ravel() for mode in modes])
    return np.asarray(flat.T @ flat)


def _apart_from_openings() -> Numbers:
    """The projection onto everything but opening and shutting."""
    openings = [_mode(0.5**0.5, ([up], 0, -1), ([down], 0, 1)).ravel() for up, down in LIDS + LIPS]
    return np.asarray(np.eye(136) - np.stack(openings).T @ np.stack(openings))


PEOPLE: Numbers = _covariance(_people()) + _ELSE**2 * _apart_from_openings()
"""(136, 136) square millimetres: how one person's face at rest differs from another's."""

ACTING: Numbers = _covariance(_acting())
"""(136, 136) square millimetres: how one performance's mean differs from another's of the same person."""

PLACING: Numbers = _covariance(_placing())
"""(136, 136) square millimetres: how placement, size and pitch of two faces may differ."""
