"""What a refining run trains, and one iteration of it.

The main network stands still. It sees a face distorted as in its own training and draws it; the refiner
learns what sets the doubled drawing apart from the true face of twice the edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from understudy.core.errors import JobError, TrainingError
from understudy.core.progress import Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import RefineJob
from understudy.train.checkpoints import model_folder, refiners, selection, store
from understudy.train.checkpoints.refiners import Basis
from understudy.train.checkpoints.store import Checkpoint
from understudy.train.data.augmentation import Augmentation
from understudy.train.data.samples import Bank, Batch, draw_batch, still_batch
from understudy.train.export import onnx
from understudy.train.gradients import compare, cut, total
from understudy.train.hardware import memory
from understudy.train.losses import terms
from understudy.train.losses.patch_critic import Adversary
from understudy.train.networks import autoencoder
from understudy.train.networks.refiner import Refiner, double
from understudy.train.state import adam, device_of, load_faces, on_device, precision
from understudy.train.step import CLIP_NORM, HELD_OUT_AT_ONCE, follow, pace

# What the main network meets in its own training by default: it must err here as it does in a swap.
DISTORTION = Augmentation(warp=0.6, jitter=0.4)
# As in the main network's training. Its term of fine bands changes nothing that could be measured here.
WEIGHTS = {"absolute": 1.0, "structure": 1.0}
# The critic's weight at 100 percent; over how many iterations it rises, and from which one on.
ADVERSARY, ADVERSARY_BEGINS, ADVERSARY_OVER = 1.0, 500, 500


@dataclass
class Refining:
    """A refiner in training with all it needs.

    Attributes:
        network: The main network, averaged, which stands still.
        place: The identity's, in the model.
        bank: Its faces, of twice the edge that the network draws.
        average: The refiner's exponential moving average, which is what is exported.
        basis: What it is trained on.
        iteration: Optimiser steps made so far.
        parts: Into how many parts a batch is cut, so that it fits into memory.
        between: Whether it is between two iterations, so that what is there is worth saving.
        figures: What the last validation measured, at iteration `examined`.
    """

    job: RefineJob
    device: torch.device
    network: autoencoder.Comb
    place: int
    bank: Bank
    refiner: Refiner
    average: Refiner
    optimiser: torch.optim.Optimizer
    basis: Basis
    adversary: Adversary | None = None
    iteration: int = 0
    parts: int = 1
    between: bool = True
    figures: dict[str, float] = field(default_factory=dict)
    examined: int = -1

    @property
    def size(self) -> int:
        """Edge of the refined faces."""
        return 2 * self.basis.edge


def prepare(job: RefineJob, faceset: FaceSet, *, report: Reporter, settings: Settings) -> Refining:
    """Load the model and the faces, build the refiner, and go on where it was left.

    Raises:
        JobError: the face set does not fit the model, or the job does not fit the refiner or this machine.
        TrainingError: the model has no checkpoint, the faces are too few or too many, the refiner is of
            another size, or no checkpoint of it can be read.
    """
    device = device_of(job.device, settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    description, network, state = onnx.load(job.model)
    place = _place(faceset, description, job)
    basis = Basis(job.width, network.edge, state["iteration"])
    if faceset.crop_size < 2 * basis.edge:
        report(
            Warned(
                f"The faces of {faceset.identity} are stored at {faceset.crop_size} pixels and refined to "
                f"{2 * basis.edge}: they hold no detail that fine. Extract them with a larger crop_size."
            )
        )
    report(Progress("load faces", 0, 1, f"{faceset.identity}, {2 * basis.edge} px"))
    bank = load_faces(faceset, 2 * basis.edge, device)
    torch.manual_seed(job.seed)
    untrained = Refiner(job.width)
    refiner, average = on_device(untrained, device), on_device(Refiner(job.width), device)
    average.load_state_dict(refiner.state_dict())
    optimiser = adam(refiner, job.learning_rate)
    network = on_device(network, device).requires_grad_(False)
    refining = Refining(
        job, device, network, place, bank, refiner, average.requires_grad_(False), optimiser, basis
    )
    if job.adversarial:
        refining.adversary = Adversary(job.seed, device)
    _resume(refining, report)
    return refining


def _place(faceset: FaceSet, description: model_folder.Description, job: RefineJob) -> int:
    """The identity's place in the model."""
    names = description.architecture.identities
    if faceset.identity not in names:
        raise JobError(
            f"The model does not know {faceset.identity!r}.",
            where=faceset.path,
            fix=f"give a face set of {' or '.join(names)}",
        )
    own, known = (faceset.coverage, faceset.detector), (description.coverage, description.landmarks)
    if own != known:
        raise JobError(
            f"The face set is of {own[0]} coverage and {own[1]} landmarks; the model was trained on "
            f"{known[0]} and {known[1]}.",
            where=faceset.path,
            fix=f"refine {job.model.name} with the face set that it was trained on",
        )
    return names.index(faceset.identity)


