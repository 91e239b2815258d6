"""The refiner: a small second network that doubles a predicted face and adds detail.

It takes the prediction and the target landmarks, and gives a residual to the bilinearly doubled face. Skin
differs between identities, so each has its own refiner. An untrained one adds nothing.

Convention:
    As in autoencoder.py; S is the edge that the model predicts, and 2 S the refiner's.

Source:
    Shi et al. 2016, Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network (the shuffle); Kim et al. 2016, Accurate Image Super-Resolution Using Very
    Deep Convolutional Networks (the residual to the interpolated picture).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from understudy.inference.card import LANDMARK_COUNT
from understudy.train.networks import autoencoder
from understudy.train.networks.blocks import Residual, activation, dots, doubled

# Blocks at half of the model's edge, where they see twice as far, and at the edge itself.
COARSE_BLOCKS = 2
FINE_BLOCKS = 1


class Refiner(nn.Module):
    """One identity's faces (N, 3, S, S) and matte logits (N, 1, S, S) to both of the edge 2 S."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(4, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        # A few pixels of skin all look alike: the landmarks say where on the face they are.
        self.points = nn.Conv2d(LANDMARK_COUNT, 2 * width, 1, bias=False)
        self.coarse = Residual(2 * width, COARSE_BLOCKS)
        self.up = nn.Conv2d(2 * width, width, 1)
        self.fine = Residual(width, FINE_BLOCKS)
        self.split = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.output = nn.Conv2d(width // 2, 3, 3, padding=1)
        for weights in self.output.parameters():
            nn.init.zeros_(weights)

    def forward(self, predicted: Tensor, logits: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Refine normalised faces whose landmarks (N, 68, 2), shares of the edge, are `points`."""
        # Logits have no bounds; a matte has.
        entered = torch.cat([predicted, torch.sigmoid(logits)], dim=1)
        fine = activation(self.enter(entered))
        coarse = self.down(fine)
        coarse = activation(coarse + self.points(dots(points, coarse.shape[-1]).to(coarse.dtype)))
        value = self.fine(activation(fine + doubled(self.up(self.coarse(coarse)))))
        residual = self.output(activation(functional.pixel_shuffle(self.split(value), 2)))
        smooth, matte = double(predicted, logits)
        return smooth + residual.to(smooth.dtype), matte


def double(predicted: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Faces and matte logits of twice the edge, as they are without a refiner."""
    both = torch.cat([predicted, logits], dim=1)
    smooth = functional.interpolate(both, scale_factor=2.0, mode="bilinear", align_corners=False)
    return smooth[:, :3], smooth[:, 3:]


class Refined(autoencoder.Comb):
    """A model at twice the edge, refined where an identity has a refiner and plainly doubled elsewhere."""

    def __init__(self, network: autoencoder.Comb, refiners: Mapping[int, Refiner]) -> None:
        """Copy a model and add refiners to it, by their identities' indices."""
        super().__init__(network.architecture)
        self.load_state_dict(network.state_dict())
        self.grown, self.destination = network.grown, network.destination
        self.refiners = nn.ModuleDict({str(place): refiner for place, refiner in refiners.items()})
        self.train(network.training)

    @property
    def edge(self) -> int:
        """Edge of the faces that it takes and predicts."""
        return 2 * super().edge

    def encode_raw(self, face: Tensor) -> Tensor:
        """Normalised faces of the edge 2 S to latents (N, L) that are not normalised yet."""
        return super().encode_raw(functional.avg_pool2d(face, 2))

    def decode(self, latent: Tensor, points: Tensor, identities: list[int]) -> list[tuple[Tensor, Tensor]]:
        """As the model's, each pair of twice the edge."""
        predicted = super().decode(latent, points, identities)
        places = self.chunked(points, len(identities))
        return [
            self.refiners[str(identity)](*pair, place) if str(identity) in self.refiners else double(*pair)
            for identity, pair, place in zip(identities, predicted, places, strict=True)
        ]

    def with_part_of(self, identity: int) -> Refined:
        """A copy with the part of one identity alone, as its first."""
        kept = super().with_part_of(identity)
        assert isinstance(kept, Refined)  # a copy of this one
        name = str(identity)
        kept.refiners = nn.ModuleDict({"0": kept.refiners[name]} if name in kept.refiners else {})
        return kept

    def only(self, *identities: int) -> Refined:
        """A copy that holds these identities and nothing of any other; they keep this order."""
        kept = super().only(*identities)
        assert isinstance(kept, Refined)  # a copy of this one
        pairs = [(str(new), str(old)) for new, old in enumerate(identities) if str(old) in self.refiners]
        kept.refiners = nn.ModuleDict({new: kept.refiners[old] for new, old in pairs})
        return kept
