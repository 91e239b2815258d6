"""Videos, frame by frame and exactly. The only user of PyAV.

Convention:
    Frames are numbered in the order they are shown, from `first`, however long each is shown. The numbering
    comes from the time stamps of the packets, not from what a header claims; where those are of no use every
    frame is decoded once to count. Frames at the beginning that need one that is not there are counted, and
    left out of `frames`. Pixels are upright: a display matrix is applied. Alpha is as stored, and straight.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from understudy.core.errors import PlateError
from understudy.core.paths import is_special
from understudy.image import memory, video_header
from understudy.image.colour_config import identity
from understudy.image.colour_space import chosen
from understudy.image.frame import Frame, MetadataValue
from understudy.image.header import HeaderTuple
from understudy.image.orientation import swaps_sides, upright
from understudy.image.parts import MAX_PIXELS
from understudy.image.sequence import MAX_FRAMES, FrameRange
from understudy.image.timecode import TimeCode

SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".avi", ".webm", ".mxf", ".mpg", ".gif", ".ts"})
"""Files that are opened as videos."""

_FLAGS = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)


class Video:
    """A video file whose frames are read by number; one object may serve several threads.

    Args:
        path: The file.
        first: Number of the first frame.
        colour_space: Space its colours are in; by its header, or sRGB, when left out.

    Attributes:
        colour: The space it is taken for, and why.

    Raises:
        PlateError: the file is missing, not a video, damaged or without a frame.
    """

    def __init__(self, path: Path | str, *, first: int = 1, colour_space: str | None = None) -> None:
        self.path = Path(path)
        self._first = first
        self._chosen = chosen(colour_space) if colour_space else None
        self._lock = threading.Lock()
        self._container: Any = None
        self._decoder: Iterator[Any] = iter(())
        self._next = 0
        self._held: tuple[int, Any] | None = None
        self._reformatter = VideoReformatter()
        self._open()
        try:
            self._times, self._keys = self._index()
            self._probe()
        except BaseException:
            self.close()
            raise

    @cached_property
    def frames(self) -> FrameRange:
        """Every frame's number."""
        return FrameRange.between(self._first + self._leading, self._first + len(self._times) - 1)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of an upright frame."""
        return self._size

    @property
    def orientation(self) -> int:
        """The orientation of stored frames, as EXIF numbers it."""
        return self._orientation

    @property
    def meaning(self) -> str:
        """What its pixels depend on besides its bytes: how headers are read, and the space."""
        return f"video 2 {identity(self.colour.space)}"

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """Warnings about it, as sentences."""
        told: list[str] = []
        if self._leading:
            last = self._first + self._leading - 1
            told.append(
                f"frames {self._first} to {last} are left out: they need a frame before the file's beginning."
            )
        if not self._even:
            told.append("its frames are not evenly spaced; they are numbered in the order they are shown.")
        if self._interlaced:
            told.append("it is interlaced: two moments lie in one frame, so deinterlace it first.")
        if self._others:
            told.append(f"it has {self._others + 1} video streams, and the first is read.")
        return tuple(told)

    def read(self, frame: int) -> Frame:
        """Read one frame.

        Returns:
            (H, W, 3) RGB, or (H, W, 4) with alpha, values 0 to 1, storage `uint8`, or `uint16` for a deeper
            video. The header says FramesPerSecond and smpte:TimeCode where the video does, and where
            frames are not evenly spaced `understudy:seconds`, the time since the first.

        Raises:
            PlateError: the video has no such frame, or it cannot be decoded.
        """
        index = frame - self._first
        with self._lock:
            if not self._leading <= index < len(self._times):
                raise PlateError(
                    f"The video has no frame {frame}.",
                    where=self.path,
                    fix=f"set the range to {self.frames}",
                )
            if self._container is None:
                raise PlateError("The video is closed.", where=self.path)
            return self._convert(self._decode(index), index)

    def close(self) -> None:
        """Close the file; no frame can be read after that."""
        if self._container is not None:
            self._container.close()
        self._container, self._held, self._decoder = None, None, iter(())

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _open(self) -> None:
        if self._container is not None:
            self._container.close()
        if is_special(self.path):
            raise PlateError("A pipe or a device is not a video.", where=self.path, fix="name a video file")
        try:
            self._container = av.open(str(self.path), metadata_errors="replace")
            self._stream = self._pictures()
        except FileNotFoundError as exc:
            raise PlateError("The video is missing.", where=self.path, fix="check the path") from exc
        except IndexError as exc:
            self.close()
            raise PlateError("The file has no video stream.", where=self.path, fix="name a video") from exc
        except (av.FFmpegError, OSError, ValueError) as exc:
            raise self._damaged(exc) from exc
        self._check_header()
        self._decoder, self._next, self._held = self._frames_from_here(), 0, None

    def _pictures(self) -> Any:
        """The first video stream that is not a cover picture."""
        streams = list(self._container.streams.video)
        moving = [one for one in streams if not one.disposition & Disposition.attached_pic]
        self._others = len(moving) - 1
        return (moving or streams)[0]

    def _check_header(self) -> None:
        context = self._stream.codec_context
        if context is None or context.width * context.height > MAX_PIXELS:
            self.close()
            raise PlateError("The video has no decoder or is too large.", where=self.path, fix="transcode it")
        # A stream may change its size at any frame: the decoder itself refuses what is larger.
        context.options = {**context.options, "max_pixels": str(MAX_PIXELS)}
        self._require_memory(context.width, context.height)
        self._stream.thread_type = "AUTO"

    def _require_memory(self, width: int, height: int) -> None:
        """Refuse a frame that does not fit: decoded, as 16 bits a channel, and twice as float32."""
        memory.require(width * height * 36, f"A frame of {width} × {height} pixels", where=self.path)

    def _index(self) -> tuple[list[int], list[int]]:
        """Times of all frames in the order shown, and of those to start decoding at; then rewind."""
        times: list[int] = []
        keys: list[int] = []
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_discard:
                    times.append(packet.pts if packet.pts is not None else -1)
                    if packet.is_keyframe and packet.pts is not None:
                        keys.append(packet.pts)
        except av.FFmpegError as exc:
            raise self._damaged(exc) from exc
        self._open()
        self._counted = len(set(times)) < len(times)
        if not times or self._counted or len(times) > MAX_FRAMES:
            return self._count()
        return sorted(times), sorted(keys)

    def _count(self) -> tuple[list[int], list[int]]:
        """Decode everything once; frames without time stamps are numbered by counting."""
        times: list[int] = []
        for decoded in self._frames_from_here():
            times.append(decoded.pts if decoded.pts is not None else -1)
            if len(times) > MAX_FRAMES:
                raise PlateError(f"The video has more than {MAX_FRAMES:,} frames.", where=self.path)
        self._open()
        if not times:
            raise PlateError("The video has no frame.", where=self.path, fix="export it again")
        self._counted = len(set(times)) < len(times) or times != sorted(times)
        return (list(range(len(times))) if self._counted else times), []

    def _probe(self) -> None:
        """Decode the first frame that can be: its properties hold for all of them."""
        decoded = next(self._decoder, None)
        if decoded is None:
            raise PlateError("No frame of the video can be decoded.", where=self.path, fix="export it again")
        self._leading = 0 if self._counted else bisect.bisect_left(self._times, decoded.pts or 0)
        self._held, self._next = (self._leading, decoded), self._leading + 1
        self._orientation = video_header.orientation_of(decoded)
        self.colour = video_header.colour_of(decoded, self._chosen)
        self._interlaced = bool(decoded.interlaced_frame)
        self._even = self._counted or video_header.is_even(self._times)
        self._aspect = video_header.pixel_aspect_of(self._stream)
        self._rate = video_header.rate_of(self._stream) if self._even else None
        text = video_header.time_code_text(self._container, self._stream)
        self._time_code = TimeCode.parse(text, self._rate) if self._rate else None
        width, height = decoded.width, decoded.height
        self._size = (height, width) if swaps_sides(self._orientation) else (width, height)
        if swaps_sides(self._orientation):
            self._aspect = 1 / self._aspect

    def _frames_from_here(self) -> Iterator[Any]:
        try:
            yield from self._container.decode(self._stream)
        except EOFError:
            return
        except (av.FFmpegError, ValueError) as exc:
            raise self._damaged(exc) from exc

    def _decode(self, index: int) -> Any:
        """The decoded frame at an index: forward from where the decoder stands, or from a key frame."""
        if self._held is not None and self._held[0] == index:
            return self._held[1]
        found = self._forward(index) if self._is_ahead(index) else None
        for start in self._starts(index):
            if found is not None:
                break
            self._rewind(start)
            found = self._forward(index)
        if found is None:
            raise PlateError(
                f"Frame {index + self._first} of the video cannot be decoded.",
                where=self.path,
                fix="export the video again",
            )
        self._held = (index, found)
        return found

    def _is_ahead(self, index: int) -> bool:
        """Whether to decode on from here: the frame is ahead, and no key frame between is worth a seek."""
        if index < self._next:
            return False
        behind = bisect.bisect_right(self._keys, self._times[index])
        return not behind or self._keys[behind - 1] <= self._times[self._next] or index - self._next < 8

    def _starts(self, index: int) -> Iterator[int | None]:
        """Where to start decoding: the last key frame before the index, the one before it, and the start."""
        behind = bisect.bisect_right(self._keys, self._times[index])
        yield from reversed(self._keys[max(0, behind - 2) : behind])
        yield None

    def _rewind(self, start: int | None) -> None:
        self._held = None
        if start is None or start <= self._times[0]:
            self._open()
            return
        try:
            self._container.seek(start, stream=self._stream, backward=True, any_frame=False)
        except av.FFmpegError:
            self._open()
            return
        self._decoder, self._next = self._frames_from_here(), -1

    def _forward(self, index: int) -> Any:
        """Decode on until the frame at `index` comes; None where it is passed or the file ends."""
        for decoded in self._decoder:
            if self._counted:
                position = self._next
            else:
                position = bisect.bisect_left(self._times, decoded.pts if decoded.pts is not None else -1)
            self._next = position + 1
            exact = self._counted or (position <= index and self._times[position] == decoded.pts)
            if position == index and exact:
                return decoded
            if position > index:
                return None
        self._next = len(self._times)
        return None

    def _convert(self, decoded: Any, index: int) -> Frame:
        deep = max((component.bits for component in decoded.format.components), default=8) > 8
        alpha = video_header.has_alpha(decoded)
        kind = ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")
        try:
            rgb = self._reformatter.reformat(
                decoded,
                format=kind,
                src_colorspace=video_header.matrix_of(decoded),
                src_color_range=ColorRange.JPEG if video_header.is_full(decoded) else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                interpolation=_FLAGS,
            )
            stored: NDArray[Any] = rgb.to_ndarray()
        except (av.FFmpegError, ValueError, MemoryError) as exc:
            raise self._damaged(exc) from exc
        pixels = stored.astype(np.float32)
        pixels /= np.float32(65535 if deep else 255)
        frame = Frame.from_rgb(
            upright(pixels, self._orientation),
            colour_space=self.colour.space,
            storage="uint16" if deep else "uint8",
        )
        return replace(
            frame,
            space_known=self.colour.known,
            premultiplied=not alpha,
            pixel_aspect=self._aspect,
            metadata=self._metadata(index),
        )

    def _metadata(self, index: int) -> dict[str, MetadataValue]:
        """Rate and time, in the attributes that EXR has for them."""
        said: dict[str, MetadataValue] = {}
        if self._rate is not None:
            said["FramesPerSecond"] = _typed("rational", (self._rate.numerator, self._rate.denominator))
        if self._time_code is not None:
            said["smpte:TimeCode"] = _typed("timecode", self._time_code.words(index))
        if not self._even:
            said["understudy:seconds"] = float((self._times[index] - self._times[0]) * self._stream.time_base)
        return said

    def _damaged(self, exc: Exception) -> PlateError:
        reason = getattr(exc, "strerror", None) or str(exc)
        return PlateError(
            f"The video cannot be read ({reason[:200]}).", where=self.path, fix="check it, or export it again"
        )


def _typed(kind: str, numbers: tuple[int, ...]) -> HeaderTuple[int]:
    """Numbers that know their type in a header."""
    made: HeaderTuple[int] = HeaderTuple(numbers)
    made.header_type = kind
    return made
