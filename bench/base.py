#!/usr/bin/env python3
"""Train the base model that every new model begins with: faces in general, nobody's in particular.

    bench/base.py [--work bench-out/base]

Renders digital performers, each in its own performance and light, extracts their faces as footage's are, and
trains one network on all of them at once. An hour on two quiet cores: half of it renders, the other half
trains. What is there already is not done again, so that a run that was stopped goes on where it was. Writes
engine/understudy/train/checkpoints/base.safetensors.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np
import torch

from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.demo import Identity, Light, Performance, PerformanceFrame, render
from understudy.demo.shot import CAMERA, COLOUR_SPACE
from understudy.face.faceset.store import FaceSet
from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.jobs.shots import ExtractJob
from understudy.shots import extract
from understudy.train import schedule
from understudy.train.checkpoints import base_weights
from understudy.train.checkpoints.course import Course
from understudy.train.data import samples
from understudy.train.data.augmentation import Augmentation
from understudy.train.hardware.device import adam
from understudy.train.losses import table
from understudy.train.losses.inputs import LossInputs
from understudy.train.networks import autoencoder
from understudy.train.networks.ema import update_ema
from understudy.train.seeds import derive_seed
from understudy.train.step import CLIP_NORM
from understudy.train.tasks.model import LATENT_SHARE

PERFORMERS, FRAMES_EACH = 2000, 3
# Nothing else in the project draws performers from seeds this high: no test or benchmark meets one of these.
FIRST_IDENTITY, FIRST_PERFORMANCE = 200_000, 500_000
# Frames of a performer are this far apart, twenty seconds: nothing of one is left in the next.
FRAME_STEP = 500
CANDIDATES, CANDIDATE_STEP = 8, 13
MAX_YAW = 50.0
FRAME_PX, CROP_PX = 192, 160
FRAMES, FRAMES_AT_ONCE = PERFORMERS * FRAMES_EACH, 300
SIZE, WIDTH, BATCH, ITERATIONS = 96, 24, 8, 6000
LEARNING_RATE, SAVE_ITERATIONS = 1e-3, 500
AUGMENTATION = Augmentation(warp=0.6, jitter=0.4, flip=0.5)


def light(rng: np.random.Generator) -> Light:
    """Any light that a face is shot in; a performance's own comes from the same side for two in three."""
    return Light(
        azimuth=float(rng.uniform(-75.0, 75.0)),
        elevation=float(rng.uniform(0.0, 60.0)),
        exposure=float(np.clip(rng.normal(0.0, 0.5), -1.2, 1.2)),
        warmth=float(rng.uniform(-1.0, 1.0)),
        fill=float(rng.uniform(0.2, 0.9)),
        rim=float(rng.uniform(0.0, 1.0)),
    )


def acting(performer: int, frame: int) -> PerformanceFrame:
    """One frame of a performer's acting, each in its own light.

    The first is chosen for its open mouth: in six of ten frames of a performance the lips are shut, and
    what they hide is what a shot's few frames teach least of.
    """
    performance = Performance.from_seed(FIRST_PERFORMANCE + performer, max_yaw=MAX_YAW)
    first = frame * FRAME_STEP
    found = performance.at(first)
    if frame == 0:
        candidates = [performance.at(first + step * CANDIDATE_STEP) for step in range(CANDIDATES)]
        found = max(candidates, key=lambda one: one.expression.mouth_open)
    rng = np.random.default_rng([FIRST_PERFORMANCE + performer, frame])
    camera = replace(CAMERA, distance_cm=float(rng.uniform(60.0, 180.0)))
    return replace(found, camera=camera, light=light(rng))


def render_frame(work: Path, number: int) -> None:
    """Render one frame: a performer's frames follow each other, for its skin is painted but once."""
    path = work / "frames" / f"frame.{number:05d}.exr"
    if path.exists():
        return
    performer, frame = divmod(number - 1, FRAMES_EACH)
    identity = Identity.from_seed(FIRST_IDENTITY + performer)
    drawn = render(identity, acting(performer, frame), size=(FRAME_PX, FRAME_PX))
    pixels = np.ascontiguousarray(drawn.pixels, np.float32)
    write_image(path, Frame.from_rgb(pixels, colour_space=COLOUR_SPACE))


