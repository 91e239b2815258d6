#!/usr/bin/env python3
"""Time what compositing one frame costs, without the network: best of several, milliseconds.

    bench/merge.py

A stub stands for the model. Frames are scene-linear float32 in memory; the face is 512 pixels wide in a
1080p and in a 4K frame, so that a difference between the two is what the frame costs and not the face. Only
ratios within one run mean anything: the first column is a plain copy of the frame on the same machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np

from understudy.comp.colour import methods
from understudy.core.progress import silent
from understudy.face.template import BASE
from understudy.face.track.smooth import TrackedFace
from understudy.image.frame import FloatImage, Frame
from understudy.inference.predictor import PredictedFaces, Predictor
from understudy.swap import pipeline
from understudy.swap.frame_data import FrameInputs
from understudy.swap.job import SwapJob
from understudy.swap.resize import resize
from understudy.swap.stages import mattes, measure, predict
from understudy.swap.stages.mattes import MatteParameters
from understudy.swap.stages.measure import MeasureParameters
from understudy.swap.stages.predict import PredictParameters

FACE_PX, NETWORK_PX = 512, 256
COMMON: dict[str, Any] = {
    "plate": "a.%04d.exr",
    "track": "a.track",
    "model": "a.onnx",
    "output": "b.%04d.exr",
}
RECIPES: dict[str, dict[str, Any]] = {
    "matte, Monge-Kantorovich, sharpen, over": {"light_strength": 0.0},
    "the same, light from the plate": {},
    "the same, multiband": {"merge": "multiband"},
    "the same, gradient": {"merge": "gradient"},
    "the same, grain": {"grain": 100.0},
    "the same, matched sharpness": {"match_sharpness": 100.0},
    "the same, the plate's mouth": {"plate_mouth": 100.0},
    "the same, occlusion matte": {"matte_occlusion": True},
    "the same, erode 5 %, feather 20 %": {"erode": 5.0, "feather": 20.0},
}


def stub() -> Predictor:
    """A model that answers at once."""
    random = np.random.default_rng(0)
    face = cv2.GaussianBlur(
        random.normal(0.4, 0.3, (NETWORK_PX, NETWORK_PX, 3)).astype(np.float32), (0, 0), 3
    )
    matte = np.ones((1, NETWORK_PX, NETWORK_PX), np.float32)
    card = SimpleNamespace(size=NETWORK_PX, coverage="full", source="a", destination="b")

    def predict(_: Any, landmarks: FloatImage, **__: Any) -> PredictedFaces:
        return PredictedFaces(face[None], matte, face[None], matte, landmarks)

    return cast(Predictor, SimpleNamespace(card=card, predict=predict))


def predicted(width: int, height: int) -> FrameInputs:
    """A frame with a face in its middle, and what the network predicts of it."""
    random = np.random.default_rng(1)
    pixels = cv2.GaussianBlur(random.gamma(2, 0.1, (height, width, 3)).astype(np.float32), (0, 0), 2)
    # BASE spans the square from brow to lip, which is some 0.63 of the aligned face.
    landmarks = (BASE - BASE.mean(axis=0)) * FACE_PX * 0.63 + [width / 2, height / 2]
    frame = Frame.from_rgb(pixels, colour_space="ACEScg")
    face = TrackedFace(1, landmarks.astype(np.float32), 1.0, by_hand=False, box=(0.0, 0.0, 1.0, 1.0))
    prediction = predict.predict(PredictParameters(), frame, face.landmarks, face.landmarks, stub())
    return FrameInputs(1, frame, (None, face, None), prediction, None, None)


def measured(job: SwapJob, one: FrameInputs) -> FrameInputs:
    """The inputs with their mattes and statistics: what a warm worker keeps."""
    prediction = one.prediction
    assert prediction is not None
    made = mattes.build(job.of(MatteParameters), prediction, None, one.frame.data_window)
    covered = resize(made.final, prediction.size)
    parameters = job.of(MeasureParameters)
    features = prediction.features(prediction.plate_to_aligned)
    seen = measure.measure(parameters, prediction.face, prediction.plate, covered, features)
    return replace(one, mattes=made, statistics=seen)


def merged(job: SwapJob, one: FrameInputs) -> None:
    """Composite the face's rectangle; putting it into a copy of the frame costs that copy."""
    whole = measured(job, one)
    assert whole.prediction is not None and whole.mattes is not None
    pipeline.merged_box(job, whole, pipeline.swap_face(job, whole, whole.prediction, whole.mattes))


def best(call: Callable[[], object], repeats: int) -> float:
    """Shortest of several calls, milliseconds; the first one compiles and is not counted."""
    call()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=12)
    options = parser.parse_args()
    frames = {"1080p": predicted(1920, 1080), "4K": predicted(4096, 2160)}
    copies = {name: best(one.frame.pixels.copy, options.repeats) for name, one in frames.items()}
    print("a copy of the frame: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in copies.items()))
    print("| recipe | " + " | ".join(frames) + " |")
    print("|---" * (len(frames) + 1) + "|")
    for name, change in RECIPES.items():
        values = {**COMMON, "colour_method": "monge_kantorovich", "sharpness": 30.0, **change}
        row(name, frames, partial(merged, SwapJob.model_validate(values)), options.repeats)
    job = SwapJob.model_validate({**COMMON, "sharpness": 30.0})
    whole = {name: measured(job, one) for name, one in frames.items()}
    knob = partial(pipeline.make_frame, job, report=silent)
    row(
        "a colour or detail knob turned on a warm frame, the whole frame in memory",
        whole,
        knob,
        options.repeats,
    )
    row(
        "a matte knob turned on a warm frame, the whole frame in memory",
        frames,
        turned(job),
        options.repeats,
    )
    colour_table(options.repeats)


def turned(job: SwapJob) -> Callable[[FrameInputs], object]:
    """A frame made anew but for the network's prediction."""
    return lambda one: pipeline.make_frame(job, measured(job, one), report=silent)


def row(
    name: str,
    frames: dict[str, FrameInputs],
    call: Callable[[FrameInputs], object],
    repeats: int,
) -> None:
    """Print one row of the first table."""
    cells = [f"{best(partial(call, one), repeats):.1f} ms" for one in frames.values()]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def colour_table(repeats: int) -> None:
    """Print what solving and applying each colour match costs."""
    random = np.random.default_rng(2)
    face, plate = (random.random((512, 512, 3), np.float32) for _ in range(2))
    weight = np.ones((512, 512), np.float32)
    print("| colour match at 512² | solve and apply |\n|---|---|")
    for name in methods.BUILT_IN:
        ms = best(partial(solve_and_apply, name, face, plate, weight), repeats)
        print(f"| {name} | {ms:.1f} ms |", flush=True)


def solve_and_apply(name: str, face: Any, *rest: Any) -> Any:
    """One match."""
    return methods.solve(name, face, *rest).apply(face)


if __name__ == "__main__":
    main()
