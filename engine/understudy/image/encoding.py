"""Frames for another file type than the plate's, in the colour space that readers assume for that type.

An EXR is scene-linear, a PNG, JPEG, TIFF or DPX is for a display. The plate is converted before anything is
made over it, so that where the matte is 0 the output is the converted plate and nothing else. A plate and an
output of one type are never converted: there the output's bits are the plate's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from understudy.core.errors import PlateError
from understudy.core.progress import Reporter, Told
from understudy.image import colour, colour_config
from understudy.image.colour import DISPLAY, encoding_of
from understudy.image.colour_tags import can_say
from understudy.image.frame import FloatImage, Frame
from understudy.image.plate import DerivedPlate, Plate

_ONE_TYPE = {".jpeg": ".jpg", ".tiff": ".tif"}


def output_space(space: str, plate: Path | str, output: Path | str) -> str:
    """The space of frames that are made over a plate and written as another type of file.

    Args:
        space: The plate's.
        plate: A file of it.
        output: A file that is written.

    Returns:
        The plate's own space where the types are alike, for data, and where the output's type can say it.

    Raises:
        PlateError: the plate is of high dynamic range and the output's type has no way to declare it.
    """
    before, after = _type(plate), _type(output)
    encoding = encoding_of(space)
    if before == after or encoding == "data":
        return space
    if after == ".exr":
        return space if encoding == "scene-linear" else colour_config.scene_linear()
    if encoding in ("sdr-video", "hdr-video") and can_say(after, space):
        return space
    if encoding == "hdr-video":
        raise PlateError(
            f"A {after} file cannot hold the high dynamic range of {space}.",
            where=output,
            fix="write .exr or .png",
        )
    return DISPLAY


def encoded_for(plate: Plate, output: str, report: Reporter) -> Plate:
    """The plate, converted for an output of another file type.

    Args:
        plate: Opened.
        output: Pattern of the frames that are written.
        report: Is told once that they are converted.
    """
    if _type(plate.file(plate.frames.first)) == _type(output):
        return plate
    return _Encoded(plate, output, report)


def converted(frame: Frame, space: str) -> Frame:
    """The frame with its colour in another space; alpha, other channels and metadata stay.

    Colour is divided by alpha before a curve is applied, and then is not premultiplied.
    """
    if frame.colour_space == space:
        return frame
    linear = {encoding_of(frame.colour_space), encoding_of(space)} == {"scene-linear"}
    straight = frame if linear else _straight(frame)
    pixels = straight.pixels.copy()
    index = list(frame.rgb_index)
    rgb = colour.convert(np.ascontiguousarray(pixels[..., index]), frame.colour_space, space)
    if len(set(index)) == 3:
        pixels[..., index] = rgb
    else:
        pixels[..., index[0]] = rgb[..., 1]  # grey stays grey in every space: all three are alike
    return replace(straight, pixels=pixels, colour_space=space, space_known=True)


class _Encoded(DerivedPlate):
    """A plate whose frames are converted as they are read."""

    def __init__(self, plate: Plate, output: str, report: Reporter) -> None:
        super().__init__(plate)
        self._output, self._report = output, report
        self._told: set[tuple[str, str]] = set()

    @property
    def meaning(self) -> str:
        return f"{self._plate.meaning} for {_type(self._output)}"

    def read(self, frame: int) -> Frame:
        read = self._plate.read(frame)
        space = output_space(read.colour_space, self._plate.file(frame), self._output)
        self._tell(read.colour_space, space)
        return converted(read, space)

    def _tell(self, before: str, after: str) -> None:
        if before == after or (before, after) in self._told:
            return
        self._told.add((before, after))
        kind = _type(self._output)
        clipped = (
            "" if kind == ".exr" else ", and what lies outside 0 to 1 is clipped where it holds integers"
        )
        self._report(Told(f"output: converted from {before} to {after}, as {kind} files are read{clipped}."))


def _straight(frame: Frame) -> Frame:
    """Colour divided by alpha; where alpha is 0 colour is left as it is."""
    if not frame.premultiplied or frame.alpha_channel is None:
        return frame
    pixels = frame.pixels.copy()
    alpha: FloatImage = pixels[..., frame.channels.index(frame.alpha_channel)]
    divisor = np.where(alpha > 0, alpha, np.float32(1))[..., None]
    index = sorted(set(frame.rgb_index))
    pixels[..., index] /= divisor
    return replace(frame, pixels=pixels, premultiplied=False)


def _type(path: Path | str) -> str:
    suffix = Path(path).suffix.lower()
    return _ONE_TYPE.get(suffix, suffix)
