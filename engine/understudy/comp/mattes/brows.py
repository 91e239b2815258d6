"""The outer ends of the plate's brows, which the new face must cover although its own matte ends before them.

A matte is the hull of landmarks, and ends where the brow's last landmark lies. The hairs go on, and a double
with broader brows than the performer's would keep theirs beside the new ones.
"""

from __future__ import annotations

import numpy as np

from understudy.comp.mattes.matte import face_points
from understudy.image.frame import FloatImage

# Shares of the picture's edge: how far hairs lie from the line through a brow's last landmarks, how far they
# go on beyond the last one, and how soft the cover's edge is.
_REACH, _BEYOND, _SOFT = 0.04, 0.02, 0.03
# The last two landmarks of each brow, the outer one last.
_ENDS = ((18, 17), (25, 26))
_BRIDGE = 27
# Of a turned head the far brow ends on the silhouette, and there the cover would lie on the background. It
# fades as that brow's distance from the nose's bridge falls from one share of the near one's to another.
_TURNED, _FRONTAL = 0.7, 0.95


def ends(landmarks: FloatImage, size: int) -> FloatImage:
    """Cover the outer ends of the brows of an aligned face, the far one of a turned head left out.

    Args:
        landmarks: (68, 2) pixels of the raster, x right, y down, pixel centres at integers.
        size: Edge of the raster.

    Returns:
        (size, size) float32 in 0..1, nothing wherever no brow ends.

    Raises:
        FaceError: the landmarks have another shape, or are not finite.
    """
    points = face_points(landmarks)
    widths = [float(np.linalg.norm(points[outer] - points[_BRIDGE])) for _, outer in _ENDS]
    cover = np.zeros((size, size), np.float32)
    for (inner, outer), width in zip(_ENDS, widths, strict=True):
        seen = (width / max(*widths, 1e-6) - _TURNED) / (_FRONTAL - _TURNED)
        along = points[outer] - points[inner]
        length = float(np.linalg.norm(along))
        if seen <= 0.0 or length < 1e-6:
            continue
        last = points[outer] + along * (_BEYOND * size / length)
        _lay(cover, points[inner], last, min(1.0, seen))
    return cover


def _lay(cover: FloatImage, start: np.ndarray, end: np.ndarray, strength: float) -> None:
    """Raise a cover to `strength` wherever it lies near the line from one point to another."""
    size = len(cover)
    reach, soft = _REACH * size, _SOFT * size
    pad = reach + soft + 1.0
    low = np.clip(np.floor(np.minimum(start, end) - pad), 0, size).astype(int)
    high = np.clip(np.ceil(np.maximum(start, end) + pad) + 1, 0, size).astype(int)
    if (high <= low).any():
        return
    window = cover[low[1] : high[1], low[0] : high[0]]
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]]
    place = np.stack([columns, rows], axis=-1) - start
    along = end - start
    share = np.clip(place @ along / (along @ along), 0.0, 1.0)
    far = np.linalg.norm(place - share[..., None] * along, axis=-1)
    near = np.clip((reach - far) / soft + 0.5, 0.0, 1.0) * strength
    np.maximum(window, near.astype(np.float32), out=window)
