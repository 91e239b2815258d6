"""A job's plate, track, model and matte, opened: what each of its frames is made from.

Everything that a knob does not change is kept between runs: read frames, what the network drew, mattes, and
what a frame says about colour.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.comp.mattes import brows, matte
from understudy.comp.merge import edge_extend
from understudy.core.cache import stamp_of
from understudy.core.errors import UnderstudyError
from understudy.face import align
from understudy.face.crop import cut, face_box
from understudy.face.track.smooth import is_cut
from understudy.face.track.store import FaceTrack, TrackedFace
from understudy.image.frame import Frame
from understudy.image.plate import Plate
from understudy.inference.model import Model
from understudy.swap import colour_statistics, recipe
from understudy.swap.cache import RenderCache
from understudy.swap.colour_statistics import Evidence
from understudy.swap.frame_data import Drawn, Moment, Shape
from understudy.swap.job import SwapJob

_OF_THE_SHAPE = ("matte_", "erode", "feather", "box_")
# How far the new face's matte goes on below its chin, as a share of the aligned face's edge. The landmarks it
# was learned from end on the chin; what makes it a chin is the dark below it, and that is on a neck.
_CHIN = 0.015
_OF_THE_EVIDENCE = ("colour_method", "light_radius_percent")


@dataclass(frozen=True)
class Footage:
    """What a job's frames are made from.

    Attributes:
        job: With its keyframes.
        plate, track, model: Opened.
        roto: The artist's own matte, if there is one.
        warm: What is kept.
    """

    job: SwapJob
    plate: Plate
    track: FaceTrack
    model: Model
    roto: Plate | None
    warm: RenderCache

    def moment(self, number: int) -> Moment:
        """All of one frame.

        Raises:
            PlateError: the frame cannot be read.
            ModelError: the network fails on it.
        """
        frame = self._frame(number)
        near = tuple(self.track.faces.get(number + step) for step in (-1, 0, 1))
        drawn = self._drawn(number)
        if drawn is None:
            return Moment(number, frame, near, None, None, None)
        return Moment(number, frame, near, drawn, self._shape(number, drawn), self._pooled(number))

    def around(self, number: int) -> Sequence[int]:
        """The frames whose colours may count on one frame, itself included, by the track alone."""
        reach, faces = self.job.at(number).temporal_window, self.track.faces
        found = [number]
        for step in (-1, 1):
            for frame in range(number + step, number + step * (reach + 1), step):
                before, after = faces.get(frame - step), faces.get(frame)
                if before is None or after is None or is_cut(before, after):
                    break
                found.append(frame)
        return sorted(found)

    def inputs(self, number: int) -> dict[str, Any]:
        """What of files, track and model a frame depends on, as plain values."""
        job = self.job.at(number)
        near = {number - 1, number, number + 1} if job.motion_blur else {number}
        around, roto = self.around(number), self.roto
        faces = [self.track.faces.get(frame) for frame in sorted(near | set(around))]
        return {
            "plate": [stamp_of(self.plate.file(frame)) for frame in around],
            "roto": None if roto is None else [stamp_of(roto.file(frame)) for frame in around],
            "faces": ["" if one is None else one.landmarks_digest for one in faces],
            "model": self.model.card.sha256,
        }

    def _frame(self, number: int) -> Frame:
        return self.warm.frame(self.plate, number, self.job.colour_space)

    def _face(self, number: int) -> TrackedFace | None:
        return self.track.faces.get(number)

    def _drawn(self, number: int) -> Drawn | None:
        face = self._face(number)
        if face is None:
            return None
        return self.warm.drawn.get(
            self._key(number),
            lambda: draw(self._frame(number), face, self.model, self.job.at(number)),
            lambda drawn: drawn.nbytes if drawn else 0,
        )

    def _shape(self, number: int, drawn: Drawn) -> Shape:
        roto = None if self.roto is None else self.warm.frame(self.roto, number, None)
        key = self._key(number, *_OF_THE_SHAPE)
        return self.warm.shapes.get(
            key, lambda: recipe.shape(self.job.at(number), drawn, roto), lambda made: made.nbytes
        )

    def _evidence(self, number: int) -> Evidence | None:
        """What one frame says about colour."""
        drawn = self._drawn(number)
        if drawn is None:
            return None
        job = self.job.at(number)

        def gather() -> Evidence | None:
            covered = recipe.resize(self._shape(number, drawn).final, drawn.size)
            return colour_statistics.gather(job, drawn.face, drawn.plate, covered, drawn.aligned)

        asked = (job.temporal_window > 0, job.light_strength > 0, job.colour_method == "none")
        key = (self._key(number, *_OF_THE_SHAPE, *_OF_THE_EVIDENCE), asked)
        return self.warm.evidence.get(key, gather, lambda seen: seen.nbytes if seen else 0)

    def _pooled(self, number: int) -> Evidence | None:
        """What a frame and its neighbours say: those further away say less, and none beyond a cut."""
        own = self._evidence(number)
        reach = self.job.at(number).temporal_window
        if own is None or reach == 0:
            return own
        frames = self.around(number)
        seen, weights = [own], [1.0]
        for side in (frames[: frames.index(number)][::-1], frames[frames.index(number) + 1 :]):
            before = own
            for frame in side:
                after = self._neighbour(frame)
                if after is None or colour_statistics.apart(before, after):
                    break
                seen.append(after)
                weights.append(1 - abs(frame - number) / (reach + 1))
                before = after
        return colour_statistics.pooled(seen, weights)

    def _neighbour(self, number: int) -> Evidence | None:
        """A neighbour's evidence; None where it cannot be had, which is told when its own turn comes."""
        if number not in self.plate.frames:
            return None
        try:
            return self._evidence(number)
        except UnderstudyError:
            return None

    def _key(self, number: int, *fields: str) -> Hashable:
        """What the network's drawing depends on, and the values of the fields that begin so."""
        job, face = self.job.at(number), self._face(number)
        values = {
            name: getattr(job, name) for name in type(job).model_fields if fields and name.startswith(fields)
        }
        return (
            stamp_of(self.plate.file(number)),
            None if self.roto is None or not fields else stamp_of(self.roto.file(number)),
            number,
            None if face is None else face.landmarks_digest,
            self.model.card.sha256,
            (job.colour_space, job.source, job.identity_mix),
            tuple(values.items()),
        )


def draw(frame: Frame, face: TrackedFace, model: Model, job: SwapJob) -> Drawn | None:
    """What needs the network: cut the face out, swap it. None where the face misses the frame."""
    card = model.card
    to_network = align.plate_to_aligned(face.landmarks, coverage=card.coverage, size=card.size)
    if face_box(to_network, card.size, frame.data_window).empty:
        return None
    plate_face = cut(frame, to_network, card.size)
    aligned = align.transform(face.landmarks, to_network).astype(np.float32)
    mix = job.identity_mix / 100
    swapped = model.swap(plate_face[None], aligned[None], source=job.source, identity_mix=mix)
    below = matte.trim(swapped.matte[0], top=0, bottom=-_CHIN * card.size, left=0, right=0)
    covered = np.maximum(below, np.float32(mix) * brows.ends(aligned, card.size))
    return Drawn(
        edge_extend.extended(swapped.face[0], covered),
        covered,
        swapped.own_matte[0],
        plate_face,
        swapped.own_face[0],
        face.landmarks,
        swapped.landmarks[0],
        to_network,
    )
