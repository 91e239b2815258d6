"""The render cache: what a process that runs many jobs keeps between them.

Read frames, predictions, mattes and statistics, each under everything it was made from (`context.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from understudy.core.cache import LruCache, Stamp, stamp_of
from understudy.core.settings import PREDICTION_SECONDS
from understudy.image.frame import Frame
from understudy.image.plate import Plate
from understudy.inference.card import card_path
from understudy.inference.predictor import Predictor
from understudy.swap.colour_statistics import ColourStatistics
from understudy.swap.frame_data import MatteSet, Prediction, SkinLayer
from understudy.swap.job import SwapJob
from understudy.swap.skin.opened import OpenBank

# Some twenty frames of 4K RGB, or eighty of HD, and some hundred faces of 512 pixels: a knob is turned on one
# frame, or on a few.
FRAME_BYTES = 2 * 2**30
FACE_BYTES = 2**30
STATISTICS_BYTES = 2**27

Scores = NDArray[np.float32]


class RenderCache:
    """The last job's open models, the last frames, and the last results of the stages that keep theirs.

    A changed file is read again: everything is kept under its file's size and time. Kept frames cannot be
    written to, as every later run sees them.

    Attributes:
        frames: Of plates and rotos.
        predictions, mattes, statistics, skin: What the stages `predict`, `mattes`, `measure` and `skin` gave.
        skin_scores: How the faces of a skin bank differ from a prediction.
    """

    def __init__(self, frame_bytes: int = FRAME_BYTES, face_bytes: int = FACE_BYTES) -> None:
        self._models: dict[tuple[Stamp, Stamp, str], Predictor] = {}
        self.frames: LruCache[Frame] = LruCache(frame_bytes)
        self.predictions: LruCache[Prediction | None] = LruCache(face_bytes)
        self.mattes: LruCache[MatteSet] = LruCache(face_bytes)
        self.statistics: LruCache[ColourStatistics | None] = LruCache(STATISTICS_BYTES)
        self.skin_scores: LruCache[Scores | None] = LruCache(STATISTICS_BYTES)
        self.skin: LruCache[SkinLayer] = LruCache(face_bytes)
        self._banks: dict[Stamp, OpenBank] = {}

    @classmethod
    def for_one_run(cls, job: SwapJob) -> RenderCache:
        """What a run keeps that nobody comes after: nothing, but for neighbours and for several faces."""
        if job.temporal_window == 0 and not job.takes_skin and len(job.faces) < 2:
            return cls(frame_bytes=0, face_bytes=0)
        return cls(frame_bytes=FRAME_BYTES // 2, face_bytes=FACE_BYTES // 2)

    def models(
        self, paths: Sequence[Path], device: str, threads: int, seconds: float = PREDICTION_SECONDS
    ) -> list[Predictor]:
        """The models of .onnx files, each opened once and where it is not open yet; others are let go.

        Args:
            paths: The files.
            device, threads, seconds: As `Predictor.open` takes them.

        Raises:
            ModelError: one cannot be opened.
        """
        keys = [(stamp_of(path), stamp_of(card_path(path)), device) for path in paths]
        # Models are large: the old ones go before new ones come.
        self._models = {key: model for key, model in self._models.items() if key in keys}
        for key, path in zip(keys, paths, strict=True):
            if key not in self._models:
                self._models[key] = Predictor.open(path, device=device, threads=threads, seconds=seconds)
        return [self._models[key] for key in keys]

    def banks(self, paths: Sequence[Path]) -> list[OpenBank | None]:
        """The skin banks of these files, None for one that is not there; others are let go.

        Raises:
            FaceError: one cannot be read.
        """
        stamps = [stamp_of(path) for path in paths]
        self._banks = {stamp: bank for stamp, bank in self._banks.items() if stamp in stamps}
        for stamp, path in zip(stamps, paths, strict=True):
            if stamp not in self._banks and path.exists():
                self._banks[stamp] = OpenBank.open(path)
        return [self._banks.get(stamp) for stamp in stamps]

    def frame(self, plate: Plate, number: int, colour_space: str | None) -> Frame:
        """A plate's frame, read where it is not kept.

        Args:
            plate: Opened.
            number: The frame's number.
            colour_space: What the plate was opened with.

        Raises:
            PlateError: it cannot be read.
        """

        def read() -> Frame:
            frame = plate.read(number)
            frame.pixels.flags.writeable = False
            return frame

        key = (stamp_of(plate.file(number)), number, colour_space, plate.meaning)
        return self.frames.get(key, read, lambda frame: frame.pixels.nbytes)
