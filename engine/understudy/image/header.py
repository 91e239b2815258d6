"""A file's header as plain values, and back.

Values that a picture library works out itself, such as the number of parts, are left out; so are values that
are not plain. EXR headers hold single precision floats, and integer tuples of two or three; longer ones come
back as floats. A tuple remembers the header's own type (a matrix, a time code) as long as it is the same
object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from understudy.image.frame import MetadataValue

Number = TypeVar("Number", int, float)

_DERIVED = frozenset(
    {
        "compression",
        "CompressionQuality",
        "PixelAspectRatio",
        "ICCProfile",
        "name",
        "view",
        "chunkCount",
        "type",
        "version",
        "textureformat",
        "wrapmodes",
        "openexr:chunkCount",
        "openexr:version",
        "openexr:levelmode",
        "openexr:roundingmode",
        "colorInteropID",
    }
)
_DERIVED_BEGINNINGS = ("oiio:", "tiff:", "ICCProfile:", "png:", "jpeg:")
_KNOWN_TYPES = {
    "smpte:TimeCode": ("timecode", 2),
    "smpte:KeyCode": ("keycode", 7),
    "FramesPerSecond": ("rational", 2),
    "worldToCamera": ("matrix", 16),
    "worldToNDC": ("matrix", 16),
}


class HeaderTuple(tuple[Number, ...]):
    """A tuple of numbers that knows its type in the header, such as `matrix`."""

    header_type: str = ""


def plain_values(attributes: Iterable[Any]) -> dict[str, MetadataValue]:
    """Take the plain values out of a header's attributes (objects with name, type and value)."""
    values: dict[str, MetadataValue] = {}
    for attribute in attributes:
        try:
            name, content = str(attribute.name), attribute.value
        except UnicodeDecodeError:
            continue
        if name not in _DERIVED and not name.startswith(_DERIVED_BEGINNINGS):
            value = _plain(content, str(attribute.type))
            if value is not None:
                values[name] = value
    return values


def _plain(value: Any, header_type: str) -> MetadataValue | None:
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, tuple) and value and all(isinstance(part, str) for part in value):
        return tuple(str(part) for part in value)
    if isinstance(value, tuple) and value and all(type(part) in (int, float) for part in value):
        result: HeaderTuple[Any] = HeaderTuple(value)
        result.header_type = header_type
        return result
    return None


def apply_values(spec: Any, values: Mapping[str, MetadataValue]) -> None:
    """Write plain values into the header `spec` (an object with `attribute(name, type, value)`)."""
    for name, value in values.items():
        if name in _DERIVED or name.startswith(_DERIVED_BEGINNINGS):
            continue
        if isinstance(value, tuple) and not value:
            continue
        spec.attribute(name, _type_of(name, value), value if not _too_big(value) else str(value))


def _too_big(value: MetadataValue) -> bool:
    return isinstance(value, int) and not -(2**31) <= value < 2**31


def _type_of(name: str, value: MetadataValue) -> str:
    if isinstance(value, str) or _too_big(value):
        return "string"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if all(isinstance(part, str) for part in value):
        return f"string[{len(value)}]"
    remembered = getattr(value, "header_type", "")
    known, length = _KNOWN_TYPES.get(name, ("", 0))
    if remembered or (known and length == len(value)):
        return str(remembered or known)
    whole = len(value) in (2, 3) and all(isinstance(part, int) for part in value)
    return f"{'int' if whole else 'float'}[{len(value)}]"
