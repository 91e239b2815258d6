"""Validation figures on faces that training never saw: likeness, expression, identity, flicker.

    held_out/ssim/NAME, held_out/l1/NAME   a performer's unseen faces reconstructed, in the matte: structural
                                           similarity (1 is equal), and L1 in the encoded space
    training/ssim/NAME                     the same of as many faces that it trains on
    held_out/error, training/error         1 - SSIM, over both performers: the lower the better
    expression/mouth, expression/eyes      how far the swap's openness is from the plate's landmarks', in
                                           percent of the distance between the eyes (openness.py)
    expression/mouth_readable, …           the error that reading alone makes, on true faces
    identity/to_source, to_destination     how far swaps lie from each performer (likeness.py)
    identity/leak                          0 where the source's true faces lie, 1 where the destination's do
    flicker/stops                          what swaps change beyond the plate, frame to frame (flicker.py)

A figure that the faces do not allow is left out: there are too few of them, no two frames follow each other,
or no mouth moves. Which faces are measured depends on the face sets alone, so that figures compare.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from understudy.face import align
from understudy.train.data.samples import HELD_OUT_RUN, Batch, LoadedFaces, evenly, still_batch
from understudy.train.losses import table
from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.terms.absolute import weighted_l1
from understudy.train.losses.terms.structure import multiscale_dissimilarity
from understudy.train.networks import autoencoder
from understudy.train.tasks.model_state import ModelState
from understudy.train.validation import flicker, likeness
from understudy.train.validation import openness as expression

AT_ONCE = 16
# Enough for figures that repeat within a percent, in a few seconds on two cores. Large faces are fewer.
MOST_FACES = 48
MOST_PIXELS = MOST_FACES * 256**2
MOST_FITTED = 400


@dataclass(frozen=True, eq=False)
class References:
    """What is fitted once on the true faces; every validation is measured against it.

    Attributes:
        unseen, seen: For each identity the held-out faces that are measured, and as many trained on.
        distance: Between the eyes, as a share of the edge.
        readers: For eyes and mouth, None where they cannot be read.
        hull: Where faces are compared by their detail.
        likeness: None where the performers cannot be told apart.
        pairs: (M,) positions in the destination's `unseen` whose next one is the following frame.
        flow: The plate's motion between these pairs, None where there are none.
    """

    unseen: dict[int, Tensor]
    seen: dict[int, Tensor]
    distance: float
    readers: list[expression.Reader | None]
    hull: NDArray[np.bool_]
    likeness: likeness.Likeness | None
    pairs: Tensor
    flow: Tensor | None


@torch.no_grad()
def fit_references(state: ModelState) -> References:
    """Fit the readers and the likeness, and the plate's motion, on the true faces."""
    size = state.size
    unseen = {index: _clips(loaded, size) for index, loaded in state.faces.items()}
    seen = {index: evenly(loaded.training, len(unseen[index])) for index, loaded in state.faces.items()}
    ends = (state.description.destination, state.description.source)
    both, clips = [state.faces[end] for end in ends], [unseen[end] for end in ends]
    distance = expression.eye_distance([loaded.landmarks for loaded in both])
    hull = likeness.shared_hull(torch.cat([loaded.masks[:64, :1].float() for loaded in both]))
    known, check = (
        [
            _Appearance.of(loaded, chunk, size, distance, hull)
            for loaded, chunk in zip(both, chosen, strict=True)
        ]
        for chosen in ([evenly(loaded.training, MOST_FITTED) for loaded in both], clips)
    )
    pairs = _pairs(both[0], clips[0])
    return References(
        unseen,
        seen,
        distance,
        [_reader(known, check, part) for part in range(len(expression.PARTS))],
        hull,
        likeness.fit(known[0].detail, known[1].detail, unseen=(check[0].detail, check[1].detail)),
        pairs,
        _flow(both[0], clips[0], pairs, size) if len(pairs) else None,
    )


@torch.no_grad()
def losses_held_out(state: ModelState) -> dict[str, float]:
    """Losses of the averaged network on all faces that it never trained on, as `held_out/LOSS`."""
    sums: dict[str, float] = {}
    weights = table.weights_at("model", state.iteration, state.job)
    for index, loaded in state.faces.items():
        for chosen in loaded.held_out.split(AT_ONCE):
            batch = still_batch(loaded, chosen, size=state.size)
            latent = state.ema.encode(autoencoder.normalise(batch.truth), index)
            predicted = state.ema.decode(latent, batch.points, [index])
            inputs = LossInputs([batch], predicted, None, len(chosen))
            share = len(chosen) / (len(loaded.held_out) * len(state.faces))
            for name, value in table.compute("model", inputs, weights, measuring=True).items():
                sums[f"held_out/{name}"] = sums.get(f"held_out/{name}", 0.0) + float(value) * share
    return sums


