"""A plate's raster: its display window and the shape of its pixels.

Rasters are compared before positions are carried from one to another; they are never assumed to be equal.

Convention:
    Pixel centres lie on integers, so that the first pixel's outer edge is half a pixel before the display
    window's first one: a picture of twice the size has its first centre at 2·(x + ½) − ½.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import PlateError
from understudy.image.frame import Frame

# Proxies are rounded to whole pixels: two rasters show the same picture if their shapes differ by less than
# this many pixels of the smaller one.
_ROUNDING_PX = 1.5
_SAME_ASPECT = 1e-4


@dataclass(frozen=True)
class Raster:
    """The grid that positions are counted in.

    Attributes:
        left, top: The display window's first pixel.
        width, height: Its size in pixels.
        pixel_aspect: Width of a pixel divided by its height.
    """

    left: int
    top: int
    width: int
    height: int
    pixel_aspect: float = 1.0

    @classmethod
    def of(cls, frame: Frame) -> Raster:
        """A frame's raster."""
        window = frame.display_window
        return cls(window.x0, window.y0, window.width, window.height, frame.pixel_aspect)

    @classmethod
    def parse(cls, text: str) -> Raster | None:
        """What `as_text` wrote; None for anything else, and for a raster without pixels."""
        words = text.split()
        try:
            left, top, width, height = (int(word) for word in words[:4])
            aspect = float(words[4]) if len(words) == 5 else 0.0
        except ValueError:
            return None
        sane = 0 < width < 2**24 and 0 < height < 2**24 and 0.001 < aspect < 1000
        return cls(left, top, width, height, aspect) if sane and max(abs(left), abs(top)) < 2**24 else None

    def as_text(self) -> str:
        """Left, top, width, height and pixel aspect with spaces between them."""
        return f"{self.left} {self.top} {self.width} {self.height} {self.pixel_aspect!r}"

    @property
    def squared(self) -> Raster:
        """The same picture in square pixels, as large as need be to lose no detail."""
        x, y = max(self.pixel_aspect, 1.0), max(1 / self.pixel_aspect, 1.0)
        return Raster(self.left, self.top, round(self.width * x), round(self.height * y))

    def same_size(self, other: Raster) -> bool:
        """Whether both have as many pixels on each side."""
        return (self.width, self.height) == (other.width, other.height)

    def same_shape(self, other: Raster) -> bool:
        """Whether both show one picture: in true shape they agree up to a proxy's rounding."""
        if self.same_size(other):
            return True
        small, large = sorted((self, other), key=lambda one: (one.height, one.width))
        width = small.height / large.height * large.width * large.pixel_aspect / small.pixel_aspect
        # A rounded height changes the width that goes with it, too.
        return abs(width - small.width) <= _ROUNDING_PX * max(1.0, small.width / small.height)

    def to(self, other: Raster) -> NDArray[np.float64]:
        """The (2, 3) matrix from this raster's pixels to the other's: display window onto display window.

        Raises:
            PlateError: they do not show one picture.
        """
        if not self.same_shape(other):
            raise PlateError(f"A raster of {self} cannot be scaled to one of {other}: their shapes differ.")
        x, y = other.width / self.width, other.height / self.height
        return np.array(
            [
                [x, 0.0, (0.5 - self.left) * x - 0.5 + other.left],
                [0.0, y, (0.5 - self.top) * y - 0.5 + other.top],
            ]
        )

    def __str__(self) -> str:
        aspect = abs(self.pixel_aspect - 1) > _SAME_ASPECT
        return f"{self.width}×{self.height}" + (f" with pixels {self.pixel_aspect:g} wide" if aspect else "")


def on_plate(picture: Frame, plate: Raster, what: str) -> Frame:
    """A matte or a painted frame in the plate's coordinates: display window on display window.

    Args:
        picture: As it was read.
        plate: The plate's raster.
        what: What the user calls it, for the error.

    Raises:
        PlateError: it has another size than the plate.
    """
    own = Raster.of(picture)
    if not own.same_size(plate):
        raise PlateError(
            f"The {what} is {own.width}×{own.height}, the plate {plate.width}×{plate.height}.",
            where=picture.origin,
            fix="write it in the plate's size; a smaller data window is no trouble",
        )
    x, y = plate.left - own.left, plate.top - own.top
    if (x, y) == (0, 0):
        return picture
    return replace(
        picture,
        data_window=picture.data_window.moved(x, y),
        display_window=picture.display_window.moved(x, y),
    )
