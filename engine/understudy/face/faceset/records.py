"""A face set's records, and how they lie in its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import FaceError
from understudy.core.names import DEFAULT_FACE, is_face_name
from understudy.face.detect.protocol import Points

COLUMNS = (
    *("origin", "frame", "face", "crop", "crop_sha256", "landmarks_aligned", "plate_to_aligned"),
    *("confidence", "sharpness", "yaw", "pitch"),
)
"""The columns of the table `faces`, in order; version 1 had none for the face's name."""


@dataclass(frozen=True, eq=False)
class FaceRecord:
    """One face of a set.

    Attributes:
        frame: The frame's number in its plate.
        origin: The plate it was found in.
        landmarks_aligned: (68, 2) float32 pixels of the crop.
        plate_to_aligned: (2, 3) float64 from the plate's pixels to the crop's.
        confidence: The detector's, 0 to 1.
        sharpness: As `sharpness.sharpness` measures it.
        yaw: Radians, positive when the performer looks to the picture's right.
        pitch: Radians, positive when the performer looks down.
        crop: The crop's file name; set by the face set.
        crop_sha256: The crop file's digest; set by the face set.
        face: The face's name among those of its frame.
    """

    frame: int
    origin: str
    landmarks_aligned: Points
    plate_to_aligned: NDArray[np.float64]
    confidence: float
    sharpness: float
    yaw: float = 0.0
    pitch: float = 0.0
    crop: str = ""
    crop_sha256: str = ""
    face: str = DEFAULT_FACE


def to_row(record: FaceRecord) -> tuple[Any, ...]:
    """A record as the values of `COLUMNS`."""
    return (
        *(record.origin, record.frame, record.face, record.crop, record.crop_sha256),
        np.ascontiguousarray(record.landmarks_aligned, "<f4").tobytes(),
        np.ascontiguousarray(record.plate_to_aligned, "<f8").tobytes(),
        *(record.confidence, record.sharpness, record.yaw, record.pitch),
    )


def checked(record: FaceRecord, path: Path) -> FaceRecord:
    """The record with its arrays and numbers in their own types.

    Raises:
        FaceError: a shape is wrong, or a number is not finite.
    """
    points = np.asarray(record.landmarks_aligned, np.float32)
    matrix = np.asarray(record.plate_to_aligned, np.float64)
    numbers = np.array([record.confidence, record.sharpness, record.yaw, record.pitch], np.float64)
    shaped = points.shape == (68, 2) and matrix.shape == (2, 3) and is_face_name(record.face)
    if not shaped or not all(np.isfinite(part).all() for part in (points, matrix, numbers)):
        raise FaceError(
            "A face to store is not a name, 68 landmarks, a 2×3 matrix and finite numbers.",
            where=f"frame {record.frame} of {record.origin}, {path}",
        )
    confidence, sharpness, yaw, pitch = (float(number) for number in numbers)
    return replace(
        record,
        frame=int(record.frame),
        landmarks_aligned=points,
        plate_to_aligned=matrix,
        confidence=confidence,
        sharpness=sharpness,
        yaw=yaw,
        pitch=pitch,
    )


def from_rows(rows: list[tuple[Any, ...]], path: Path) -> list[FaceRecord]:
    """Records of rows; their arrays are views of two large ones, so that 50,000 take less than a second."""
    if not rows:
        return []
    origins, frames, faces, names, digests, points, matrices, *numbers = zip(*rows, strict=True)
    try:
        landmarks = _stack(points, "<f4", (68, 2)).astype(np.float32)
        placements = _stack(matrices, "<f8", (2, 3)).astype(np.float64)
        plain = np.array(numbers, np.float64)
        finite = all(np.isfinite(part).all() for part in (landmarks, placements, plain))
        if not finite or not all(isinstance(frame, int) for frame in frames):
            raise ValueError("a number is not finite")
        if not all(isinstance(face, str) and is_face_name(face) for face in faces):
            raise ValueError("a face has no name")
    except (ValueError, TypeError, OverflowError) as exc:
        raise FaceError(
            "A row of the face set is damaged.", where=path, fix="extract the faces again"
        ) from exc
    parts = zip(frames, origins, landmarks, placements, *plain.tolist(), names, digests, faces, strict=True)
    return [FaceRecord(*part) for part in parts]


def _stack(blobs: Iterable[bytes], kind: str, shape: tuple[int, int]) -> NDArray[Any]:
    size = shape[0] * shape[1] * np.dtype(kind).itemsize
    listed = list(blobs)
    if any(len(blob) != size for blob in listed):
        raise ValueError("a blob has the wrong length")
    return np.frombuffer(b"".join(listed), kind).reshape(-1, *shape)
