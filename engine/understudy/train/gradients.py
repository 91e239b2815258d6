"""The gradients of one batch, part by part and process by process.

What does not fit into memory at once is computed in parts whose gradients add up: the same step, later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce

import torch
from torch import Tensor

from understudy.train.data.samples import Batch
from understudy.train.losses import terms
from understudy.train.networks import autoencoder
from understudy.train.state import Study, precision

# How far one batch moves the averages of the codes.
CODE_SHARE = 0.02


@dataclass(frozen=True)
class Figures:
    """What one iteration says of itself, still on the device.

    Attributes:
        losses: Each term's loss and their weighted `total`, as scalars.
        contrasts: Each identity's contrast as a share of the truth's, as scalars.
    """

    losses: dict[str, Tensor]
    contrasts: dict[str, Tensor]


def add_up(study: Study, batches: list[Batch], rehearsed: Batch | None = None) -> Figures:
    """Add up the gradients of the whole batch of every identity that learns.

    Args:
        study: Its network gets the gradients.
        batches: Of each of `study.taught`.
        rehearsed: Of the performer whose edit learns.

    Raises:
        MemoryError: another process's memory did not suffice; other errors where this one's does not.
    """
    own = study.team.shares(study.batch)[study.team.place]
    parts = _parts([_part(batch, own) for batch in batches], study.parts)
    several = len(parts) > 1 or study.team.many
    if several:
        _learn_codes_first(study, parts)
    whole = torch.cat([batch.weight for batch in batches]) if several else None
    with study.team.all_or_none():
        figures = _of_parts(study, parts, whole)
        if rehearsed is not None:
            _rehearse(study, _part(rehearsed, own), figures)
    study.team.add_up(value.grad for value in study.network.parameters() if value.grad is not None)
    if study.adversary is not None and "critic" in figures.losses:
        study.team.add_up(
            value.grad for value in study.adversary.network.parameters() if value.grad is not None
        )
    study.team.add_up([*figures.losses.values(), *figures.contrasts.values()])
    return figures


def _of_parts(study: Study, parts: list[list[Batch]], whole: Tensor | None) -> Figures:
    """Add up the gradients of this process's parts."""
    weights = terms.weights_at(study.iteration, study.job)
    sums: dict[str, Tensor] = {}
    contrasts: dict[str, Tensor] = {}
    for part in parts:
        codes, drawn = _draw(study, part, learnt=whole is not None)
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
        share = len(part[0].truth) / study.batch
        _add_to(contrasts, _contrasts(study, part, drawn), share=share)
    return Figures(sums, contrasts)


def _rehearse(study: Study, batch: Batch, figures: Figures) -> None:
    """Draw a performer's faces as its edit has them, and ask that they act alike."""
    assert study.edit_of is not None  # or nothing would be rehearsed
    weight = terms.REHEARSAL.weight
    for part in cut(batch, study.parts):
        with precision(study.job, study.device):
            seen = autoencoder.normalise(part.distorted).contiguous(memory_format=torch.channels_last)
            code = study.network.describe(seen, study.edit_of)
            ((drawn, _),) = study.network.draw(code, part.points, study.taught)
        share = len(part.truth) / study.batch
        loss = terms.acted_alike(drawn.float(), autoencoder.normalise(part.truth), part.weight) * share
        (weight * loss).backward()
        _add_to(figures.losses, {"rehearsal": loss, "total": weight * loss}, share=1.0)
    study.lap("backward")


def _add_to(sums: dict[str, Tensor], figures: dict[str, Tensor], *, share: float) -> None:
    for name, value in figures.items():
        sums[name] = sums.get(name, 0.0) + value.detach() * share


