"""A network in training on the CPU with its moving average, kept as one checkpoint that it goes on from."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

import torch

from understudy.train.checkpoints import retention, store
from understudy.train.hardware.device import on_device

Net = TypeVar("Net", bound=torch.nn.Module)


@dataclass
class Course(Generic[Net]):
    """One network in training, its moving average, and how far it has come.

    Attributes:
        network, ema: The network that learns, and its average, which needs no gradients.
        optimiser: Of the network.
        done: Iterations so far.
    """

    network: Net
    ema: Net
    optimiser: torch.optim.Optimizer
    done: int = 0

    @classmethod
    def begun(
        cls,
        folder: Path,
        make: Callable[[], Net],
        optimiser: Callable[[Net], torch.optim.Optimizer],
        *,
        seed: int,
    ) -> Self:
        """As it was left in a folder of checkpoints, or from random weights.

        Args:
            folder: Of the checkpoints.
            make: Makes an untrained network.
            optimiser: Makes a network's optimiser.
            seed: Of the random weights.

        Raises:
            TrainingError: the newest checkpoint is damaged.
        """
        torch.manual_seed(seed)
        network, ema = make(), make()
        ema.load_state_dict(network.state_dict())
        ema.requires_grad_(False)
        on_device(network, torch.device("cpu"))
        course = cls(network, ema, optimiser(network))
        for found in store.find(folder)[-1:]:
            course.done = store.load(found, network=network, ema=ema, optimiser=course.optimiser)
        return course

    def save(self, folder: Path) -> None:
        """Keep what was learned, and no checkpoint before it."""
        store.save(
            folder,
            iteration=self.done,
            network=self.network,
            ema=self.ema,
            optimiser=self.optimiser,
            facts={"saved_at": time.time()},
        )
        retention.thin(folder, newest=1)
