"""A network that tells predicted skin from true skin, patch by patch; the adversarial loss is to deceive it.

It is off unless a job asks for it, and begins late: what L1 and SSIM leave is texture that has no one right
answer, which their mean over all answers smooths away. It sees patches of 22 pixels, so it knows pores,
stubble and lashes, and neither faces nor identities. What lies outside the hull is the same in both pictures
that it compares, so that only skin can tell them apart.

Convention:
    Faces are (N, 3, S, S) normalised (autoencoder.normalise), mattes (N, 1, S, S) in 0..1. All of it is
    float32.

Source:
    Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks (the patches); Mao et
    al. 2017, Least Squares Generative Adversarial Networks; Mescheder et al. 2018, Which Training Methods for
    GANs do actually Converge? (the penalty on true pictures), computed now and then as Karras et al. 2020 do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 32
LEARNING_RATE = 2e-4
# The penalty is computed in every so many iterations, and counts so many times as much there.
PENALTY_EVERY = 16
PENALTY = 0.5


class Discriminator(nn.Module):
    """Normalised faces (N, 3, S, S) to one value for each patch, (N, 1, P, P): 1 for true skin, 0 for not."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(3, WIDTH, 4, stride=2, padding=1),
                nn.Conv2d(WIDTH, 2 * WIDTH, 4, stride=2, padding=1),
                nn.Conv2d(2 * WIDTH, 1, 4),
            ]
        )

    def forward(self, faces: Tensor) -> Tensor:
        """Judge every patch."""
        value = faces
        for layer in self.layers[:-1]:
            value = functional.leaky_relu(layer(value), 0.2)
        judged: Tensor = self.layers[-1](value)
        return judged


class PatchCritic:
    """The discriminator with its optimiser.

    Its losses are means over faces, of which a part of a batch gives its share: `count` is the number of
    faces in the whole batch.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self.network = _random(seed).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), LEARNING_RATE, betas=(0.5, 0.99))

    def reset(self) -> None:
        """Begin anew, with the random weights of the seed."""
        self.network.load_state_dict(_random(self._seed).state_dict())
        self.optimiser.state.clear()

    def generator_loss(self, predicted: Tensor, truth: Tensor, matte: Tensor, *, count: int) -> Tensor:
        """What the predicted faces are to lower: how far they are from being taken for true ones."""
        self.network.requires_grad_(False)  # it does not learn from what it asks for
        judged: Tensor = self.network(_in_place(predicted, truth, matte))
        self.network.requires_grad_(True)
        return (judged - 1.0).square().mean() * (len(predicted) / count)

    def discriminator_step(
        self, predicted: Tensor, truth: Tensor, matte: Tensor, *, count: int, iteration: int
    ) -> Tensor:
        """Add the gradients of these faces to the discriminator's; gives its own loss."""
        share = len(predicted) / count
        penalised = iteration % PENALTY_EVERY == 0
        true = truth.detach().requires_grad_(penalised)
        judged = self.network(true)
        judged_predicted = self.network(_in_place(predicted, truth, matte).detach())
        loss: Tensor = share * 0.5 * ((judged - 1.0).square().mean() + judged_predicted.square().mean())
        total = loss
        if penalised:
            (slope,) = torch.autograd.grad(judged.sum(), true, create_graph=True)
            total = loss + share * PENALTY * PENALTY_EVERY * slope.square().sum(dim=1).mean()
        total.backward()
        return loss.detach()

    def update(self) -> None:
        """Make the optimiser's step, once for the whole batch."""
        self.optimiser.step()

    def clear_gradients(self) -> None:
        """Before a batch, or after a failed one."""
        self.optimiser.zero_grad(set_to_none=True)


def _random(seed: int) -> Discriminator:
    with torch.random.fork_rng(devices=[]):  # whatever else uses torch's random numbers gets the same
        torch.manual_seed(seed)
        return Discriminator()


def _in_place(predicted: Tensor, truth: Tensor, matte: Tensor) -> Tensor:
    """The predicted faces over the true ones' background."""
    return torch.lerp(truth, predicted, matte)