@torch.no_grad()
def _contrasts(study: Study, batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """How much of the truth's contrast each identity's faces have."""
    names = [study.banks[index].name for index in study.taught]
    faces = [autoencoder.denormalise(face.float()) for face, _ in drawn]
    pairs = zip(names, faces, batches, strict=True)
    return {name: terms.contrast(face, batch.truth, batch.matte) for name, face, batch in pairs}


def _parts(batches: list[Batch], count: int) -> list[list[Batch]]:
    """The batches cut into `count` parts at most, each with as many faces of every identity."""
    several = [cut(batch, count) for batch in batches]
    return [list(part) for part in zip(*several, strict=True)]


def _part(batch: Batch, chosen: slice) -> Batch:
    return Batch(*(getattr(batch, field.name)[chosen] for field in fields(batch)))


def cut(batch: Batch, count: int) -> list[Batch]:
    """A batch in so many parts at most, alike but for a face."""
    count = min(count, len(batch.truth))
    tensors = (getattr(batch, field.name).tensor_split(count) for field in fields(batch))
    return [Batch(*pieces) for pieces in zip(*tensors, strict=True)]


def _draw(
    study: Study, batches: list[Batch], *, learnt: bool
) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
    """Each identity's codes, faces and matte logits; its average code learns from them unless it has."""
    with precision(study.job, study.device):
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
    with precision(study.job, study.device):
        asked = [
            network.asked(batch.points, of=identity, to=by)
            for batch, identity, by in zip(batches, identities, drawn_by, strict=True)
        ]
        swaps = network.draw(torch.cat(codes).detach(), torch.cat(asked), drawn_by)
        faces = torch.cat([face for face, _ in swaps])
        raw = network.encode(faces.contiguous(memory_format=torch.channels_last)).chunk(len(codes))
        again = [network.normaliser(code, by) for code, by in zip(raw, drawn_by, strict=True)]
    count = study.batch * len(codes)
    return terms.described_alike(torch.cat(again).float(), torch.cat(codes).float(), count=count)


def _fooled(study: Study, batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> Tensor:
    assert study.adversary is not None  # a job that gives it a weight has one
    return study.adversary.fooled(*_judged(batches, drawn), count=study.batch * len(batches))


def _criticised(study: Study, batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> Tensor:
    assert study.adversary is not None
    count = study.batch * len(batches)
    judged = (value.detach() for value in _judged(batches, drawn))
    return study.adversary.learn(*judged, count=count, iteration=study.iteration)


def _judged(batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    faces = torch.cat([face for face, _ in drawn]).float()
    truth = autoencoder.normalise(torch.cat([batch.truth for batch in batches]))
    return faces, truth, torch.cat([batch.matte for batch in batches])


def _describe(study: Study, batches: list[Batch]) -> tuple[Tensor, ...]:
    """Each identity's codes (N, C), not yet normalised."""
    distorted = autoencoder.normalise(torch.cat([batch.distorted for batch in batches]))
    raw: Tensor = study.network.encode(distorted.contiguous(memory_format=torch.channels_last))
    return raw.chunk(len(batches))


def _learn_codes(study: Study, raw: Sequence[Tensor]) -> None:
    """Move each identity's average code towards a whole batch's.

    Not an edit's: its few faces may all have shut mouths, and are to be described as the performer's are.
    """
    if study.edit_of is not None:
        return
    share = max(CODE_SHARE, 1.0 / (study.iteration + 1))
    for identity, code in zip(study.taught, raw, strict=True):
        study.network.normaliser.learn(code, identity, share=share)


@torch.no_grad()
def _learn_codes_first(study: Study, parts: list[list[Batch]]) -> None:
    # The averages learn from the whole batch before any part is normalised by them.
    mixed = precision(study.job, study.device)
    with study.team.all_or_none(), mixed:
        described = [_describe(study, part) for part in parts]
    raw = [torch.cat(codes) for codes in zip(*described, strict=True)]
    _learn_codes(study, [study.team.gathered(codes, study.batch) for codes in raw])


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
    truth = autoencoder.normalise(torch.cat([batch.truth for batch in batches]))
    weight = torch.cat([batch.weight for batch in batches])
    # What looks at a neighbourhood would see a wrong background from well inside the face.
    in_place = torch.lerp(truth, faces, weight.clamp(max=1.0))
    figures = {
        "absolute": terms.weighted_absolute(faces, truth, weight, whole=whole),
        "structure": terms.structural(in_place, truth, weight, whole=whole),
        "matte": terms.matte_loss(logits, torch.cat([batch.matte for batch in batches]), whole=whole),
    }
    if "detail" in weights:
        figures["detail"] = terms.detail(in_place, truth, weight, whole=whole)
    return figures


def total(figures: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The terms' weighted sum, which training lowers."""
    return reduce(torch.add, [weights[name] * figures[name] for name in figures if name in weights])