def _resume(refining: Refining, report: Reporter) -> None:
    job, name = refining.job, refining.bank.name

    def load(found: Checkpoint) -> Basis:
        basis = Basis.of(store.read_state(found), found.path)
        if basis.width == job.width:
            store.load(
                found, network=refining.refiner, average=refining.average, optimiser=refining.optimiser
            )
            if refining.adversary is not None:
                store.load_adversary(found, refining.adversary)
            refining.iteration = found.iteration
        return basis

    basis = selection.newest(refiners.checkpoints(job.model, name), load, report=report)
    if basis is None:
        return
    where = refiners.home(job.model, name)
    refiners.require_edge(basis, refining.network, identity=name, where=where)
    if basis.width != job.width:
        raise JobError(
            f"The refiner of {name} has a width of {basis.width}, not {job.width}.",
            where=where,
            fix=f"set width to {basis.width}, or move this folder away to begin anew",
        )
    if basis.iteration != refining.basis.iteration:
        report(
            Warned(
                f"The model has gone from iteration {basis.iteration} to {refining.basis.iteration} since "
                f"{name} was refined; refining goes on with what it draws now."
            )
        )


def learn(refining: Refining, warn: Callable[[str], None]) -> float:
    """Make one iteration, in more parts where memory does not suffice; gives its loss.

    Raises:
        TrainingError: not even one face fits into memory.
    """
    while True:
        try:
            return _step(refining)
        except BaseException as exc:
            if not memory.is_shortage(exc):
                raise
        # Only here, where nothing holds the failed attempt any more, is its memory free.
        _halve(refining, warn)


def _halve(refining: Refining, warn: Callable[[str], None]) -> None:
    refining.between = True
    _forget_gradients(refining)
    memory.release(refining.device)
    job = refining.job
    if refining.parts >= job.batch:
        raise TrainingError(
            f"Not even one face of {refining.size} pixels fits into the memory of {refining.device.type}.",
            where=job.model,
            fix="refine with a smaller width, or on a device with more memory",
        )
    most, smaller = job.batch, "batch or width"
    refining.parts = memory.more_parts(refining.parts, most=most, batch=most, smaller=smaller, warn=warn)


def _step(refining: Refining) -> float:
    batch, weights = _batch(refining), _weights(refining)
    adversary = refining.adversary if "adversary" in weights else None
    _forget_gradients(refining)
    parts = cut(batch, refining.parts)
    whole = batch.weight if len(parts) > 1 else None
    shares = [_of_part(refining, part, weights, adversary, whole) for part in parts]
    torch.nn.utils.clip_grad_norm_(refining.refiner.parameters(), CLIP_NORM)
    refining.between = False
    for group in refining.optimiser.param_groups:
        group["lr"] = refining.job.learning_rate * pace(refining.iteration)
    refining.optimiser.step()
    if adversary is not None:
        adversary.step()
    follow(refining.average, refining.refiner, refining.iteration)
    refining.iteration += 1
    refining.between = True
    return float(torch.stack(shares).sum())


def _of_part(
    refining: Refining,
    part: Batch,
    weights: dict[str, float],
    adversary: Adversary | None,
    whole: Tensor | None,
) -> Tensor:
    """Add a part's gradients to those of the batch; gives its share of the loss, still on the device."""
    refined = _refine(refining, refining.refiner, part)
    figures, count = compare([part], [refined], weights, whole=whole), refining.job.batch
    truth = autoencoder.normalise(part.truth)
    if adversary is not None:
        figures["adversary"] = adversary.fooled(refined[0], truth, part.matte, count=count)
    loss = total(figures, weights)
    loss.backward()
    if adversary is not None:
        drawn = refined[0].detach()
        adversary.learn(drawn, truth, part.matte, count=count, iteration=refining.iteration)
    return loss.detach()


