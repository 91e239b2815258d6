"""Adversarial loss: predicted skin must look true to a critic of patches (losses/patch_critic.py)."""

from __future__ import annotations

from torch import Tensor

from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.table import LossTerm

NAME = "adversary"
"""Of its rows, and in the history."""


def compute(inputs: LossInputs) -> Tensor:
    """The loss of a part of a batch.

    Raises:
        LookupError: the training has no critic.
    """
    if inputs.critic is None:
        raise LookupError("the adversarial loss needs a critic")
    return inputs.critic.generator_loss(*inputs.judged(), count=inputs.count)


_REASON = (
    "A network that knows true skin asks for pores that no mean over pixels asks for. It would put them "
    "anywhere before the face is in place."
)
TERMS = (
    LossTerm(
        NAME,
        "model",
        0.1,
        compute,
        _REASON,
        ramp_iterations=1000,
        option="adversarial",
        begins_option="adversarial_from",
        measured=False,
    ),
    LossTerm(
        NAME,
        "refiner",
        1.0,
        compute,
        _REASON,
        begins=500,
        ramp_iterations=500,
        option="adversarial",
        measured=False,
    ),
)
