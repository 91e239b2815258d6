"""Cross entropy of the matte."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from understudy.train.losses.inputs import LossInputs
from understudy.train.losses.table import LossTerm


def matte_cross_entropy(logits: Tensor, matte: Tensor, *, whole: Tensor | None = None) -> Tensor:
    """Binary cross entropy between matte logits and the matte, both (N, 1, H, W)."""
    share = 1.0 if whole is None else len(matte) / len(whole)
    return functional.binary_cross_entropy_with_logits(logits, matte) * share


def compute(inputs: LossInputs) -> Tensor:
    """The loss of a part of a batch."""
    return matte_cross_entropy(inputs.logits, inputs.matte, whole=inputs.whole)


TERMS = (LossTerm("matte", "model", 0.3, compute, "The matte is easy; a small weight is enough."),)
