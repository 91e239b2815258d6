"""What training asks for.

Every term is a mean over pixels or values, so that its weight means the same at every size. Where the faces
are a part of a batch, `whole`, the weights (N, 1, H, W) of all of it, makes the term that part's share: the
shares of all parts add up to the batch's term, and their gradients to its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from understudy.jobs.training import TrainJob

# Faces are normalised (autoencoder.normalise), where skin spans about four units: the dynamic range in SSIM's
# two constants, K1 = 0.01 and K2 = 0.03 as published.
_RANGE = 4.0
_C1 = (0.01 * _RANGE) ** 2
_C2 = (0.03 * _RANGE) ** 2


# Bands of detail: an octave each, from the finest on.
_BANDS = 3


@dataclass(frozen=True)
class Term:
    """One thing that training asks for.

    Attributes:
        weight: How much it counts beside the others, where its option asks for all of it.
        reason: Why it is there.
        begins, over: It counts nothing until an iteration, and all of its weight so many iterations later.
        option: The job's percentage of its weight; a term without one always counts.
        begins_option: The job's option that says when it begins, in place of `begins`.
    """

    weight: float
    reason: str
    begins: int = 0
    over: int = 0
    option: str = ""
    begins_option: str = ""

    def at(self, iteration: int, job: TrainJob | None = None) -> float:
        """How much it counts at an iteration; without a job as options are when left out."""
        weight = self.weight * (_option(self.option, job) / 100 if self.option else 1.0)
        begins = _option(self.begins_option, job) if self.begins_option else self.begins
        if iteration < begins:
            return 0.0
        return weight * min(1.0, (iteration - begins + 1) / self.over) if self.over else weight


TERMS: Mapping[str, Term] = {
    "absolute": Term(1.0, "L1 sets colour and light."),
    "structure": Term(1.0, "Multi-scale SSIM keeps edges that L1 alone would average away."),
    "matte": Term(0.3, "The matte is easy; a small weight is enough."),
    "detail": Term(
        1.0,
        "Fine bands are a small part of L1; on their own they count as much as the coarse ones. While the "
        "learning rate still rises they would only be noise.",
        begins=200,
        over=200,
        option="detail_loss",
    ),
    "identity": Term(
        0.5,
        "A swap that is described as the face it was made of carries all of its acting. Codes must mean "
        "something before it can ask for that.",
        begins=1000,
        over=1000,
        option="identity_loss",
    ),
    "adversary": Term(
        0.1,
        "A network that knows true skin asks for pores that no mean over pixels asks for. It would draw them "
        "anywhere before the face is in place.",
        over=1000,
        option="adversarial",
        begins_option="adversarial_from",
    ),
}


# What an edit has beside them (adapt.py).
REHEARSAL = Term(
    1.0,
    "An edit is of few faces; on all the others, its local structure is to stay the performer's own, because "
    "that is the acting.",
)


def weights_at(iteration: int, job: TrainJob | None = None) -> dict[str, float]:
    """The weights of the terms that count at an iteration; the others need not be computed."""
    weights = {name: term.at(iteration, job) for name, term in TERMS.items()}
    return {name: weight for name, weight in weights.items() if weight > 0}


def _option(name: str, job: TrainJob | None) -> float:
    return float(TrainJob.model_fields[name].default if job is None else getattr(job, name))


def weighted_absolute(drawn: Tensor, truth: Tensor, weight: Tensor, *, whole: Tensor | None = None) -> Tensor:
    """L1 between (N, 3, H, W) faces; `weight` (N, 1, H, W) says how much a pixel counts."""
    everything = weight if whole is None else whole
    return ((drawn - truth).abs() * weight).sum() / (3.0 * everything.sum() + 1e-6)


def structural(
    drawn: Tensor,
    truth: Tensor,
    weight: Tensor,
    *,
    whole: Tensor | None = None,
    scales: int = 3,
    window: int = 7,
) -> Tensor:
    """1 - SSIM with a box window, averaged over `scales` halvings and weighted by pixel.

    Source:
        Wang et al. 2004 (SSIM) and 2003 (several scales).
    """
    total = drawn.new_zeros(())
    for scale in range(scales):
        if scale:
            drawn, truth, weight = (functional.avg_pool2d(value, 2) for value in (drawn, truth, weight))
            whole = None if whole is None else functional.avg_pool2d(whole, 2)
        total = total + _dissimilarity(drawn, truth, weight, whole, window)
    return total / scales


def acted_alike(drawn: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """1 - the structure in SSIM, weighted by pixel, at a half and a quarter of the size.

    It sees where light and dark lie, and neither how light or coloured nor how strong: of faces whose looks
    were edited it sees the acting. The finest detail is left to the edit.

    Source:
        Wang et al. 2004, equation 10 (structure alone).
    """
    total = drawn.new_zeros(())
    drawn, truth = (value.mean(1, keepdim=True) for value in (drawn, truth))
    for _ in range(2):
        drawn, truth, weight = (functional.avg_pool2d(value, 2) for value in (drawn, truth, weight))
        mean = _window_mean(drawn)
        a, b = drawn, truth
        variance_a = (mean(a * a) - mean(a) ** 2).clamp(min=0)
        variance_b = (mean(b * b) - mean(b) ** 2).clamp(min=0)
        structure = (mean(a * b) - mean(a) * mean(b) + _C2 / 2) / (
            (variance_a * variance_b + 1e-8).sqrt() + _C2 / 2
        )
        inner = mean(weight)
        total = total + ((1.0 - structure) * inner).sum() / (inner.sum() + 1e-6)
    return total / 2


def detail(drawn: Tensor, truth: Tensor, weight: Tensor, *, whole: Tensor | None = None) -> Tensor:
    """L1 of the bands of a Laplacian pyramid, all bands alike.

    The pyramid is linear, so it is built of the difference alone; a halving is the mean of four pixels.

    Source:
        Bojanowski et al. 2018, Optimizing the Latent Space of Generative Networks (Lap1); there a band
        counts by its number of pixels times four to the power of its number, which is the mean over it.
    """
    difference, total = drawn - truth, drawn.new_zeros(())
    everything = weight if whole is None else whole
    for _ in range(_BANDS):
        coarse = functional.avg_pool2d(difference, 2)
        fine = difference - functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        total = total + (fine.abs() * weight).sum() / (3.0 * everything.sum() + 1e-6)
        difference, weight, everything = (
            coarse,
            functional.avg_pool2d(weight, 2),
            functional.avg_pool2d(everything, 2),
        )
    return total / _BANDS


def described_alike(again: Tensor, code: Tensor, *, count: int) -> Tensor:
    """Mean distance between the codes (N, C) of swaps and of the faces they were made of.

    Args:
        again: Of the swaps, described by the normaliser of the identity that was drawn.
        code: What they were drawn of; it is held, so that it is the drawing that comes nearer.
        count: Faces in the whole batch, all identities'.

    Source:
        Zhu et al. 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, here
        round the code.
    """
    return (again - code.detach()).abs().sum() / (count * code.shape[1])


def _dissimilarity(a: Tensor, b: Tensor, weight: Tensor, whole: Tensor | None, window: int) -> Tensor:
    mean = _window_mean(a, window)
    mean_a, mean_b = mean(a), mean(b)
    variance = (mean(a * a + b * b) - mean_a**2 - mean_b**2).clamp(min=0)
    covariance = mean(a * b) - mean_a * mean_b
    similarity = ((2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)) / (
        (mean_a**2 + mean_b**2 + _C1) * (variance + _C2)
    )
    inner = mean(weight)
    everything = inner if whole is None else mean(whole)
    return ((1.0 - similarity) * inner).sum() / (a.shape[1] * everything.sum() + 1e-6)


def _window_mean(like: Tensor, window: int = 7) -> Callable[[Tensor], Tensor]:
    """The mean over a window about every pixel that has a whole one."""
    # Two small matrix products: on a CPU that is many times faster than pooling.
    down = _window_matrix(like.shape[2], window, like)
    right = _window_matrix(like.shape[3], window, like).T

    def mean(value: Tensor) -> Tensor:
        return down @ (value.contiguous() @ right)

    return mean


def _window_matrix(size: int, window: int, like: Tensor) -> Tensor:
    """(size - window + 1, size): each row averages `window` neighbours."""
    rows = torch.arange(size - window + 1, device=like.device)[:, None]
    columns = torch.arange(size, device=like.device)[None]
    inside = (columns >= rows) & (columns < rows + window)
    return inside.to(like.dtype) / window


def matte_loss(logits: Tensor, matte: Tensor, *, whole: Tensor | None = None) -> Tensor:
    """Binary cross entropy between matte logits and the matte, (N, 1, H, W)."""
    share = 1.0 if whole is None else len(matte) / len(whole)
    return functional.binary_cross_entropy_with_logits(logits, matte) * share


def contrast(drawn: Tensor, truth: Tensor, matte: Tensor) -> Tensor:
    """How much of the true faces' contrast the drawn ones have: 1 as much, 0 for flat colours.

    Contrast is the deviation of the pixels inside the matte, a channel at a time, averaged over faces and
    channels; (N, 3, H, W) faces, (N, 1, H, W) matte.
    """
    return _deviation(drawn, matte) / (_deviation(truth, matte) + 1e-4)


def _deviation(faces: Tensor, matte: Tensor) -> Tensor:
    pixels = matte.sum(dim=(2, 3), keepdim=True) + 1e-6
    middle = (faces * matte).sum(dim=(2, 3), keepdim=True) / pixels
    return (((faces - middle).square() * matte).sum(dim=(2, 3), keepdim=True) / pixels).sqrt().mean()
