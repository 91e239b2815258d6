"""A performer who joins a trained model: what is given to it, who learns meanwhile, and what that saves.

The newcomer's own part begins as the mean of the others', because decoders that were drawn together hold what
all performers have in common, and it learns alone at first: one part in place of all, and nobody else's face
can suffer. Then all learn together, where every performer's face set is there; otherwise what they share
stands still, because whoever is absent could not follow.

Who is another performer as edited, aged or made up, begins as that one, codes and shape alike, and only the
finer half of its decoder learns: what is edited is what skin looks like, not how it acts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from understudy.face.identity_shape import identity_shapes
from understudy.train.checkpoints import model_folder, store
from understudy.train.data.samples import LoadedFaces, evenly, still_batch
from understudy.train.networks import autoencoder
from understudy.train.validation.history import Curve

AT_ONCE = 16
# A newcomer is there once its SSIM is so near to its best.
NEARLY = 0.01
# Levels of a decoder, from the coarsest on, that an edit leaves as they are.
STILL_LEVELS = 2
# So many faces say where a performer's codes lie.
MOST_DESCRIBED = 256


def newcomers(description: model_folder.Description, iteration: int, alone: int) -> list[int]:
    """The identities that joined less than `alone` iterations ago, and learn alone until then."""
    names = description.architecture.identities
    return sorted(
        names.index(name) for name, at in description.joined.items() if at <= iteration < at + alone
    )


def freeze(
    network: autoencoder.Comb, *, learning: Sequence[int], shared_learns: bool, edited: bool = False
) -> None:
    """Freeze all but the parts of who learns, of an edit the finer ones, and the shared layers on request."""
    network.requires_grad_(shared_learns)
    for index, own in enumerate(network.owns):
        own.requires_grad_(index in learning)
        if edited and isinstance(own, autoencoder.Decoder):
            own.coarse(STILL_LEVELS).requires_grad_(False)


@torch.no_grad()
def begin_edit(network: autoencoder.Comb, ema: autoencoder.Comb, *, new: int, of: int) -> None:
    """Begin an edit as the performer that it is of."""
    for one in (network, ema):
        one.owns[new].load_state_dict(one.owns[of].state_dict())
        one.normaliser.mean[new] = one.normaliser.mean[of]
        one.normaliser.variance[new] = one.normaliser.variance[of]
        one.shapes[new] = one.shapes[of]


@torch.no_grad()
def set_frozen_to_ema(network: autoencoder.Comb, ema: autoencoder.Comb, *, learning: Sequence[int]) -> None:
    """Set what stands still to its average, which is what is exported: it must drift no more."""
    slow = dict(ema.named_parameters())
    for name, value in network.named_parameters():
        if not value.requires_grad:
            value.copy_(slow[name])
    for index in set(range(len(network.shapes))) - set(learning):
        network.normaliser.mean[index] = ema.normaliser.mean[index]
        network.normaliser.variance[index] = ema.normaliser.variance[index]


def load(
    found: store.Checkpoint,
    *,
    network: autoencoder.Comb,
    ema: autoencoder.Comb,
    optimiser: torch.optim.Optimizer,
) -> list[int]:
    """Load a checkpoint of a model that had fewer identities, whose names its state tells.

    Returns:
        The identities that it does not hold: their own part is the mean of the others', and their codes and
        shape are yet to be found.

    Raises:
        TrainingError: it is damaged, of another shape, or from a later version; nothing has changed.
    """
    names = network.architecture.identities
    known = known_identities(found, names)
    if len(known) == len(names):
        store.load(found, network=network, ema=ema, optimiser=optimiser)
        return []
    smaller = [autoencoder.Comb(replace(network.architecture, identities=known)) for _ in range(2)]
    device = next(network.parameters()).device
    for one in smaller:
        one.to(device)
    moments = torch.optim.Adam(smaller[0].parameters())
    store.load(found, network=smaller[0], ema=smaller[1], optimiser=moments)
    for large, small in zip((network, ema), smaller, strict=True):
        _extend(large, small)
    optimiser.state.clear()
    store.put_moments(network, optimiser, store.moments(smaller[0], moments))
    return list(range(len(known), len(names)))


def known_identities(found: store.Checkpoint, names: Sequence[str]) -> tuple[str, ...]:
    """Whom a checkpoint holds of a model's identities, which only ever grow at their end."""
    told = store.read_state(found).get("identities")
    count = len(told) if isinstance(told, list) and told == list(names[: len(told)]) else len(names)
    return tuple(names[: max(1, count)])


