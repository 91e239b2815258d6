"""Faces in device memory, and the batches sampled from them; augmentation.py has what is done to these.

One identity's crops are kept a little larger than the network's faces, so that an affine jitter never runs
out of pixels and resampling costs no sharpness. Every random number comes from a generator that is seeded for
the iteration (seeds.py), so that a resumed run samples what an uninterrupted one would have sampled.

Convention:
    Crops are (N, 3, H, W) encoded space. Landmarks are shares of the crop's edge, (N, 68, 2), x right,
    y down; -0.5 pixel is 0 and (edge - 0.5) pixel is 1, as `grid_sample(align_corners=False)` has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from understudy.comp.mattes.matte import hull
from understudy.core.errors import TrainingError
from understudy.face.faceset.store import FaceRecord, FaceSet
from understudy.train.data import augmentation as augment
from understudy.train.data.augmentation import Augmentation
from understudy.train.hardware import memory

# A stored face is this much larger than the network's.
OVERSAMPLE = 1.34
# Frames next to each other in a shot are nearly the same face: held-out faces come in runs, not singly.
HELD_OUT_EVERY = 100
HELD_OUT_RUN = 6
# How much more eyes and mouth count than the rest of the face; what a validation measures holds by it too.
EYES_AND_MOUTH = 2.0
# What a pixel outside the hull counts.
BACKGROUND = 0.05
YAW_BINS = 16
# A profile that was seen once is sampled at most so many times as often as usual, or it would be overfitted.
RAREST = 8.0
_AT_ONCE = 256
_EYES_AND_MOUTH_POINTS = ((36, 42), (42, 48), (48, 60))


@dataclass(frozen=True)
class Batch:
    """What one iteration sees of one identity.

    Attributes:
        distorted: (B, 3, S, S) warped and colour-jittered; the encoder's input.
        truth: (B, 3, S, S) what the decoder must predict.
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
class LoadedFaces:
    """One identity's faces, on the device.

    Attributes:
        faces: (N, 3, E, E) encoded; in half precision, which is a two-hundredth of a stop in skin.
        masks: (N, 2, E, E) landmark hull, and the eyes and mouth, in half precision too.
        landmarks: (N, 68, 2) shares of the edge.
        poses: (N, 2) yaw and pitch in radians.
        training, held_out: Indices into the above.
        consecutive: (N,) whether a face is of the frame right after that of the one before it.
        colours: (N, 2, 3) mean and deviation of each channel inside the hull.
        yaw_odds: (T,) how many times as often as the average one each of `training` is sampled where yaws
            are to be uniform. It stays on the CPU, where random numbers are generated.
    """

    name: str
    faces: Tensor
    masks: Tensor
    landmarks: Tensor
    poses: Tensor
    training: Tensor
    held_out: Tensor
    consecutive: Tensor
    colours: Tensor = field(init=False)
    yaw_odds: Tensor = field(init=False)

    def __post_init__(self) -> None:
        several = zip(self.faces.split(_AT_ONCE), self.masks.split(_AT_ONCE), strict=True)
        colours = [augment.hull_colours(faces.float(), masks[:, :1].float()) for faces, masks in several]
        object.__setattr__(self, "colours", torch.cat(colours))
        object.__setattr__(self, "yaw_odds", yaw_odds(self.poses[self.training, 0].cpu()))

    def to(self, device: torch.device) -> LoadedFaces:
        """The same on another device."""
        tensors = (self.faces, self.masks, self.landmarks, self.poses)
        indices = (self.training, self.held_out, self.consecutive)
        return LoadedFaces(self.name, *(tensor.to(device) for tensor in tensors + indices))


def load_faces(faceset: FaceSet, *, size: int) -> LoadedFaces:
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
    faces = np.empty((len(records), edge, edge, 3), np.float16)
    masks = np.empty((len(records), edge, edge, 2), np.float16)
    landmarks = np.empty((len(records), 68, 2), np.float32)
    for index, record in enumerate(records):
        crop = faceset.read_crop(record)
        faces[index] = cv2.resize(crop, (edge, edge), interpolation=cv2.INTER_AREA)
        landmarks[index] = (record.landmarks_aligned + 0.5) / faceset.crop_size
        masks[index] = _planes(landmarks[index] * edge - 0.5, edge)
    held_out = _held_out(records)
    everything = np.arange(len(records))
    return LoadedFaces(
        faceset.identity,
        torch.from_numpy(faces).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(masks).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(landmarks),
        torch.tensor([[record.yaw, record.pitch] for record in records], dtype=torch.float32),
        torch.from_numpy(everything[~held_out]),
        torch.from_numpy(everything[held_out]),
        torch.from_numpy(_follows(records)),
    )


def load_on_device(faceset: FaceSet, *, size: int, device: torch.device) -> LoadedFaces:
    """A face set's faces on the device.

    Raises:
        TrainingError: they do not fit there, or are too few.
        FaceError: crops are missing or unreadable.
    """
    try:
        return load_faces(faceset, size=size).to(device)
    except (MemoryError, RuntimeError) as exc:
        if not memory.is_shortage(exc):
            raise
        raise TrainingError(
            f"The faces of {faceset.identity} do not fit into the memory of {device.type}.",
            where=faceset.path,
            fix="train at a smaller size, with fewer faces, or on a device with more memory",
        ) from exc


