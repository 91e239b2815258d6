"""Plates: image sequences, single images and videos, read alike by frame number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import JobError, PlateError
from understudy.image import video
from understudy.image.colour import check_space
from understudy.image.exr import SUFFIXES, read_image, write_image
from understudy.image.frame import Frame
from understudy.image.sequence import FrameRange, Pattern

_NUMBERED = re.compile(r"\.(-?\d{1,9})$")


class Plate(Protocol):
    """Frames to read by number."""

    @property
    def name(self) -> str:
        """What the plate was opened by."""

    @property
    def frames(self) -> FrameRange:
        """The frames there are."""

    def read(self, frame: int) -> Frame:
        """Read one frame; PlateError says what is wrong with it."""

    def where(self, frame: int) -> str:
        """Where a frame comes from, for messages."""

    def file(self, frame: int) -> Path:
        """The file that holds a frame."""

    def close(self) -> None:
        """Let go of open files."""


def chosen_frames(plate: Plate, frames: str | None) -> FrameRange:
    """The frames a job asks for; all of the plate's when it names none."""
    return plate.frames if frames is None else FrameRange.parse(frames)


def refuse_overwriting(path: Path, inputs: Mapping[str, Plate | None], number: int) -> None:
    """Stop before a frame would be written over what it is made from.

    Args:
        inputs: What is read, by what the user calls it.

    Raises:
        JobError: the path is an input's own file.
    """
    for what, read in inputs.items():
        if read is not None and path.absolute() == read.file(number).absolute():
            raise JobError(f"The output would overwrite the {what}.", where=path, fix="choose another output")


def open_plate(text: str, *, colour_space: str | None = None, assumed: str | None = None) -> Plate:
    """Open an image sequence (`plate.%04d.exr`, `plate.####.exr`), one image, or a video.

    Args:
        text: What to open. A single image is frame 1, or the number in a name such as `plate.1017.exr`.
        colour_space: Space of its colours; by header or file type when left out.
        assumed: Space of EXR files that say none, in place of ACEScg.

    Raises:
        PlateError: nothing is there, or it is a folder, a wildcard or no picture.
        ColourError: there is no such colour space.
    """
    space = check_space(colour_space) if colour_space else None
    unsaid = check_space(assumed) if assumed else None
    path = Path(text)
    if not text.strip() or "\0" in text:
        raise PlateError("The plate has no name.", where=repr(text), fix="name an image or a video")
    if path.is_dir():
        raise PlateError("The plate is a folder.", where=text, fix=_suggest(path))
    if not path.exists() and Pattern.is_pattern(text):
        return _Sequence(Pattern.parse(text), text, space, unsaid)
    if not path.exists() and any(sign in path.name for sign in "*?"):
        raise PlateError("The plate has a wildcard.", where=text, fix="write the number as %04d or ####")
    if path.suffix.lower() in video.SUFFIXES:
        return _Movie(path, text, space)
    return _Single(path, text, space, unsaid)


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an 8 bit preview, atomically.

    Args:
        path: A file that ends in .png.
        rgb: (H, W, 3) uint8 sRGB.

    Raises:
        PlateError: the array is no such picture, or the disk or folder refuses.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or Path(path).suffix.lower() != ".png":
        raise PlateError(f"A preview is no (H, W, 3) uint8 .png: {rgb.dtype} {rgb.shape}.", where=path)
    pixels = rgb.astype(np.float32) / np.float32(255)
    write_image(Path(path), Frame.from_rgb(pixels, colour_space="sRGB - Texture", storage="uint8"))


class _Sequence:
    """Numbered image files."""

    def __init__(self, pattern: Pattern, name: str, space: str | None, assumed: str | None) -> None:
        if Path(name).suffix.lower() not in SUFFIXES:
            raise PlateError(
                f"{pattern.suffix} is no image format that can be read.",
                where=name,
                fix="write the plate as .exr, .png, .tif or .dpx",
            )
        self.name = name
        self.frames = pattern.find()
        self._pattern = pattern
        self._space, self._assumed = space, assumed

    def read(self, frame: int) -> Frame:
        path = self._pattern.path(frame)
        if not path.exists():
            raise self._missing(frame, path)
        return read_image(path, colour_space=self._space, assumed=self._assumed)

    def where(self, frame: int) -> str:
        return str(self.file(frame))

    def file(self, frame: int) -> Path:
        return self._pattern.path(frame)

    def close(self) -> None:
        return None

    def _missing(self, frame: int, path: Path) -> PlateError:
        return PlateError(
            f"Frame {frame} of the plate is missing.",
            where=path,
            fix=f"render frame {frame} again, or set the range to {self.frames.run_nearest(frame)}",
        )


class _Single:
    """One image file."""

    def __init__(self, path: Path, name: str, space: str | None, assumed: str | None) -> None:
        if not path.exists():
            raise PlateError("The plate is missing.", where=name, fix="check the path")
        numbered = _NUMBERED.search(path.stem)
        self.name = name
        self.frames = FrameRange((int(numbered[1]) if numbered else 1,))
        self._path = path
        self._space, self._assumed = space, assumed

    def read(self, frame: int) -> Frame:
        if frame not in self.frames:
            raise PlateError(
                f"The plate is a single image, frame {self.frames}; there is no frame {frame}.",
                where=self._path,
                fix=f"set the range to {self.frames}, or name the sequence with %04d or ####",
            )
        return read_image(self._path, colour_space=self._space, assumed=self._assumed)

    def where(self, frame: int) -> str:
        return str(self._path)

    def file(self, frame: int) -> Path:
        return self._path

    def close(self) -> None:
        return None


class _Movie:
    """A video."""

    def __init__(self, path: Path, name: str, space: str | None) -> None:
        self.name = name
        self._video = video.Video(path, colour_space=space)
        self.frames = self._video.frames

    def read(self, frame: int) -> Frame:
        return self._video.read(frame)

    def where(self, frame: int) -> str:
        return f"{self._video.path} frame {frame}"

    def file(self, frame: int) -> Path:
        return self._video.path

    def close(self) -> None:
        self._video.close()


def _suggest(folder: Path) -> str:
    """A pattern for the first numbered image in a folder."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)
    except OSError:
        names = []
    for name in names:
        found = re.search(r"\d+(?=\.[a-z]+$)", name, re.IGNORECASE)
        if found:
            return f"name {folder / f'{name[: found.start()]}%0{len(found[0])}d{name[found.end() :]}'}"
    return "name an image, a video or a pattern such as plate.%04d.exr in it"
