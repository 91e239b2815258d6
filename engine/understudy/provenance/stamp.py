"""What a frame's header records of how it was made, and whether a file already is the frame asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from understudy.core.errors import PlateError
from understudy.image.exr import read_metadata
from understudy.image.frame import Frame, MetadataValue

DIGEST = "understudy:digest"


def digest_of(inputs: Mapping[str, Any]) -> str:
    """Digest of plain values."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def is_done(path: Path, wanted: str) -> bool:
    """Whether a file holds the frame of that digest."""
    return header_if_done(path, wanted) is not None


def header_if_done(path: Path, wanted: str) -> Mapping[str, MetadataValue] | None:
    """What the header of a file says that holds the frame of that digest; None where none does."""
    if not path.exists():
        return None
    try:
        said = read_metadata(path)
    except PlateError:
        return None  # half a file from elsewhere: it is written again
    return said if said.get(DIGEST) == wanted else None


def with_stamp(frame: Frame, output: str, stamp: Mapping[str, MetadataValue]) -> Frame:
    """The frame with more in its header, stored as finely as its values need in the output's kind of file."""
    storage = frame.storage
    if Path(output).suffix.lower() == ".exr" and storage not in ("half", "float"):
        storage = "float"  # half would round an 8-bit value
    return replace(frame, metadata={**frame.metadata, **stamp}, storage=storage)
