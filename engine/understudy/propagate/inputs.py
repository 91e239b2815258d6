"""The inputs of a propagation, opened: plate, frames that were painted on, mattes, painted keyframes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core.cache import LruCache
from understudy.core.content import ContentHashes
from understudy.core.errors import JobError, PlateError
from understudy.core.progress import Reporter, Warned
from understudy.face.crop import encoded_within, finite, matte_within
from understudy.face.track.on_raster import on_raster
from understudy.face.track.store import FaceTrack, TrackedFace
from understudy.image import colour
from understudy.image.frame import Box, FloatImage, Frame
from understudy.image.plate import Plate
from understudy.image.raster import Raster, on_plate
from understudy.jobs.propagation import PropagateJob
from understudy.patch.boxes import bounds, dilate
from understudy.patch.paint import gain_of
from understudy.patch.state import FramePatch, Keyframe
from understudy.propagate.painting import read_painting

# The difference, in encoded units, from which a pixel counts as painted: two levels of 255, so that the
# rounding of an 8-bit file does not.
_PAINTED = 0.004
_SOFT_EDGE_PX = 2
# The next frame reads this one again: room for six frames of 4K RGB.
_FRAME_BYTES = 6 * 110 * 2**20
_THUMBNAIL_PX, _THUMBNAIL_BYTES = 192, 2**21


@dataclass
class PropagationInputs:
    """The inputs of a propagation job.

    Attributes:
        job: Its options.
        plate: The plate.
        swapped: The frames that were painted on; None where that is the plate.
        matte: What a clean-up removes; None where a change is propagated.
        fix: The painted keyframes.
        track: The face's track, if there is one.
        contents: Digests of the files.
    """

    job: PropagateJob
    plate: Plate
    swapped: Plate | None
    matte: Plate | None
    fix: Plate
    track: FaceTrack | None
    contents: ContentHashes
    _kept: LruCache[Frame] = field(default_factory=lambda: LruCache(_FRAME_BYTES))
    _thumbnails: LruCache[FloatImage] = field(default_factory=lambda: LruCache(_THUMBNAIL_BYTES))
    _digests: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, Plate | None]:
        """Every sequence that is read, by the name that messages give it."""
        return {"plate": self.plate, "matte": self.matte, "swapped frame": self.swapped, "keyframe": self.fix}

    def base(self, number: int) -> Frame:
        """The frame that the fix goes over."""
        plate = self._read(self.plate, number)
        if self.swapped is None:
            return plate
        return on_plate(self._read(self.swapped, number), Raster.of(plate), "swapped frame")

    def face(self, number: int) -> TrackedFace | None:
        """The track's face in the pixels of the plate's frame; None where there is none."""
        found = None if self.track is None else self.track.faces.get(number)
        if found is None or self.track is None or self.track.raster is None:
            return found
        raster = Raster.of(self._read(self.plate, number))
        return on_raster(found, self.track.raster, raster, self.plate.where(number))

    def window(self, number: int) -> Box:
        """The intersection of the data windows of the plate and of the frame that was painted on."""
        window = self._read(self.plate, number).data_window
        return window if self.swapped is None else window.intersect(self.base(number).data_window)

    def require_same_raster(self, number: int, last: int) -> None:
        """Stop where a fix would go from one size of the plate to another.

        Raises:
            PlateError: two frames of the plate differ in size, place or pixel aspect.
        """
        here, there = (Raster.of(self._read(self.plate, one)) for one in (number, last))
        if here != there:
            raise PlateError(
                f"Frame {number} is {here}, frame {last} {there}: a fix does not go from one to the other.",
                where=self.plate.where(number),
                fix="paint a keyframe among the frames of each size",
            )

    @cached_property
    def extent_px(self) -> float:
        """The plate's longer edge."""
        display = self._read(self.plate, self.plate.frames.first).display_window
        return float(max(display.width, display.height))

    def matte_box(self, number: int) -> Box:
        """The bounds of the frame's matte; empty where the matte is."""
        window = self.window(number)
        matte = self._matte(number, window)
        return bounds(np.zeros((1, 1), bool) if matte is None else matte > 0, window)

    def thumbnail(self, number: int) -> FloatImage:
        """The plate's whole frame, encoded, at most 192 pixels wide or high."""
        return self._thumbnails.get(number, lambda: self._reduced(number), lambda made: made.nbytes)

    def _reduced(self, number: int) -> FloatImage:
        frame = self._read(self.plate, number)
        height, width = frame.pixels.shape[:2]
        part = _THUMBNAIL_PX / max(height, width, _THUMBNAIL_PX)
        size = (max(8, round(width * part)), max(8, round(height * part)))
        small = cv2.resize(finite(frame.rgb()), size, interpolation=cv2.INTER_AREA)
        return colour.encode(np.ascontiguousarray(small, np.float32), frame.colour_space)

    def frame_patch(self, number: int, box: Box) -> FramePatch:
        """One frame's pixels in a box."""
        plate = _encoded(self._read(self.plate, number), box)
        base = plate if self.swapped is None else _encoded(self.base(number), box)
        matte = self._matte(number, box)
        if matte is None:
            return FramePatch(number, box, base, plate, None, np.zeros(plate.shape[:2], bool))
        wide = dilate(matte > 0, self.job.matte_grow_px)
        return FramePatch(number, box, base, plate, _softened(wide, self.job.matte_grow_px), wide)

    def keyframe(self, number: int, margin_px: int, report: Reporter) -> Keyframe:
        """One painted keyframe, with a margin round what was painted.

        Raises:
            PlateError: the keyframe cannot be read, or differs from the plate in size or pixel aspect.
            JobError: nothing is painted on it.
        """
        fix, base, window = self._read(self.fix, number), self.base(number), self.window(number)
        if fix.display_window != base.display_window or fix.pixel_aspect != base.pixel_aspect:
            raise PlateError(
                f"The keyframe is {_size(fix)}, the frame it was painted on {_size(base)}.",
                where=self.fix.where(number),
                fix="write the keyframe in the size and format of the plate",
            )
        painting = read_painting(fix, base, window)
        if painting.bad:
            message = f"{painting.bad} pixels of the keyframe are NaN or infinite and count as unpainted."
            report(Warned(message, number))
        style, alpha = painting.encoded, painting.alpha
        patch = self.frame_patch(number, window)
        cover = alpha if alpha is not None else _difference(style, patch.base)
        if not (cover > 0).any():
            raise JobError(
                "Nothing is painted on the keyframe: it is the same as the frame it was painted on.",
                where=self.fix.where(number),
                fix="paint on it, or name the frames that it was painted on with `swapped`",
            )
        # A clean-up may need any part of the keyframe; a change only its surroundings.
        box = window if self.matte else bounds(cover > 0, window).grow(2 * margin_px).intersect(window)
        return _keyframe(number, box, window, style, patch, cover)

    def digests(self, plate: Plate | None, numbers: Iterable[int]) -> list[tuple[int, str]]:
        """Frame numbers of a sequence, with the digests of their files' contents."""
        if plate is None:
            return []
        there = [number for number in numbers if number in plate.frames]
        for number in there:
            place = (plate.name, number)
            if place not in self._digests:
                held = self.contents.of(plate.file(number))
                self._digests[place] = f"{held} {plate.meaning}" if plate.meaning else held
        return [(number, self._digests[plate.name, number]) for number in there]

    def _matte(self, number: int, box: Box) -> FloatImage | None:
        """The frame's matte over a box; None where the job has no matte, zeros where the frame has none."""
        if self.matte is None:
            return None
        covered = np.zeros((box.height, box.width), np.float32)
        if number not in self.matte.frames:
            return covered
        plate = Raster.of(self._read(self.plate, number))
        frame = on_plate(self.job.reading.matte(self._read(self.matte, number)), plate, "matte")
        inside = frame.data_window.intersect(box)
        if not inside.empty:
            covered[inside.slices(box)] = matte_within(frame, inside)
        return covered

    def _read(self, plate: Plate, number: int) -> Frame:
        """A frame, through a small cache."""
        place = (plate.name, number)
        return self._kept.get(place, lambda: plate.read(number), lambda frame: frame.pixels.nbytes)


