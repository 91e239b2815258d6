"""Faces in device memory, and the batches drawn from them.

A bank holds one identity's crops a little larger than the network's faces, so that an affine jitter never
runs out of pixels and resampling costs no sharpness. Every random choice comes from a generator seeded by
(seed, iteration), so a resumed run draws what an uninterrupted one would have drawn.

Convention:
    Crops are (N, 3, H, W) encoded space. Landmarks are shares of the crop's edge, (N, 68, 2), x right,
    y down; -0.5 pixel is 0 and (edge - 0.5) pixel is 1, as `grid_sample(align_corners=False)` has it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from understudy.comp.matte import hull
from understudy.errors import TrainingError
from understudy.face.faceset import FaceRecord, FaceSet
from understudy.face.landmarks import MIRROR

# A stored face is this much larger than the network's.
OVERSAMPLE = 1.34
# Frames next to each other in a shot are nearly the same face: held-out faces come in runs, not singly.
HELD_OUT_EVERY = 100
HELD_OUT_RUN = 6
_EYES_AND_MOUTH = ((36, 42), (42, 48), (48, 60))


@dataclass(frozen=True)
class Batch:
    """What one iteration sees of one identity.

    Attributes:
        distorted: (B, 3, S, S) warped and colour-jittered; the encoder's input.
        truth: (B, 3, S, S) what the decoder should draw.
        matte: (B, 1, S, S) landmark hull.
        weight: (B, 1, S, S) how much a pixel counts.
        points: (B, 68, 2) landmarks of `truth`, shares of its edge.
    """

    distorted: Tensor
    truth: Tensor
    matte: Tensor
    weight: Tensor
    points: Tensor


@dataclass(frozen=True)
class Bank:
    """One identity's faces, on the device.

    Attributes:
        faces: (N, 3, E, E) encoded.
        planes: (N, 2, E, E) landmark hull, and the eyes and mouth.
        landmarks: (N, 68, 2) shares of the edge.
        poses: (N, 2) yaw and pitch in radians.
        training, held_out: Indices into the above.
        follows: (N,) whether a face is of the frame right after that of the one before it.
    """

    name: str
    faces: Tensor
    planes: Tensor
    landmarks: Tensor
    poses: Tensor
    training: Tensor
    held_out: Tensor
    follows: Tensor

    def to(self, device: torch.device) -> Bank:
        """The bank on another device."""
        tensors = (self.faces, self.planes, self.landmarks, self.poses)
        indices = (self.training, self.held_out, self.follows)
        return Bank(self.name, *(tensor.to(device) for tensor in tensors + indices))


def load_bank(faceset: FaceSet, *, size: int) -> Bank:
    """Read a face set into memory.

    Raises:
        TrainingError: it holds too few faces.
        FaceError: crops are missing or unreadable.
    """
    records = faceset.records()
    if len(records) < 8:
        raise TrainingError(
            f"{faceset.identity} has {len(records)} faces; training needs at least 8.",
            where=faceset.path,
            fix="extract more frames of this performer",
        )
    edge = min(faceset.crop_size, round(size * OVERSAMPLE / 2) * 2)
    faces = np.empty((len(records), edge, edge, 3), np.float32)
    planes = np.empty((len(records), edge, edge, 2), np.float32)
    landmarks = np.empty((len(records), 68, 2), np.float32)
    for index, record in enumerate(records):
        crop = faceset.read_crop(record)
        faces[index] = cv2.resize(crop, (edge, edge), interpolation=cv2.INTER_AREA)
        landmarks[index] = (record.landmarks_aligned + 0.5) / faceset.crop_size
        planes[index] = _planes(landmarks[index] * edge - 0.5, edge)
    held_out = _held_out(records)
    everything = np.arange(len(records))
    return Bank(
        faceset.identity,
        torch.from_numpy(faces).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(planes).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(landmarks),
        torch.tensor([[record.yaw, record.pitch] for record in records], dtype=torch.float32),
        torch.from_numpy(everything[~held_out]),
        torch.from_numpy(everything[held_out]),
        torch.from_numpy(_follows(records)),
    )


def _planes(landmarks_px: np.ndarray, edge: int) -> np.ndarray:
    features = np.zeros((edge, edge), np.float32)
    for first, last in _EYES_AND_MOUTH:
        outline = np.round(landmarks_px[first:last] * 16).astype(np.int32)
        cv2.fillPoly(features, [cv2.convexHull(outline)], 1.0, cv2.LINE_8, shift=4)
    # The lids and the lips' rim matter as much as what they enclose.
    grown = cv2.dilate(features, np.ones((3, 3), np.uint8), iterations=max(1, edge // 48))
    return np.stack([hull(landmarks_px, edge), cv2.GaussianBlur(grown, (0, 0), edge / 96)], axis=-1)


def _held_out(records: list[FaceRecord]) -> np.ndarray:
    positions = np.arange(len(records))
    chosen = positions % HELD_OUT_EVERY >= HELD_OUT_EVERY - HELD_OUT_RUN
    if not chosen.any():  # a small set gives its last faces
        chosen[-max(1, len(records) // 16) :] = True
    return chosen


def _follows(records: list[FaceRecord]) -> np.ndarray:
    """(N,) bool; a set of every second frame has its own step, the one that most of its faces are at."""
    frames = np.array([record.frame for record in records])
    same = [now.origin == before.origin for before, now in pairwise(records)]
    steps = np.where(same, np.diff(frames), 0)
    usual = Counter(steps[steps > 0].tolist()).most_common(1)
    return np.concatenate([[False], steps == usual[0][0] if usual else np.zeros(len(steps), bool)])


def draw_batch(
    bank: Bank,
    *,
    count: int,
    size: int,
    generator: torch.Generator,
    warp: float,
    jitter: float,
    flip: bool,
) -> Batch:
    """Draw a training batch; `warp` and `jitter` are 0..1."""
    device = bank.faces.device
    picked = bank.training[torch.randint(len(bank.training), (count,), generator=generator).to(device)]
    affine = _random_affine(count, generator, flip=flip).to(device)
    grid = functional.affine_grid(affine, [count, 3, size, size], align_corners=False)
    bent = grid + _random_bend(count, size, generator, amount=warp).to(device)
    faces = bank.faces[picked]
    truth = _sample(faces, grid)
    planes = functional.grid_sample(bank.planes[picked], grid, align_corners=False, padding_mode="zeros")
    distorted = _recolour(_sample(faces, bent, mode="bilinear"), generator, amount=jitter)
    points = _moved(bank.landmarks[picked], affine)
    return Batch(distorted, truth, planes[:, :1], pixel_weight(planes), points)


def still_batch(bank: Bank, indices: Tensor, *, size: int) -> Batch:
    """The faces as they are, for previews and validation."""
    count = len(indices)
    straight = torch.eye(2, 3, device=bank.faces.device).expand(count, 2, 3)
    grid = functional.affine_grid(straight, [count, 3, size, size], align_corners=False)
    truth = _sample(bank.faces[indices], grid)
    planes = functional.grid_sample(bank.planes[indices], grid, align_corners=False)
    return Batch(truth, truth, planes[:, :1], pixel_weight(planes), bank.landmarks[indices])


def pixel_weight(planes: Tensor) -> Tensor:
    """(N, 2, H, W) hull, eyes and mouth to (N, 1, H, W): background hardly counts."""
    near = functional.max_pool2d(planes[:, :1], 5, stride=1, padding=2)
    return 0.05 + 0.95 * near + 2.0 * planes[:, 1:]


def _sample(faces: Tensor, grid: Tensor, mode: str = "bicubic") -> Tensor:
    return functional.grid_sample(faces, grid, mode=mode, align_corners=False, padding_mode="reflection")


def _uniform(shape: tuple[int, ...], generator: torch.Generator, low: float, high: float) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _random_affine(count: int, generator: torch.Generator, *, flip: bool) -> Tensor:
    # The face arrives aligned, so this only covers the aligner's own error.
    angle = torch.deg2rad(_uniform((count,), generator, -6.0, 6.0))
    zoom = _uniform((count,), generator, 0.96, 1.05)
    shift = _uniform((count, 2), generator, -0.05, 0.05)
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    mirror = torch.ones(count)
    if flip:
        mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    rows = [cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1]]
    return torch.stack(rows, dim=1).view(count, 2, 3)


def _moved(landmarks: Tensor, affine: Tensor) -> Tensor:
    """Where landmarks (N, 68, 2) lie in pictures sampled by `affine`; a mirror swaps their names."""
    linear, shift = affine[:, :, :2], affine[:, :, 2:]
    # The matrix leads from the picture to the face, in grid units: -1 to 1 over the edge.
    moved = torch.linalg.solve(linear, (2.0 * landmarks - 1.0).transpose(1, 2) - shift).transpose(1, 2)
    mirrored = torch.linalg.det(linear) < 0
    moved = torch.where(mirrored[:, None, None], moved[:, list(MIRROR)], moved)
    return (moved + 1.0) / 2.0


def _random_bend(count: int, size: int, generator: torch.Generator, *, amount: float) -> Tensor:
    # A smooth random field of a 5×5 lattice, in grid units (the face's edge is 2).
    lattice = torch.randn((count, 2, 5, 5), generator=generator) * (0.06 * amount)
    field = functional.interpolate(lattice, size=(size, size), mode="bicubic", align_corners=True)
    return field.permute(0, 2, 3, 1)


def _recolour(faces: Tensor, generator: torch.Generator, *, amount: float) -> Tensor:
    # In a logarithmic space exposure is an offset, contrast a gain, and white balance an offset a channel.
    count, device = faces.shape[0], faces.device
    exposure = _uniform((count, 1, 1, 1), generator, -0.06, 0.06) * amount
    balance = _uniform((count, 3, 1, 1), generator, -0.025, 0.025) * amount
    contrast = 1.0 + _uniform((count, 1, 1, 1), generator, -0.25, 0.25) * amount
    middle = faces.mean(dim=(2, 3), keepdim=True)
    return (faces - middle) * contrast.to(device) + middle + (exposure + balance).to(device)
