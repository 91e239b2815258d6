"""Values of a job's options by frame: which options may move, what a key may hold, and the values in between.

Numbers move in straight lines from key to key; switches and choices hold each key's value until the next.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

Value = float | bool | str
Keys = dict[str, dict[int, Value]]


def moving(low: float, high: float, unit: str) -> Any:
    """A number's range that keyframes may move in."""
    return Field(ge=low, le=high, json_schema_extra={"unit": unit, "animated": True})


def stepping() -> Any:
    """Marks a switch or a choice that keyframes may change."""
    return Field(json_schema_extra={"animated": True})


def animated(field: FieldInfo) -> bool:
    """Whether keyframes can move a field."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("animated"))


def check(job: type[BaseModel], keyframes: Mapping[str, Mapping[int, Any]]) -> Keys:
    """Check keys against the fields they move.

    Returns:
        The same, each value as its field holds it.

    Raises:
        ValueError: an option cannot move or has no key, or a value does not fit.
    """
    checked: Keys = {}
    for name, keys in keyframes.items():
        field = job.model_fields.get(name)
        if field is None or not animated(field):
            raise ValueError(f"{name!r} is not an option that keyframes can change")
        if not keys:
            raise ValueError(f"{name!r} has no keyframe")
        adapter: TypeAdapter[Value] = TypeAdapter(_type_of(field))
        checked[name] = {}
        for frame, value in keys.items():
            try:
                checked[name][frame] = adapter.validate_python(value)
            except ValidationError as exc:
                raise ValueError(f"{name} at frame {frame}: {exc.errors()[0]['msg']}") from exc
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} at frame {frame}: {value} is not a finite number")
    return checked


def _type_of(field: FieldInfo) -> Any:
    """A field's type with its range."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def at(keyframes: Keys, frame: int) -> dict[str, Value]:
    """Each option's value on one frame; before the first key and after the last they hold."""
    return {name: _between(sorted(keys.items()), frame) for name, keys in keyframes.items()}


def _between(keys: list[tuple[int, Value]], frame: int) -> Value:
    after = bisect_right([key for key, _ in keys], frame)
    if after == 0 or after == len(keys):
        return keys[max(after - 1, 0)][1]
    (first, start), (last, end) = keys[after - 1], keys[after]
    if not isinstance(start, float) or not isinstance(end, float):
        return start
    return start + (end - start) * (frame - first) / (last - first)
