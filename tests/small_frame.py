"""A small frame and a network that answers at once, for the recipe without a model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np

from understudy.face.template import BASE
from understudy.face.track.smooth import TrackedFace
from understudy.image.frame import FloatImage, Frame
from understudy.inference.predictor import PredictedFaces, Predictor
from understudy.swap import pipeline
from understudy.swap.frame_data import FrameInputs, SwappedFace
from understudy.swap.job import SwapJob
from understudy.swap.resize import resize
from understudy.swap.stages import acting, mattes, measure, predict
from understudy.swap.stages.acting import ActingParameters
from understudy.swap.stages.mattes import MatteParameters
from understudy.swap.stages.measure import MeasureParameters
from understudy.swap.stages.predict import PredictParameters

EDGE = 48
NEEDED = {"plate": "a.%04d.exr", "track": "a.track", "model": "a.onnx", "output": "b.%04d.exr"}


def network(seed: int) -> Predictor:
    """A model that answers at once, with smooth pictures."""
    random = np.random.default_rng(seed)
    faces = [
        cv2.GaussianBlur(random.normal(0.4, 0.3, (EDGE, EDGE, 3)).astype(np.float32), (0, 0), 2)[None]
        for _ in range(2)
    ]
    y, x = np.mgrid[:EDGE, :EDGE] / EDGE - 0.5
    matte = np.clip((0.45 - np.hypot(x, y)) * 12, 0, 1).astype(np.float32)[None]
    card = SimpleNamespace(size=EDGE, coverage="full", source="a", destination="b")

    def predict(_: Any, landmarks: FloatImage, *, directed: FloatImage | None, **__: Any) -> PredictedFaces:
        leading = landmarks if directed is None else directed
        return PredictedFaces(faces[0], matte, faces[1], matte, leading + np.float32(2))

    return cast(Predictor, SimpleNamespace(card=card, predict=predict))


def frame_and_faces(
    seed: int, size: float, middle: tuple[float, float], value: float
) -> tuple[Frame, tuple[TrackedFace | None, ...]]:
    """A frame of 80 by 60 pixels with highlights of 40 and a pixel of `value` in and round the face."""
    random = np.random.default_rng(seed)
    pixels = cv2.GaussianBlur(random.gamma(2, 0.1, (60, 80, 3)).astype(np.float32), (0, 0), 1)
    pixels[::9, ::7] = 40.0
    pixels[30, 41, seed % 3] = pixels[3, 3, 1] = value
    frame = Frame.from_rgb(pixels, colour_space="ACEScg")
    centred = (BASE - BASE.mean(axis=0)) * size
    faces = [
        TrackedFace(
            number, (centred + middle + [0.4 * number, 0]).astype(np.float32), 1.0, False, (0, 0, 1, 1)
        )
        for number in (0, 1, 2)
    ]
    return frame, tuple(faces)


def inputs_of(seed: int, job: SwapJob, size: float, middle: tuple[float, float], value: float) -> FrameInputs:
    """All that the small frame is made from."""
    return complete(job, *frame_and_faces(seed, size, middle, value), network(seed))


def complete(
    job: SwapJob, frame: Frame, near: tuple[TrackedFace | None, ...], model: Predictor
) -> FrameInputs:
    """A frame's prediction, mattes and statistics, as a context has them."""
    face = near[1]
    assert face is not None
    directed = acting.directed(job.of(ActingParameters), face.landmarks, frame.pixel_aspect)
    prediction = predict.predict(job.of(PredictParameters), frame, face.landmarks, directed, model)
    if prediction is None:
        return FrameInputs(1, frame, near, None, None, None)
    made = mattes.build(job.of(MatteParameters), prediction, None, frame.data_window)
    covered = resize(made.final, prediction.size)
    seen = measure.measure(job.of(MeasureParameters), prediction, covered)
    return FrameInputs(1, frame, near, prediction, made, seen)


def make(job: SwapJob, one: FrameInputs) -> tuple[Frame, SwappedFace] | None:
    """The finished frame and the face in it; None where the face misses the frame."""
    if one.prediction is None or one.mattes is None:
        return None
    face = pipeline.swap_face(job, one, one.prediction, one.mattes)
    return pipeline.finish(job, one, face), face
