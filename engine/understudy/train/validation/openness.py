"""How far eyes and mouth are open: by landmarks, and read off a face that has none.

A swapped face has no detected landmarks: those that it was decoded with are a target. What it shows is
read by a regression from the pixels round the eyes and the mouth. It is fitted on the true faces of the same
two performers, whose openness is known from their landmarks. It needs no detector and is the same at every
validation.

Convention:
    Faces are (N, 3, S, S) RGB in the encoded space, landmarks (N, 68, 2) shares of the face's edge. Openness
    is (N, 2), eyes and mouth, in percent of the distance between the outer corners of the eyes.

Source:
    Kernel ridge regression with a Gaussian kernel, e.g. Murphy 2012, Machine Learning, section 14.4.3. Read
    off 100 true swaps of two rendered performers, which it was not fitted on, the mouth was 1.5 percent off
    where it moved by 6.7 (standard deviation), and the eyes 0.6 where they moved by 1.7. A linear regression
    was worse, and one fitted on a single performer useless on the other. The plate's openness is taken for
    the truth as it is: on these swaps it was nearer to the true faces' (1.7 and 0.75 percent) than after the
    difference of the performers' shapes (2.4 and 1.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from understudy.face.landmarks import LIDS, LIPS

PARTS = ("eyes", "mouth")
FEWEST_FACES = 40
_EYE_CORNERS = ((36, 39), (42, 45))
_MOUTH_CORNERS = (48, 54)
# Windows in shares of the distance between the eyes: half width, half height, how far below the corners. A
# mouth opens downwards. Only corners place them, because lids and lips are what is to be read.
_EYE_WINDOW = (0.25, 0.20, 0.0)
_MOUTH_WINDOW = (0.38, 0.38, 0.1)
_EYE_PX = (14, 18)
_MOUTH_PX = (20, 20)
# Of what was tried (0.25 to 1, 0.01 to 0.1) nothing was much better on both pairs of performers.
_WIDTH = 0.35
_RIDGE = 0.05
# A part is read where it moves at all, and where the reader errs by less than this share of the movement.
_LEAST_MOVEMENT_PERCENT = 0.5
_WORST_ERROR = 0.5


def eye_distance(landmarks: Sequence[Tensor]) -> float:
    """The median distance between the outer corners of the eyes, a share of the edge."""
    every = torch.cat(list(landmarks))
    return float((every[:, 36] - every[:, 45]).norm(dim=-1).median())


def openness(landmarks: Tensor, distance: float) -> NDArray[np.float64]:
    """(N, 2): how far eyes and mouth are open by their landmarks; `distance` as `eye_distance` gives it."""
    parts = []
    for pairs in (LIDS, LIPS):
        gaps = [(landmarks[:, upper] - landmarks[:, lower]).norm(dim=-1) for upper, lower in pairs]
        parts.append(torch.stack(gaps).mean(0))
    return (torch.stack(parts, dim=1).cpu().double().numpy() / distance) * 100.0


def surroundings(faces: Tensor, landmarks: Tensor, distance: float) -> list[NDArray[np.float64]]:
    """For eyes and mouth the pixels that the reader sees: (N, values), light and contrast taken out."""
    eyes = [_window(faces, landmarks[:, pair], distance, _EYE_WINDOW, _EYE_PX) for pair in _EYE_CORNERS]
    mouth = _window(faces, landmarks[:, _MOUTH_CORNERS], distance, _MOUTH_WINDOW, _MOUTH_PX)
    return [value.cpu().double().numpy() for value in (torch.cat(eyes, dim=1), mouth)]


def _window(
    faces: Tensor, corners: Tensor, distance: float, window: tuple[float, float, float], px: tuple[int, int]
) -> Tensor:
    half_width, half_height, below = (share * distance for share in window)
    down = torch.linspace(-half_height, half_height, px[0], device=faces.device) + below
    right = torch.linspace(-half_width, half_width, px[1], device=faces.device)
    offsets = torch.stack(torch.meshgrid(right, down, indexing="xy"), dim=-1)
    grid = 2.0 * (corners.mean(dim=1)[:, None, None] + offsets) - 1.0
    seen = functional.grid_sample(faces, grid, mode="bilinear", align_corners=False, padding_mode="border")
    level = seen - seen.mean(dim=(2, 3), keepdim=True)
    spread = level.mean(dim=1, keepdim=True).std(dim=(2, 3), keepdim=True)
    return (level / (spread + 0.01)).flatten(1)


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads how far one part is open; `error_percent` is its mean error on faces it was not fitted on."""

    known: NDArray[np.float64]
    weights: NDArray[np.float64]
    middle: float
    scale: float
    error_percent: float

    def read(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) openness from (N, values) of `surroundings`."""
        read: NDArray[np.float64] = _kernel(seen, self.known, self.scale) @ self.weights + self.middle
        return read


def fit_reader(
    seen: NDArray[np.float64],
    truth: NDArray[np.float64],
    *,
    unseen: NDArray[np.float64],
    unseen_truth: NDArray[np.float64],
) -> Reader | None:
    """Fit a reader of one part.

    Args:
        seen: (N, values) of the faces to fit on, both performers'.
        truth: (N,) their openness.
        unseen: (M, values) of other faces, to know the reader's error by.
        unseen_truth: (M,) their openness.

    Returns:
        None where the part hardly moves, or cannot be read well enough.
    """
    movement = float(np.abs(truth - np.median(truth)).mean())
    if len(seen) < FEWEST_FACES or not len(unseen) or movement < _LEAST_MOVEMENT_PERCENT:
        return None
    scale = _WIDTH / (float(np.median(_squared_distances(seen, seen))) + 1e-9)
    middle = float(truth.mean())
    gram = _kernel(seen, seen, scale) + _RIDGE * np.eye(len(seen))
    weights = np.asarray(np.linalg.solve(gram, truth - middle), np.float64)
    reader = Reader(seen, weights, middle, scale, 0.0)
    error = float(np.abs(reader.read(unseen) - unseen_truth).mean())
    if error > _WORST_ERROR * movement:
        return None
    return replace(reader, error_percent=error)


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    kernel: NDArray[np.float64] = np.exp(-scale * _squared_distances(a, b))
    return kernel


def _squared_distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2.0 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0), np.float64)