def keyframes(fix: Plate, plate: Plate) -> tuple[int, ...]:
    """The painted frames that the plate has, too.

    Raises:
        JobError: there is none.
    """
    found = tuple(number for number in fix.frames if number in plate.frames)
    if not found:
        raise JobError(
            f"No keyframe is of a frame of the plate: {fix.frames} painted, {plate.frames} in the plate.",
            where=fix.name,
            fix="name the keyframe by its frame, such as fix.1017.exr",
        )
    return found


def _encoded(frame: Frame, box: Box) -> FloatImage:
    return encoded_within(frame, *box.slices(frame.data_window))


def _keyframe(
    number: int, box: Box, window: Box, style: FloatImage, patch: FramePatch, cover: FloatImage
) -> Keyframe:
    rows, columns = box.slices(window)
    painted, base = (np.ascontiguousarray(one[rows, columns]) for one in (style, patch.base))
    same = patch.base is patch.plate
    plate = base if same else np.ascontiguousarray(patch.plate[rows, columns])
    if patch.matte is not None:
        # In a clean-up motion under the paint is not measured, and round it the painted picture is the plate.
        base = plate = painted
    part = np.ascontiguousarray(cover[rows, columns])
    return Keyframe(number, box, painted, base, plate, part, gain_of(painted, base))


def _difference(style: FloatImage, base: FloatImage) -> FloatImage:
    """(H, W) float32 in 0..1: where the painted picture differs from the one below, with a soft edge."""
    painted: NDArray[np.bool_] = np.abs(style - base).max(axis=2) > _PAINTED
    wide = dilate(painted, 2 * _SOFT_EDGE_PX).astype(np.float32)
    return np.asarray(np.maximum(painted, cv2.blur(wide, (2 * _SOFT_EDGE_PX + 1,) * 2)), np.float32)


def _softened(hidden: NDArray[np.bool_], border_px: int) -> FloatImage:
    """A clean-up's cover: 1 over the matte, with a soft edge inside its border."""
    if border_px == 0:
        return hidden.astype(np.float32)
    edge = 2 * (border_px // 2) + 1
    inner = cv2.erode(hidden.astype(np.float32), np.ones((edge, edge), np.uint8))
    return np.asarray(cv2.blur(inner, (edge, edge)), np.float32)


def _size(frame: Frame) -> str:
    window = frame.display_window
    aspect = "" if frame.pixel_aspect == 1 else f" with pixels {frame.pixel_aspect:g} wide"
    return f"{window.width}×{window.height}{aspect}"
