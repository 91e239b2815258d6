"""A face pass's header as the values of the group's sockets: Blender's compositor reads no EXR metadata."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Union

from understudy_host.errors import HostError
from understudy_host.exr_header import Value, read_header
from understudy_host.live_kinds import MODES
from understudy_host.live_numbers import HEADER, MATTES, ROTO

from . import paths, placement
from .sockets import NUMBERS, OFFSET

Matrix = Sequence[Sequence[float]]
Values = dict[str, Union[float, tuple[float, ...]]]


def values(path: Path) -> Values:
    """What one frame's header says, by the sockets' names; a frame without a face gives its place alone.

    Raises:
        HostError: the file is not a face pass, or of a plate that is not scene-linear.
    """
    header = read_header(path)
    windows = _windows(header)
    if windows is None:
        raise _no_face_pass(path)
    found: Values = {OFFSET.label: (*placement.offset(windows[0], windows[1]), 0.0)}
    if "understudy:colour_match" not in header:
        if windows[0][:2] != windows[0][2:]:  # a frame without a face is one pixel
            raise _no_face_pass(path)
        return found
    if "understudy:linear_to_encoded" not in header:
        raise HostError(
            "The plate of this face pass is not scene-linear, and Blender's nodes cannot encode it.",
            str(path),
            "convert the plate to scene-linear EXR files and bake again",
        )
    try:
        numbers = {**_colours(header), **_mattes(header), "face_px": _face_px(header)}
    except (ValueError, ZeroDivisionError, KeyError) as error:
        raise _no_face_pass(path) from error
    found.update({NUMBERS[name].label: value for name, value in numbers.items() if name in NUMBERS})
    return found


def offsets(pattern: str, frames: Iterable[int], what: str) -> dict[int, tuple[float, float]]:
    """How far each frame of a sequence has to be moved to lie at its place; none for files that are not EXR.

    Args:
        pattern: Such as plate.%04d.exr, absolute.
        frames: Frame numbers; those that are not there are left out.
        what: What the sequence is, to say in an error.

    Returns:
        (x, y) by frame, as `placement.offset` gives them.

    Raises:
        HostError: a file is damaged.
    """
    found = {}
    for frame in frames:
        path = paths.frame_path(pattern, frame)
        if path.suffix.lower() == ".exr" and path.is_file():
            facts = path.stat()
            found[frame] = _offset(path, facts.st_mtime_ns, facts.st_size, what)
    return found


@lru_cache(maxsize=20_000)
def _offset(path: Path, changed_ns: int, size: int, what: str) -> tuple[float, float]:
    """Of one frame; its header is read again only when the file has changed."""
    windows = _windows(read_header(path, what, "write it again"))
    if windows is None:
        raise HostError(f"The {what} has no data window.", str(path), "write it again")
    return placement.offset(*windows)


def _windows(header: dict[str, Value]) -> tuple[Sequence[int], Sequence[int]] | None:
    """Data and display window; None where the header lacks one."""
    stored, viewed = header.get("dataWindow"), header.get("displayWindow")
    return (stored, viewed) if isinstance(stored, tuple) and isinstance(viewed, tuple) else None


def _colours(header: dict[str, Value]) -> Values:
    """The numbers of a header that colours need, by the names of HEADER."""
    match = _matrix(header["understudy:colour_match"], 3, 4)
    encoding = _matrix(header["understudy:linear_to_encoded"], 3, 3)
    found: Values = {"match_shift": tuple(row[3] for row in match)}
    for name, rows in (("match", match), ("to", encoding), ("from", inverse(encoding))):
        found.update({f"{name}_{row}": tuple(numbers[:3]) for row, numbers in zip("rgb", rows)})
    found["has_light"] = 1.0 if float(str(header["understudy:light_strength"])) > 0 else 0.0
    found["grain_deviation"] = tuple(_matrix(header["understudy:grain"], 1, 3)[0])
    # A plate that has none has an alpha of 1 in Blender.
    found["plate_alpha"] = float(str(header.get("understudy:plate_alpha", 1)))
    return found


def _mattes(header: dict[str, Value]) -> Values:
    """Which mattes the bake used and how, by the names of HEADER; an older face pass does not say."""
    if "understudy:matte_combine" not in header:
        return {
            name: HEADER[name].default for name in NUMBERS if name.startswith(("chosen_", "has_combined"))
        }
    chosen = str(header.get("understudy:mattes", "")).split()  # a file keeps no attribute without a text
    mode = MODES.index(str(header["understudy:matte_combine"]))
    used: Values = {f"chosen_{one.name}": float(one.name in chosen) for one in (*MATTES, ROTO)}
    return {**used, "chosen_combine": float(mode), "has_combined": 1.0}


def _face_px(header: dict[str, Value]) -> float:
    """Edge of the aligned face in pixels of the plate."""
    (a, b, _), (c, d, _) = _matrix(header["understudy:plate_to_aligned"], 2, 3)
    return float(str(header["understudy:aligned_size"])) / math.sqrt(abs(a * d - b * c))


def _matrix(text: Value, rows: int, columns: int) -> list[list[float]]:
    found = [float(word) for word in str(text).split()]
    if len(found) != rows * columns or not all(map(math.isfinite, found)):
        raise ValueError("matrix")
    return [found[row * columns : (row + 1) * columns] for row in range(rows)]


def inverse(matrix: Matrix) -> list[list[float]]:
    """Of a 3×3 matrix, in double precision: Blender's own matrices are single.

    Raises:
        ZeroDivisionError: it has none.
    """
    (a, b, c), (d, e, f), (g, h, i) = matrix
    adjugate = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    determinant = a * adjugate[0][0] + b * adjugate[1][0] + c * adjugate[2][0]
    return [[value / determinant for value in row] for row in adjugate]


def _no_face_pass(path: Path) -> HostError:
    return HostError("The file is not a face pass.", str(path), "bake it again")
