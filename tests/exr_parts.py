"""EXR files as other programs write them, and what is found in a file; by the picture library alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

KINDS = {"float16": "half", "float32": "float"}
CRYPTO_HEADER = {
    "cryptomatte/bda530a/name": "crypto_object",
    "cryptomatte/bda530a/hash": "MurmurHash3_32",
    "cryptomatte/bda530a/conversion": "uint32_to_float32",
    "cryptomatte/bda530a/manifest": '{"hero": "0d54c6cc", "double": "9d416418"}',
}


def cryptomatte(height: int, width: int) -> NDArray[np.float32]:
    """(H, W, 4) object numbers as floats: any bits that the specification allows.

    It takes hashes whose exponent is all ones or all zeros to another one: no NaN, no denormal.
    """
    numbers = np.random.default_rng(6).integers(0, 2**32, (height, width, 4), dtype=np.uint32)
    exponent = (numbers >> 23) & 255
    return np.where((exponent == 0) | (exponent == 255), numbers ^ (1 << 23), numbers).view(np.float32)


@dataclass
class Made:
    """A part as another program writes it."""

    name: str
    channels: tuple[str, ...]
    pixels: NDArray[Any]
    header: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    left_top: tuple[int, int] = (0, 0)
    size: tuple[int, int] | None = None  # of the display window; the pixels' own when left out


def write_parts(path: Path, parts: list[Made]) -> None:
    """Write an EXR by the image library alone."""
    specs = []
    for part in parts:
        height, width, count = part.pixels.shape
        spec = oiio.ImageSpec(width, height, count, KINDS[str(part.pixels.dtype)])
        spec.x, spec.y = part.left_top
        spec.full_x, spec.full_y = 0, 0
        spec.full_width, spec.full_height = part.size or (width, height)
        spec.channelnames = part.channels
        spec.attribute("compression", "zips")
        if part.name:
            spec.attribute("oiio:subimagename", part.name)
        for name, value in part.header.items():
            kind = f"string[{len(value)}]" if isinstance(value, tuple) else "string"
            spec.attribute(name, oiio.TypeDesc(kind), value)
        specs.append(spec)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), tuple(specs) if len(specs) > 1 else specs[0]), output.geterror()
    for index, part in enumerate(parts):
        if index:
            assert output.open(str(path), specs[index], "AppendSubimage"), output.geterror()
        assert output.write_image(np.ascontiguousarray(part.pixels)), output.geterror()
    assert output.close()


def parts_of(path: Path) -> list[tuple[str, dict[str, tuple[str, bytes]], dict[str, Any]]]:
    """Each part's name, its channels with their types and bits, and its header; by the library alone."""
    source, found = oiio.ImageInput.open(str(path)), []
    while source.seek_subimage(len(found), 0):
        spec = source.spec()
        kinds = [str(kind) for kind in spec.channelformats] or [str(spec.format)] * spec.nchannels
        planes = {
            name: (kinds[k], source.read_image(len(found), 0, k, k + 1, kinds[k]).tobytes())
            for k, name in enumerate(spec.channelnames)
        }
        said = {one.name: one.value for one in spec.extra_attribs}
        found.append((str(spec.getattribute("oiio:subimagename") or ""), planes, said))
    source.close()
    return found


def assert_same_structure(before: Path, after: Path, *, but: frozenset[str] = frozenset()) -> None:
    """Both files have the same parts, channels, types, headers and bits; `but` names other bits."""
    one, other = parts_of(before), parts_of(after)
    assert [part[0] for part in one] == [part[0] for part in other]
    for (_, planes, said), (_, now, says) in zip(one, other, strict=True):
        assert list(planes) == list(now)
        for name, (kind, data) in planes.items():
            assert now[name][0] == kind, name
            assert now[name][1] == data or name in but, name
        assert {name: value for name, value in said.items() if says.get(name) != value} == {}
