"""Plates: image sequences, single images and videos, read alike by frame number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import PlateError
from understudy.core.progress import Reporter, Told, Warned, silent
from understudy.image import video
from understudy.image.colour import check_space
from understudy.image.colour_space import Decision, meaning_of
from understudy.image.exr import SUFFIXES, read_image, read_space, write_image
from understudy.image.frame import Frame
from understudy.image.sequence import FrameRange, Pattern
from understudy.image.stills import find_stills, is_wildcard

_NUMBERED = re.compile(r"\.(-?\d{1,9})$")


class Plate(Protocol):
    """A plate: frames that are read by number."""

    @property
    def name(self) -> str:
        """What the plate was opened by."""

    @property
    def frames(self) -> FrameRange:
        """The frames there are."""

    def read(self, frame: int) -> Frame:
        """Read one frame; raises PlateError where it cannot be read."""

    def where(self, frame: int) -> str:
        """Where a frame comes from, for messages."""

    def file(self, frame: int) -> Path:
        """The file that holds a frame."""

    @property
    def meaning(self) -> str:
        """What decides its pixels besides its files and the job's colour space; empty where nothing does."""

    def close(self) -> None:
        """Let go of open files."""


class DerivedPlate:
    """A plate whose frames another plate's are made into: `read` and `meaning` are the subclass's own."""

    def __init__(self, plate: Plate) -> None:
        self._plate = plate

    @property
    def name(self) -> str:
        """What the plate was opened by."""
        return self._plate.name

    @property
    def frames(self) -> FrameRange:
        """The frames there are."""
        return self._plate.frames

    def where(self, frame: int) -> str:
        """Where a frame comes from, for messages."""
        return self._plate.where(frame)

    def file(self, frame: int) -> Path:
        """The file that holds a frame."""
        return self._plate.file(frame)

    def close(self) -> None:
        """Let go of open files."""
        self._plate.close()


def chosen_frames(plate: Plate, frames: str | None) -> FrameRange:
    """The frames a job asks for; all of the plate's when it names none."""
    return plate.frames if frames is None else FrameRange.parse(frames)


def open_plate(
    text: str,
    *,
    colour_space: str | None = None,
    assumed: str | None = None,
    report: Reporter = silent,
    called: str = "plate",
) -> Plate:
    """Open an image sequence (`plate.%04d.exr`, `plate.####.exr`), stills, one image, or a video.

    Args:
        text: What to open. A single image is frame 1, or the number in a name such as `plate.1017.exr`; the
            pictures of a folder or of `folder/*.jpg` are numbered from 1 in natural order of their names.
        colour_space: Space of its colours; by header or file type when left out.
        assumed: Space of EXR files that say none, in place of ACEScg.
        report: Gets one event with the plate's space and the reason, and one for frames in another space.
        called: What it is called there.

    Raises:
        PlateError: nothing is there, or it is not a picture.
        ColourError: there is no such colour space.
    """
    if colour_space:
        check_space(colour_space)
    how = _Reading(colour_space, check_space(assumed) if assumed else None, report, called)
    path = Path(text)
    if not text.strip() or "\0" in text:
        raise PlateError("The plate has no name.", where=repr(text), fix="name an image or a video")
    if path.is_dir():
        return _stills(text, how)
    if not path.exists() and Pattern.is_pattern(text):
        return _Sequence(Pattern.parse(text), text, how)
    if not path.exists() and is_wildcard(text):
        return _stills(text, how)
    if path.suffix.lower() in video.SUFFIXES:
        return _Movie(path, text, how)
    return _single(path, text, how)


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an 8 bit preview, atomically; its header carries our mark.

    Args:
        path: A file that ends in .png.
        rgb: (H, W, 3) uint8 sRGB.

    Raises:
        PlateError: the array is not such a picture, or the disk or folder cannot be written.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or Path(path).suffix.lower() != ".png":
        raise PlateError(f"A preview is not an (H, W, 3) uint8 .png: {rgb.dtype} {rgb.shape}.", where=path)
    pixels = rgb.astype(np.float32) / np.float32(255)
    preview = Frame.from_rgb(pixels, colour_space="sRGB - Texture", storage="uint8")
    write_image(Path(path), replace(preview, metadata={"understudy:kind": "preview"}))


