"""What a model makes of faces it never trained on: looks, acting, identity and flicker, as plain figures.

    held_out/ssim/NAME, held_out/l1/NAME   a performer's unseen faces drawn by its own decoder, in the matte:
                                           structural similarity (1 is equal), and L1 in the encoded space
    training/ssim/NAME                     the same of as many faces that it trains on
    held_out/error, training/error         1 - SSIM, over both performers: the lower the better
    expression/mouth, expression/eyes      how far the swap's openness is from the plate's landmarks', in
                                           percent of the distance between the eyes (openness.py)
    expression/mouth_readable, …           the error that reading alone makes, on true faces
    identity/to_source, to_destination     how far swaps lie from each performer (likeness.py)
    identity/leak                          0 where the source's own faces lie, 1 where the destination's do
    flicker/stops                          what swaps change beyond the plate, frame to frame (flicker.py)

What the faces do not allow to be measured is left out: there are too few, no two frames follow each other, or
no mouth ever moves. Which faces are measured depends on the face sets alone, so that figures compare.
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
from understudy.train.data.samples import HELD_OUT_RUN, Bank, Batch, evenly, still_batch
from understudy.train.losses import terms
from understudy.train.networks import autoencoder
from understudy.train.state import Study
from understudy.train.validation import flicker, likeness
from understudy.train.validation import openness as acting

AT_ONCE = 16
# Enough for figures that hold still to a percent, and a few seconds on two cores. Large faces are fewer.
MOST_FACES = 48
MOST_PIXELS = MOST_FACES * 256**2
MOST_FITTED = 400


@dataclass(frozen=True, eq=False)
class Yardsticks:
    """What is fitted once on the true faces, and measured with at every validation.

    Attributes:
        unseen, seen: For each identity the held-out faces that are measured, and as many trained on.
        distance: Between the eyes, as a share of the edge.
        readers: For eyes and mouth, None where they cannot be read.
        hull: Where faces are compared by their detail.
        likeness: None where the performers cannot be told apart.
        pairs: (M,) positions in the destination's `unseen` whose next one is the following frame.
        flow: The plate's movement of these pairs, None where there are none.
    """

    unseen: dict[int, Tensor]
    seen: dict[int, Tensor]
    distance: float
    readers: list[acting.Reader | None]
    hull: NDArray[np.bool_]
    likeness: likeness.Likeness | None
    pairs: Tensor
    flow: Tensor | None


@torch.no_grad()
def make_yardsticks(study: Study) -> Yardsticks:
    """Fit the readers and the likeness, and follow the plate's movement, on the study's face sets."""
    size = study.size
    unseen = {index: _clips(bank, size) for index, bank in study.banks.items()}
    seen = {index: evenly(bank.training, len(unseen[index])) for index, bank in study.banks.items()}
    ends = (study.description.destination, study.description.source)
    banks, clips = [study.banks[end] for end in ends], [unseen[end] for end in ends]
    distance = acting.eye_distance([bank.landmarks for bank in banks])
    hull = likeness.shared_hull(torch.cat([bank.planes[:64, :1].float() for bank in banks]))
    known, check = (
        [_Looks.of(bank, few, size, distance, hull) for bank, few in zip(banks, chosen, strict=True)]
        for chosen in ([evenly(bank.training, MOST_FITTED) for bank in banks], clips)
    )
    pairs = _pairs(banks[0], clips[0])
    return Yardsticks(
        unseen,
        seen,
        distance,
        [_reader(known, check, part) for part in range(len(acting.PARTS))],
        hull,
        likeness.fit(known[0].detail, known[1].detail, unseen=(check[0].detail, check[1].detail)),
        pairs,
        _flow(banks[0], clips[0], pairs, size) if len(pairs) else None,
    )


@torch.no_grad()
def measure(study: Study, yardsticks: Yardsticks) -> dict[str, float]:
    """The figures above, of the averaged network; a figure that is no number is left out."""
    figures = _reconstruction(study, yardsticks) | _swap(study, yardsticks)
    return {name: value for name, value in figures.items() if math.isfinite(value)}


@dataclass(frozen=True, eq=False)
class _Looks:
    """Faces as the yardsticks see them.

    Attributes:
        parts: For eyes and mouth (N, values).
        openness: (N, 2) by the landmarks that the faces were given.
        detail: (N, P) inside the shared hull.
    """

    parts: list[NDArray[np.float64]]
    openness: NDArray[np.float64]
    detail: NDArray[np.float64]

    @classmethod
    def seen(
        cls,
        faces: Tensor,
        points: Tensor,
        distance: float,
        hull: NDArray[np.bool_],
        cut: Tensor | None = None,
    ) -> _Looks:
        """Faces (N, 3, S, S) and their landmarks (N, 68, 2); `cut` as crops hold them, where they do not."""
        fine = likeness.detail(faces if cut is None else cut).cpu().numpy()[:, hull].astype(np.float64)
        return cls(acting.surroundings(faces, points, distance), acting.openness(points, distance), fine)

    @classmethod
    def of(cls, bank: Bank, chosen: Tensor, size: int, distance: float, hull: NDArray[np.bool_]) -> _Looks:
        """True faces of a bank."""
        found = []
        for few in chosen.split(AT_ONCE):
            batch = still_batch(bank, few, size=size)
            found.append(cls.seen(batch.truth, batch.points, distance, hull))
        parts = [np.concatenate([looks.parts[part] for looks in found]) for part in range(len(acting.PARTS))]
        return cls(
            parts,
            np.concatenate([looks.openness for looks in found]),
            np.concatenate([looks.detail for looks in found]),
        )


def _reader(known: list[_Looks], check: list[_Looks], part: int) -> acting.Reader | None:
    return acting.fit_reader(
        np.concatenate([looks.parts[part] for looks in known]),
        np.concatenate([looks.openness[:, part] for looks in known]),
        unseen=np.concatenate([looks.parts[part] for looks in check]),
        unseen_truth=np.concatenate([looks.openness[:, part] for looks in check]),
    )


def _clips(bank: Bank, size: int) -> Tensor:
    """The held-out faces to measure: whole clips, evenly chosen where there are many."""
    most = min(MOST_FACES, MOST_PIXELS // size**2)
    clips = bank.held_out.split(HELD_OUT_RUN)
    chosen = evenly(torch.arange(len(clips)), max(2, most // HELD_OUT_RUN))
    return torch.cat([clips[index] for index in chosen.tolist()])


def _pairs(bank: Bank, chosen: Tensor) -> Tensor:
    """Positions in `chosen` whose next one is the face after it, and of the frame after it."""
    next_to = (chosen[1:] - chosen[:-1] == 1) & bank.follows[chosen[1:]]
    return next_to.nonzero()[:, 0]


def _flow(bank: Bank, chosen: Tensor, pairs: Tensor, size: int) -> Tensor:
    earlier = still_batch(bank, chosen[pairs], size=size).truth
    return flicker.plate_flow(earlier, still_batch(bank, chosen[pairs + 1], size=size).truth)


def _reconstruction(study: Study, yardsticks: Yardsticks) -> dict[str, float]:
    figures: dict[str, float] = {}
    for kind, chosen in (("held_out", yardsticks.unseen), ("training", yardsticks.seen)):
        errors = []
        for index, bank in study.banks.items():
            similarity, absolute = _own(study, bank, index, chosen[index])
            figures[f"{kind}/ssim/{bank.name}"] = similarity
            if kind == "held_out":
                figures[f"{kind}/l1/{bank.name}"] = absolute
            errors.append(1.0 - similarity)
        figures[f"{kind}/error"] = sum(errors) / len(errors)
    return figures


def _own(study: Study, bank: Bank, index: int, chosen: Tensor) -> tuple[float, float]:
    """SSIM, and L1 in the encoded space, of faces drawn by their performer's own decoder, in the matte."""
    similarity = absolute = 0.0
    for few in chosen.split(AT_ONCE):
        batch = still_batch(bank, few, size=study.size)
        truth = autoencoder.normalise(batch.truth)
        ((drawn, _),) = study.average.draw(study.average.describe(truth, index), batch.points, [index])
        share = len(few) / len(chosen)
        unlike = terms.structural(drawn, truth, batch.matte, scales=1)
        similarity += share * (1.0 - float(unlike))
        absolute += share * autoencoder.SPAN * float(terms.weighted_absolute(drawn, truth, batch.matte))
    return similarity, absolute