def render_all(work: Path, processes: int) -> None:
    """Render every frame that is not there yet; each process takes whole performers."""
    (work / "frames").mkdir(parents=True, exist_ok=True)
    numbers = range(1, FRAMES + 1)
    with ProcessPoolExecutor(processes) as pool:
        for done, _ in enumerate(
            pool.map(render_frame, repeat(work), numbers, chunksize=4 * FRAMES_EACH), start=1
        ):
            if done % FRAMES_AT_ONCE == 0:
                print(f"{done} of {FRAMES} frames", flush=True)


def faces(work: Path, settings: Settings) -> FaceSet:
    """All performers' faces as one set, found and aligned as footage's are."""
    faceset = work / "performers.faceset"
    (work / "extracted").mkdir(parents=True, exist_ok=True)
    for first in range(1, FRAMES + 1, FRAMES_AT_ONCE):
        done = work / "extracted" / f"{first:05d}"
        if done.exists():
            continue
        job = ExtractJob(
            plate=str(work / "frames" / "frame.%05d.exr"),
            frames=f"{first}-{min(first + FRAMES_AT_ONCE - 1, FRAMES)}",
            faceset=faceset,
            identity="performers",
            crop_size=CROP_PX,
            detector="yunet",
            smoothing_frames=0.0,
        )
        extract.run(job, report=silent, settings=settings)
        done.touch()
        print(f"faces of {job.frames} of {FRAMES} frames", flush=True)
    return FaceSet.open_for_training(faceset)


def begun(folder: Path) -> Course[autoencoder.Comb]:
    """The training for all performers as it was left, or from random weights."""

    def make() -> autoencoder.Comb:
        return autoencoder.Comb(autoencoder.Architecture(SIZE, WIDTH, ("base",)))

    return Course.begun(folder, make, lambda network: adam(network, LEARNING_RATE), seed=1)


def train(faces: samples.LoadedFaces, folder: Path) -> autoencoder.Comb:
    """One network for all of them; its moving average."""
    course = begun(folder)
    while course.done < ITERATIONS:
        loss = batch_loss(course.network, faces, course.done)
        course.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(course.network.parameters(), CLIP_NORM)
        for group in course.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * schedule.learning_rate_multiplier(course.done)
        course.optimiser.step()
        update_ema(course.ema, course.network, schedule.ema_share(course.done))
        course.done += 1
        if course.done % 100 == 0:
            print(f"{course.done} of {ITERATIONS}, loss {float(loss.detach()):.3f}", flush=True)
        if course.done % SAVE_ITERATIONS == 0:
            course.save(folder)
    return course.ema


def batch_loss(network: autoencoder.Comb, faces: samples.LoadedFaces, done: int) -> torch.Tensor:
    """The loss of one batch."""
    generator = torch.Generator().manual_seed(derive_seed("base", done))
    batch = samples.draw_batch(faces, count=BATCH, size=SIZE, generator=generator, augmentation=AUGMENTATION)
    weights = table.weights_at("model", done)
    with torch.autocast("cpu", torch.bfloat16):
        seen = autoencoder.normalise(batch.distorted).contiguous(memory_format=torch.channels_last)
        raw = network.encoder(seen)
        network.normaliser.learn(raw, 0, share=max(LATENT_SHARE, 1 / (done + 1)))
        predicted = network.decode(network.normaliser(raw, 0), batch.points, [0])
    losses = table.compute("model", LossInputs([batch], predicted, None, BATCH), weights)
    return table.total(losses, weights)


def main() -> None:
    """Render, extract, train, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("bench-out/base"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=base_weights.FILE)
    options = parser.parse_args()
    render_all(options.work, options.processes)
    found = faces(options.work, Settings.from_environment())
    trained = train(samples.load_faces(found, size=SIZE), options.work / "checkpoints")
    base_weights.save(trained, options.output, performers=PERFORMERS, faces=len(found), iterations=ITERATIONS)
    print(options.output)


if __name__ == "__main__":
    main()
