"""ICC profiles of matrix and curve: which primaries and curve they say, and small ones to write.

Convention:
    A profile is treated as hostile: every offset is checked, and one that is not a matrix with three equal
    curves is reported, not guessed at. Numbers are big endian, s15Fixed16 unless named: ICC.1:2022.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.image.chromaticities import Primaries, from_xyz_d50, to_xyz_d50

LARGEST_BYTES = 4 * 2**20
_SAMPLES = np.linspace(0, 1, 33)
_CURVE_TOLERANCE = 0.004
_COUNTS = (1, 3, 4, 5, 7)  # numbers of a parametric curve, by its function type


@dataclass(frozen=True)
class Profile:
    """What a profile says.

    Attributes:
        name: Its description, printable characters only.
        model: The colours it is for: `RGB`, `GRAY`, `CMYK` and so on.
        primaries: None where it has no matrix.
        gamma: Of all its curves: 1 is linear, 0 stands for sRGB's curve; None where they are another.
        codes: Primaries and transfer by ITU-T H.273, where it has them (a `cicp` tag).
    """

    name: str
    model: str
    primaries: Primaries | None = None
    gamma: float | None = None
    codes: tuple[int, int] | None = None


def read_profile(data: bytes) -> Profile | None:
    """Read a profile; None where the bytes are none."""
    if not 132 <= len(data) <= LARGEST_BYTES or data[36:40] != b"acsp":
        return None
    try:
        tags = _tags(data)
        model = data[16:20].decode("latin-1").strip()
        name = _description(tags.get(b"desc", b""))
        codes = (
            (tags[b"cicp"][8], tags[b"cicp"][9])
            if tags.get(b"cicp", b"")[:4] == b"cicp" and len(tags[b"cicp"]) >= 12
            else None
        )
        if model == "GRAY" and b"kTRC" in tags:
            return Profile(name, model, None, _gamma(tags[b"kTRC"]), codes)
        columns = [_xyz(tags.get(tag, b"")) for tag in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = {_gamma(tags.get(tag, b"")) for tag in (b"rTRC", b"gTRC", b"bTRC")}
    except (struct.error, IndexError, ValueError, OverflowError):
        return None
    if model != "RGB" or any(column is None for column in columns):
        return Profile(name, model, codes=codes)
    matrix = np.array(columns, np.float64).T
    return Profile(name, model, from_xyz_d50(matrix), curves.pop() if len(curves) == 1 else None, codes)


def make_profile(primaries: Primaries, gamma: float, name: str) -> bytes:
    """A profile of a matrix and one curve, version 4: gamma 0 stands for sRGB's curve."""
    if gamma == 0:
        curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0)
        curve += b"".join(map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    else:
        curve = b"para" + bytes(4) + struct.pack(">HH", 0, 0) + _fixed(gamma)
    columns = to_xyz_d50(primaries)
    content = {
        b"desc": _text(name),
        b"cprt": _text("No rights are reserved."),
        b"wtpt": _xyz_tag((0.9642, 1.0, 0.8249)),
        **{tag: _xyz_tag(columns[:, at]) for at, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **{tag: curve for tag in (b"rTRC", b"gTRC", b"bTRC")},
    }
    table, body, start = b"", b"", 132 + 12 * len(content)
    for tag, value in content.items():
        padded = value + bytes(-len(value) % 4)
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += padded
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + b"".join(map(_fixed, (0.9642, 1.0, 0.8249)))
    return header + bytes(128 - len(header)) + struct.pack(">I", len(content)) + table + body


def _tags(data: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", data, 128)
    tags: dict[bytes, bytes] = {}
    for at in range(min(count, 200)):
        tag, offset, size = struct.unpack_from(">4sII", data, 132 + 12 * at)
        if offset + size <= len(data):
            tags[tag] = data[offset : offset + size]
    return tags


def _description(tag: bytes) -> str:
    if tag[:4] == b"desc":
        (size,) = struct.unpack_from(">I", tag, 8)
        text = tag[12 : 12 + min(size, 200)].decode("latin-1")
    elif tag[:4] == b"mluc":
        size, offset = struct.unpack_from(">II", tag, 20)
        text = tag[offset : offset + min(size, 400)].decode("utf-16-be", "replace")
    else:
        text = ""
    return "".join(one for one in text if one.isprintable())[:100].strip()


def _xyz(tag: bytes) -> tuple[float, float, float] | None:
    if tag[:4] != b"XYZ ":
        return None
    x, y, z = struct.unpack_from(">3i", tag, 8)
    return x / 65536, y / 65536, z / 65536


def _gamma(tag: bytes) -> float | None:
    """The gamma of a curve, 0 for sRGB's; None where it is another curve."""
    light = _curve(tag)
    if light is None or not np.isfinite(light).all():
        return None
    srgb = np.where(_SAMPLES <= 0.04045, _SAMPLES / 12.92, ((_SAMPLES + 0.055) / 1.055) ** 2.4)
    if np.abs(light - srgb).max() < _CURVE_TOLERANCE:
        return 0.0
    middle = float(light[16])
    if not 0.02 < middle < 0.98:
        return None
    gamma = round(float(np.log(middle) / np.log(0.5)), 2)
    near = np.abs(light - _SAMPLES**gamma).max() < _CURVE_TOLERANCE
    return gamma if near and 0.5 <= gamma <= 4 else None


def _curve(tag: bytes) -> NDArray[np.float64] | None:
    """The curve at `_SAMPLES`."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return _SAMPLES
        if count == 1:
            (value,) = struct.unpack_from(">H", tag, 12)
            return np.asarray(_SAMPLES ** (value / 256), np.float64)
        table = np.frombuffer(tag, ">u2", count, 12).astype(np.float64) / 65535
        return np.asarray(np.interp(_SAMPLES, np.linspace(0, 1, count), table), np.float64)
    if tag[:4] != b"para":
        return None
    (kind,) = struct.unpack_from(">H", tag, 8)
    if kind >= len(_COUNTS):
        return None
    numbers = [value / 65536 for value in struct.unpack_from(f">{_COUNTS[kind]}i", tag, 12)]
    return _parametric(kind, numbers)


def _parametric(kind: int, numbers: list[float]) -> NDArray[np.float64]:
    g, a, b, c, d, e, f = [*numbers, *[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(numbers) :]]
    if kind == 1:
        d, c = -b / a, 0.0
    elif kind == 2:
        c, d, e, f = 0.0, -b / a, c, c
    with np.errstate(all="ignore"):
        high = np.clip(a * _SAMPLES + b, 0, None) ** g + e
    return np.asarray(np.where(d <= _SAMPLES, high, c * _SAMPLES + f), np.float64)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz_tag(values: NDArray[np.float64] | tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(float(value)) for value in values)


def _text(text: str) -> bytes:
    content = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(content), 28) + content