def _swap(study: Study, yardsticks: Yardsticks) -> dict[str, float]:
    """What of a swap can be told without its truth."""
    chosen = yardsticks.unseen[study.description.destination]
    drawn = [_swapped(study, few) for few in chosen.split(AT_ONCE)]
    faces, asked = (torch.cat(listed) for listed in zip(*(pair for pair, _ in drawn), strict=True))
    plate, matte, points = (
        torch.cat([getattr(batch, name) for _, batch in drawn]) for name in ("truth", "matte", "points")
    )
    cut = placed(faces, asked, study.description.coverage)
    looks = _Looks.seen(faces, asked, yardsticks.distance, yardsticks.hull, cut=cut)
    acted = acting.openness(points, yardsticks.distance)
    figures: dict[str, float] = {}
    for part, (name, reader) in enumerate(zip(acting.PARTS, yardsticks.readers, strict=True)):
        if reader is not None:
            drift = np.abs(reader.read(looks.parts[part]) - acted[:, part])
            figures[f"expression/{name}"] = float(drift.mean())
            figures[f"expression/{name}_readable"] = reader.error_percent
    if yardsticks.likeness is not None:
        far = np.median(yardsticks.likeness.distances(looks.detail), axis=0)
        figures |= {"identity/to_destination": float(far[0]), "identity/to_source": float(far[1])}
        figures["identity/leak"] = 1.0 - float(np.median(yardsticks.likeness.place(looks.detail)))
    if yardsticks.flow is not None:
        now, later = yardsticks.pairs, yardsticks.pairs + 1
        frames = (faces[now], faces[later]), (plate[now], plate[later])
        figures["flicker/stops"] = flicker.flicker(*frames, flow=yardsticks.flow, matte=matte[now])
    return figures


def _swapped(study: Study, chosen: Tensor) -> tuple[tuple[Tensor, Tensor], Batch]:
    """Swapped faces and the landmarks that were asked of them; and what they were made of."""
    destination, source = study.description.destination, study.description.source
    network = study.average
    batch = still_batch(study.banks[destination], chosen, size=study.size)
    code = network.describe(autoencoder.normalise(batch.truth), destination)
    asked = network.asked(batch.points, of=destination, to=source)
    ((drawn, _),) = network.draw(code, asked, [source])
    return (autoencoder.denormalise(drawn), asked), batch


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
