"""What every loss is computed from: one part of a batch and what the network predicted of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from understudy.train.data.samples import Batch
from understudy.train.losses.patch_critic import PatchCritic
from understudy.train.networks import autoencoder


@dataclass(frozen=True)
class LossInputs:
    """A part of a batch, of every identity that learns, with its predictions.

    Every loss is a mean over pixels or faces, so that its weight means the same at every size. Of a part it
    is that part's share of the whole batch's loss: the shares of all parts add up to it, and so do their
    gradients.

    Attributes:
        batches: One for each identity.
        predictions: Faces (N, 3, S, S), normalised, and matte logits (N, 1, S, S), one pair for each batch.
        whole: (N, 1, H, W) pixel weights of the whole batch where `batches` are a part of it.
        count: Faces in the whole batch, of all identities.
        cycle: Gives the latents (N, L) of the faces and those of their swaps, encoded again.
        critic: Judges patches of skin.
    """

    batches: Sequence[Batch]
    predictions: Sequence[tuple[Tensor, Tensor]]
    whole: Tensor | None
    count: int
    cycle: Callable[[], tuple[Tensor, Tensor]] | None = None
    critic: PatchCritic | None = None

    @cached_property
    def faces(self) -> Tensor:
        """(N, 3, S, S) predicted faces, normalised, float32."""
        return torch.cat([face for face, _ in self.predictions]).float()

    @cached_property
    def logits(self) -> Tensor:
        """(N, 1, S, S) predicted matte logits, float32."""
        return torch.cat([logits for _, logits in self.predictions]).float()

    @cached_property
    def truth(self) -> Tensor:
        """(N, 3, S, S) true faces, normalised."""
        return autoencoder.normalise(torch.cat([batch.truth for batch in self.batches]))

    @cached_property
    def matte(self) -> Tensor:
        """(N, 1, S, S) true mattes."""
        return torch.cat([batch.matte for batch in self.batches])

    @cached_property
    def weight(self) -> Tensor:
        """(N, 1, S, S) how much each pixel counts."""
        return torch.cat([batch.weight for batch in self.batches])

    @cached_property
    def in_place(self) -> Tensor:
        """(N, 3, S, S) predicted faces over the true background.

        A loss over neighbourhoods would see a wrong background from well inside the face.
        """
        return torch.lerp(self.truth, self.faces, self.weight.clamp(max=1.0))

    def judged(self) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted faces, true faces and mattes for the critic."""
        return torch.cat([face for face, _ in self.predictions]).float(), self.truth, self.matte
