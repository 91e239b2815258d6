"""What a run trains: face sets that agree, a network of the model's shape, and where it was left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from understudy.errors import JobError, TrainingError
from understudy.face.faceset import FaceSet
from understudy.face.shape import identity_shapes
from understudy.job import TrainJob
from understudy.progress import Progress, Reporter, Warned
from understudy.settings import Settings
from understudy.train import base, checkpoint, folder, memory, nets
from understudy.train.adversary import Adversary
from understudy.train.checkpoint import Checkpoint
from understudy.train.samples import Bank, load_bank
from understudy.train.watch import Watch


def no_lap(part: str) -> None:
    """Where nobody asks how long a part took."""


@dataclass
class Study:
    """A network in training with all it needs.

    Attributes:
        average: The network's exponential moving average, which is what is exported.
        banks: Each identity's faces, in the order of the decoders.
        iteration: Optimiser steps made so far.
        watch: What was seen of the run, and how far the learning rate was lowered.
        parts: A batch is computed in this many parts, because more of it does not fit into memory.
        between: Whether it is between two iterations, so that what is there is worth saving.
        trained_seconds: Spent on what is there, over all runs.
        lap: Told the name of each part of an iteration when it is done (profile.py).
        adversary: Judges what is drawn, where the job wants that.
    """

    job: TrainJob
    device: torch.device
    description: folder.Description
    network: nets.Comb
    average: nets.Comb
    optimiser: torch.optim.Optimizer
    banks: list[Bank]
    iteration: int = 0
    watch: Watch = field(default_factory=Watch)
    parts: int = 1
    between: bool = True
    trained_seconds: float = 0.0
    lap: Callable[[str], None] = no_lap
    adversary: Adversary | None = None


@contextmanager
def opened_facesets(job: TrainJob) -> Iterator[list[FaceSet]]:
    """The destination's and the source's face set, which can be trained together.

    Raises:
        FaceError: a face set cannot be read, or crops are missing.
        JobError: they are of one performer, or differ in coverage or landmarks.
    """
    with ExitStack() as stack:
        paths = (job.destination_faceset, job.source_faceset)
        sets = [stack.enter_context(FaceSet.open_for_training(path)) for path in paths]
        _check_together(job, sets)
        yield sets


def prepare(job: TrainJob, sets: list[FaceSet], *, report: Reporter, settings: Settings) -> Study:
    """Load the faces, build the network, and go on where the model folder was left.

    Raises:
        JobError: the job does not fit the model folder or this machine.
        TrainingError: the faces are too few or too many, or no checkpoint of those there can be read.
    """
    device = _device(job.device if job.device != "auto" else settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    description = _description(job, sets, report)
    banks = []
    for index, faceset in enumerate(sets):
        report(Progress("load faces", index, len(sets), faceset.identity))
        banks.append(_load(faceset, description.architecture.size, device))
    network = on_device(nets.Comb(description.architecture), device)
    average = on_device(nets.Comb(description.architecture), device)
    average.requires_grad_(False)
    fused = device.type in ("cpu", "cuda")
    optimiser = torch.optim.Adam(network.parameters(), job.learning_rate, betas=(0.9, 0.99), fused=fused)
    study = Study(job, device, description, network, average, optimiser, banks)
    study.adversary = Adversary(job.seed, device) if job.adversarial else None
    if not _resume(study, report):
        begin_anew(study)
    return study


def begin_anew(study: Study) -> None:
    """Set the network to what a model begins with: the base, or the random weights of its seed."""
    torch.manual_seed(study.job.seed)
    untrained = nets.Comb(study.description.architecture)
    for decoder in untrained.decoders[1:]:  # what is drawn together must begin alike
        decoder.load_state_dict(untrained.decoders[0].state_dict())
    if study.job.base:
        base.give(untrained)  # one of another width begins at random
    untrained.shapes.copy_(_shapes(study.banks))
    study.network.load_state_dict(untrained.state_dict())
    study.average.load_state_dict(untrained.state_dict())
    study.optimiser.state.clear()
    if study.adversary is not None:
        study.adversary.reset()
    study.iteration, study.trained_seconds, study.watch = 0, 0.0, Watch()


def load_checkpoint(study: Study, found: Checkpoint) -> None:
    """Go on from a checkpoint.

    Raises:
        TrainingError: it is damaged, of another shape, or from a later version; the study is as it was.
    """
    state = checkpoint.read_state(found)
    study.iteration = checkpoint.load(
        found, network=study.network, average=study.average, optimiser=study.optimiser
    )
    if study.adversary is not None:
        checkpoint.load_adversary(found, study.adversary)
    spent = state.get("trained_seconds")
    study.trained_seconds = float(spent) if isinstance(spent, int | float) else 0.0
    # Who asks for another learning rate begins with all of it.
    same_rate = state.get("learning_rate") == study.job.learning_rate
    study.watch = Watch.from_dict(state.get("watch")) if same_rate else Watch()


def _resume(study: Study, report: Reporter) -> bool:
    """Load the newest checkpoint that is whole; False where there is none at all."""
    found = checkpoint.find(folder.checkpoints(study.job.model))
    for candidate in reversed(found):
        try:
            load_checkpoint(study, candidate)
            return True
        except TrainingError as exc:
            if checkpoint.is_later(candidate):
                raise
            report(Warned(f"{exc.what} ({candidate.path}) The checkpoint before it is tried."))
    if found:  # beginning anew without a word would end in overwriting what may still be saved
        raise TrainingError(
            f"None of the model's {len(found)} checkpoints can be read.",
            where=folder.checkpoints(study.job.model),
            fix="restore them from a backup, or move them away to begin anew",
        )
    return False


def _load(faceset: FaceSet, size: int, device: torch.device) -> Bank:
    try:
        return load_bank(faceset, size=size).to(device)
    except (MemoryError, RuntimeError) as exc:
        if not memory.is_shortage(exc):
            raise
        raise TrainingError(
            f"The faces of {faceset.identity} do not fit into the memory of {device.type}.",
            where=faceset.path,
            fix="train at a smaller size, with fewer faces, or on a device with more memory",
        ) from exc


def _shapes(banks: list[Bank]) -> Tensor:
    """(identities, 68, 2): what of the landmarks is the performers' own."""
    landmarks = [bank.landmarks.cpu().numpy() for bank in banks]
    return torch.from_numpy(identity_shapes(landmarks, [bank.poses.cpu().numpy() for bank in banks]))


