"""Crops of a face set as files: 16-bit RGB PNG of the encoded space."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core.content import sha256_of
from understudy.core.errors import FaceError

# Little compression: a crop is written once in a run that waits for it, and noise does not shrink anyway.
_PNG_LEVEL = 1
# Origin and face, frame, and the beginning of the file's SHA-256.
_OWN_NAME = re.compile(r"[0-9a-f]{8}_-?[0-9]{7,}_(?P<digest>[0-9a-f]{12})\.png")


def encode(crop: NDArray[np.floating[Any]], size: int) -> bytes:
    """A crop as the bytes of a 16-bit PNG; values are kept within 0..1, NaN becomes 0.

    Raises:
        FaceError: the crop is not (size, size, 3).
    """
    if crop.shape != (size, size, 3):
        raise FaceError(f"A crop of the shape {crop.shape} does not fit a face set of {size} pixels.")
    whole = np.clip(np.nan_to_num(np.asarray(crop, np.float32), nan=0.0), 0, 1) * 65535 + 0.5
    done, data = cv2.imencode(
        ".png", whole.astype(np.uint16)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]
    )
    if not done:
        raise FaceError("A crop could not be written as PNG.")
    return data.tobytes()


def is_own_name(name: str) -> bool:
    """Whether a name from an index is one that a face set gives its crops; a tampered one may be anything."""
    return _OWN_NAME.fullmatch(name) is not None


def remove(folder: Path, name: str) -> None:
    """Remove a crop; a file that is not the crop of that name stays, whatever an index says.

    Raises:
        OSError: the folder cannot be written.
    """
    found, path = _OWN_NAME.fullmatch(name), folder / name
    if found is None or path.is_symlink() or not path.is_file():
        return
    if sha256_of(path).startswith(found["digest"]):
        path.unlink(missing_ok=True)


def read(folder: Path, name: str, size: int, sha256: str) -> NDArray[np.float32]:
    """(size, size, 3) float32 in 0..1; an empty digest accepts any.

    Raises:
        FaceError: the file is missing, has another digest, or is not a 16-bit RGB PNG of that size.
    """
    where = folder / name if is_own_name(name) else folder
    if not is_own_name(name) or not where.is_file():
        raise FaceError(
            f"The face set's crop {name!r} is missing.",
            where=folder,
            fix="put it back, or extract the faces again",
        )
    try:
        data = where.read_bytes()
        pixels = decode(data, size)
    except (OSError, cv2.error) as exc:
        raise _damaged(where) from exc
    if pixels is None:
        raise _damaged(where)
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise FaceError(
            f"The face set's crop {name} is not the one that was extracted: its digest differs.",
            where=where,
            fix="put it back, or extract the faces again; painted faces are for `understudy adapt`",
        )
    return pixels


def is_written(folder: Path, name: str, sha256: str) -> bool:
    """Whether a crop is there with its recorded digest."""
    try:
        return is_own_name(name) and sha256_of(folder / name) == sha256
    except OSError:
        return False


def decode(data: bytes, size: int) -> NDArray[np.float32] | None:
    """(size, size, 3) float32 in 0..1, None where the bytes are not a 16-bit RGB PNG of that size.

    Raises:
        cv2.error: OpenCV cannot decode it.
    """
    # The header is read first: a few bytes can claim a picture of gigabytes.
    if len(data) < 33 or data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if (width, height, depth, colour) != (size, size, 16, 2):
        return None
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != (size, size, 3) or pixels.dtype != np.uint16:
        return None
    return np.ascontiguousarray(pixels[..., ::-1]).astype(np.float32) / np.float32(65535)


def _damaged(path: Path) -> FaceError:
    return FaceError("A crop of the face set is damaged.", where=path, fix="extract the faces again")
