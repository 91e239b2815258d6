"""A track on another raster than the one it was made on: a proxy's track on the full plate, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from understudy.core.errors import FaceError
from understudy.face import align
from understudy.face.track.smooth import TrackedFace
from understudy.image.raster import Raster

# A track of a release before 0.2 does not say its raster. Faces that all end within this share of the plate
# are those of a proxy of half the size or less, or of somebody who stands in the corner.
_CORNER = 0.5


def on_raster(face: TrackedFace, made_on: Raster | None, raster: Raster, where: object) -> TrackedFace:
    """A face in the pixels of another raster; the face itself where nothing has to be scaled.

    Args:
        face: In the pixels of `made_on`.
        made_on: The track's raster; None where the track does not say it.
        raster: The plate's.
        where: The plate's frame, for the error.

    Raises:
        FaceError: the rasters show different pictures.
    """
    if made_on is None or (made_on.same_size(raster) and _corner(made_on) == _corner(raster)):
        return face
    if not made_on.same_shape(raster):
        raise FaceError(
            f"The track was made on a plate of {made_on}, this frame is {raster}: their shapes differ.",
            where=where,
            fix="track this plate, or name the plate that was tracked",
        )
    matrix = made_on.to(raster)
    left, top, right, bottom = face.box
    (left, top), (right, bottom) = align.transform([[left, top], [right, bottom]], matrix)
    landmarks = align.transform(face.landmarks, matrix).astype(np.float32)
    return replace(face, landmarks=landmarks, box=(float(left), float(top), float(right), float(bottom)))


def note_on(faces: Mapping[int, TrackedFace], made_on: Raster | None, raster: Raster) -> str:
    """What a user should know of a track's use on a raster; empty where all is as it should be.

    Args:
        faces: The track's, by frame.
        made_on: Its raster; None where it does not say it.
        raster: The plate's.
    """
    if made_on is None:
        return _doubt(faces, raster)
    if not made_on.same_size(raster):
        return f"The track was made on a plate of {made_on} and is scaled to this one of {raster}."
    if made_on.pixel_aspect != raster.pixel_aspect:
        return (
            f"The track was made on a plate whose pixels are {made_on.pixel_aspect:g} wide; this one says "
            f"{raster.pixel_aspect:g}, and the face is worked on in that shape."
        )
    return ""


def _doubt(faces: Mapping[int, TrackedFace], raster: Raster) -> str:
    if not faces:
        return ""
    points = np.stack([face.landmarks for face in faces.values()]).astype(np.float64)
    shares = (points - [raster.left, raster.top]) / [raster.width, raster.height]
    middles = shares.mean(axis=1)
    if np.mean(((middles < 0) | (middles > 1)).any(axis=1)) > 0.5:
        what = f"its faces lie outside this plate of {raster}"
    elif shares.max() < _CORNER:
        what = f"all of its faces lie in the upper left quarter of this plate of {raster}"
    else:
        return ""
    return (
        f"The track does not say on which size it was made, and {what}: was it made on another size? "
        "Track the shot again."
    )


def _corner(raster: Raster) -> tuple[int, int]:
    return raster.left, raster.top
