"""What the stages hand on for one face of one frame: prediction, mattes, inputs, and the swapped face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from understudy.comp.merge import paste
from understudy.face import align
from understudy.face.track.store import TrackedFace
from understudy.image.frame import Box, FloatImage, Frame
from understudy.swap.colour_statistics import ColourStatistics
from understudy.swap.colour_transform import ColourTransform


@dataclass(frozen=True)
class Prediction:
    """What the network predicts of one frame: all that compositing needs of it, at the network's size S.

    Attributes:
        face: (S, S, 3) the new face, encoded; beyond its matte its own colours are continued.
        matte: (S, S) the new face's matte, extended a little at the chin and over the brows' ends.
        destination_matte: (S, S) the matte of the plate's own face.
        plate: (S, S, 3) the plate's own face, encoded.
        reconstruction: (S, S, 3) the model's reconstruction of the plate's own face, encoded.
        landmarks: (68, 2) pixels of the plate.
        directed: (68, 2) pixels of the plate, where they lead the new face; the same where it only follows.
        predicted_landmarks: (68, 2) pixels of the new face, where its features lie.
        plate_to_aligned: (2, 3) matrix at S.
        grey_share: How far its colours were moved to grey, 1 for a grey plate.
    """

    face: FloatImage
    matte: FloatImage
    destination_matte: FloatImage
    plate: FloatImage
    reconstruction: FloatImage
    landmarks: FloatImage
    directed: FloatImage
    predicted_landmarks: FloatImage
    plate_to_aligned: np.ndarray
    grey_share: float = 0.0

    @property
    def size(self) -> int:
        """S."""
        return int(self.face.shape[0])

    def features(self, to_raster: np.ndarray) -> tuple[FloatImage, ...]:
        """(68, 2) pixels of a raster: the plate's own, and those that lead the new face where they differ.

        Args:
            to_raster: (2, 3) from the plate's pixels.
        """
        several = [self.landmarks] if self.directed is self.landmarks else [self.landmarks, self.directed]
        return tuple(align.transform(one, to_raster).astype(np.float32) for one in several)

    @property
    def nbytes(self) -> int:
        """Bytes it holds."""
        pictures = (self.face, self.matte, self.destination_matte, self.plate, self.reconstruction)
        return sum(one.nbytes for one in pictures)


@dataclass(frozen=True)
class MatteSet:
    """The mattes of one frame, aligned, at the working size W.

    Attributes:
        single: (W, W) every matte by its name, before it is combined; `roto` is the artist's.
        final: (W, W) the chosen ones combined, eroded and feathered, without the opacity.
        plate_to_aligned: (2, 3) matrix at W, as tracked.
        combined: (W, W) the chosen ones with the edges of single sides, before erode, feather and roto.
        chosen: Names of the mattes that are combined, without the roto.
        mode: How they are combined.
    """

    single: Mapping[str, FloatImage]
    final: FloatImage
    plate_to_aligned: np.ndarray
    combined: FloatImage
    chosen: tuple[str, ...]
    mode: str

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the mattes that are combined, the roto last; without any the whole square is covered."""
        return (*self.chosen, "roto") if "roto" in self.single else self.chosen

    @property
    def size(self) -> int:
        """W."""
        return int(self.final.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes it holds."""
        return self.final.nbytes + self.combined.nbytes + sum(one.nbytes for one in self.single.values())


@dataclass(frozen=True)
class SkinLayer:
    """What the performer's own frames add to a prediction, aligned, at the working size W.

    Attributes:
        rgb: (W, W, 3) the difference from the prediction at full strength, encoded units.
        confidence: (W, W) in 0..1; 0 where no frame of the performer agrees with the prediction.
    """

    rgb: FloatImage
    confidence: FloatImage

    @property
    def nbytes(self) -> int:
        """Bytes it holds."""
        return self.rgb.nbytes + self.confidence.nbytes


@dataclass(frozen=True)
class FrameInputs:
    """What one frame is made from.

    Attributes:
        number: The frame's number.
        frame: The plate's frame.
        near: The track's face on the frame before, on this one, and on the one after.
        prediction: None without a face in the frame.
        mattes: None like the prediction.
        statistics: Colours of this frame, averaged with its neighbours where that is asked for; None where
            nothing is matched, or where there is nothing to measure.
        notes: What a user should know of how the inputs were taken.
        skin: Detail from the performer's own frames; None where there is no bank or no room for it.
    """

    number: int
    frame: Frame
    near: tuple[TrackedFace | None, ...]
    prediction: Prediction | None
    mattes: MatteSet | None
    statistics: ColourStatistics | None
    notes: tuple[str, ...] = ()
    skin: SkinLayer | None = None


@dataclass(frozen=True)
class SwappedFace:
    """A new face, aligned, at its working size W, ready to be laid over the plate.

    Attributes:
        rgb: (W, W, 3) encoded, before its colours change, without the skin bank's detail.
        colours: How they change.
        mattes: Its mattes.
        opacity: 0..1.
        plate_to_aligned: (2, 3) matrix at W, the artist's own move included.
        path: The same at even steps while the shutter is open; empty where it does not blur.
        skin: (W, W, 3) what the skin bank's detail adds to `rgb` at full strength; None where there is none.
        skin_strength: How much of it is added, 0..1.
        confidence: (W, W) in 0..1, where it can be relied on; None like `skin`.
    """

    rgb: FloatImage
    colours: ColourTransform
    mattes: MatteSet
    opacity: float
    plate_to_aligned: np.ndarray
    path: tuple[np.ndarray, ...] = ()
    skin: FloatImage | None = None
    skin_strength: float = 0.0
    confidence: FloatImage | None = None

    @property
    def size(self) -> int:
        """W."""
        return int(self.rgb.shape[0])

    def finished(self) -> FloatImage:
        """(W, W, 3) encoded, matched, lit and graded."""
        if self.skin is None or self.skin_strength == 0:
            return self.colours.apply(self.rgb)
        return self.colours.apply(self.rgb + np.float32(self.skin_strength) * self.skin)

    def box(self, window: Box, *, covered_only: bool = False) -> Box:
        """The rectangle of the plate within `window` that the face, or what its matte covers, can reach."""
        area = Box(0, 0, self.size, self.size)
        places = self._to_plate()
        if covered_only:
            area = paste.covered(self.mattes.final, margin=paste.reach_px(places[0], self.size))
        boxes = [paste.paste_box(to_plate, area, window) for to_plate in places]
        present = [box for box in boxes if not box.empty] or boxes[:1]
        return Box(
            min(box.x0 for box in present),
            min(box.y0 for box in present),
            max(box.x1 for box in present),
            max(box.y1 for box in present),
        )

    def warp_colours(self, encoded: FloatImage, box: Box) -> FloatImage:
        """An aligned picture warped into the rectangle."""
        return self._warp(encoded, box, "cubic")

    def warp_matte(self, aligned: FloatImage, box: Box) -> FloatImage:
        """An aligned matte warped into the rectangle."""
        return self._warp(aligned, box, "linear")

    def _to_plate(self) -> list[np.ndarray]:
        return [align.invert(matrix) for matrix in self.path or (self.plate_to_aligned,)]

    def _warp(self, aligned: FloatImage, box: Box, interpolation: str) -> FloatImage:
        places = self._to_plate()
        total = paste.warp_to_box(aligned, places[0], box, interpolation)
        for to_plate in places[1:]:
            total += paste.warp_to_box(aligned, to_plate, box, interpolation)
        return np.asarray(total / np.float32(len(places)), np.float32)
