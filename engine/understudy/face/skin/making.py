"""Making a skin bank from a face set: which of its faces are taken, and their small pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from understudy.face.faceset import crops
from understudy.face.faceset.records import FaceRecord
from understudy.face.faceset.store import FaceSet
from understudy.face.landmarks import LIDS, LIPS
from understudy.face.skin import bank, canonical

# The blurriest share of a face set is left out: motion blur is not skin.
_BLURRED = 0.2
# Lids and lips open by a few hundredths of the edge, and say more of an expression than a turn of the head.
_APERTURES = 3.0


def write(faces: FaceSet, path: Path, *, most: int) -> int:
    """Write the bank of a face set's sharpest, most varied faces, and return how many there are.

    Args:
        faces: Opened; its crops are read.
        path: The .skin file.
        most: Faces at most.

    Raises:
        FaceError: a crop is missing or damaged, or the bank cannot be written.
    """
    return bank.write(
        path,
        _faces(faces, chosen(faces.records(), faces.crop_size, most)),
        identity=faces.identity,
        coverage=faces.coverage,
        crop_size=faces.crop_size,
        release_digest=faces.release_digest,
        detector=faces.detector,
    )


def chosen(records: Sequence[FaceRecord], crop_size: int, most: int) -> list[FaceRecord]:
    """The sharpest, most varied faces, in the order of the records.

    Of what is left without the blurriest fifth, each next one is the one whose pose and expression are
    furthest from those taken before.

    Source:
        Gonzalez 1985, Clustering to Minimize the Maximum Intercluster Distance: farthest-point traversal.
    """
    if not records:
        return []
    sharpness = np.array([record.sharpness for record in records])
    kept = np.flatnonzero(sharpness >= np.quantile(sharpness, _BLURRED))
    if len(kept) <= most:
        return [records[int(index)] for index in kept]
    described = np.stack([_described(records[int(index)], crop_size) for index in kept])
    taken = [int(np.argmax(sharpness[kept]))]
    nearest = np.full(len(kept), np.inf)
    for _ in range(most - 1):
        nearest = np.minimum(nearest, ((described - described[taken[-1]]) ** 2).sum(axis=1))
        taken.append(int(np.argmax(nearest)))
    return [records[int(index)] for index in sorted(kept[list(set(taken))])]


def _faces(faces: FaceSet, records: Sequence[FaceRecord]) -> Iterator[bank.BankFace]:
    for record in records:
        crop = faces.read_crop(record)
        landmarks = ((record.landmarks_aligned + 0.5) / faces.crop_size).astype(np.float32)
        seen = canonical.preview(crop, landmarks, coverage=faces.coverage)
        yield bank.BankFace(landmarks, seen, crops.encode(crop, faces.crop_size))


def _described(record: FaceRecord, crop_size: int) -> NDArray[np.float64]:
    """Pose and expression as numbers: where the landmarks lie in the crop, and how far lids and lips open."""
    points = np.asarray(record.landmarks_aligned, np.float64) / crop_size
    opened = [float(np.linalg.norm(points[upper] - points[lower])) for upper, lower in (*LIDS, *LIPS)]
    return np.concatenate([points.ravel() / np.sqrt(68), _APERTURES * np.array(opened)])
