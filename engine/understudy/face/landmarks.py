"""The 68 landmarks: their names, and how they are read off MediaPipe's mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

JAW = slice(0, 17)
BROWS = slice(17, 27)
NOSE = slice(27, 36)
EYES = slice(36, 48)
MOUTH = slice(48, 68)
LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
"""Upper and lower points that meet when the eyes shut."""
LIPS = ((61, 67), (62, 66), (63, 65))
"""Upper and lower points that meet when the mouth shuts."""

# The jaw runs along the mesh's face oval from one ear to the other. The oval's points crowd at the chin, so
# that every second one is taken there: neighbours then lie at about the same distance, as iBUG's do.
_JAW = (127, 234, 93, 132, 58, 172, 136, 149, 152, 378, 365, 397, 288, 361, 323, 454, 356)
_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NOSE = (168, 197, 5, 4, 98, 97, 2, 326, 327)
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_MOUTH = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 81, 13, 311, 308, 402, 14, 178)
MESH_INDEX = _JAW + _BROWS + _NOSE + _EYES + _MOUTH
"""For each of the 68 points its vertex of MediaPipe's face mesh (the same in the 468 and the 478)."""

# iBUG's brow points lie on the brow; the mesh has its upper and its lower edge.
_BROWS_LOWER = (46, 53, 52, 65, 55, 285, 295, 282, 283, 276)

MIRROR = (
    tuple(range(16, -1, -1))
    + tuple(range(26, 16, -1))
    + (27, 28, 29, 30, 35, 34, 33, 32, 31)
    + (45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40)
    + (54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65)
)
"""For each of the 68 points the one it becomes in a mirror."""


def from_mesh(mesh: Points) -> Points:
    """(68, 2) landmarks read off a (468, 3) or (478, 3) mesh, in the mesh's own pixels."""
    points = mesh[list(MESH_INDEX), :2].astype(np.float32)
    lower = mesh[list(_BROWS_LOWER), :2]
    points[BROWS] = 0.7 * points[BROWS] + 0.3 * lower
    return np.ascontiguousarray(points)
