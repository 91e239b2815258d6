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

from understudy.comp.colour import matrix, table
from understudy.core.progress import silent
from understudy.face.template import BASE
from understudy.face.track.smooth import TrackedFace
from understudy.image.frame import FloatImage, Frame
from understudy.inference.model import Model, Swapped
from understudy.swap import colour_statistics, context, frame_data, merging, pipeline, recipe
from understudy.swap.job import SwapJob

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


def stub() -> Model:
    """A model that answers at once."""
    random = np.random.default_rng(0)
    face = cv2.GaussianBlur(
        random.normal(0.4, 0.3, (NETWORK_PX, NETWORK_PX, 3)).astype(np.float32), (0, 0), 3
    )
    matte = np.ones((1, NETWORK_PX, NETWORK_PX), np.float32)
    card = SimpleNamespace(size=NETWORK_PX, coverage="full", source="a", destination="b")

    def swap(_: Any, landmarks: FloatImage, **__: Any) -> Swapped:
        return Swapped(face[None], matte, face[None], matte, landmarks)

    return cast(Model, SimpleNamespace(card=card, swap=swap))


def moment(width: int, height: int) -> frame_data.Moment:
    """A frame with a face in its middle, and what the network drew of it."""
    random = np.random.default_rng(1)
    pixels = cv2.GaussianBlur(random.gamma(2, 0.1, (height, width, 3)).astype(np.float32), (0, 0), 2)
    # BASE spans the square from brow to lip, which is some 0.63 of the aligned face.
    landmarks = (BASE - BASE.mean(axis=0)) * FACE_PX * 0.63 + [width / 2, height / 2]
    frame = Frame.from_rgb(pixels, colour_space="ACEScg")
    face = TrackedFace(1, landmarks.astype(np.float32), 1.0, by_hand=False, box=(0.0, 0.0, 1.0, 1.0))
    drawn = context.draw(frame, face, stub(), SwapJob.model_validate(COMMON))
    return frame_data.Moment(1, frame, (None, face, None), drawn, None, None)


def measured(job: SwapJob, one: frame_data.Moment) -> frame_data.Moment:
    """The moment with its mattes and what it says about colour: what a warm worker keeps."""
    drawn = one.drawn
    assert drawn is not None
    shape = recipe.shape(job, drawn, None)
    seen = colour_statistics.gather(
        job, drawn.face, drawn.plate, recipe.resize(shape.final, drawn.size), drawn.aligned
    )
    return replace(one, shape=shape, evidence=seen)


def merged(job: SwapJob, one: frame_data.Moment) -> None:
    """Composite the face's rectangle; putting it into a copy of the frame costs that copy."""
    whole = measured(job, one)
    assert whole.drawn is not None and whole.shape is not None
    merging.merged_box(job, whole, recipe.composite(job, whole, whole.drawn, whole.shape))


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
    moments = {"1080p": moment(1920, 1080), "4K": moment(4096, 2160)}
    copies = {name: best(one.frame.pixels.copy, options.repeats) for name, one in moments.items()}
    print("a copy of the frame: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in copies.items()))
    print("| recipe | " + " | ".join(moments) + " |")
    print("|---" * (len(moments) + 1) + "|")
    for name, change in RECIPES.items():
        values = {**COMMON, "colour_method": "monge_kantorovich", "sharpness": 30.0, **change}
        row(name, moments, partial(merged, SwapJob.model_validate(values)), options.repeats)
    job = SwapJob.model_validate({**COMMON, "sharpness": 30.0})
    whole = {name: measured(job, one) for name, one in moments.items()}
    knob = partial(pipeline.process, job, report=silent)
    row(
        "a colour or detail knob turned on a warm frame, the whole frame in memory",
        whole,
        knob,
        options.repeats,
    )
    row(
        "a matte knob turned on a warm frame, the whole frame in memory",
        moments,
        turned(job),
        options.repeats,
    )
    colour_table(options.repeats)


def turned(job: SwapJob) -> Callable[[frame_data.Moment], object]:
    """A frame made anew but for what the network drew."""
    return lambda one: pipeline.process(job, measured(job, one), report=silent)


def row(
    name: str,
    moments: dict[str, frame_data.Moment],
    call: Callable[[frame_data.Moment], object],
    repeats: int,
) -> None:
    """Print one row of the first table."""
    cells = [f"{best(partial(call, one), repeats):.1f} ms" for one in moments.values()]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def colour_table(repeats: int) -> None:
    """Print what solving and applying each colour match costs."""
    random = np.random.default_rng(2)
    face, plate = (random.random((512, 512, 3), np.float32) for _ in range(2))
    weight = np.ones((512, 512), np.float32)
    print("| colour match at 512² | solve and apply |\n|---|---|")
    for solve, methods in ((matrix.solve, matrix.METHODS), (table.solve, table.METHODS)):
        for method in methods:
            ms = best(partial(solve_and_apply, solve, method, face, plate, weight), repeats)
            print(f"| {method} | {ms:.1f} ms |", flush=True)


def solve_and_apply(solve: Callable[..., matrix.ColourMatch], method: str, face: Any, *rest: Any) -> Any:
    """One match."""
    return solve(method, face, *rest).apply(face)


if __name__ == "__main__":
    main()
