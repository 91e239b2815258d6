"""The task of training a refiner of one performer's faces.

The model is frozen. It sees a face distorted as in its own training and predicts it; the refiner learns the
difference between the doubled prediction and the true face of twice the edge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from understudy.train import schedule
from understudy.train.checkpoints import refiners
from understudy.train.checkpoints.store import Checkpoint
from understudy.train.data.augmentation import Augmentation
from understudy.train.data.samples import Batch, draw_batch, still_batch
from understudy.train.hardware.device import precision
from understudy.train.losses.table import Training
from understudy.train.losses.terms.structure import multiscale_dissimilarity
from understudy.train.networks import autoencoder
from understudy.train.networks.ema import update_ema
from understudy.train.networks.refiner import Refiner, double
from understudy.train.seeds import derive_seed
from understudy.train.tasks.protocol import Batches, Prediction
from understudy.train.tasks.refiner_state import RefinerState
from understudy.train.validation import preview
from understudy.train.validation.early_stopping import ERROR, Assessment
from understudy.train.validation.history import Curve, History
from understudy.train.validation.measurement import AT_ONCE

# What the model meets in its own training by default: it must err here as it does in a swap.
DISTORTION = Augmentation(warp=0.6, jitter=0.4)


class RefinerTask:
    """A refiner to train; tasks/protocol.py says what each method does."""

    training: Training = "refiner"
    stage = "refine"
    fewer = "batch or width"

    def __init__(self, state: RefinerState) -> None:
        self.state = state

    @property
    def folder(self) -> Path:
        """The refiner's own folder in the model folder."""
        return refiners.home(self.state.job.model, self.state.faces.name)

    @property
    def identities(self) -> list[str]:
        """The performer's name."""
        return [self.state.faces.name]

    def apply_schedule(self) -> str:
        """Nothing changes along a run."""
        return ""

    def draw_batches(self) -> Batches:
        """The performer's faces at the refiner's size."""
        state, job = self.state, self.state.job
        seed = derive_seed("refiner batch", job.seed, state.iteration, state.monitor.rollbacks)
        generator = torch.Generator().manual_seed(seed)
        batch = draw_batch(
            state.faces, count=state.batch, size=state.size, generator=generator, augmentation=DISTORTION
        )
        return Batches([batch])

    def prepare_parts(self, parts: Sequence[Sequence[Batch]]) -> None:
        """The frozen model learns nothing from a batch."""

    def predict(self, part: Sequence[Batch], *, in_parts: bool) -> Prediction:
        """The model's predictions of distorted faces, refined."""
        (batch,) = part
        return Prediction([self._refine(self.state.network, batch)])

    def predict_rehearsal(self, part: Batch) -> Prediction:
        """A refiner has no edits.

        Raises:
            LookupError: always.
        """
        raise LookupError("a refiner rehearses nothing")

    def remember(self) -> Callable[[], None]:
        """A failed attempt changes nothing but gradients."""
        return lambda: None

    def learning_rate_multiplier(self) -> float:
        """Counted from the refiner's beginning."""
        return schedule.learning_rate_multiplier(self.state.iteration)

    def regularise(self, learning_rate: float) -> None:
        """A refiner is one performer's: there is no mean to pull to."""

    def update_ema(self) -> None:
        """Of all weights."""
        update_ema(self.state.ema, self.state.network, schedule.ema_share(self.state.iteration))

    def begin_anew(self) -> None:
        """An untrained refiner adds nothing to the doubled face."""
        state = self.state
        torch.manual_seed(state.job.seed)
        state.network.load_state_dict(Refiner(state.job.width).state_dict())
        state.ema.load_state_dict(state.network.state_dict())
        state.forget()

    def load_checkpoint(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.state.load_checkpoint(found)

    def facts(self) -> dict[str, Any]:
        """What it was trained on; errors compare as long as that is the same iteration of the model."""
        basis = self.state.basis
        return basis.as_dict() | {"identity": self.state.faces.name, "era": basis.iteration}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """How faces that it never trained on come out, refined and only doubled, inside the matte.

        Returns:
            `ssim` and `skin` of the refined faces, and the same of the doubled ones as `…_doubled`. Skin is
            the strength of the finest band of frequencies as a share of the true faces', away from eyes and
            mouth: how much detail there is, not whether it is the right one. `error` is 1 - `ssim`.
        """
        state, sums = self.state, dict[str, float]()
        for chosen in state.faces.held_out.split(AT_ONCE):
            batch = still_batch(state.faces, chosen, size=state.size)
            truth = autoencoder.normalise(batch.truth)
            doubled, _ = double(*self._predict(batch))
            refined, _ = self._refine(state.ema, batch)
            share = len(chosen) / len(state.faces.held_out)
            for name, faces in (("", refined), ("_doubled", doubled), ("_true", truth)):
                ssim = 1.0 - float(multiscale_dissimilarity(faces, truth, batch.matte, scales=1))
                for figure, value in (("ssim", ssim), ("skin", _fine(faces, batch))):
                    sums[figure + name] = sums.get(figure + name, 0.0) + share * value
        true = sums["skin_true"] + 1e-9
        figures = {f"held_out/{name}": sums[name] for name in ("ssim", "ssim_doubled")}
        figures |= {f"held_out/{name}": sums[name] / true for name in ("skin", "skin_doubled")}
        return figures | {ERROR: 1.0 - sums["ssim"]}

    def assess(self, curves: Mapping[str, Curve]) -> Assessment:
        """A refiner is not stopped by its validations."""
        return Assessment()

    def describe_figures(self, figures: Mapping[str, float], assessment: Assessment) -> str:
        """SSIM and the detail of the skin, beside the doubled faces'."""
        said = {name.rpartition("/")[2]: value for name, value in figures.items()}
        return (
            f"unseen faces: SSIM {said['ssim']:.3f}, doubled alone {said['ssim_doubled']:.3f}; "
            f"skin has {100 * said['skin']:.0f}% of the true faces' fine detail, "
            f"doubled alone {100 * said['skin_doubled']:.0f}%"
        )

    @torch.no_grad()
    def write_preview(self, path: Path) -> None:
        """A row a face: true, predicted and doubled, refined."""
        state = self.state
        batch = still_batch(state.faces, preview.rows(state.faces), size=state.size)
        doubled, _ = double(*self._predict(batch))
        refined, _ = self._refine(state.ema, batch)
        columns = [batch.truth, autoencoder.denormalise(doubled), autoencoder.denormalise(refined)]
        preview.write(path, preview.tiled(columns))

    def stops_at_plateau(self) -> bool:
        """A refiner runs to its iterations or minutes."""
        return False

    def result(self) -> dict[str, Any]:
        """Where the refiner is."""
        return {"refiner": str(self.folder), "identity": self.state.faces.name}

    def report_end(self, history: History) -> dict[str, Any]:
        """Nothing beside the last figures."""
        return {}

    def _refine(self, refiner: Refiner, batch: Batch) -> tuple[Tensor, Tensor]:
        """The model's prediction of a batch's distorted faces, refined, and the matte logits."""
        predicted, logits = self._predict(batch)
        with precision(self.state.job, self.state.device):
            seen = predicted.contiguous(memory_format=torch.channels_last)
            face, matte = refiner(seen, logits, batch.points)
        return face.float(), matte.float()

    @torch.no_grad()
    def _predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The model's faces and matte logits, of half of the batch's edge."""
        model, identity = self.state.model, self.state.identity
        seen = functional.avg_pool2d(autoencoder.normalise(batch.distorted), 2)
        with precision(self.state.job, self.state.device):
            latent = model.encode(seen.contiguous(memory_format=torch.channels_last), identity)
            ((predicted, logits),) = model.decode(latent, batch.points, [identity])
        return predicted.float(), logits.float()


def _fine(faces: Tensor, batch: Batch) -> float:
    """Mean absolute value of the finest band on the skin."""
    coarse = functional.avg_pool2d(faces, 2)
    # Broad shade is a slope of even steps, which no blocks may leave behind.
    smooth = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
    skin = batch.matte * (batch.weight <= 1.0)
    return float(((faces - smooth).abs() * skin).sum() / (3.0 * skin.sum() + 1e-6))
