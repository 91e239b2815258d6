"""The state of a training: everything that an optimiser step changes, and that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from understudy.core.progress import Reporter, silent
from understudy.jobs.training import RunFields
from understudy.train.divergence import DivergenceMonitor
from understudy.train.hardware.process_group import ProcessGroup
from understudy.train.losses.patch_critic import PatchCritic


def no_timing(part: str) -> None:
    """Where nobody asks how long a part took."""


@dataclass(kw_only=True)
class TrainingState:
    """A network in training.

    Attributes:
        network: What learns.
        ema: Its exponential moving average, which is what is measured and exported.
        critic: Judges predictions, where the job wants that.
        iteration: Optimiser steps made so far.
        first_batch: Faces of each identity in an iteration; 0 until it is found.
        parts: A batch is computed in this many parts, because more of it does not fit into memory.
        between_steps: Whether no step is under way, so that the state is worth saving.
        monitor: What was noticed of divergence, and how far the learning rate was lowered for it.
        trained_seconds: Spent on what is there, over all runs.
        processes: Those that train together.
        mark_time: Told the name of each part of an iteration when it is done (hardware/profile.py).
        report: Told what is loaded meanwhile.
    """

    job: RunFields
    device: torch.device
    network: nn.Module
    ema: nn.Module
    optimiser: torch.optim.Optimizer
    critic: PatchCritic | None = None
    iteration: int = 0
    first_batch: int = 0
    parts: int = 1
    between_steps: bool = True
    monitor: DivergenceMonitor = field(default_factory=DivergenceMonitor)
    trained_seconds: float = 0.0
    processes: ProcessGroup = field(default_factory=ProcessGroup)
    mark_time: Callable[[str], None] = no_timing
    report: Reporter = silent

    @property
    def batch(self) -> int:
        """Faces of each identity in one iteration."""
        return self.first_batch

    @property
    def faces_per_iteration(self) -> int:
        """Faces of all identities in one iteration."""
        return self.batch

    def clear_gradients(self) -> None:
        """Before a batch, or after a failed one."""
        self.optimiser.zero_grad(set_to_none=True)
        if self.critic is not None:
            self.critic.clear_gradients()

    def forget(self) -> None:
        """Return to iteration 0 in everything but the weights."""
        self.iteration, self.trained_seconds, self.monitor = 0, 0.0, DivergenceMonitor()
        self.optimiser.state.clear()
        if self.critic is not None:
            self.critic.reset()

    def facts(self) -> dict[str, Any]:
        """What a checkpoint's state.json says of it."""
        job = self.job
        said: dict[str, Any] = {
            "seed": job.seed,
            "batch": self.first_batch,
            "learning_rate": job.learning_rate,
        }
        return said | {"trained_seconds": self.trained_seconds, "watch": self.monitor.as_dict()}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Take over what a checkpoint's state.json says."""
        spent = facts.get("trained_seconds")
        self.iteration = int(facts["iteration"])
        self.trained_seconds = float(spent) if isinstance(spent, int | float) else 0.0
        # Who asks for another learning rate begins with all of it.
        same_rate = facts.get("learning_rate") == self.job.learning_rate
        self.monitor = DivergenceMonitor.from_dict(facts.get("watch")) if same_rate else DivergenceMonitor()
