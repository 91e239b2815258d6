"""Performers who join a trained model, and edits: how their parts begin, and who learns meanwhile.

A newcomer's part begins as the mean of the others', because decoders that are pulled to their mean hold what
all performers have in common. It learns alone at first, so that nobody else's face changes. Then all learn
together where every performer's face set is there; otherwise the shared layers are frozen, because the part
of whoever is absent could not follow.

An edit, a performer aged or made up, begins as that performer, latents and face shape alike. Only the finer
half of its decoder learns: an edit changes the look of the skin, not how the face moves.
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
# A newcomer has been learned once its SSIM is so near to its best.
NEARLY = 0.01
# Levels of a decoder, from the coarsest on, that an edit leaves as they are.
FROZEN_LEVELS = 2
# So many faces say where a performer's latents lie.
MOST_ENCODED = 256


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
    for index, part in enumerate(network.identity_parts):
        part.requires_grad_(index in learning)
        if edited and isinstance(part, autoencoder.Decoder):
            part.coarse(FROZEN_LEVELS).requires_grad_(False)


@torch.no_grad()
def begin_edit(network: autoencoder.Comb, ema: autoencoder.Comb, *, new: int, of: int) -> None:
    """Begin an edit as the performer who was edited."""
    for one in (network, ema):
        one.identity_parts[new].load_state_dict(one.identity_parts[of].state_dict())
        one.normaliser.mean[new] = one.normaliser.mean[of]
        one.normaliser.variance[new] = one.normaliser.variance[of]
        one.shapes[new] = one.shapes[of]


@torch.no_grad()
def set_frozen_to_ema(network: autoencoder.Comb, ema: autoencoder.Comb, *, learning: Sequence[int]) -> None:
    """Set frozen weights to their average, which is what is exported, so that it drifts no more."""
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
    """Load a checkpoint of a model that may have had fewer identities.

    Returns:
        The identities that it does not hold: their part is the mean of the others'; the statistics of their
        latents and their face shape are still to be found.

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
    """The identities that a checkpoint holds; newer ones are appended to a model's identities."""
    told = store.read_state(found).get("identities")
    count = len(told) if isinstance(told, list) and told == list(names[: len(told)]) else len(names)
    return tuple(names[: max(1, count)])


@torch.no_grad()
def begin_newcomers(
    network: autoencoder.Comb, ema: autoencoder.Comb, loaded: Mapping[int, LoadedFaces], new: Sequence[int]
) -> None:
    """Measure the statistics of the newcomers' latents, and their face shapes."""
    for index in new:
        mean, variance = _latent_statistics(ema, loaded[index])
        for one in (network, ema):
            one.normaliser.mean[index] = mean
            one.normaliser.variance[index] = variance
    places = sorted(loaded)
    shapes = torch.from_numpy(shapes_of([loaded[place] for place in places])).to(network.shapes.device)
    known = [place for place in places if place not in new]
    # Only differences of shapes have a meaning: those that are known already fix the origin.
    moved = torch.zeros_like(shapes[0])
    if known:
        moved = torch.stack([network.shapes[place] - shapes[places.index(place)] for place in known]).mean(0)
    for index in new:
        for one in (network, ema):
            one.shapes[index] = shapes[places.index(index)] + moved


def shapes_of(loaded: Sequence[LoadedFaces]) -> np.ndarray:
    """(identities, 68, 2) float32: each performer's face shape, apart from the acting."""
    landmarks = [loaded.landmarks.cpu().numpy() for loaded in loaded]
    return identity_shapes(landmarks, [loaded.poses.cpu().numpy() for loaded in loaded])


def time_saved(curves: Mapping[str, Curve], since: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """For each newcomer how long it took, and how much training it was spared.

    Args:
        curves: The validations' figures.
        since: Seconds that the model had been trained for when each of them joined.

    Returns:
        By name `minutes`, until its unseen faces were predicted nearly as well as ever since, and
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
    """Copy the smaller network's weights; new parts begin as the mean of those that are there."""
    table = small.state_dict()
    for name, value in large.state_dict().items():
        if name in table and table[name].shape == value.shape:
            value.copy_(table[name])
        elif name in table:  # a row an identity
            value[: len(table[name])] = table[name]
            value[len(table[name]) :] = table[name].mean(0)
    for part in list(large.identity_parts)[len(small.identity_parts) :]:
        _set_to_mean(part, list(small.identity_parts))


def _set_to_mean(part: nn.Module, others: Sequence[nn.Module]) -> None:
    tables = [other.state_dict() for other in others]
    for name, value in part.state_dict().items():
        value.copy_(torch.stack([table[name] for table in tables]).mean(0))


def _latent_statistics(ema: autoencoder.Comb, loaded: LoadedFaces) -> tuple[Tensor, Tensor]:
    """Mean and variance of a performer's latents, (L,) each."""
    latents = [
        ema.encode_raw(autoencoder.normalise(still_batch(loaded, few, size=ema.edge).truth))
        for few in evenly(loaded.training, MOST_ENCODED).split(AT_ONCE)
    ]
    variance, mean = torch.var_mean(torch.cat(latents), dim=0, unbiased=False)
    return mean, variance
