"""A small frame and a network that answers at once, for the recipe without a model."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np

from understudy.face.template import BASE
from understudy.face.track.smooth import TrackedFace
from understudy.image.frame import FloatImage, Frame
from understudy.inference.model import Model, Swapped
from understudy.swap import colour_statistics, context, merging, recipe
from understudy.swap.frame_data import Moment, NewFace
from understudy.swap.job import SwapJob

EDGE = 48
NEEDED = {"plate": "a.%04d.exr", "track": "a.track", "model": "a.onnx", "output": "b.%04d.exr"}


def network(seed: int) -> Model:
    """A model that answers at once, with smooth pictures."""
    random = np.random.default_rng(seed)
    faces = [
        cv2.GaussianBlur(random.normal(0.4, 0.3, (EDGE, EDGE, 3)).astype(np.float32), (0, 0), 2)[None]
        for _ in range(2)
    ]
    y, x = np.mgrid[:EDGE, :EDGE] / EDGE - 0.5
    matte = np.clip((0.45 - np.hypot(x, y)) * 12, 0, 1).astype(np.float32)[None]
    card = SimpleNamespace(size=EDGE, coverage="full", source="a", destination="b")

    def swap(_: Any, landmarks: FloatImage, **__: Any) -> Swapped:
        return Swapped(faces[0], matte, faces[1], matte, landmarks + np.float32(2))

    return cast(Model, SimpleNamespace(card=card, swap=swap))


def moment(seed: int, job: SwapJob, size: float, middle: tuple[float, float], value: float) -> Moment:
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
    drawn = context.draw(frame, faces[1], network(seed), job)
    return Moment(1, frame, tuple(faces), drawn, None, None)


def make(job: SwapJob, one: Moment) -> tuple[Frame, NewFace] | None:
    """The finished frame and what it was made of; None where the face misses the frame."""
    if one.drawn is None:
        return None
    shape = recipe.shape(job, one.drawn, None)
    covered = recipe.resize(shape.final, one.drawn.size)
    seen = colour_statistics.gather(job, one.drawn.face, one.drawn.plate, covered, one.drawn.aligned)
    whole = replace(one, shape=shape, evidence=seen)
    made = recipe.composite(job, whole, one.drawn, shape)
    return merging.finish(job, whole, made), made