@torch.no_grad()
def measure(state: ModelState, references: References) -> dict[str, float]:
    """The figures above, of the averaged network; a figure that is not finite is left out."""
    figures = _reconstruction(state, references) | _swap(state, references)
    return {name: value for name, value in figures.items() if math.isfinite(value)}


@dataclass(frozen=True, eq=False)
class _Appearance:
    """What is compared of faces.

    Attributes:
        parts: For eyes and mouth (N, values).
        openness: (N, 2) by the landmarks that the faces were given.
        detail: (N, P) inside the shared hull.
    """

    parts: list[NDArray[np.float64]]
    openness: NDArray[np.float64]
    detail: NDArray[np.float64]

    @classmethod
    def measured(
        cls,
        faces: Tensor,
        points: Tensor,
        distance: float,
        hull: NDArray[np.bool_],
        cut: Tensor | None = None,
    ) -> _Appearance:
        """Of faces (N, 3, S, S) with landmarks (N, 68, 2); `cut` are the same as crops hold them."""
        fine = likeness.detail(faces if cut is None else cut).cpu().numpy()[:, hull].astype(np.float64)
        return cls(
            expression.surroundings(faces, points, distance), expression.openness(points, distance), fine
        )

    @classmethod
    def of(
        cls, loaded: LoadedFaces, chosen: Tensor, size: int, distance: float, hull: NDArray[np.bool_]
    ) -> _Appearance:
        """Of true faces."""
        found = []
        for chunk in chosen.split(AT_ONCE):
            batch = still_batch(loaded, chunk, size=size)
            found.append(cls.measured(batch.truth, batch.points, distance, hull))
        parts = [
            np.concatenate([face_figures.parts[part] for face_figures in found])
            for part in range(len(expression.PARTS))
        ]
        return cls(
            parts,
            np.concatenate([face_figures.openness for face_figures in found]),
            np.concatenate([face_figures.detail for face_figures in found]),
        )


def _reader(known: list[_Appearance], check: list[_Appearance], part: int) -> expression.Reader | None:
    return expression.fit_reader(
        np.concatenate([face_figures.parts[part] for face_figures in known]),
        np.concatenate([face_figures.openness[:, part] for face_figures in known]),
        unseen=np.concatenate([face_figures.parts[part] for face_figures in check]),
        unseen_truth=np.concatenate([face_figures.openness[:, part] for face_figures in check]),
    )