def _planes(landmarks_px: np.ndarray, edge: int) -> np.ndarray:
    features = np.zeros((edge, edge), np.float32)
    for first, last in _EYES_AND_MOUTH_POINTS:
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


def yaw_odds(yaws: Tensor) -> Tensor:
    """How many times as often as the average one each face is sampled, for yaws to be uniform.

    The yaws' range falls into bins of equal width, and all that hold any face are sampled equally often. What
    exceeds a rare face's limit is shared by all faces.

    Args:
        yaws: (T,) radians, on the CPU.

    Returns:
        (T,) float64 with a mean of 1, below `RAREST` + 1. Half of a batch at most is sampled by it, so that
        no face is sampled more than `RAREST` times as often as the average one.
    """
    # A face or two that the detector misread must not stretch the range.
    low, high = torch.quantile(yaws.double(), torch.tensor([0.005, 0.995], dtype=torch.float64)).tolist()
    places = (yaws.double() - low) / max(high - low, 1e-6) * YAW_BINS
    bins = places.long().clamp(0, YAW_BINS - 1)
    counts = torch.bincount(bins, minlength=YAW_BINS).double()
    wanted = len(yaws) / int((counts > 0).sum())
    capped = (wanted / counts[bins]).clamp(max=RAREST)
    return capped + (1.0 - capped.mean())


def draw_batch(
    loaded: LoadedFaces,
    *,
    count: int,
    size: int,
    generator: torch.Generator,
    augmentation: Augmentation,
    others: Sequence[LoadedFaces] = (),
    eyes_and_mouth: float = EYES_AND_MOUTH,
) -> Batch:
    """Sample a training batch.

    Args:
        loaded: Whose faces.
        count: How many.
        size: Their edge in pixels, a multiple of 8.
        generator: On the CPU.
        augmentation: What is done to the encoder's input.
        others: The other identities, whose colours some faces take on.
        eyes_and_mouth: How much more these count than the rest of the face.
    """
    device = loaded.faces.device
    picked = _pick(loaded, count, generator, uniform_yaw=augmentation.uniform_yaw)
    affine = augment.random_affine(count, generator, flip=augmentation.flip).to(device)
    grid = functional.affine_grid(affine, [count, 3, size, size], align_corners=False)
    bent = grid + augment.random_bend(count, size, generator, amount=augmentation.warp).to(device)
    faces, masks = loaded.faces[picked].float(), loaded.masks[picked].float()
    truth = _sample(faces, grid)
    seen = augment.distort(
        _sample(faces, bent, mode="bilinear"),
        lambda: _within(masks[:, :1], bent),
        generator,
        augmentation,
        colours=loaded.colours[picked],
        others=[other.colours[other.training] for other in others],
    )
    straight = _within(masks, grid)
    points = augment.moved(loaded.landmarks[picked], affine)
    return Batch(seen, truth, straight[:, :1], pixel_weight(straight, eyes_and_mouth), points)


def _pick(loaded: LoadedFaces, count: int, generator: torch.Generator, *, uniform_yaw: float) -> Tensor:
    """(count,) indices of training faces."""
    if uniform_yaw:
        odds = torch.lerp(torch.ones_like(loaded.yaw_odds), loaded.yaw_odds, 0.5 * uniform_yaw).cumsum(0)
        places = torch.rand(count, generator=generator, dtype=torch.float64) * odds[-1]
        chosen = torch.searchsorted(odds, places, right=True).clamp(max=len(odds) - 1)
    else:
        chosen = torch.randint(len(loaded.training), (count,), generator=generator)
    return loaded.training[chosen.to(loaded.training.device)]


def still_batch(loaded: LoadedFaces, indices: Tensor, *, size: int) -> Batch:
    """The faces as they are, for previews and validation."""
    count = len(indices)
    straight = torch.eye(2, 3, device=loaded.faces.device).expand(count, 2, 3)
    grid = functional.affine_grid(straight, [count, 3, size, size], align_corners=False)
    truth = _sample(loaded.faces[indices].float(), grid)
    masks = _within(loaded.masks[indices].float(), grid)
    return Batch(truth, truth, masks[:, :1], pixel_weight(masks), loaded.landmarks[indices])


def evenly(indices: Tensor, most: int) -> Tensor:
    """At most so many of the indices."""
    if len(indices) <= most:
        return indices
    return indices[torch.linspace(0, len(indices) - 1, most).round().long().to(indices.device)]


def pixel_weight(masks: Tensor, eyes_and_mouth: float = EYES_AND_MOUTH) -> Tensor:
    """(N, 2, H, W) hull, eyes and mouth to (N, 1, H, W): background hardly counts."""
    near = functional.max_pool2d(masks[:, :1], 5, stride=1, padding=2)
    return BACKGROUND + (1.0 - BACKGROUND) * near + eyes_and_mouth * masks[:, 1:]


def _sample(faces: Tensor, grid: Tensor, mode: str = "bicubic") -> Tensor:
    return functional.grid_sample(faces, grid, mode=mode, align_corners=False, padding_mode="reflection")


def _within(masks: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(masks, grid, align_corners=False, padding_mode="zeros")
