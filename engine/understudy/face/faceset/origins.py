"""Under which name a plate's faces lie in a face set: one for each plate, however its path is spelt.

A plate that is there already is known by what some of its files hold; by its place, where it shows the same
faces, as after a new grade; or, in a set of an earlier release, by crops that come out as they were when they
are cut again from the plate. A new plate's name is its file's name and the beginning of a digest of its
frames, so that it holds no folder and two plates never share one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from understudy.core.content import ContentHashes
from understudy.core.errors import FaceError, PlateError
from understudy.face.crop import cut
from understudy.face.faceset.records import FaceRecord
from understudy.face.faceset.store import FaceSet
from understudy.image.frame import FloatImage
from understudy.image.plate import Plate
from understudy.image.plate_identity import holds, identity, place_of

_CROPS_TO_COMPARE = 3
# Mean difference of encoded values between a crop and the same crop cut anew by a later release.
_SAME_CROP = 5e-4
# Correlation of grey crops: one face in two grades has 0.99 (the demo's performer, gamma 1.3), two frames of
# one performer 0.13 to 0.84, with a median of 0.45. All crops that are compared must reach it.
_LIKE = 0.9


def origin_of(faceset: FaceSet, plate: Plate, frames: Sequence[int], contents: ContentHashes) -> str:
    """The name under which a plate's faces are added, remembered in the set with the plate's identity.

    Args:
        faceset: Opened.
        plate: Opened.
        frames: Numbers of the frames whose faces are added; at least one.
        contents: Digests of files.

    Raises:
        FaceError: the set is damaged.
    """
    here = identity(plate, frames, contents)
    origin = _known(faceset, plate, contents) or _of_an_earlier_release(faceset, plate)
    if origin is None:
        whole = hashlib.sha256("".join(here.samples.values()).encode()).hexdigest()
        origin = f"{here.name}#{whole[:12]}"
    faceset.remember_plate(origin, here)
    return origin


def _known(faceset: FaceSet, plate: Plate, contents: ContentHashes) -> str | None:
    """The name of a plate that the set remembers by content or by place."""
    plates = faceset.plates()
    for origin, known in plates.items():
        if holds(plate, known, contents):
            return origin
    here = place_of(plate.name)
    for origin in [origin for origin, known in plates.items() if known.place == here]:
        rows = [one for one in faceset.records() if one.origin == origin and one.frame in plate.frames]
        if all(_shows_the_same(faceset, record, plate) for record in _some(rows)):
            return origin
    return None


def _of_an_earlier_release(faceset: FaceSet, plate: Plate) -> str | None:
    """The name of a plate of which the set has nothing but faces."""
    remembered = faceset.plates()
    rows: dict[str, list[FaceRecord]] = {}
    for record in faceset.records():
        if record.origin not in remembered and record.frame in plate.frames:
            rows.setdefault(record.origin, []).append(record)
    for origin, records in rows.items():
        if all(_is_cut_from(faceset, record, plate) for record in _some(records)):
            return origin
    return None


def _some(records: Sequence[FaceRecord]) -> Sequence[FaceRecord]:
    return records[:: max(1, len(records) // _CROPS_TO_COMPARE)][:_CROPS_TO_COMPARE]


def _is_cut_from(faceset: FaceSet, record: FaceRecord, plate: Plate) -> bool:
    both = _stored_and_anew(faceset, record, plate)
    return both is not None and bool(np.abs(both[0] - both[1]).mean() < _SAME_CROP)


def _shows_the_same(faceset: FaceSet, record: FaceRecord, plate: Plate) -> bool:
    """Whether the plate shows a face where the set has it, in any grade; true where one cannot be read."""
    both = _stored_and_anew(faceset, record, plate)
    if both is None:
        return True
    centred = [part.mean(axis=2) - part.mean() for part in both]
    power = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return power == 0 or float((centred[0] * centred[1]).sum()) / power > _LIKE


def _stored_and_anew(
    faceset: FaceSet, record: FaceRecord, plate: Plate
) -> tuple[FloatImage, FloatImage] | None:
    """(size, size, 3) encoded: a crop as stored, and as cut anew; None where one cannot be read."""
    try:
        again = cut(plate.read(record.frame), record.plate_to_aligned, faceset.crop_size)
        return faceset.read_crop(record), np.clip(np.nan_to_num(again), 0, 1)
    except (PlateError, FaceError):
        return None
