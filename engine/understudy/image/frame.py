"""A frame: pixels with windows, channels, colour space and metadata.

Convention:
    Pixels are (H, W, C) float32, rows from the top, x right, y down; the centre of a pixel lies on
    integers. `Box` is half-open. Windows are in the coordinates of the display window's file, so a data
    window may begin below zero (overscan).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import PlateError
from understudy.image import layers
from understudy.image.layers import Layer

FloatImage = NDArray[np.float32]
MetadataValue = str | int | float | tuple[float, ...] | tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Box:
    """A half-open rectangle of whole pixels: x0 <= x < x1, y0 <= y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Pixels across, 0 for an empty box."""
        return max(0, self.x1 - self.x0)

    @property
    def height(self) -> int:
        """Pixels down, 0 for an empty box."""
        return max(0, self.y1 - self.y0)

    @property
    def empty(self) -> bool:
        """Whether the box holds no pixel."""
        return self.width == 0 or self.height == 0

    def intersect(self, other: Box) -> Box:
        """The pixels that both boxes hold; empty boxes come out with zero size."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        return Box(x0, y0, max(x0, min(self.x1, other.x1)), max(y0, min(self.y1, other.y1)))

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1)
        )

    def moved(self, x: int, y: int) -> Box:
        """The box shifted by whole pixels."""
        return Box(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)

    def grow(self, by_px: int) -> Box:
        """The box with a border of `by_px` on every side."""
        return Box(self.x0 - by_px, self.y0 - by_px, self.x1 + by_px, self.y1 + by_px)

    def slices(self, origin: Box) -> tuple[slice, slice]:
        """Rows and columns of this box in an array whose first pixel is the first of `origin`."""
        return (
            slice(self.y0 - origin.y0, self.y1 - origin.y0),
            slice(self.x0 - origin.x0, self.x1 - origin.x0),
        )


@dataclass(frozen=True)
class PartHeader:
    """One part of an EXR, to be written again as it was.

    Attributes:
        name: The part's name; empty where it has none.
        channels: For each channel its name among the frame's channels, and its own name in the part.
        window: Its data window.
        view: The view it is of; empty where it says none.
        metadata: Its header's plain values; those of the first part are the frame's.
    """

    name: str
    channels: tuple[tuple[str, str], ...]
    window: Box
    view: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Frame:
    """Pixels with their channels, windows, colour space and metadata.

    Attributes:
        pixels: (H, W, C) float32, the data window's pixels.
        channels: C names as the file has them: ("R", "G", "B", "A", "depth.Z").
        data_window: Where the stored pixels lie.
        display_window: What is viewed.
        colour_space: An OCIO name of the pinned config, such as "ACEScg" or "sRGB - Texture"; "raw" for data.
        premultiplied: Whether colour is already multiplied by the A channel.
        pixel_aspect: Width of a pixel divided by its height.
        metadata: Everything else the file's header said, plain values only.
        storage: The file's own data type: "half", "float", "uint8", "uint10", "uint12" or "uint16"; "uint" is
            a channel of 32-bit integers, whose bits `pixels` holds as they are.
        channel_storage: The data type of channels that differ from `storage`, such as a float depth
            beside half colour; names that the frame does not have mean nothing.
        space_known: Whether the user or the header gave the colour space; a space assumed by file type is not
            declared in another file.
        alpha_as_stored: Whether colours and A are written as they are, against the format's definition of
            alpha.
        layer: The channels that are worked on; the main layer's when None.
        parts: The parts of an EXR that has names, views or several of them.
        views: The views of a stereo file, the default one first.
        origin: Where it was read from, for messages.
        notes: Decisions made when it was read that the user should know.
    """

    pixels: FloatImage
    channels: tuple[str, ...]
    data_window: Box
    display_window: Box
    colour_space: str
    premultiplied: bool = True
    pixel_aspect: float = 1.0
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    storage: str = "half"
    channel_storage: Mapping[str, str] = field(default_factory=dict)
    space_known: bool = True
    alpha_as_stored: bool = False
    layer: Layer | None = None
    parts: tuple[PartHeader, ...] = ()
    views: tuple[str, ...] = ()
    origin: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = (self.data_window.height, self.data_window.width, len(self.channels))
        if self.pixels.shape != expected:
            raise PlateError(
                f"A frame's pixels have the shape {self.pixels.shape}, not {expected} as its windows say."
            )
        if self.pixels.dtype != np.float32:
            raise PlateError(f"A frame's pixels are {self.pixels.dtype}, not float32.")

    @classmethod
    def from_rgb(cls, pixels: FloatImage, *, colour_space: str, storage: str = "half") -> Frame:
        """A frame whose windows are the array's own: (H, W, 3) RGB or (H, W, 4) RGBA."""
        height, width, count = pixels.shape
        box = Box(0, 0, width, height)
        return cls(
            np.ascontiguousarray(pixels, np.float32),
            ("R", "G", "B", "A")[:count],
            box,
            box,
            colour_space,
            storage=storage,
        )

    @property
    def colour_layer(self) -> Layer:
        """The channels that are worked on.

        Raises:
            PlateError: the frame has no colours, or several layers of them.
        """
        found = self.layer or layers.main(self.channels)
        if found is None:
            raise PlateError(
                f"The frame has no R, G and B among its channels: {', '.join(self.channels)}.",
                where=self.origin,
                fix="write the plate with an rgb layer",
            )
        return found

    @property
    def grey(self) -> bool:
        """Whether one channel holds all of the colour."""
        return self.colour_layer.grey

    @property
    def alpha_channel(self) -> str | None:
        """The name of the alpha that belongs to the colours; None without one."""
        return self.colour_layer.alpha

    @property
    def rgb_index(self) -> tuple[int, int, int]:
        """Where R, G and B of the layer that is worked on lie; a single grey channel stands for all three.

        Raises:
            PlateError: as `colour_layer`.
        """
        places = [self.channels.index(name) for name in self.colour_layer.colour]
        return places[0], places[-2 % len(places)], places[-1]

    def rgb(self) -> FloatImage:
        """(H, W, 3) copy of the colours that are worked on, as stored."""
        return np.ascontiguousarray(self.pixels[..., list(self.rgb_index)])
