"""Identity cycle: a swapped face, encoded again, must give its source frame's latent.

Source:
    Zhu et al. 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, here
    round the latent.
"""

from __future__ import annotations

from torch import Tensor

from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.table import LossTerm


def latent_distance(again: Tensor, latents: Tensor, *, count: int) -> Tensor:
    """Mean absolute distance between the latents (N, L) of swaps and those they were decoded from.

    Args:
        again: Of the swaps, encoded and normalised as the identity that was decoded.
        latents: What they were decoded from; no gradient flows into these, so that the prediction moves.
        count: Faces in the whole batch, of all identities.
    """
    return (again - latents.detach()).abs().sum() / (count * latents.shape[1])


def compute(inputs: LossInputs) -> Tensor:
    """The loss of a part of a batch.

    Raises:
        LookupError: the training makes no swaps.
    """
    if inputs.cycle is None:
        raise LookupError("the identity-cycle loss needs a network that swaps")
    latents, again = inputs.cycle()
    return latent_distance(again, latents, count=inputs.count)


TERMS = (
    LossTerm(
        "identity",
        "model",
        0.5,
        compute,
        "A swap whose latent is that of the face it was made from carries all of its acting. Latents must "
        "mean something before it can ask for that.",
        begins=1000,
        ramp_iterations=1000,
        option="identity_loss",
        measured=False,
    ),
)
