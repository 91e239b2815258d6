"""The only reader of JSON: bounded in bytes and depth, no NaN or infinity, no repeated key.

A document is read by its `Kind`, which holds its name, its largest size and the error class for a
file that is not such a document; a pydantic model (core/strict.py) then checks its fields.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from understudy.core import atomic, paths
from understudy.core.errors import UnderstudyError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    Model = TypeVar("Model", bound=BaseModel)

LARGEST_BYTES = 1_000_000
DEEPEST = 32
_LONGEST_INTEGER = 20  # what 64 bits hold, with its sign
_ESCAPED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Kind:
    """A kind of document.

    Attributes:
        name: As messages call it: `likeness release`.
        error: What is raised where a file is not such a document.
        fix: What to do then.
        largest_bytes: No document of this kind is larger.
        newest: The newest `schema_version` that this release reads; 0 where only the model decides it.
        finite: Whether NaN and infinity are refused; the figures of a diverging training may hold them.
    """

    name: str
    error: type[UnderstudyError]
    fix: str
    largest_bytes: int = LARGEST_BYTES
    newest: int = 0
    finite: bool = True


def parse(data: bytes | str, *, largest_bytes: int = LARGEST_BYTES, finite: bool = True) -> Any:
    """Plain values of JSON text.

    Args:
        data: The text, or its bytes in UTF-8.
        largest_bytes: Longer text is refused.
        finite: Refuse NaN, infinity, and what is too large for a number.

    Raises:
        ValueError: it is not JSON, too large or too deep, repeats a key, or holds a non-finite number.
    """
    if len(data) > largest_bytes:
        raise ValueError(f"it is larger than {largest_bytes} bytes")
    try:
        value = json.loads(
            data,
            parse_constant=_no_constant if finite else None,
            parse_float=_finite if finite else None,
            parse_int=_bounded,
            object_pairs_hook=_without_repeats,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_depth(value)
    return value


def dump(value: Any, *, indent: int | None = None) -> str:
    """Plain values as JSON text that UTF-8 can hold and a terminal can show.

    A name's bytes that are not UTF-8 stand as escapes (core/paths.py), and so do control characters.

    Raises:
        ValueError: a number is not finite.
        TypeError: a value is none of JSON's.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write(path: Path, values: Any, kind: Kind) -> None:
    """Write a document for people to read, atomically.

    Raises:
        UnderstudyError: of the kind: it cannot be written, or a value is none of JSON's.
    """
    try:
        atomic.write_text(path, dump(values, indent=2) + "\n")
    except (OSError, ValueError, TypeError) as exc:
        raise kind.error(f"The {kind.name} cannot be written: {exc}.", where=path) from exc


def read(path: Path, kind: Kind) -> dict[str, Any]:
    """The values of a document.

    Raises:
        UnderstudyError: of the kind: it cannot be read, is not a JSON object, or is of a newer release.
    """
    try:
        with os.fdopen(paths.open_regular(path), "rb") as file:
            data = file.read(kind.largest_bytes + 1)
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or str(exc)
        raise kind.error(f"The {kind.name} cannot be read: {why}.", where=path, fix="check the path") from exc
    try:
        values = parse(data, largest_bytes=kind.largest_bytes, finite=kind.finite)
    except ValueError as exc:
        what = f"The {kind.name} is not JSON: {_why(exc)}."
        raise kind.error(what, where=path, fix=kind.fix) from exc
    if not isinstance(values, dict):
        raise kind.error(f"The {kind.name} is not a JSON object.", where=path, fix=kind.fix)
    version = values.get("schema_version")
    if kind.newest and isinstance(version, int) and version > kind.newest:
        raise kind.error(
            f"The {kind.name} was written by a newer version: schema {str(version)[:20]}, not {kind.newest}.",
            where=path,
            fix="update Understudy",
        )
    return values


def validated(values: Any, model: type[Model], path: Path, kind: Kind) -> Model:
    """The document as its model.

    Raises:
        UnderstudyError: of the kind: a field is missing, unknown, or out of its range.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(values)
    except ValidationError as exc:
        what = f"The {kind.name} is not valid: {first_fault(exc)}."
        raise kind.error(what, where=path, fix=kind.fix) from exc


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, with the field it is in."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part)[:40] for part in first["loc"])
    return f"{field}: {first['msg'][:300]}" if field else str(first["msg"])[:300]


def _why(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "it is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)[:200]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _bounded(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise ValueError(f"the number {text[:40]} is too large")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = sorted(key for key, _ in pairs)
        twice = next(one for one, other in pairwise(names) if one == other)
        raise ValueError(f"the key {twice[:40]!r} is repeated")
    return values


def _check_depth(value: Any) -> None:
    """Check level by level: the check itself must not run out of stack."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            child
            for one in level
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ValueError("it is nested too deeply")
