"""One iteration: draw a batch of each identity, describe, draw, compare, learn.

What does not fit into memory at once is computed in parts whose gradients add up: the same step, later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce

import torch
from torch import Tensor, nn

from understudy.errors import TrainingError
from understudy.train import losses, memory, nets
from understudy.train.augment import Augmentation
from understudy.train.samples import Batch, draw_batch, still_batch
from understudy.train.study import Study

WARM_UP_ITERATIONS = 200
LEVEL_ITERATIONS = 3000
AVERAGE_DECAY = 0.999
CLIP_NORM = 1.0
# How strongly decoders are drawn together; the learning rate times this is the share of one iteration.
TOGETHER = 10.0
# How far one batch moves the averages of the codes.
CODE_SHARE = 0.02
HELD_OUT_AT_ONCE = 16


@dataclass(frozen=True)
class Figures:
    """What one iteration says of itself, still on the device.

    Attributes:
        losses: Each term's loss and their weighted `total`, as scalars.
        contrasts: Each identity's contrast as a share of the truth's, as scalars.
    """

    losses: dict[str, Tensor]
    contrasts: dict[str, Tensor]


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
    batch = study.job.batch
    if study.parts >= batch:
        raise TrainingError(
            f"Not even one face of each identity fits into the memory of {study.device.type} ({said}).",
            where=study.job.model,
            fix="start again with a smaller batch, size or width, or on a device with more memory",
        )
    study.parts = min(2 * study.parts, batch)
    warn(
        f"Out of memory: a batch of {batch} is now computed in {study.parts} parts. It learns the same, "
        "more slowly; a smaller batch, size or width would fit at once."
    )


def step(study: Study) -> Figures:
    """One iteration; before the optimiser's step it changes nothing but the codes' averages."""
    batches = [_batch(study, index) for index in study.taught]
    _forget_gradients(study)
    study.lap("data")
    figures = _gradients(study, batches)
    torch.nn.utils.clip_grad_norm_(study.network.parameters(), CLIP_NORM)
    study.between = False
    rate = study.job.learning_rate * study.watch.rate_share * pace(study.iteration - study.paced_from)
    for group in study.optimiser.param_groups:
        group["lr"] = rate
    study.optimiser.step()
    if study.adversary is not None and "critic" in figures.losses:
        study.adversary.step()
    draw_together(study.network.owns, share=min(1.0, TOGETHER * rate), moved=study.taught)
    follow(study.average, study.network, study.iteration)
    study.lap("optimiser")
    study.iteration += 1
    study.between = True
    return figures


def _forget_gradients(study: Study) -> None:
    study.optimiser.zero_grad(set_to_none=True)
    if study.adversary is not None:
        study.adversary.forget_gradients()


@torch.no_grad()
def validate(study: Study) -> dict[str, float]:
    """Losses of the averaged network on faces it never trained on."""
    sums: dict[str, float] = {}
    weights = losses.weights_at(study.iteration, study.job)
    size = study.size
    for index, bank in study.banks.items():
        for chosen in bank.held_out.split(HELD_OUT_AT_ONCE):
            batch = still_batch(bank, chosen, size=size)
            code = study.average.describe(nets.normalise(batch.truth), index)
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
        count=job.batch,
        size=study.size,
        generator=torch.Generator().manual_seed(seed),
        augmentation=Augmentation.of(job, study.iteration),
        others=[bank for other, bank in study.banks.items() if other != index],
        eyes_and_mouth=job.eyes_mouth / 100,
    )


def _gradients(study: Study, batches: list[Batch]) -> Figures:
    """Add up the gradients of the whole batch, part by part."""
    parts = _parts(batches, study.parts)
    several = len(parts) > 1
    if several:
        _learn_codes_first(study, parts)
    whole = torch.cat([batch.weight for batch in batches]) if several else None
    weights = losses.weights_at(study.iteration, study.job)
    sums: dict[str, Tensor] = {}
    contrasts: dict[str, Tensor] = {}
    for part in parts:
        codes, drawn = _draw(study, part, learnt=several)
        figures = compare(part, drawn, weights, whole=whole)
        if "identity" in weights:
            figures["identity"] = _described_again(study, codes, part)
        if "adversary" in weights:
            figures["adversary"] = _fooled(study, part, drawn)
        figures["total"] = total(figures, weights)
        study.lap("forward")
        figures["total"].backward()
        if "adversary" in weights:
            figures["critic"] = _criticised(study, part, drawn)
        study.lap("backward")
        _add_to(sums, figures, share=1.0)
        share = len(part[0].truth) / study.job.batch
        _add_to(contrasts, _contrasts(study, part, drawn), share=share)
    return Figures(sums, contrasts)


def _add_to(sums: dict[str, Tensor], figures: dict[str, Tensor], *, share: float) -> None:
    for name, value in figures.items():
        sums[name] = sums.get(name, 0.0) + value.detach() * share


@torch.no_grad()
def _contrasts(study: Study, batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """How much of the truth's contrast each identity's faces have."""
    names = [study.banks[index].name for index in study.taught]
    faces = [nets.denormalise(face.float()) for face, _ in drawn]
    pairs = zip(names, faces, batches, strict=True)
    return {name: losses.contrast(face, batch.truth, batch.matte) for name, face, batch in pairs}


def _parts(batches: list[Batch], count: int) -> list[list[Batch]]:
    """The batches cut into `count` parts, each with as many faces of every identity."""
    cut = [_cut(batch, count) for batch in batches]
    return [list(part) for part in zip(*cut, strict=True)]


def _cut(batch: Batch, count: int) -> list[Batch]:
    tensors = (getattr(batch, field.name).tensor_split(count) for field in fields(batch))
    return [Batch(*pieces) for pieces in zip(*tensors, strict=True)]


def _draw(
    study: Study, batches: list[Batch], *, learnt: bool
) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
    """Each identity's codes, faces and matte logits; its average code learns from them unless it has."""
    with torch.autocast(study.device.type, torch.bfloat16, enabled=_mixed(study)):
        raw = _describe(study, batches)
        if not learnt:
            _learn_codes(study, raw)
        pairs = zip(study.taught, raw, strict=True)
        codes = [study.network.normaliser(code, identity) for identity, code in pairs]
        points = torch.cat([batch.points for batch in batches])
        return codes, study.network.draw(torch.cat(codes), points, study.taught)