def _clips(loaded: LoadedFaces, size: int) -> Tensor:
    """The held-out faces to measure: whole clips, evenly chosen where there are many."""
    most = min(MOST_FACES, MOST_PIXELS // size**2)
    clips = loaded.held_out.split(HELD_OUT_RUN)
    chosen = evenly(torch.arange(len(clips)), max(2, most // HELD_OUT_RUN))
    return torch.cat([clips[index] for index in chosen.tolist()])


def _pairs(loaded: LoadedFaces, chosen: Tensor) -> Tensor:
    """Positions in `chosen` whose next one is the face after it, and of the frame after it."""
    next_to = (chosen[1:] - chosen[:-1] == 1) & loaded.consecutive[chosen[1:]]
    return next_to.nonzero()[:, 0]


def _flow(loaded: LoadedFaces, chosen: Tensor, pairs: Tensor, size: int) -> Tensor:
    earlier = still_batch(loaded, chosen[pairs], size=size).truth
    return flicker.plate_flow(earlier, still_batch(loaded, chosen[pairs + 1], size=size).truth)


def _reconstruction(state: ModelState, references: References) -> dict[str, float]:
    figures: dict[str, float] = {}
    for kind, chosen in (("held_out", references.unseen), ("training", references.seen)):
        errors = []
        for index, loaded in state.faces.items():
            similarity, absolute = _reconstructed(state, loaded, index, chosen[index])
            figures[f"{kind}/ssim/{loaded.name}"] = similarity
            if kind == "held_out":
                figures[f"{kind}/l1/{loaded.name}"] = absolute
            errors.append(1.0 - similarity)
        figures[f"{kind}/error"] = sum(errors) / len(errors)
    return figures


def _reconstructed(state: ModelState, loaded: LoadedFaces, index: int, chosen: Tensor) -> tuple[float, float]:
    """SSIM, and L1 in the encoded space, of reconstructions, in the matte."""
    similarity = absolute = 0.0
    for chunk in chosen.split(AT_ONCE):
        batch = still_batch(loaded, chunk, size=state.size)
        truth = autoencoder.normalise(batch.truth)
        ((predicted, _),) = state.ema.decode(state.ema.encode(truth, index), batch.points, [index])
        share = len(chunk) / len(chosen)
        unlike = multiscale_dissimilarity(predicted, truth, batch.matte, scales=1)
        similarity += share * (1.0 - float(unlike))
        absolute += share * autoencoder.SPAN * float(weighted_l1(predicted, truth, batch.matte))
    return similarity, absolute


def _swap(state: ModelState, references: References) -> dict[str, float]:
    """The figures of a swap that need no true swap."""
    chosen = references.unseen[state.description.destination]
    predicted = [_swapped(state, chunk) for chunk in chosen.split(AT_ONCE)]
    faces, target_points = (
        torch.cat(listed) for listed in zip(*(pair for pair, _ in predicted), strict=True)
    )
    plate, matte, points = (
        torch.cat([getattr(batch, name) for _, batch in predicted]) for name in ("truth", "matte", "points")
    )
    cut = placed(faces, target_points, state.description.coverage)
    face_figures = _Appearance.measured(faces, target_points, references.distance, references.hull, cut=cut)
    in_plate = expression.openness(points, references.distance)
    figures: dict[str, float] = {}
    for part, (name, reader) in enumerate(zip(expression.PARTS, references.readers, strict=True)):
        if reader is not None:
            drift = np.abs(reader.read(face_figures.parts[part]) - in_plate[:, part])
            figures[f"expression/{name}"] = float(drift.mean())
            figures[f"expression/{name}_readable"] = reader.error_percent
    if references.likeness is not None:
        far = np.median(references.likeness.distances(face_figures.detail), axis=0)
        figures |= {"identity/to_destination": float(far[0]), "identity/to_source": float(far[1])}
        figures["identity/leak"] = 1.0 - float(np.median(references.likeness.place(face_figures.detail)))
    if references.flow is not None:
        now, later = references.pairs, references.pairs + 1
        frames = (faces[now], faces[later]), (plate[now], plate[later])
        figures["flicker/stops"] = flicker.flicker(*frames, flow=references.flow, matte=matte[now])
    return figures


def _swapped(state: ModelState, chosen: Tensor) -> tuple[tuple[Tensor, Tensor], Batch]:
    """Swapped faces with their target landmarks, and the batch they were made of."""
    destination, source = state.description.destination, state.description.source
    network = state.ema
    batch = still_batch(state.faces[destination], chosen, size=state.size)
    latent = network.encode(autoencoder.normalise(batch.truth), destination)
    target_points = network.move_landmarks(batch.points, of=destination, to=source)
    ((predicted, _),) = network.decode(latent, target_points, [source])
    return (autoencoder.denormalise(predicted), target_points), batch


def placed(faces: Tensor, points: Tensor, coverage: str) -> Tensor:
    """Faces cut out anew where their own landmarks place them, as every true face was.

    A swap lies where the plate's face does, with the source's features where its shape has them: by a longer
    nose it is placed higher in its own crop.

    Args:
        faces: (N, 3, S, S).
        points: (N, 68, 2) shares of their edge.
        coverage: Of the face sets.

    Returns:
        (N, 3, S, S).
    """
    size = faces.shape[-1]
    found = []
    for one in points.cpu().double().numpy():
        back = align.invert(align.plate_to_aligned(one * size - 0.5, coverage=coverage, size=size))
        turn, shift = back[:, :2], back[:, 2]
        # From pixels to the -1..1 of a sampling grid, whose ends are the outer edges of the pixels.
        moved = (turn @ np.full(2, size - 1.0) + 2.0 * shift + 1.0) / size - 1.0
        found.append(np.concatenate([turn, moved[:, None]], axis=1))
    affine = torch.from_numpy(np.stack(found)).to(faces)
    grid = functional.affine_grid(affine, list(faces.shape), align_corners=False)
    return functional.grid_sample(faces, grid, align_corners=False, padding_mode="border")
