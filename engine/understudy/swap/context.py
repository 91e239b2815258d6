"""A job's plate, track, model and roto, opened: what each of its frames is made from, and what is kept.

What a stage's result depends on is read off its declaration: its parameters and those of the stages before
it, and what these read of plate, track, model and roto. That gives the key under which a result is kept, and
what a frame's digest holds. Another thing to read is a word of `Reads` and its line in `_fingerprint`;
several faces of one job are several contexts over the same plate.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.cache import stamp_of
from understudy.core.content import ContentHashes
from understudy.core.errors import UnderstudyError
from understudy.face.track.on_raster import note_on, on_raster
from understudy.face.track.smooth import is_cut
from understudy.face.track.store import FaceTrack, TrackedFace
from understudy.image.frame import Frame
from understudy.image.plate import Plate
from understudy.image.raster import Raster, on_plate
from understudy.inference.predictor import Predictor
from understudy.swap.cache import RenderCache, Scores
from understudy.swap.colour_statistics import ColourStatistics
from understudy.swap.declare import Reads, Stage
from understudy.swap.frame_data import FrameInputs, MatteSet, Prediction, SkinLayer
from understudy.swap.job import SwapJob
from understudy.swap.recipe import STAGES
from understudy.swap.resize import resize
from understudy.swap.skin import choose
from understudy.swap.skin.opened import OpenBank
from understudy.swap.stages import acting, average, mattes, measure, predict, skin
from understudy.swap.stages.acting import ActingParameters
from understudy.swap.stages.average import AverageParameters
from understudy.swap.stages.mattes import MatteParameters
from understudy.swap.stages.measure import MeasureParameters
from understudy.swap.stages.predict import PredictParameters
from understudy.swap.stages.skin import SkinParameters


@dataclass(frozen=True)
class SwapContext:
    """What a job's frames are made from: one face, put in by one model.

    Attributes:
        job: With its keyframes.
        plate, track, model: Opened.
        roto: The artist's own matte, if there is one.
        cache: What is kept.
        contents: Digests of the files.
        bank: The model's skin bank, None where there is none or none is used.

    Convention:
        What a frame is made from is in that frame's own raster: a track of another size of the plate is
        scaled to it, frame by frame.
    """

    job: SwapJob
    plate: Plate
    track: FaceTrack
    model: Predictor
    roto: Plate | None
    cache: RenderCache
    contents: ContentHashes
    bank: OpenBank | None = None

    def frame_inputs(self, number: int) -> FrameInputs:
        """All that one frame is made from.

        Raises:
            PlateError: the frame cannot be read.
            ModelError: the network fails on it.
        """
        frame = self._frame(number)
        near = tuple(self._face(number + step, frame) for step in (-1, 0, 1))
        note = note_on(self.track.faces, self.track.raster, Raster.of(frame))
        notes = (*frame.notes, *((note,) if note else ()))
        prediction = self._prediction(number)
        if prediction is None:
            return FrameInputs(number, frame, near, None, None, None, notes)
        made, skin_layer = self._mattes(number, prediction), None
        if self.bank is not None:
            skin_layer = self._skin(number, prediction, self.bank)
        seen = self._averaged(number)
        return FrameInputs(number, frame, near, prediction, made, seen, notes, skin_layer)

    def inputs(self, number: int) -> dict[str, Any]:
        """What of files, track and model a frame depends on, as plain values, by what is read.

        They say what the files hold: neither a path nor a time.
        """
        frames: dict[Reads, set[int]] = {}
        for stage in STAGES:
            reach = self._reach(stage, number)
            around = range(number - reach, number + reach + 1)
            for what in stage.reads:
                frames.setdefault(what, set()).update(
                    around if stage.crosses_cuts else self.around(number, reach)
                )
        return {
            what.value: [
                (one - number, self._fingerprint(what, one, self.contents.of)) for one in sorted(read)
            ]
            for what, read in frames.items()
        }

    def neighbours_values(self, number: int) -> list[tuple[int, dict[str, Any]]]:
        """What keyframes make of a frame's neighbours where its result depends on them, by their distance.

        Only parameters that neighbours are averaged or chosen by; empty where nothing of that moves.
        """
        if not self.job.keyframes:
            return []
        reaches = {
            measure.STAGE: self.job.at(number).of(AverageParameters).temporal_window,
            predict.STAGE: self._reach(skin.STAGE, number),
        }
        found: dict[int, dict[str, Any]] = {}
        for stage, reach in reaches.items():
            names = {name for one in stage.with_earlier for name in one.parameters.model_fields}
            moving = sorted(names & set(self.job.keyframes))
            for one in self.around(number, reach) if moving else ():
                if one != number:
                    job = self.job.at(one)
                    found.setdefault(one - number, {}).update({name: getattr(job, name) for name in moving})
        return sorted(found.items())

    def _reach(self, stage: Stage, number: int) -> int:
        """How many frames on each side a stage reads; without a bank skin reads none."""
        unused = stage is skin.STAGE and self.bank is None
        return 0 if unused else stage.reach(self.job.at(number).of(stage.parameters))

    def around(self, number: int, reach: int) -> Sequence[int]:
        """The frames up to `reach` away that belong to one frame's take, itself included, by the track."""
        faces, found = self.track.faces, [number]
        for step in (-1, 1):
            for frame in range(number + step, number + step * (reach + 1), step):
                before, after = faces.get(frame - step), faces.get(frame)
                if before is None or after is None or is_cut(before, after):
                    break
                found.append(frame)
        return sorted(found)

    def _frame(self, number: int) -> Frame:
        return self.cache.frame(self.plate, number, self.job.colour_space)

    def _face(self, number: int, frame: Frame) -> TrackedFace | None:
        """The track's face on a frame, in the raster of a frame that may be another."""
        face = self.track.faces.get(number)
        return face and on_raster(face, self.track.raster, Raster.of(frame), frame.origin)

    def _prediction(self, number: int) -> Prediction | None:
        if number not in self.track.faces:
            return None
        face = self._face(number, self._frame(number))
        assert face is not None
        job = self.job.at(number)

        def predicted() -> Prediction | None:
            frame = self._frame(number)
            directed = acting.directed(job.of(ActingParameters), face.landmarks, frame.pixel_aspect)
            parameters = job.of(PredictParameters)
            return predict.predict(parameters, frame, face.landmarks, directed, self.model)

        return self.cache.predictions.get(
            self._key(predict.STAGE, number),
            predicted,
            lambda prediction: prediction.nbytes if prediction else 0,
        )

    def _mattes(self, number: int, prediction: Prediction) -> MatteSet:
        frame, roto = self._frame(number), None
        if self.roto is not None:
            whole = self.cache.frame(self.roto, number, None)
            roto = on_plate(self.job.reading.matte(whole), Raster.of(frame), "roto")
        parameters = self.job.at(number).of(MatteParameters)
        return self.cache.mattes.get(
            self._key(mattes.STAGE, number),
            lambda: mattes.build(parameters, prediction, roto, frame.data_window),
            lambda made: made.nbytes,
        )

    def _skin(self, number: int, prediction: Prediction, bank: OpenBank) -> SkinLayer | None:
        """Detail from the performer's own frames; None where it is off, or the plate has no room for it."""
        parameters = self.job.at(number).of(SkinParameters)
        size = mattes.working_size(prediction.plate_to_aligned, prediction.size)
        if parameters.skin == 0 or size == prediction.size or not np.isfinite(prediction.face).all():
            return None

        around = self.around(number, skin.REACH)

        def made() -> SkinLayer:
            several = [(one, self._skin_scores(one, bank)) for one in around]
            there = [(number - one, found) for one, found in several if found is not None]
            weights = [1 - abs(apart) / (skin.REACH + 1) for apart, _ in there]
            candidates = choose.chosen(choose.average([found for _, found in there], weights))
            mix = self.job.at(number).of(PredictParameters).identity_mix
            crops, coverage = [bank.crop(one.index) for one in candidates], bank.bank.coverage
            return skin.layer(parameters, prediction, candidates, crops, coverage, size, identity_mix=mix)

        near = tuple(self._key(predict.STAGE, one) for one in around if one in self.plate.frames)
        return self.cache.skin.get((self._key(skin.STAGE, number), near), made, lambda layer: layer.nbytes)

    def _skin_scores(self, number: int, bank: OpenBank) -> Scores | None:
        """How the bank's faces differ from one frame's prediction; None where there is none."""
        if number not in self.plate.frames:
            return None

        def scored() -> Scores | None:
            try:
                prediction = self._prediction(number)
            except UnderstudyError:
                return None  # told when the frame's own turn comes
            return None if prediction is None else skin.scores(prediction, bank.known)

        key = (self._key(predict.STAGE, number), bank.bank.digest)
        return self.cache.skin_scores.get(key, scored, lambda found: 0 if found is None else found.nbytes)

    def _statistics(self, number: int) -> ColourStatistics | None:
        """What is measured of one frame."""
        prediction = self._prediction(number)
        if prediction is None:
            return None
        parameters = self.job.at(number).of(MeasureParameters)

        def measured() -> ColourStatistics | None:
            covered = resize(self._mattes(number, prediction).final, prediction.size)
            return measure.measure(parameters, prediction, covered)

        key = self._key(measure.STAGE, number)
        return self.cache.statistics.get(key, measured, lambda seen: seen.nbytes if seen else 0)

    def _averaged(self, number: int) -> ColourStatistics | None:
        """What is measured of a frame and its neighbours: those further away weigh less."""
        job = self.job.at(number)
        reach = job.of(AverageParameters).temporal_window
        if reach == 0 and job.colour_method == "none" and job.light_strength == 0:
            return None  # nothing is matched: nothing has to be measured
        here = self._statistics(number)
        if here is None or reach == 0:
            return here
        frames = self.around(number, reach)
        several, weights = [here], [1.0]
        for side in (frames[: frames.index(number)][::-1], frames[frames.index(number) + 1 :]):
            before = here
            for frame in side:
                after = self._neighbour(frame)
                if after is None or average.is_break(before, after):
                    break
                several.append(after)
                weights.append(1 - abs(frame - number) / (reach + 1))
                before = after
        return average.average(several, weights)

    def _neighbour(self, number: int) -> ColourStatistics | None:
        """A neighbour's statistics; None where there are none, which is told when its own turn comes."""
        if number not in self.plate.frames:
            return None
        try:
            return self._statistics(number)
        except UnderstudyError:
            return None

    def _model_facts(self) -> tuple[str, ...]:
        """The exported file's content, and what its card says of the frame: whose face, how it is cut."""
        card = self.model.card
        source = self.job.source or card.source
        release = card.releases.get(source, "")
        return (card.sha256, source, card.destination, release, str(card.size), card.coverage, card.encoding)

    def _key(self, stage: Stage, number: int) -> Hashable:
        """What a stage's result on one frame depends on."""
        job, stages = self.job.at(number), stage.with_earlier
        values = tuple(tuple(dict(job.of(one.parameters)).items()) for one in stages)
        read = sorted({what for one in stages for what in one.reads})
        return (number, values, tuple(self._fingerprint(what, number, stamp_of) for what in read))

    def _fingerprint(self, what: Reads, number: int, of_file: Callable[[Path], Any]) -> Any:
        """Plain values that change when what is read of a frame does; `of_file` gives those of a file."""
        match what:
            case Reads.PLATE:
                file = of_file(self.plate.file(number))
                return (file, self.job.colour_space, *filter(None, [self.plate.meaning]))
            case Reads.TRACK:
                face = self.track.faces.get(number)
                if face is None or self.track.raster is None:
                    return None if face is None else face.landmarks_digest
                return (face.landmarks_digest, self.track.raster.as_text())
            case Reads.MODEL:
                return self._model_facts()
            case Reads.SKIN_BANK:
                return None if self.bank is None else self.bank.bank.digest
            case Reads.ROTO:
                return None if self.roto is None else of_file(self.roto.file(number))
