"""Between the engine's pixels and the host's: the one place where y turns over and pixel centres move.

Convention:
    The engine counts x to the right and y down from the centre of the plate's top left pixel: centres lie on
    integers. Nuke counts x to the right and y up from the lower left corner of the format: integers lie on
    corners of pixels, and a centre lies at one half. Both count the plate's own pixels, whatever proxy is
    worked on: Nuke scales what its position knobs hold by itself.

Source:
    Foundry, Nuke Python API Reference, `nuke.sample`: "integers are at the corners of pixels, to center on a
    pixel add .5"; Nuke User Guide, Proxy Mode: "in the full-size mode all positions are in actual pixels".
"""

from __future__ import annotations

import math
from typing import NamedTuple

from understudy_host.errors import HostError

Point = tuple[float, float]


def to_host(x: float, y: float, height: float, pixel_aspect: float = 1.0, scale: float = 1.0) -> Point:
    """Where a point of the engine's lies in the host.

    Args:
        x, y: The engine's pixels.
        height: Of the plate that was tracked, in its own pixels: its display window, which is Nuke's format.
        pixel_aspect: Host units that a pixel is wide: 1 where the host counts pixels, the format's pixel
            aspect where it counts square units.
        scale: Host pixels that a pixel of the tracked plate spans: 2 where a half-size proxy was tracked.

    Raises:
        HostError: height, pixel aspect or scale is not above 0.
    """
    _check(height, pixel_aspect, scale)
    return (x + 0.5) * pixel_aspect * scale, (height - 0.5 - y) * scale


def from_host(x: float, y: float, height: float, pixel_aspect: float = 1.0, scale: float = 1.0) -> Point:
    """Where a point of the host's lies in the engine; the arguments are `to_host`'s.

    Raises:
        HostError: height, pixel aspect or scale is not above 0.
    """
    _check(height, pixel_aspect, scale)
    return x / (pixel_aspect * scale) - 0.5, height - 0.5 - y / scale


class Raster(NamedTuple):
    """A plate's measures, for many points at once; the fields are `to_host`'s arguments."""

    height: float
    pixel_aspect: float = 1.0
    scale: float = 1.0

    def to_host(self, point: Point) -> Point:
        """Where a point of the engine's lies in the host."""
        return to_host(point[0], point[1], self.height, self.pixel_aspect, self.scale)

    def from_host(self, point: Point) -> Point:
        """Where a point of the host's lies in the engine."""
        return from_host(point[0], point[1], self.height, self.pixel_aspect, self.scale)


def _check(height: float, pixel_aspect: float, scale: float) -> None:
    if not all(math.isfinite(value) and value > 0 for value in (height, pixel_aspect, scale)):
        raise HostError(
            "A plate needs a height, a pixel aspect and a scale above 0.",
            f"height {height}, pixel aspect {pixel_aspect}, scale {scale}",
            "take them from the Read node of the plate that was tracked",
        )
