"""Who is who by position and proportions alone: where no recognition network is at hand or it is not sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from understudy.face.detect.protocol import FaceBox, Points, overlap
from understudy.face.track.stretches import LOST_FRAMES, Stretch, normalised, proportions_apart

UNDER_BOX = "under the face box"
BOX_MISSED = "largest; no face lies under the face box"
SAME = 0.12
"""The largest distance between two stretches of one performer, in brow widths."""


def under_box(stretches: Sequence[Stretch], box: FaceBox | None) -> Stretch | None:
    """The stretch under a box that was drawn on the first frame; None where none is."""
    if box is None:
        return None
    begun = min(one.first for one in stretches)
    # The face may be detected a few frames later.
    near = [one for one in stretches if one.first <= begun + LOST_FRAMES]
    best = max(near, key=lambda one: _agreement(one.faces[one.first].box, box))
    return best if _agreement(best.faces[best.first].box, box) > 0 else None


def most_like(stretches: Sequence[Stretch], reference: Points) -> Stretch:
    """The stretch whose proportions are nearest to those of (68, 2) landmarks."""
    longest = max(len(one.faces) for one in stretches)
    # A stretch of a few frames may look like anyone.
    worthy = [one for one in stretches if len(one.faces) * 10 >= longest]
    wanted = normalised(reference)
    return min(worthy, key=lambda one: min(proportions_apart(wanted, other) for other in one.normalised()))


def nearest(stretch: Stretch, other: Stretch) -> float:
    """The median distance of a stretch's faces, each from the most alike of another's: poses differ."""
    theirs = other.normalised()
    gaps = [min(proportions_apart(face, one) for one in theirs) for face in stretch.normalised()]
    return float(np.median(gaps))


def _agreement(detected: FaceBox, given: FaceBox) -> float:
    """Shared area over joint area, plus a little for a middle inside the box: boxes are drawn loosely."""
    x, y = (detected[0] + detected[2]) / 2, (detected[1] + detected[3]) / 2
    inside = given[0] <= x <= given[2] and given[1] <= y <= given[3]
    return overlap(detected, given) + (0.5 if inside else 0.0)
