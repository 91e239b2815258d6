"""One iteration: draw a batch of each identity, describe, draw, compare (gradients.py), learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable

import torch
from torch import nn

from understudy.core.errors import TrainingError
from understudy.train.data.augmentation import Augmentation
from understudy.train.data.samples import Batch, draw_batch, still_batch
from understudy.train.gradients import Figures, add_up, compare
from understudy.train.hardware import memory
from understudy.train.losses import terms
from understudy.train.networks import autoencoder
from understudy.train.state import Study

WARM_UP_ITERATIONS = 200
LEVEL_ITERATIONS = 3000
AVERAGE_DECAY = 0.999
CLIP_NORM = 1.0
# How strongly decoders are drawn together; the learning rate times this is the share of one iteration.
TOGETHER = 10.0
HELD_OUT_AT_ONCE = 16


def learn(study: Study, warn: Callable[[str], None]) -> Figures:
    """Make one iteration, in more parts where memory does not suffice.

    Raises:
        TrainingError: not even one face of each identity fits into memory.
    """
    averages = study.network.normaliser
    while True:
        before = {name: value.clone() for name, value in averages.state_dict().items()}
        try:
            return step(study)
        except BaseException as exc:
            short = memory.is_shortage(exc)
            if study.between or short:  # as if it had not been begun
                averages.load_state_dict(before)
            if not short:
                raise
            said = str(exc).partition("\n")[0]
        # Only here, where nothing holds the failed attempt any more, is its memory free.
        _halve(study, said, warn)


def _halve(study: Study, said: str, warn: Callable[[str], None]) -> None:
    study.between = True
    _forget_gradients(study)
    memory.release(study.device)
    batch, most = study.batch, -(-study.batch // study.team.size)
    if study.parts >= most:
        raise TrainingError(
            f"Not even one face of each identity fits into the memory of {study.device.type} ({said}).",
            where=study.job.model,
            fix="start again with a smaller batch, size or width, or on a device with more memory",
        )
    smaller = "batch, size or width"
    study.parts = memory.more_parts(study.parts, most=most, batch=batch, smaller=smaller, warn=warn)


def step(study: Study) -> Figures:
    """One iteration; before the optimiser's step it changes nothing but the codes' averages."""
    batches, rehearsed = _drawn(study)
    _forget_gradients(study)
    study.lap("data")
    figures = add_up(study, batches, rehearsed)
    torch.nn.utils.clip_grad_norm_(study.network.parameters(), CLIP_NORM)
    study.between = False
    rate = study.job.learning_rate * study.watch.rate_share * pace(study.iteration - study.paced_from)
    for group in study.optimiser.param_groups:
        group["lr"] = rate
    study.optimiser.step()
    if study.adversary is not None and "critic" in figures.losses:
        study.adversary.step()
    draw_together(study.network.owns, share=min(1.0, TOGETHER * rate), moved=study.taught, to=study.edit_of)
    follow(study.average, study.network, study.iteration)
    if study.description.joined:
        _follow_newcomers(study)
    study.lap("optimiser")
    study.iteration += 1
    study.between = True
    return figures


def attempt(study: Study) -> None:
    """An iteration but for its step: it takes as long, and changes nothing."""
    averages = study.network.normaliser
    before = {name: value.clone() for name, value in averages.state_dict().items()}
    try:
        add_up(study, *_drawn(study))
    finally:
        _forget_gradients(study)
        averages.load_state_dict(before)


def _drawn(study: Study) -> tuple[list[Batch], Batch | None]:
    """What an iteration learns from: a batch of everyone who learns, and of whom an edit is of."""
    batches = [_batch(study, index) for index in study.taught]
    return batches, None if study.edit_of not in study.banks else _batch(study, study.edit_of)


def _forget_gradients(study: Study) -> None:
    study.optimiser.zero_grad(set_to_none=True)
    if study.adversary is not None:
        study.adversary.forget_gradients()


@torch.no_grad()
def validate(study: Study) -> dict[str, float]:
    """Losses of the averaged network on faces it never trained on."""
    sums: dict[str, float] = {}
    weights = terms.weights_at(study.iteration, study.job)
    size = study.size
    for index, bank in study.banks.items():
        for chosen in bank.held_out.split(HELD_OUT_AT_ONCE):
            batch = still_batch(bank, chosen, size=size)
            code = study.average.describe(autoencoder.normalise(batch.truth), index)
            drawn = study.average.draw(code, batch.points, [index])
            figures = compare([batch], drawn, weights, whole=None)
            for name, value in figures.items():
                share = len(chosen) / (len(bank.held_out) * len(study.banks))
                sums[f"held_out/{name}"] = sums.get(f"held_out/{name}", 0.0) + float(value) * share
    return sums


def _batch(study: Study, index: int) -> Batch:
    job = study.job
    # After a setback the same iterations draw other faces: what went wrong is not gone through again.
    seed = (job.seed * 1_000_003 + study.iteration) * 16 + index + study.watch.setbacks * 7_368_787_777
    return draw_batch(
        study.banks[index],
        count=study.batch,
        size=study.size,
        generator=torch.Generator().manual_seed(seed),
        augmentation=Augmentation.of(job, study.iteration),
        others=[bank for other, bank in study.banks.items() if other != index],
        eyes_and_mouth=job.eyes_mouth / 100,
    )


def pace(iteration: int) -> float:
    """Share of the learning rate: up in a line, level, then down with the square root of the iterations.

    It knows no end, so that a run can always go on from where another one stopped.
    """
    return min(1.0, (iteration + 1) / WARM_UP_ITERATIONS, math.sqrt(LEVEL_ITERATIONS / (iteration + 1)))


@torch.no_grad()
def draw_together(
    owns: Iterable[nn.Module], *, share: float, moved: Collection[int], to: int | None = None
) -> None:
    """Move some identities' own weights towards the mean of all by `share` of what sets them apart.

    A decoder sees one performer's few hundred frames. What those do not say, teeth behind lips that were
    hardly opened, it takes from the others; what they do say outweighs the pull.

    Source:
        Evgeniou and Pontil 2004, Regularized Multi-Task Learning (the penalty on the distance from the
        mean); Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization (beside Adam, not through
        its gradients).
    """
    for alike in zip(*(own.parameters() for own in owns), strict=True):
        middle = torch.stack(list(alike)).mean(0) if to is None else alike[to]
        for index in moved:
            alike[index].lerp_(middle, share)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, iteration: int) -> None:
    """Move the slow average after an iteration."""
    share = _share(iteration)
    slow_ones = [*average.parameters(), *average.buffers()]
    fast_ones = [*network.parameters(), *network.buffers()]
    for slow, fast in zip(slow_ones, fast_ones, strict=True):
        slow.lerp_(fast, share)


@torch.no_grad()
def _follow_newcomers(study: Study) -> None:
    """Move the averages of who joined lately once more: theirs are young, however old the model is."""
    names, joined = study.description.architecture.identities, study.description.joined
    for index in study.taught:
        share = _share(study.iteration - joined.get(names[index], 0))
        if share > 1.0 - AVERAGE_DECAY:
            fast_ones, slow_ones = study.network.owns[index], study.average.owns[index]
            for slow, fast in zip(slow_ones.parameters(), fast_ones.parameters(), strict=True):
                slow.lerp_(fast, share)
            for name in ("mean", "variance"):
                slow, fast = (getattr(one.normaliser, name) for one in (study.average, study.network))
                slow[index].lerp_(fast[index], share)


def _share(iterations: int) -> float:
    # A young average would remember the random start: the decay grows with the iterations.
    return 1.0 - min(AVERAGE_DECAY, (1 + iterations) / (10 + iterations))