@torch.no_grad()
def begin_newcomers(
    network: autoencoder.Comb, ema: autoencoder.Comb, banks: Mapping[int, LoadedFaces], new: Sequence[int]
) -> None:
    """Find where the newcomers' codes lie, and what of their landmarks is their own."""
    for index in new:
        mean, variance = _codes(ema, banks[index])
        for one in (network, ema):
            one.normaliser.mean[index] = mean
            one.normaliser.variance[index] = variance
    places = sorted(banks)
    shapes = torch.from_numpy(shapes_of([banks[place] for place in places])).to(network.shapes.device)
    known = [place for place in places if place not in new]
    # Shapes mean something by their differences only: whoever is known already says where these lie.
    moved = torch.zeros_like(shapes[0])
    if known:
        moved = torch.stack([network.shapes[place] - shapes[places.index(place)] for place in known]).mean(0)
    for index in new:
        for one in (network, ema):
            one.shapes[index] = shapes[places.index(index)] + moved


def shapes_of(banks: Sequence[LoadedFaces]) -> np.ndarray:
    """(identities, 68, 2) float32: what of the landmarks is the performers' own."""
    landmarks = [bank.landmarks.cpu().numpy() for bank in banks]
    return identity_shapes(landmarks, [bank.poses.cpu().numpy() for bank in banks])


def time_saved(curves: Mapping[str, Curve], since: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """For each newcomer how long it took, and what another model would have had to learn again.

    Args:
        curves: The validations' figures.
        since: Seconds that the model had been trained for when each of them joined.

    Returns:
        By name `minutes`, until its unseen faces were drawn nearly as well as ever since, and
        `spared_minutes`, which the others had been trained for by then.
    """
    saved: dict[str, dict[str, float]] = {}
    for name, begun in since.items():
        curve = curves.get(f"held_out/ssim/{name}")
        if curve is not None:
            nearly = curve.values >= curve.values.max() - NEARLY
            reached = float(curve.seconds[np.flatnonzero(nearly)[0]])
            saved[name] = {
                "minutes": round((reached - begun) / 60, 2),
                "spared_minutes": round(begun / 60, 2),
            }
    return saved


@torch.no_grad()
def _extend(large: autoencoder.Comb, small: autoencoder.Comb) -> None:
    """Take over what the smaller network knows; what is new begins as the mean of what is there."""
    table = small.state_dict()
    for name, value in large.state_dict().items():
        if name in table and table[name].shape == value.shape:
            value.copy_(table[name])
        elif name in table:  # a row an identity
            value[: len(table[name])] = table[name]
            value[len(table[name]) :] = table[name].mean(0)
    for own in list(large.owns)[len(small.owns) :]:
        _set_to_mean(own, list(small.owns))


def _set_to_mean(own: nn.Module, others: Sequence[nn.Module]) -> None:
    tables = [other.state_dict() for other in others]
    for name, value in own.state_dict().items():
        value.copy_(torch.stack([table[name] for table in tables]).mean(0))


def _codes(ema: autoencoder.Comb, bank: LoadedFaces) -> tuple[Tensor, Tensor]:
    """Mean and variance of a performer's codes, (C,) each."""
    codes = [
        ema.encode(autoencoder.normalise(still_batch(bank, few, size=ema.edge).truth))
        for few in evenly(bank.training, MOST_DESCRIBED).split(AT_ONCE)
    ]
    variance, mean = torch.var_mean(torch.cat(codes), dim=0, unbiased=False)
    return mean, variance
