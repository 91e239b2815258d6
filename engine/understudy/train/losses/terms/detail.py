"""L1 of the fine bands of frequencies."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.table import LossTerm

# Bands of detail: an octave each, from the finest on.
_BANDS = 3


def laplacian_l1(predicted: Tensor, truth: Tensor, weight: Tensor, *, whole: Tensor | None = None) -> Tensor:
    """L1 of the bands of a Laplacian pyramid, each band counting alike.

    The pyramid is linear, so it is built of the difference alone; a halving is the mean of four pixels.

    Args:
        predicted, truth: (N, 3, H, W), normalised.
        weight: (N, 1, H, W) how much a pixel counts.
        whole: The weights of the whole batch where these are a part of it.

    Source:
        Bojanowski et al. 2018, Optimizing the Latent Space of Generative Networks (Lap1); there a band
        counts by its number of pixels times four to the power of its number, which is the mean over it.
    """
    difference, total = predicted - truth, predicted.new_zeros(())
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


def compute(inputs: LossInputs) -> Tensor:
    """The loss of a part of a batch."""
    return laplacian_l1(inputs.in_place, inputs.truth, inputs.weight, whole=inputs.whole)


TERMS = (
    LossTerm(
        "detail",
        "model",
        1.0,
        compute,
        "Fine bands are a small part of L1; on their own they count as much as the coarse ones. While the "
        "learning rate still rises they would only be noise.",
        begins=200,
        ramp_iterations=200,
        option="detail_loss",
    ),
)