class _Reading:
    """How the pictures of a plate are read, and what is reported of their colour space."""

    def __init__(self, space: str | None, assumed: str | None, report: Reporter, called: str) -> None:
        self.space, self._assumed = space, assumed
        self._report, self._called = report, called
        self._told: set[str] = set()
        self.meaning = ""

    def begin(self, path: Path) -> None:
        """Decide by the first picture's header and report it; a damaged one is reported when it is read."""
        try:
            decision = read_space(path, colour_space=self.space, assumed=self._assumed)
        except PlateError:
            return
        self.tell(decision)
        self.meaning = "" if self.space else meaning_of(decision, path)

    def tell(self, decision: Decision) -> None:
        """Report the plate's space, as a warning where it is doubtful."""
        self._told.add(decision.space)
        sentence = decision.sentence(self._called)
        self._report(Warned(sentence) if decision.doubt else Told(sentence))

    def say(self, sentence: str, *, doubtful: bool = False) -> None:
        """Report something else about the plate."""
        text = f"{self._called}: {sentence}"
        self._report(Warned(text) if doubtful else Told(text))

    def read(self, path: Path, number: int) -> Frame:
        """Read one picture; one in another space than those before is reported."""
        frame = read_image(path, colour_space=self.space, assumed=self._assumed)
        if self._told and frame.colour_space not in self._told:
            self._told.add(frame.colour_space)
            message = f"{self._called}: this frame is taken for {frame.colour_space}, unlike those before."
            self._report(Warned(message, number))
        return frame


class _Sequence:
    """Numbered image files."""

    def __init__(self, pattern: Pattern, name: str, how: _Reading) -> None:
        if Path(name).suffix.lower() not in SUFFIXES:
            raise PlateError(
                f"{pattern.suffix} is not an image format that can be read.",
                where=name,
                fix="write the plate as .exr, .png, .tif or .dpx",
            )
        self.name = name
        self.frames = pattern.find()
        self._pattern, self._how = pattern, how
        how.begin(self.file(self.frames.first))

    @property
    def meaning(self) -> str:
        return self._how.meaning

    def read(self, frame: int) -> Frame:
        path = self._pattern.path(frame)
        if not path.exists():
            raise self._missing(frame, path)
        return self._how.read(path, frame)

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


class _Stills:
    """Image files whose frame numbers are not in a pattern: one, or a list."""

    def __init__(self, files: Mapping[int, Path], name: str, how: _Reading) -> None:
        self.name = name
        self.frames = FrameRange(tuple(files))
        self._files, self._how = files, how
        how.begin(self.file(self.frames.first))

    @property
    def meaning(self) -> str:
        return self._how.meaning

    def read(self, frame: int) -> Frame:
        if frame not in self.frames:
            what = "is a single image, frame" if len(self.frames) == 1 else "has the stills"
            raise PlateError(
                f"The plate {what} {self.frames}; there is no frame {frame}.",
                where=self.name,
                fix=f"set the range to {self.frames}, or name the sequence with %04d or ####",
            )
        return self._how.read(self.file(frame), frame)

    def where(self, frame: int) -> str:
        return str(self.file(frame))

    def file(self, frame: int) -> Path:
        return self._files.get(frame, self._files[self.frames.first])

    def close(self) -> None:
        return None


def _single(path: Path, name: str, how: _Reading) -> _Stills:
    if not path.exists():
        raise PlateError("The plate is missing.", where=name, fix="check the path")
    numbered = _NUMBERED.search(path.stem)
    return _Stills({int(numbered[1]) if numbered else 1: path}, name, how)


def _stills(text: str, how: _Reading) -> _Stills:
    files, unread = find_stills(text)
    how.say(f"{len(files)} stills, numbered from 1: {files[0].name} to {files[-1].name}.")
    if unread:
        how.say(
            f"{len(unread)} pictures are left out, the first {unread[0].name}: write them as .jpg or .png.",
            doubtful=True,
        )
    return _Stills(dict(enumerate(files, start=1)), text, how)


class _Movie:
    """A video."""

    def __init__(self, path: Path, name: str, how: _Reading) -> None:
        self.name = name
        self._video = video.Video(path, colour_space=how.space)
        self.frames = self._video.frames
        how.tell(self._video.colour)
        for sentence in self._video.doubts:
            how.say(sentence, doubtful=True)

    @property
    def meaning(self) -> str:
        return self._video.meaning

    def read(self, frame: int) -> Frame:
        return self._video.read(frame)

    def where(self, frame: int) -> str:
        return f"{self._video.path} frame {frame}"

    def file(self, frame: int) -> Path:
        return self._video.path

    def close(self) -> None:
        self._video.close()
