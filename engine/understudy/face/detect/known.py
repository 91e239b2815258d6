"""The detector `known`: landmarks from a table, for tests and for renders that know their own.

The table is a JSON document: `schema_version`, and `landmarks`, which has for each frame number a list of
faces of 68 points each. In version 1 a frame has one face, without the list around it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from understudy.core import atomic
from understudy.core.errors import FaceError
from understudy.face.detect.protocol import DetectedFace, Points, Rgb8, box_round

_SCHEMA_VERSION = 2


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
        FaceError: the file is missing, is no such table, or was written by a newer version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["schema_version"]
        faces = {int(frame): np.array(points, np.float32) for frame, points in document["landmarks"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise FaceError(
            "The table of known landmarks cannot be read.",
            where=path,
            fix="render the demo shot again, or choose another detector",
        ) from exc
    if version not in (1, _SCHEMA_VERSION):
        raise FaceError(
            f"The table of known landmarks has version {version!r}, this Understudy reads {_SCHEMA_VERSION}.",
            where=path,
        )
    return {frame: _checked(points, frame) for frame, points in faces.items()}


def write_table(path: Path, table: Mapping[int, Points]) -> None:
    """Write a table of known landmarks as JSON, atomically.

    Args:
        table: Frame number to (N, 68, 2) landmarks, or to (68, 2) of its only face.
    """
    rows = {
        str(frame): np.asarray(points, np.float64).reshape(-1, 68, 2).round(3).tolist()
        for frame, points in table.items()
    }
    atomic.write_text(path, json.dumps({"schema_version": _SCHEMA_VERSION, "landmarks": rows}))


def _checked(points: Points, frame: int) -> Points:
    """(N, 68, 2) float32."""
    array = np.asarray(points, np.float32)
    if array.shape[-2:] != (68, 2) or array.ndim not in (2, 3) or not np.isfinite(array).all():
        raise FaceError(
            "Known landmarks are not 68 points of two finite numbers.", where=f"frame {frame} of the table"
        )
    return array.reshape(-1, 68, 2)