def _forget_gradients(refining: Refining) -> None:
    refining.optimiser.zero_grad(set_to_none=True)
    if refining.adversary is not None:
        refining.adversary.forget_gradients()


def _batch(refining: Refining) -> Batch:
    job = refining.job
    seed = (job.seed * 1_000_003 + refining.iteration) * 16 + 15
    generator = torch.Generator().manual_seed(seed)
    return draw_batch(
        refining.bank, count=job.batch, size=refining.size, generator=generator, augmentation=DISTORTION
    )


def _weights(refining: Refining) -> dict[str, float]:
    begun = refining.iteration - ADVERSARY_BEGINS + 1
    if refining.adversary is None or begun <= 0:
        return WEIGHTS
    share = min(1.0, begun / ADVERSARY_OVER)
    return WEIGHTS | {"adversary": ADVERSARY * share * refining.job.adversarial / 100}


def _refine(refining: Refining, refiner: Refiner, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the main network draws of a batch's distorted faces, refined, and the matte logits."""
    drawn, logits = _drawn(refining, batch)
    with precision(refining.job, refining.device):
        face, matte = refiner(drawn.contiguous(memory_format=torch.channels_last), logits, batch.points)
    return face.float(), matte.float()


@torch.no_grad()
def _drawn(refining: Refining, batch: Batch) -> tuple[Tensor, Tensor]:
    """The main network's faces and matte logits, of half of the batch's edge."""
    seen = functional.avg_pool2d(autoencoder.normalise(batch.distorted), 2)
    with precision(refining.job, refining.device):
        code = refining.network.describe(seen.contiguous(memory_format=torch.channels_last), refining.place)
        ((drawn, logits),) = refining.network.draw(code, batch.points, [refining.place])
    return drawn.float(), logits.float()


@torch.no_grad()
def validate(refining: Refining) -> dict[str, float]:
    """How faces that it never trained on come out, refined and only doubled, inside the matte.

    Returns:
        `ssim` and `skin` of the refined faces, and the same of the doubled ones as `…_doubled`. Skin is the
        strength of the finest band of frequencies as a share of the true faces', away from eyes and mouth:
        how much detail there is, not whether it is the right one.
    """
    sums: dict[str, float] = {}
    held_out = refining.bank.held_out
    for chosen in held_out.split(HELD_OUT_AT_ONCE):
        batch = still_batch(refining.bank, chosen, size=refining.size)
        truth = autoencoder.normalise(batch.truth)
        doubled, _ = double(*_drawn(refining, batch))
        refined, _ = _refine(refining, refining.average, batch)
        for name, faces in (("", refined), ("_doubled", doubled), ("_true", truth)):
            found = {"ssim": 1.0 - float(terms.structural(faces, truth, batch.matte, scales=1))}
            found["skin"] = _fine(faces, batch)
            for figure, value in found.items():
                share = len(chosen) / len(held_out)
                sums[figure + name] = sums.get(figure + name, 0.0) + share * value
    true = sums["skin_true"] + 1e-9
    skin = {name: sums[name] / true for name in ("skin", "skin_doubled")}
    return {name: sums[name] for name in ("ssim", "ssim_doubled")} | skin


def _fine(faces: Tensor, batch: Batch) -> float:
    """Mean absolute value of the finest band on the skin."""
    coarse = functional.avg_pool2d(faces, 2)
    # Broad shade is a slope of even steps, which no blocks may leave behind.
    smooth = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
    skin = batch.matte * (batch.weight <= 1.0)
    return float(((faces - smooth).abs() * skin).sum() / (3.0 * skin.sum() + 1e-6))


@torch.no_grad()
def columns(refining: Refining, chosen: Tensor) -> list[Tensor]:
    """Encoded faces for a sheet: true, drawn and doubled, refined."""
    batch = still_batch(refining.bank, chosen, size=refining.size)
    doubled, _ = double(*_drawn(refining, batch))
    refined, _ = _refine(refining, refining.average, batch)
    return [batch.truth, autoencoder.denormalise(doubled), autoencoder.denormalise(refined)]
