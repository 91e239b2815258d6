"""Detected faces as text, and back, bit for bit; it follows the fields that `DetectedFace` has.

Arrays are written as base64 of their bytes, with their type and shape. Numbers are written so that they come
back as the same double.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from understudy.core import documents
from understudy.face.detect.protocol import DetectedFace

_KINDS = {"<f4", "<f8", "<f2", "|u1", "<i4", "<i8", "|b1"}
_LARGEST_ARRAY_BYTES = 2**22
_NAMES = frozenset(field.name for field in fields(DetectedFace))


def written(faces: Sequence[DetectedFace]) -> str:
    """The faces of one frame as JSON.

    Raises:
        TypeError: a field is not an array, a number, text, a tuple or None.
    """
    rows = [{field.name: _plain(getattr(face, field.name)) for field in fields(face)} for face in faces]
    return json.dumps(rows)


def parse(text: str) -> list[DetectedFace] | None:
    """The faces that `written` wrote; None where the text is something else, or of other fields."""
    try:
        rows = documents.parse(text, largest_bytes=2**26, finite=False)
        if not isinstance(rows, list) or not all(set(row) == _NAMES for row in rows):
            return None
        faces = [DetectedFace(**{name: _value(value) for name, value in row.items()}) for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return faces if all(_is_face(face) for face in faces) else None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        if array.dtype.str not in _KINDS:
            raise TypeError(f"An array of {array.dtype} cannot be kept.")
        data = base64.b64encode(array.tobytes()).decode()
        return {"array": array.dtype.str, "shape": list(array.shape), "data": data}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"A value of type {type(value).__name__} cannot be kept.")


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(part) for part in plain)
    if not isinstance(plain, dict):
        return plain
    data = base64.b64decode(plain["data"], validate=True)
    if plain["array"] not in _KINDS or len(data) > _LARGEST_ARRAY_BYTES:
        raise ValueError("an array of this kind cannot be stored")
    return np.frombuffer(data, plain["array"]).reshape(plain["shape"]).copy()


def _is_face(face: DetectedFace) -> bool:
    points = np.asarray(face.landmarks)
    numbers = np.array([*face.box, face.score, face.confidence], np.float64)
    shaped = points.shape == (68, 2) and points.dtype == np.float32 and numbers.shape == (6,)
    return shaped and bool(np.isfinite(points).all() and np.isfinite(numbers).all())