def on_device(network: nets.Comb, device: torch.device) -> nets.Comb:
    """The network, moved, in the layout that training wants."""
    # Channels last is the layout that matrix units and tensor cores want.
    for parameter in network.to(device).parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[name]:
        raise JobError(f"This machine has no {name} device.", fix="set device to auto or cpu")
    return torch.device(name)


def _check_together(job: TrainJob, sets: list[FaceSet]) -> None:
    if sets[0].identity == sets[1].identity:
        raise JobError(
            f"Both face sets are of {sets[0].identity!r}.",
            where=f"{job.source_faceset}, {job.destination_faceset}",
            fix="extract each performer with its own --identity",
        )
    if sets[0].coverage != sets[1].coverage:
        raise JobError(
            f"The face sets differ in coverage: {sets[0].coverage} and {sets[1].coverage}.",
            fix="extract both performers with the same --coverage",
        )
    if sets[0].detector != sets[1].detector:
        raise JobError(
            f"The face sets' landmarks are of two kinds: {sets[0].detector!r} and {sets[1].detector!r}.",
            where=f"{job.destination_faceset}, {job.source_faceset}",
            fix="extract both performers with the same --detector",
        )


def _description(job: TrainJob, sets: list[FaceSet], report: Reporter) -> folder.Description:
    """The model folder's description, which the job must fit; written first where there is none yet."""
    for faceset in sets:
        if not faceset.release_digest:
            report(Warned(f"The face set of {faceset.identity} names no likeness release."))
    wanted = folder.Description(
        job.model.stem,
        nets.Architecture(job.size, job.width, tuple(faceset.identity for faceset in sets)),
        sets[0].coverage,
        {faceset.identity: faceset.digest() for faceset in sets},
        {faceset.identity: faceset.release_digest for faceset in sets},
        sets[0].detector,
    )
    present = folder.read(job.model)
    if present is None:
        job.model.mkdir(parents=True, exist_ok=True)
        folder.write(job.model, wanted)
        return wanted
    if present.architecture != wanted.architecture or present.coverage != wanted.coverage:
        raise JobError(
            "The model folder holds a model of another shape or of other identities.",
            where=f"{job.model}: {present.architecture.as_dict()}, {present.coverage}",
            fix="train with its size, width and face sets, or choose another folder",
        )
    changed = [name for name in wanted.facesets if wanted.facesets[name] != present.facesets.get(name)]
    for name in changed:
        message = f"The face set of {name} has changed since the model was begun"
        report(Warned(f"{message}; training goes on with what is there."))
    return present
