#!/usr/bin/env python3
"""Train the base model that every new model begins with: faces in general, nobody's in particular.

    bench/base.py [--work bench-out/base]

Renders digital performers, each in its own performance and light, extracts their faces as footage would be,
and trains one network on all of them at once. Half an hour on two cores; what is there already is not done
again. Writes engine/understudy/train/base.safetensors.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from understudy.demo import Identity, Performance, render
from understudy.demo.shot import CAMERA, COLOUR_SPACE
from understudy.face.faceset import FaceSet
from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.job import ExtractJob
from understudy.progress import silent
from understudy.settings import Settings
from understudy.shot import extract
from understudy.train import base, iteration, nets, samples
from understudy.train.study import on_device

PERFORMERS, FRAMES_EACH, FRAME_STEP = 40, 25, 17
FIRST_IDENTITY, FIRST_PERFORMANCE = 2000, 5000
FRAME_PX, CROP_PX = 192, 160
SIZE, WIDTH, BATCH, ITERATIONS = 96, 24, 8, 3000
WARP, JITTER, LEARNING_RATE = 0.6, 0.4, 1e-3


def draw(work: Path, number: int) -> None:
    """Render one frame; performers take turns, so that every beginning of the sequence holds all of them."""
    path = work / "frames" / f"frame.{number:05d}.exr"
    if path.exists():
        return
    performer, frame = (number - 1) % PERFORMERS, (number - 1) // PERFORMERS
    moment = Performance.from_seed(FIRST_PERFORMANCE + performer).at(frame * FRAME_STEP)
    identity = Identity.from_seed(FIRST_IDENTITY + performer)
    drawn = render(identity, replace(moment, camera=CAMERA), size=(FRAME_PX, FRAME_PX))
    pixels = np.ascontiguousarray(drawn.pixels, np.float32)
    write_image(path, Frame.from_rgb(pixels, colour_space=COLOUR_SPACE))


def faces(work: Path, settings: Settings, processes: int) -> FaceSet:
    """All performers' faces as one set."""
    (work / "frames").mkdir(parents=True, exist_ok=True)
    numbers = range(1, PERFORMERS * FRAMES_EACH + 1)
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(draw, [work] * len(numbers), numbers, chunksize=8))
    job = ExtractJob(
        plate=str(work / "frames" / "frame.%05d.exr"),
        frames=f"1-{len(numbers)}",
        faceset=work / "performers.faceset",
        identity="performers",
        crop_size=CROP_PX,
        detector="yunet",
        smoothing_frames=0.0,
    )
    if not job.faceset.exists():
        extract.run(job, report=silent, settings=settings)
    return FaceSet.open_for_training(job.faceset)


def train(bank: samples.Bank) -> nets.Comb:
    """One network for all of them; its slow average."""
    torch.manual_seed(1)
    network, average = (nets.Comb(nets.Architecture(SIZE, WIDTH, ("base",))) for _ in range(2))
    average.load_state_dict(network.state_dict())
    average.requires_grad_(False)
    on_device(network, torch.device("cpu"))
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE, betas=(0.9, 0.99), fused=True)
    for done in range(ITERATIONS):
        loss = step(network, bank, done)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), iteration.CLIP_NORM)
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * iteration.pace(done)
        optimiser.step()
        iteration.follow(average, network, done)
        if done % 100 == 0:
            print(f"{done} of {ITERATIONS}, loss {float(loss.detach()):.3f}", flush=True)
    return average


def step(network: nets.Comb, bank: samples.Bank, done: int) -> torch.Tensor:
    """The loss of one batch."""
    generator = torch.Generator().manual_seed(1_000_003 + done * 16)
    batch = samples.draw_batch(
        bank, count=BATCH, size=SIZE, generator=generator, warp=WARP, jitter=JITTER, flip=True
    )
    with torch.autocast("cpu", torch.bfloat16):
        seen = nets.normalise(batch.distorted).contiguous(memory_format=torch.channels_last)
        raw = network.encoder(seen)
        network.normaliser.learn(raw, 0, share=max(iteration.CODE_SHARE, 1 / (done + 1)))
        drawn = network.draw(network.normaliser(raw, 0), batch.points, [0])
    return iteration.total(iteration.compare([batch], drawn, whole=None))


def main() -> None:
    """Render, extract, train, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("bench-out/base"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=base.FILE)
    options = parser.parse_args()
    found = faces(options.work, Settings.from_environment(), options.processes)
    trained = train(samples.load_bank(found, size=SIZE))
    base.save(trained, options.output, performers=PERFORMERS, faces=len(found), iterations=ITERATIONS)
    print(options.output)


if __name__ == "__main__":
    main()
