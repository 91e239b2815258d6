"""What the trainer needs of a task: a network with its batches, its schedule and its measurements.

A model (tasks/model.py, an edit included) and a refiner (tasks/refiner.py) are tasks. The trainer
(trainer.py) and the optimiser step (step.py) know nothing else of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from understudy.train.checkpoints.store import Checkpoint
from understudy.train.data.samples import Batch
from understudy.train.losses.table import Training
from understudy.train.state import TrainingState
from understudy.train.validation.early_stopping import Assessment
from understudy.train.validation.history import Curve, History


@dataclass(frozen=True)
class Batches:
    """What one iteration learns from.

    Attributes:
        trained: One batch of each identity that learns.
        rehearsed: Unedited faces of the performer whose edit learns.
    """

    trained: list[Batch]
    rehearsed: Batch | None = None


@dataclass(frozen=True)
class Prediction:
    """What the network makes of a part of a batch.

    Attributes:
        pairs: For each batch normalised faces (N, 3, S, S) and matte logits (N, 1, S, S).
        cycle: Gives the faces' latents (N, L) and those of their swaps, where the network swaps.
    """

    pairs: list[tuple[Tensor, Tensor]]
    cycle: Callable[[], tuple[Tensor, Tensor]] | None = None


class Task(Protocol):
    """A network to train, and how."""

    @property
    def state(self) -> TrainingState:
        """What a step changes and a checkpoint holds."""

    @property
    def training(self) -> Training:
        """Its rows of the loss table."""

    @property
    def folder(self) -> Path:
        """Where checkpoints/, previews/ and the history lie."""

    @property
    def stage(self) -> str:
        """The verb, as progress names it."""

    @property
    def identities(self) -> list[str]:
        """The names of who learns, one for each batch."""

    @property
    def fewer(self) -> str:
        """The options that would need less memory if they were smaller."""

    # The step.

    def apply_schedule(self) -> str:
        """Set what the iteration asks for: size, who learns; gives a note where that changes the faces."""

    def draw_batches(self) -> Batches:
        """The batches of this iteration, the same for the same seed, iteration and rollbacks."""

    def prepare_parts(self, parts: Sequence[Sequence[Batch]]) -> None:
        """Do what needs the whole batch before any of several parts is predicted."""

    def predict(self, part: Sequence[Batch], *, in_parts: bool) -> Prediction:
        """Run the network on a part of a batch; `in_parts` where `prepare_parts` has seen it."""

    def predict_rehearsal(self, part: Batch) -> Prediction:
        """Run the network on unedited faces, as the edit."""

    def remember(self) -> Callable[[], None]:
        """Gives what undoes a failed attempt: what predictions change beside gradients."""

    def learning_rate_multiplier(self) -> float:
        """The schedule's share of the learning rate at this iteration."""

    def regularise(self, learning_rate: float) -> None:
        """Change weights after the optimiser has, beside any gradient."""

    def update_ema(self) -> None:
        """Move the exponential moving average after an iteration."""

    # The run.

    def begin_anew(self) -> None:
        """Set the network to what it begins with."""

    def load_checkpoint(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""

    def facts(self) -> dict[str, Any]:
        """What a checkpoint's state.json says beside the state's facts."""

    def measure(self) -> dict[str, float]:
        """Figures of the averaged network on faces that it never trained on."""

    def assess(self, curves: Mapping[str, Curve]) -> Assessment:
        """What follows from the validations so far, none beyond this iteration."""

    def describe_figures(self, figures: Mapping[str, float], assessment: Assessment) -> str:
        """A validation as one line for people."""

    def write_preview(self, path: Path) -> None:
        """Write the preview sheet."""

    def stops_at_plateau(self) -> bool:
        """Whether the job wants to end where more training brings next to nothing."""

    def result(self) -> dict[str, Any]:
        """What the run's result says of the network."""

    def report_end(self, history: History) -> dict[str, Any]:
        """What the run's result adds from its history."""