def _described_again(study: Study, codes: list[Tensor], batches: list[Batch]) -> Tensor:
    """Draw every identity's acting with the next identity's decoder, and describe what was drawn."""
    network, identities = study.network, study.taught
    drawn_by = [*identities[1:], identities[0]]
    with torch.autocast(study.device.type, torch.bfloat16, enabled=_mixed(study)):
        asked = [
            network.asked(batch.points, of=identity, to=by)
            for batch, identity, by in zip(batches, identities, drawn_by, strict=True)
        ]
        swaps = network.draw(torch.cat(codes).detach(), torch.cat(asked), drawn_by)
        faces = torch.cat([face for face, _ in swaps])
        raw = network.encode(faces.contiguous(memory_format=torch.channels_last)).chunk(len(codes))
        again = [network.normaliser(code, by) for code, by in zip(raw, drawn_by, strict=True)]
    count = study.job.batch * len(codes)
    return losses.described_alike(torch.cat(again).float(), torch.cat(codes).float(), count=count)


def _fooled(study: Study, batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> Tensor:
    assert study.adversary is not None  # a job that gives it a weight has one
    return study.adversary.fooled(*_judged(batches, drawn), count=study.job.batch * len(batches))


def _criticised(study: Study, batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> Tensor:
    assert study.adversary is not None
    count = study.job.batch * len(batches)
    judged = (value.detach() for value in _judged(batches, drawn))
    return study.adversary.learn(*judged, count=count, iteration=study.iteration)


def _judged(batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    faces = torch.cat([face for face, _ in drawn]).float()
    truth = nets.normalise(torch.cat([batch.truth for batch in batches]))
    return faces, truth, torch.cat([batch.matte for batch in batches])


def _describe(study: Study, batches: list[Batch]) -> tuple[Tensor, ...]:
    """Each identity's codes (N, C), not yet normalised."""
    distorted = nets.normalise(torch.cat([batch.distorted for batch in batches]))
    raw: Tensor = study.network.encode(distorted.contiguous(memory_format=torch.channels_last))
    return raw.chunk(len(batches))


def _learn_codes(study: Study, raw: Sequence[Tensor]) -> None:
    """Move each identity's average code towards a whole batch's."""
    share = max(CODE_SHARE, 1.0 / (study.iteration + 1))
    for identity, code in zip(study.taught, raw, strict=True):
        study.network.normaliser.learn(code, identity, share=share)


@torch.no_grad()
def _learn_codes_first(study: Study, parts: list[list[Batch]]) -> None:
    # The averages learn from the whole batch before any part is normalised by them.
    with torch.autocast(study.device.type, torch.bfloat16, enabled=_mixed(study)):
        described = [_describe(study, part) for part in parts]
    _learn_codes(study, [torch.cat(codes) for codes in zip(*described, strict=True)])


def compare(
    batches: list[Batch],
    drawn: list[tuple[Tensor, Tensor]],
    weights: Mapping[str, float],
    *,
    whole: Tensor | None,
) -> dict[str, Tensor]:
    """Each term's loss of what was drawn for the batches; `whole` as the terms have it.

    What has no weight and costs something is left out, and what needs more than pictures `_gradients` adds.
    """
    faces = torch.cat([face for face, _ in drawn]).float()
    logits = torch.cat([logit for _, logit in drawn]).float()
    truth = nets.normalise(torch.cat([batch.truth for batch in batches]))
    weight = torch.cat([batch.weight for batch in batches])
    # What looks at a neighbourhood would see a wrong background from well inside the face.
    in_place = torch.lerp(truth, faces, weight.clamp(max=1.0))
    figures = {
        "absolute": losses.weighted_absolute(faces, truth, weight, whole=whole),
        "structure": losses.structural(in_place, truth, weight, whole=whole),
        "matte": losses.matte_loss(logits, torch.cat([batch.matte for batch in batches]), whole=whole),
    }
    if "detail" in weights:
        figures["detail"] = losses.detail(in_place, truth, weight, whole=whole)
    return figures


def total(figures: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The terms' weighted sum, which training lowers."""
    return reduce(torch.add, [weights[name] * figures[name] for name in figures if name in weights])


def pace(iteration: int) -> float:
    """Share of the learning rate: up in a line, level, then down with the square root of the iterations.

    It knows no end, so that a run can always go on from where another one stopped.
    """
    return min(1.0, (iteration + 1) / WARM_UP_ITERATIONS, math.sqrt(LEVEL_ITERATIONS / (iteration + 1)))


@torch.no_grad()
def draw_together(owns: Iterable[nn.Module], *, share: float, moved: Collection[int]) -> None:
    """Move some identities' own weights towards the mean of all by `share` of what sets them apart.

    A decoder sees one performer's few hundred frames. What those do not say, teeth behind lips that were
    hardly opened, it takes from the others; what they do say outweighs the pull.

    Source:
        Evgeniou and Pontil 2004, Regularized Multi-Task Learning (the penalty on the distance from the
        mean); Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization (beside Adam, not through
        its gradients).
    """
    for alike in zip(*(own.parameters() for own in owns), strict=True):
        middle = torch.stack(list(alike)).mean(0)
        for index in moved:
            alike[index].lerp_(middle, share)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, iteration: int) -> None:
    """Move the slow average after an iteration."""
    # A young average would remember the random start: the decay grows with the iterations.
    decay = min(AVERAGE_DECAY, (1 + iteration) / (10 + iteration))
    slow_ones = [*average.parameters(), *average.buffers()]
    fast_ones = [*network.parameters(), *network.buffers()]
    for slow, fast in zip(slow_ones, fast_ones, strict=True):
        slow.lerp_(fast, 1.0 - decay)


def _mixed(study: Study) -> bool:
    return study.job.mixed_precision and study.device.type in ("cpu", "cuda")
