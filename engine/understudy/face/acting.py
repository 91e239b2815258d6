"""Acting on landmarks: eyes, brows and mouth moved as a director asks, on top of what the performer does.

What shuts moves along the face's own points, a lid to its partner: it then shuts under every pose. Everything
else moves in millimetres along the face's own axes, right, down and away, and is seen through the camera that
shows the mean face where this one lies: a rolled or turned head moves as it would in space.

Convention:
    Landmarks are (68, 2) pixels of one raster in true shape, x right, y down. A share runs from -1 to 1; 0
    changes nothing, and 1 is the largest change that still looks acted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from understudy.face.anatomy import EYES_APART
from understudy.face.landmarks import BROWS, LIDS, LIPS, MOUTH, Points
from understudy.face.pose import MEAN, camera

Numbers = NDArray[np.float64]


class Acting(NamedTuple):
    """What is asked for, in shares of the largest change.

    Attributes:
        eyes_open: 1 widens the eyes by `_WIDER` of their opening, -1 shuts them; shut eyes stay shut.
        brows: 1 raises them, -1 lowers and draws them together.
        smile: 1 draws the mouth's corners out and up, -1 draws them down.
        mouth_open: 1 drops the jaw, by less where it hangs already; -1 shuts the mouth.
        mouth_width: 1 stretches the mouth, -1 purses it.
    """

    eyes_open: float = 0.0
    brows: float = 0.0
    smile: float = 0.0
    mouth_open: float = 0.0
    mouth_width: float = 0.0


# How much wider eyes open, in shares of their opening, and how much of a lid's way is the upper lid's.
_WIDER, _UPPER_LID = 0.25, 0.8
# Millimetres: brows up and down, and drawn together; a smile's corners out and up, a sad mouth's in and down;
# a mouth's corners out when it is stretched, and in when it is pursed.
_BROWS_UP, _BROWS_DOWN, _BROWS_TOGETHER = 7.0, 4.0, 1.5
_SMILE_OUT, _SMILE_UP, _SAD_IN, _SAD_DOWN = 5.0, 6.0, 1.0, 4.5
_STRETCHED, _PURSED = 7.0, 8.0
# The share of the lower lids' way up that a smile makes.
_CHEEKS = 0.2
# A mouth that opens goes this share of its way to the widest, in millimetres; the lower lip makes most of it.
_WIDEST, _DROP, _LOWER_LIP = 45.0, 0.36, 0.9
# A jaw that drops turns about the ears: it goes back by a share of its way down.
_BACK = 0.5
# The corners of lips lie on the dental arch: what moves out moves away from the camera too.
_ARCH = 0.6

_INNER_UP, _INNER_DOWN = (list(side) for side in zip(*LIPS, strict=True))
_UPPER, _LOWER = [49, 50, 51, 52, 53], [58, 57, 56]
# How far the lower lip's ends, the corners and the jaw go along with the middle of the lower lip.
_CORNERS, _JAW = [48, 54, 60, 64], list(range(3, 14))
_LIP_ENDS, _LIP_ENDS_SHARE, _CORNERS_SHARE = [59, 55], 0.7, 0.35
# A jaw that shuts rises by less: the plate's chin would show below the new one as a second.
_JAW_DROPS, _JAW_RISES = 0.85, 0.5
_OUTWARD = MEAN[:, 0] / MEAN[54, 0]
_BELOW_MOUTH = np.clip((MEAN[:, 1] - MEAN[60, 1]) / (MEAN[8, 1] - MEAN[60, 1]), 0.0, 1.0)


def act(landmarks: Points, acting: Acting) -> Points:
    """The landmarks with the acting on top of the performer's own.

    Args:
        landmarks: (68, 2) pixels.
        acting: What is asked for.

    Returns:
        (68, 2) float32; the landmarks themselves where nothing is asked for.

    Raises:
        FaceError: the landmarks are not (68, 2) finite numbers, or lie on one line.
    """
    if not any(acting):
        return landmarks
    a_millimetre = camera(landmarks) / EYES_APART
    points = np.array(landmarks, np.float64)
    points[BROWS] += _brows(acting.brows) @ a_millimetre.T
    points[MOUTH] += (_width(acting.mouth_width) + _smile(acting.smile)) @ a_millimetre.T
    _open_mouth(points, acting.mouth_open, a_millimetre)
    _raise_lower_lids(points, _CHEEKS * max(acting.smile, 0.0))
    _open_eyes(points, acting.eyes_open)
    return np.asarray(points, np.float32)


def _brows(share: float) -> Numbers:
    """(10, 3) millimetres."""
    move = np.zeros((10, 3))
    move[:, 1] = -share * (_BROWS_UP if share > 0 else _BROWS_DOWN)
    inner = 1 - np.abs(np.arange(10) - 4.5) / 4.5
    move[:, 0] = -min(share, 0.0) * _BROWS_TOGETHER * inner * np.repeat((1.0, -1.0), 5)
    return move


def _width(share: float) -> Numbers:
    """(20, 3) millimetres."""
    outward = share * (_STRETCHED if share > 0 else _PURSED) * _OUTWARD[MOUTH]
    return np.stack([outward, np.zeros(20), _ARCH * outward * _OUTWARD[MOUTH]], axis=1)


def _smile(share: float) -> Numbers:
    """(20, 3) millimetres: most at the corners."""
    corner = _OUTWARD[MOUTH] ** 2
    out, up = (_SMILE_OUT, _SMILE_UP) if share > 0 else (_SAD_IN, _SAD_DOWN)
    return share * np.stack(
        [out * corner * np.sign(_OUTWARD[MOUTH]), -up * corner, _ARCH * out * corner], axis=1
    )


def _open_mouth(points: Numbers, share: float, a_millimetre: Numbers) -> None:
    """Drop or raise the lower lip; its ends, the corners and the jaw go along."""
    apart = points[_INNER_DOWN] - points[_INNER_UP]
    down = a_millimetre[:, 1]
    if share > 0:
        gap = float(np.mean(apart @ down)) / max(float(down @ down), 1e-12)
        drop = _DROP * share * max(_WIDEST - max(gap, 0.0), 0.0)
        dropped = down + _BACK * a_millimetre[:, 2]
        move = drop * np.array([[0.85], [1.0], [0.85]]) * dropped
    else:
        move = share * apart
    middle = move.mean(axis=0)
    points[_INNER_DOWN] += _LOWER_LIP * move
    points[_LOWER] += _LOWER_LIP * move
    points[_INNER_UP] -= (1 - _LOWER_LIP) * move
    points[_UPPER] -= (1 - _LOWER_LIP) * middle
    points[_LIP_ENDS] += _LIP_ENDS_SHARE * middle
    points[_CORNERS] += _CORNERS_SHARE * middle
    jaw = _JAW_DROPS if share > 0 else _JAW_RISES
    points[_JAW] += jaw * _BELOW_MOUTH[_JAW, None] * middle


def _raise_lower_lids(points: Numbers, share: float) -> None:
    for up, down in LIDS:
        points[down] += share * (points[up] - points[down])


def _open_eyes(points: Numbers, share: float) -> None:
    """Lids go apart or together along the line between them."""
    wider = share * (_WIDER if share > 0 else 1.0)
    for up, down in LIDS:
        apart = wider * (points[down] - points[up])
        points[up] -= _UPPER_LID * apart
        points[down] += (1 - _UPPER_LID) * apart
