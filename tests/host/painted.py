"""A small moving picture with a square painted on one frame of it, for the tests of the propagate nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from understudy.image.exr import write_image
from understudy.image.frame import Frame

FIRST, LAST, KEYFRAME = 1001, 1006, 1003
HIDDEN_FROM = 1005
WIDTH, HEIGHT = 96, 64
COLOUR = (0.1, 0.6, 0.2)
SPACE = "ACEScg"
_STEP_PX = 2
_SQUARE_PX = 12


@dataclass(frozen=True)
class Painting:
    """A plate that moves to the left until something passes in front of it, and a painted frame of it.

    Attributes:
        root: Where `plate.%04d.exr` and `fix.%04d.exr` are.
    """

    root: Path

    @property
    def plate(self) -> str:
        return str(self.root / "plate.%04d.exr")

    @property
    def fix(self) -> str:
        return str(self.root / "fix.%04d.exr")

    def paint(self, frame: int, colour: tuple[float, float, float] = COLOUR) -> None:
        """Paint the square on a frame, where it belongs there."""
        pixels = picture(frame)
        rows, columns = square(frame)
        pixels[rows, columns] = colour
        write_image(Path(self.fix % frame), Frame.from_rgb(pixels, colour_space=SPACE, storage="half"))


def make(root: Path) -> Painting:
    """Write the plate and its one keyframe."""
    root.mkdir(parents=True, exist_ok=True)
    made = Painting(root)
    for frame in range(FIRST, LAST + 1):
        write_image(
            Path(made.plate % frame), Frame.from_rgb(picture(frame), colour_space=SPACE, storage="half")
        )
    made.paint(KEYFRAME)
    return made


def picture(frame: int) -> np.ndarray:
    """One frame of the plate, (64, 96, 3) float32."""
    rng = np.random.default_rng(5)
    wide = rng.random((HEIGHT, WIDTH + _STEP_PX * (LAST - FIRST), 3), np.float32)
    soft = cv2.GaussianBlur(wide, (0, 0), 1.5)
    seen = cv2.normalize(soft, None, 0.05, 0.7, cv2.NORM_MINMAX)
    start = _STEP_PX * (frame - FIRST)
    pixels = np.ascontiguousarray(seen[:, start : start + WIDTH], np.float32)
    if frame >= HIDDEN_FROM:
        rows, columns = square(frame)
        pixels[rows, columns.start + _SQUARE_PX // 2 : columns.stop + 8] = rng.random(3) + frame - HIDDEN_FROM
    return pixels


def square(frame: int) -> tuple[slice, slice]:
    """Rows and columns of the square as it moves along."""
    left = 44 - _STEP_PX * (frame - KEYFRAME)
    return slice(26, 26 + _SQUARE_PX), slice(left, left + _SQUARE_PX)
