"""The task of training a model: several identities, one encoder, and swaps measured without their truth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from understudy.train import schedule
from understudy.train.checkpoints.store import Checkpoint
from understudy.train.data.augmentation import Augmentation
from understudy.train.data.samples import Batch, draw_batch
from understudy.train.hardware.device import precision
from understudy.train.losses.table import Training
from understudy.train.networks import autoencoder, joining
from understudy.train.networks.ema import update_ema
from understudy.train.seeds import derive_seed
from understudy.train.tasks import model_start
from understudy.train.tasks.model_state import ModelState
from understudy.train.tasks.protocol import Batches, Prediction
from understudy.train.validation import early_stopping, preview
from understudy.train.validation.early_stopping import LEAK, Assessment
from understudy.train.validation.history import Curve, History
from understudy.train.validation.measurement import References, fit_references, losses_held_out, measure

# How far one batch moves the averages of the latents.
LATENT_SHARE = 0.02
# How strongly decoders are pulled to their mean; the learning rate times this is one iteration's share.
PULL = 10.0


class ModelTask:
    """A model to train; tasks/protocol.py says what each method does."""

    training: Training = "model"
    stage = "train"
    fewer = "batch, size or width"

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self._references: References | None = None
        self._references_size = 0

    @property
    def folder(self) -> Path:
        """The model folder."""
        return self.state.job.model

    @property
    def identities(self) -> list[str]:
        """The names of who learns now."""
        return [self.state.faces[index].name for index in self.state.learning]

    def apply_schedule(self) -> str:
        """Grow the network, free and freeze its parts, load faces of its size."""
        changed = self.state.apply_schedule()
        return f"Training goes on with faces of {self.state.size} pixels." if changed else ""

    def draw_batches(self) -> Batches:
        """One batch of everyone who learns, and of the performer whose edit learns."""
        state = self.state
        batches = [self._draw(index) for index in state.learning]
        rehearsed = None if state.edit_of not in state.faces else self._draw(state.edit_of)
        return Batches(batches, rehearsed)

    def _draw(self, index: int) -> Batch:
        state, job = self.state, self.state.job
        # After a rollback the same iterations see other faces: what diverged is not gone through again.
        seed = derive_seed("batch", job.seed, state.iteration, index, state.monitor.rollbacks)
        return draw_batch(
            state.faces[index],
            count=state.batch,
            size=state.size,
            generator=torch.Generator().manual_seed(seed),
            augmentation=Augmentation.of(job, state.iteration),
            others=[faces for other, faces in state.faces.items() if other != index],
            eyes_and_mouth=job.eyes_mouth / 100,
        )

    def predict(self, part: Sequence[Batch], *, in_parts: bool) -> Prediction:
        """Reconstruct every identity's faces; their swaps only where a loss asks for them."""
        state = self.state
        with precision(state.job, state.device):
            raw = self._encode(part)
            if not in_parts:
                self._update_latent_statistics(raw)
            pairs = zip(state.learning, raw, strict=True)
            latents = [state.network.normaliser(latent, identity) for identity, latent in pairs]
            points = torch.cat([batch.points for batch in part])
            predicted = state.network.decode(torch.cat(latents), points, state.learning)
        return Prediction(predicted, lambda: self._cycle(latents, part))

    def _cycle(self, latents: list[Tensor], part: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        """Swap every identity's faces to the next identity, and encode the swaps."""
        network, identities = self.state.network, self.state.learning
        targets = [*identities[1:], identities[0]]
        with precision(self.state.job, self.state.device):
            points = [
                network.move_landmarks(batch.points, of=identity, to=target)
                for batch, identity, target in zip(part, identities, targets, strict=True)
            ]
            swaps = network.decode(torch.cat(latents).detach(), torch.cat(points), targets)
            faces = torch.cat([face for face, _ in swaps])
            raw = network.encode_raw(faces.contiguous(memory_format=torch.channels_last)).chunk(len(latents))
            again = [network.normaliser(latent, target) for latent, target in zip(raw, targets, strict=True)]
        return torch.cat(latents).float(), torch.cat(again).float()

    def predict_rehearsal(self, part: Batch) -> Prediction:
        """The performer's faces, encoded as the performer's and decoded as the edit's."""
        state, network = self.state, self.state.network
        assert state.edit_of is not None  # or nothing would be rehearsed
        with precision(state.job, state.device):
            seen = autoencoder.normalise(part.distorted).contiguous(memory_format=torch.channels_last)
            latent = network.encode(seen, state.edit_of)
            return Prediction(network.decode(latent, part.points, state.learning))

    @torch.no_grad()
    def prepare_parts(self, parts: Sequence[Sequence[Batch]]) -> None:
        """Update the latents' statistics by the whole batch, before any part is normalised by them."""
        state = self.state
        with state.processes.all_or_none(), precision(state.job, state.device):
            encoded = [self._encode(part) for part in parts]
        raw = [torch.cat(latents) for latents in zip(*encoded, strict=True)]
        self._update_latent_statistics([state.processes.gather(latents, state.batch) for latents in raw])

    def _encode(self, part: Sequence[Batch]) -> tuple[Tensor, ...]:
        """Each identity's latents (N, L), not yet normalised."""
        distorted = autoencoder.normalise(torch.cat([batch.distorted for batch in part]))
        raw: Tensor = self.state.network.encode_raw(distorted.contiguous(memory_format=torch.channels_last))
        return raw.chunk(len(part))

    def _update_latent_statistics(self, raw: Sequence[Tensor]) -> None:
        """Move each identity's mean latent towards a whole batch's.

        Not an edit's: its few faces may all have shut mouths, and must be encoded as the performer's are.
        """
        state = self.state
        if state.edit_of is not None:
            return
        share = max(LATENT_SHARE, 1.0 / (state.iteration + 1))
        for identity, latents in zip(state.learning, raw, strict=True):
            state.network.normaliser.learn(latents, identity, share=share)

    def remember(self) -> Callable[[], None]:
        """Predictions move the statistics of the latents; gives what sets them back."""
        normaliser = self.state.network.normaliser
        before = {name: value.clone() for name, value in normaliser.state_dict().items()}
        return lambda: _restore(normaliser, before)

    def learning_rate_multiplier(self) -> float:
        """Counted from where the newcomers who learn alone have joined."""
        return schedule.learning_rate_multiplier(self.state.iteration - self.state.schedule_start)

    def regularise(self, learning_rate: float) -> None:
        """Pull the identities' parts to their mean, an edit's to its performer's."""
        state, share = self.state, min(1.0, PULL * learning_rate)
        pull_to_mean(state.network.identity_parts, share=share, moved=state.learning, to=state.edit_of)

    @torch.no_grad()
    def update_ema(self) -> None:
        """Of newcomers once more: their average is young, however old the model is."""
        state = self.state
        update_ema(state.ema, state.network, schedule.ema_share(state.iteration))
        names, joined = state.description.architecture.identities, state.description.joined
        for index in state.learning if joined else []:
            share = schedule.ema_share(state.iteration - joined.get(names[index], 0))
            if share > 1.0 - schedule.EMA_DECAY:
                fast_ones, slow_ones = state.network.identity_parts[index], state.ema.identity_parts[index]
                for slow, fast in zip(slow_ones.parameters(), fast_ones.parameters(), strict=True):
                    slow.lerp_(fast, share)
                for name in ("mean", "variance"):
                    slow, fast = (getattr(one.normaliser, name) for one in (state.ema, state.network))
                    slow[index].lerp_(fast[index], share)

    def begin_anew(self) -> None:
        """From the base model, or at random."""
        model_start.begin_anew(self.state)

    def load_checkpoint(self, found: Checkpoint) -> None:
        """As `model_start.load_checkpoint`."""
        model_start.load_checkpoint(self.state, found)

    def facts(self) -> dict[str, Any]:
        """Whom the weights hold, how far they have grown, and since when errors compare."""
        state = self.state
        facts: dict[str, Any] = {"identities": list(state.description.architecture.identities)}
        facts |= {"joined_seconds": state.joined_seconds, "grown": state.network.grown}
        return facts | {"era": state.comparable_since}

    def measure(self) -> dict[str, float]:
        """Losses, and the figures of validation/measurement.py."""
        if self._references is None or self._references_size != self.state.size:
            self._references, self._references_size = fit_references(self.state), self.state.size
        return losses_held_out(self.state) | measure(self.state, self._references)

    def assess(self, curves: Mapping[str, Curve]) -> Assessment:
        """By the validations that compare with this one."""
        since = self.state.comparable_since
        recent = {name: curve.since(since) for name, curve in curves.items()} if since else dict(curves)
        recent = {name: curve for name, curve in recent.items() if len(curve.iterations)}
        if self.state.edit_of is not None:  # an edit begins as its performer, who is the destination
            recent.pop(LEAK, None)
        return early_stopping.assess(recent, plateau_percent=self.state.job.plateau_percent)

    def describe_figures(self, figures: Mapping[str, float], assessment: Assessment) -> str:
        """SSIM, expression, identity, flicker and what another hour would bring."""
        return early_stopping.summary(figures, assessment)

    def write_preview(self, path: Path) -> None:
        """Destination, its reconstruction, its swap, the matte; then the same of the source."""
        ends = {"source": self.state.description.source, "destination": self.state.description.destination}
        preview.write_sheet(path, self.state.ema, self.state.faces, **ends)

    def stops_at_plateau(self) -> bool:
        """As the job says."""
        return self.state.job.stop_when == "plateau"

    def result(self) -> dict[str, Any]:
        """Where the model is."""
        return {"model": str(self.state.job.model)}

    def report_end(self, history: History) -> dict[str, Any]:
        """How long newcomers took."""
        if not self.state.joined_seconds:
            return {}
        joined = joining.time_saved(history.curves(), self.state.joined_seconds)
        return {"joined": joined} if joined else {}


@torch.no_grad()
def pull_to_mean(
    parts: Iterable[nn.Module], *, share: float, moved: Collection[int], to: int | None = None
) -> None:
    """Move some identities' parts towards the mean of all by `share` of their distance.

    A decoder sees one performer's few hundred frames. What those do not say, teeth behind lips that were
    hardly opened, it takes from the others; what they do say outweighs the pull.

    Args:
        parts: Each identity's part of the network.
        share: Of the distance.
        moved: The indices of those that move.
        to: The index of the one to move to, in place of the mean.

    Source:
        Evgeniou and Pontil 2004, Regularized Multi-Task Learning (the penalty on the distance from the
        mean); Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization (beside Adam, not through
        its gradients).
    """
    for alike in zip(*(part.parameters() for part in parts), strict=True):
        middle = torch.stack(list(alike)).mean(0) if to is None else alike[to]
        for index in moved:
            alike[index].lerp_(middle, share)


def _restore(module: nn.Module, before: dict[str, Tensor]) -> None:
    module.load_state_dict(before)
