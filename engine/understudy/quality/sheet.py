"""Contact sheets: sequences under each other, a column for each frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image import colour
from understudy.image.frame import Frame
from understudy.image.plate import open_plate, write_png
from understudy.image.reading import Reading
from understudy.image.taken import taken

COLUMNS = 6


def spread_frames(frames: Iterable[int], count: int = COLUMNS) -> list[int]:
    """At most `count` of the frames, first and last among them, at even steps."""
    numbers = list(frames)
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return [numbers[place] for place in places]


def contact_sheet(
    path: Path,
    rows: Mapping[str, str],
    frames: Sequence[int],
    *,
    cell_px: int = 256,
    readings: Mapping[str, Reading] | None = None,
) -> Path:
    """Write a sheet: a labelled row for each sequence, a column for each frame.

    Args:
        rows: Label and plate (as `open_plate` takes it), from top to bottom.
        frames: Frame numbers, the same in every row.
        cell_px: Height of a row.
        readings: How a row's channels are taken, by its label; as the files have them when left out.

    Raises:
        PlateError: a sequence or a frame cannot be read.
    """
    strips = []
    for label, plate_text in rows.items():
        reading = (readings or {}).get(label, Reading())
        with closing(taken(open_plate(plate_text), reading)) as plate:
            read = [plate.read(number) for number in frames]
        strip = np.concatenate([_cell(frame, cell_px) for frame in read], axis=1)
        cv2.putText(strip, label, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(strip, label, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
        strips.append(strip)
    write_png(path, np.ascontiguousarray(np.concatenate(strips, axis=0)))
    return path


def _cell(frame: Frame, cell_px: int) -> NDArray[np.uint8]:
    picture = colour.to_display(frame.rgb(), frame.colour_space)
    height, width = picture.shape[:2]
    scale = cell_px / height
    size = (max(1, round(width * scale * frame.pixel_aspect)), cell_px)
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.ascontiguousarray(resized, np.uint8)
