"""The training of region mattes: it can be stopped at any checkpoint and goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from understudy.train.checkpoints.course import Course
from understudy.train.networks.ema import update_ema
from understudy.train.regions.crops import Crops
from understudy.train.regions.loss import region_loss
from understudy.train.regions.network import RegionNetwork
from understudy.train.schedule import ema_share
from understudy.train.seeds import derive_seed

LEARNING_RATE, WEIGHT_DECAY, CLIP_NORM = 3e-3, 1e-4, 3.0
WARM_UP_ITERATIONS, SAVE_ITERATIONS, TELL_ITERATIONS = 100, 200, 20
# The first part of a training sees small crops, many at once: what a face is made of needs no fine edges.
COARSE_SHARE, COARSE_SIZE, COARSE_BATCH = 0.35, 128, 24
SIZE, BATCH = 256, 8


def begun(folder: Path) -> Course[RegionNetwork]:
    """The course as it was left in a folder of checkpoints, or from random weights.

    Raises:
        TrainingError: the newest checkpoint is damaged.
    """

    def optimiser(network: RegionNetwork) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            network.parameters(), LEARNING_RATE, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY, fused=True
        )

    return Course.begun(folder, RegionNetwork, optimiser, seed=derive_seed("regions"))


def rate_at(iteration: int, iterations: int) -> float:
    """Share of the learning rate: a linear rise, then half a cosine down to a hundredth."""
    rise = min(1.0, (iteration + 1) / WARM_UP_ITERATIONS)
    return rise * (0.01 + 0.99 * 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, iteration / iterations)))))


def train(
    crops: Crops, folder: Path, *, iterations: int, tell: Callable[[int, float], None]
) -> RegionNetwork:
    """Train, or go on with a training.

    Args:
        crops: To learn from.
        folder: Of the checkpoints.
        iterations: Of the whole course; another number is another course, for the
            learning rate falls to its end.
        tell: Called with the iterations done and the mean loss since it was called last.

    Returns:
        The averaged network, in evaluation mode.
    """
    course = begun(folder)
    course.network.train()
    losses: list[float] = []
    while course.done < iterations:
        losses.append(_step(course, crops, iterations))
        course.done += 1
        if course.done % TELL_ITERATIONS == 0:
            tell(course.done, sum(losses) / len(losses))
            losses.clear()
        if course.done % SAVE_ITERATIONS == 0 or course.done == iterations:
            course.save(folder)
    return course.ema.eval()


def _step(course: Course[RegionNetwork], crops: Crops, iterations: int) -> float:
    """One batch: its numbers follow from the iteration alone."""
    coarse = course.done < COARSE_SHARE * iterations
    count, size = (COARSE_BATCH, COARSE_SIZE) if coarse else (BATCH, SIZE)
    rng = np.random.default_rng(derive_seed("regions", course.done))
    taken = crops.batch(rng.integers(0, len(crops), count).tolist(), size, (rng.random(count) < 0.5).tolist())
    with torch.autocast("cpu", torch.bfloat16):
        logits = course.network(taken.faces.contiguous(memory_format=torch.channels_last))
    loss = region_loss(logits, taken.mattes, taken.known)
    for group in course.optimiser.param_groups:
        group["lr"] = LEARNING_RATE * rate_at(course.done, iterations)
    course.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(course.network.parameters(), CLIP_NORM)
    course.optimiser.step()
    update_ema(course.ema, course.network, ema_share(course.done))
    return float(loss.detach())
