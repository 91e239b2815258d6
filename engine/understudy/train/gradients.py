"""The gradients of one batch, part by part and process by process.

What does not fit into memory at once is computed in parts whose gradients add up: the same step, later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from understudy.train.data.samples import Batch
from understudy.train.losses import table
from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.terms import adversarial
from understudy.train.networks import autoencoder
from understudy.train.tasks.protocol import Batches, Prediction, Task
from understudy.train.validation.contrast import contrast

CRITIC_LOSS = "critic"


@dataclass(frozen=True)
class Figures:
    """Figures of one iteration, still on the device.

    Attributes:
        losses: Each loss and their weighted `total`, as scalars, and the critic's own.
        contrasts: Each identity's contrast as a share of the truth's, as scalars.
    """

    losses: dict[str, Tensor]
    contrasts: dict[str, Tensor]


def accumulate(task: Task, batches: Batches) -> Figures:
    """Add up the gradients of the whole batch of every identity that learns.

    Raises:
        MemoryError: another process's memory did not suffice; other errors where this one's does not.
    """
    state = task.state
    share = state.processes.shares(state.batch)[state.processes.rank]
    parts = _in_parts([_faces_of(batch, share) for batch in batches.trained], state.parts)
    several = len(parts) > 1 or state.processes.distributed
    if several:
        task.prepare_parts(parts)
    whole = torch.cat([batch.weight for batch in batches.trained]) if several else None
    figures = Figures({}, {})
    with state.processes.all_or_none():
        for part in parts:
            _add_part(task, part, whole, figures)
        if batches.rehearsed is not None:
            for rehearsed in split(_faces_of(batches.rehearsed, share), state.parts):
                _add_rehearsal(task, rehearsed, figures)
    state.processes.sum_in_place(_gradients(state.network))
    if state.critic is not None and CRITIC_LOSS in figures.losses:
        state.processes.sum_in_place(_gradients(state.critic.network))
    state.processes.sum_in_place([*figures.losses.values(), *figures.contrasts.values()])
    return figures


def _add_part(task: Task, part: list[Batch], whole: Tensor | None, figures: Figures) -> None:
    """Add a part's gradients, and its share of the figures."""
    state = task.state
    weights = table.weights_at(task.training, state.iteration, state.job)
    prediction = task.predict(part, in_parts=whole is not None)
    count = state.batch * len(part)
    inputs = LossInputs(part, prediction.pairs, whole, count, prediction.cycle, state.critic)
    losses = table.compute(task.training, inputs, weights)
    losses["total"] = table.total(losses, weights)
    state.mark_time("forward")
    losses["total"].backward()
    if state.critic is not None and adversarial.NAME in weights:
        judged = (value.detach() for value in inputs.judged())
        losses[CRITIC_LOSS] = state.critic.discriminator_step(*judged, count=count, iteration=state.iteration)
    state.mark_time("backward")
    _add_to(figures.losses, losses, share=1.0)
    _add_to(figures.contrasts, _contrasts(task, part, prediction), share=len(part[0].truth) / state.batch)


def _add_rehearsal(task: Task, part: Batch, figures: Figures) -> None:
    """Add the gradients of unedited faces that an edit rehearses."""
    state = task.state
    weights = table.weights_at("rehearsal", state.iteration, state.job)
    prediction = task.predict_rehearsal(part)
    losses = table.compute("rehearsal", LossInputs([part], prediction.pairs, None, state.batch), weights)
    losses["total"] = table.total(losses, weights)
    losses["total"].backward()
    _add_to(figures.losses, losses, share=1.0)
    state.mark_time("backward")


@torch.no_grad()
def _contrasts(task: Task, part: list[Batch], prediction: Prediction) -> dict[str, Tensor]:
    faces = [autoencoder.denormalise(face.float()) for face, _ in prediction.pairs]
    triples = zip(task.identities, faces, part, strict=True)
    return {name: contrast(face, batch.truth, batch.matte) for name, face, batch in triples}


def _add_to(sums: dict[str, Tensor], figures: Mapping[str, Tensor], *, share: float) -> None:
    for name, value in figures.items():
        sums[name] = sums.get(name, 0.0) + value.detach() * share


def _gradients(network: nn.Module) -> Iterable[Tensor]:
    return [value.grad for value in network.parameters() if value.grad is not None]


def _in_parts(batches: list[Batch], count: int) -> list[list[Batch]]:
    """The batches in `count` parts at most, each with as many faces of every identity."""
    several = [split(batch, count) for batch in batches]
    return [list(part) for part in zip(*several, strict=True)]


def split(batch: Batch, count: int) -> list[Batch]:
    """A batch in so many parts at most, whose sizes differ by one face at most."""
    count = min(count, len(batch.truth))
    tensors = (getattr(batch, field.name).tensor_split(count) for field in fields(batch))
    return [Batch(*pieces) for pieces in zip(*tensors, strict=True)]


def _faces_of(batch: Batch, chosen: slice) -> Batch:
    return Batch(*(getattr(batch, field.name)[chosen] for field in fields(batch)))
