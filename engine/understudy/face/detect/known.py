"""The detector `known`: landmarks from a table, for tests and for renders that know their own.

The table is a JSON document: `schema_version`, and `landmarks`, which has for each frame number a list of
faces of 68 points each. In version 1 a frame has one face, without the list around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from understudy.core import atomic, documents
from understudy.core.errors import FaceError
from understudy.core.strict import Strict
from understudy.face.detect.protocol import DetectedFace, Points, Rgb8, box_round

_SCHEMA_VERSION = 2
_KIND = documents.Kind(
    "table of known landmarks",
    FaceError,
    "render the demo shot again, or choose another detector",
    largest_bytes=256_000_000,
    newest=_SCHEMA_VERSION,
)


class _Table(Strict):
    schema_version: Literal[1, 2]
    landmarks: dict[Annotated[str, Field(pattern=r"^-?[0-9]{1,9}$")], list[Any]]


class KnownDetector:
    """Gives back the landmarks that its table has for a frame.

    Args:
        table: Frame number to the (N, 68, 2) landmarks of its faces.
    """

    name = "known"

    def __init__(self, table: Mapping[int, Points]) -> None:
        self._table = {frame: _checked(points, frame) for frame, points in table.items()}

    def detect(self, image: Rgb8, *, frame: int | None = None) -> list[DetectedFace]:
        """The table's faces of a frame, the largest first; an empty list where it has none.

        Raises:
            FaceError: no frame number was given.
        """
        if frame is None:
            raise FaceError("The detector `known` needs the frame's number.")
        points = self._table.get(frame, ())
        faces = [DetectedFace(box_round(one), 1.0, one, 1.0) for one in points]
        return sorted(faces, key=lambda face: -face.size_px)


def read_table(path: Path) -> dict[int, Points]:
    """Read a table that `write_table` wrote: frame number to (N, 68, 2) landmarks.

    Raises:
        FaceError: the file is missing, is not such a table, or was written by a newer version.
    """
    table = documents.validated(documents.read(path, _KIND), _Table, path, _KIND)
    try:
        return {
            int(frame): _checked(np.array(points, np.float32), int(frame))
            for frame, points in table.landmarks.items()
        }
    except (ValueError, TypeError, OverflowError) as exc:
        raise FaceError("The table of known landmarks holds no points.", where=path, fix=_KIND.fix) from exc


def write_table(path: Path, table: Mapping[int, Points]) -> None:
    """Write a table of known landmarks as JSON, atomically.

    Args:
        table: Frame number to (N, 68, 2) landmarks, or to (68, 2) of its only face.
    """
    rows = {
        str(frame): np.asarray(points, np.float64).reshape(-1, 68, 2).round(3).tolist()
        for frame, points in table.items()
    }
    atomic.write_text(path, documents.dump({"schema_version": _SCHEMA_VERSION, "landmarks": rows}))


def _checked(points: Points, frame: int) -> Points:
    """(N, 68, 2) float32."""
    array = np.asarray(points, np.float32)
    if array.shape[-2:] != (68, 2) or array.ndim not in (2, 3) or not np.isfinite(array).all():
        raise FaceError(
            "Known landmarks are not 68 points of two finite numbers.", where=f"frame {frame} of the table"
        )
    return array.reshape(-1, 68, 2)
