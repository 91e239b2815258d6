"""What a run trains: a network of the model's shape, the faces it learns from, and where it was left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import torch
from torch import nn

from understudy.core.errors import JobError, TrainingError
from understudy.core.progress import Progress, Reporter, Warned, silent
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import RunFields, TrainJob
from understudy.train.checkpoints import base_weights, model_folder, selection, store
from understudy.train.checkpoints.store import Checkpoint
from understudy.train.data.facesets import described
from understudy.train.data.samples import Bank, load_bank
from understudy.train.divergence import Watch
from understudy.train.hardware import memory
from understudy.train.hardware.process_group import Team, own_device
from understudy.train.losses.patch_critic import Adversary
from understudy.train.networks import autoencoder, growth, joining

Network = TypeVar("Network", bound=nn.Module)

# A batch that is raised along the run is doubled so often at most.
MOST_DOUBLINGS = 2
# The largest batch that is found by trying.
LARGEST_BATCH = 256


def no_lap(part: str) -> None:
    """Where nobody asks how long a part took."""


@dataclass
class Study:
    """A network in training with all it needs.

    Attributes:
        average: The network's exponential moving average, which is what is exported.
        facesets: Those that are trained on, by their identities' places in the model.
        banks: Their faces, for drawing faces of `banks_size`.
        iteration: Optimiser steps made so far.
        watch: What was seen of the run, and how far the learning rate was lowered.
        first_batch: Faces of each identity in an iteration, before it is raised; 0 until it is found.
        parts: A batch is computed in this many parts, because more of it does not fit into memory.
        between: Whether it is between two iterations, so that what is there is worth saving.
        trained_seconds: Spent on what is there, over all runs.
        joined_seconds: What `trained_seconds` was when a newcomer joined, by name.
        lap: Told the name of each part of an iteration when it is done (hardware/profile.py).
        report: Told what is loaded meanwhile.
        team: The processes that train together.
        adversary: Judges what is drawn, where the job wants that.
    """

    job: TrainJob
    device: torch.device
    description: model_folder.Description
    network: autoencoder.Comb
    average: autoencoder.Comb
    optimiser: torch.optim.Optimizer
    facesets: dict[int, FaceSet]
    banks: dict[int, Bank] = field(default_factory=dict)
    banks_size: int = 0
    iteration: int = 0
    watch: Watch = field(default_factory=Watch)
    first_batch: int = 0
    parts: int = 1
    between: bool = True
    trained_seconds: float = 0.0
    joined_seconds: dict[str, float] = field(default_factory=dict)
    lap: Callable[[str], None] = no_lap
    report: Reporter = silent
    adversary: Adversary | None = None
    team: Team = field(default_factory=Team)

    @property
    def size(self) -> int:
        """Edge of the faces that are drawn now."""
        return self.network.edge

    @property
    def batch(self) -> int:
        """Faces of each identity in one iteration."""
        every = self.job.raise_iterations
        raised = min(self.iteration // every, MOST_DOUBLINGS) if every else 0
        return self.first_batch << raised

    @property
    def edit_of(self) -> int | None:
        """Whose edited faces the source is, where it is that."""
        names = self.description.architecture.identities
        of = self.description.edited.get(names[self.description.source])
        return None if of is None else names.index(of)

    @property
    def newcomers(self) -> list[int]:
        """Who learns alone now; an edit always does."""
        if self.edit_of is not None:
            return [self.description.source]
        return joining.newcomers(self.description, self.iteration, self.job.alone_iterations)

    @property
    def taught(self) -> list[int]:
        """The identities that learn now."""
        return self.newcomers or sorted(self.facesets)

    @property
    def together(self) -> bool:
        """Whether what the identities share learns now."""
        return not self.newcomers and len(self.facesets) == len(self.description.architecture.identities)

    @property
    def paced_from(self) -> int:
        """The iteration that the pace of learning counts from."""
        names = self.description.architecture.identities
        return max((self.description.joined.get(names[new], 0) for new in self.newcomers), default=0)

    @property
    def era(self) -> int:
        """The iteration since which validations measure the same: the last newcomer's or finer level's."""
        growths, every = self.description.architecture.growths, self.job.grow_iterations
        stage = growth.stage_began(max(0, self.iteration - 1), growths=growths, every=every)
        joined = (at for at in self.description.joined.values() if at < self.iteration)
        return max(stage, max(joined, default=0))


def prepare(
    job: TrainJob,
    sets: list[FaceSet],
    *,
    report: Reporter,
    settings: Settings,
    team: Team | None = None,
    edited: bool = False,
) -> Study:
    """Load the faces, build the network, and go on where the model folder was left.

    Raises:
        JobError: the job does not fit the model folder or this machine.
        TrainingError: the faces are too few or too many, or no checkpoint of those there can be read.
    """
    device = own_device(device_of(job.device, settings))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    description = described(job, sets, report, edited=edited)
    names = description.architecture.identities
    network = on_device(autoencoder.Comb(description.architecture), device)
    average = on_device(autoencoder.Comb(description.architecture), device)
    average.requires_grad_(False)
    optimiser = adam(network, job.learning_rate)
    facesets = {names.index(faceset.identity): faceset for faceset in sets}
    study = Study(job, device, description, network, average, optimiser, facesets, report=report)
    study.first_batch = job.batch
    study.team = team or study.team
    study.adversary = Adversary(job.seed, device) if job.adversarial else None
    if not _resume(study):
        begin_anew(study)
    if not study.together and not study.newcomers:
        absent = ", ".join(name for index, name in enumerate(names) if index not in study.facesets)
        report(
            Warned(f"Without the faces of {absent} the others' own parts learn; what all share stands still.")
        )
    return study


def begin_anew(study: Study) -> None:
    """Set the network to what a model begins with: the base, or the random weights of its seed."""
    torch.manual_seed(study.job.seed)
    untrained = autoencoder.Comb(study.description.architecture)
    for own in untrained.owns[1:]:  # what is drawn together must begin alike
        own.load_state_dict(untrained.owns[0].state_dict())
    if study.job.base:
        base_weights.give(untrained)  # one of another width begins at random
    study.iteration, study.trained_seconds, study.watch = 0, 0.0, Watch()
    settle(study)
    places = sorted(study.banks)
    banks = [study.banks[place] for place in places]
    untrained.shapes[places] = torch.from_numpy(joining.shapes_of(banks))
    study.network.load_state_dict(untrained.state_dict())
    study.average.load_state_dict(untrained.state_dict())
    study.optimiser.state.clear()
    if study.adversary is not None:
        study.adversary.reset()


def load_checkpoint(study: Study, found: Checkpoint) -> None:
    """Go on from a checkpoint.

    Raises:
        TrainingError: it is damaged, of another shape, or from a later version, and the study is as it was;
            or the faces do not fit into memory.
    """
    _go_on(study, _load_weights(study, found))


def load_iteration(study: Study, iteration: int) -> None:
    """Go on from the checkpoint of an iteration; from the beginning where it is negative.

    Raises:
        TrainingError: it is not there, or `load_checkpoint` says so.
    """
    if iteration < 0:
        begin_anew(study)
        return
    folder_of_all = model_folder.checkpoints(study.job.model)
    for found in store.find(folder_of_all):
        if found.iteration == iteration:
            load_checkpoint(study, found)
            return
    raise TrainingError(
        f"There is no checkpoint of iteration {iteration}.",
        where=folder_of_all,
        fix="let all machines of a training see the same model folder",
    )


def _load_weights(study: Study, found: Checkpoint) -> list[int]:
    """Take over what a checkpoint holds; gives the identities that it does not know yet."""
    state = store.read_state(found)
    new = joining.load(found, network=study.network, average=study.average, optimiser=study.optimiser)
    study.iteration = found.iteration
    if study.adversary is not None:
        store.load_adversary(found, study.adversary)
    spent, joined = state.get("trained_seconds"), state.get("joined_seconds")
    study.trained_seconds = float(spent) if isinstance(spent, int | float) else 0.0
    study.joined_seconds = joined if isinstance(joined, dict) else {}
    found_batch = state.get("batch")
    if not study.job.batch and isinstance(found_batch, int) and 0 < found_batch <= LARGEST_BATCH:
        study.first_batch = found_batch
    # Who asks for another learning rate begins with all of it.
    same_rate = state.get("learning_rate") == study.job.learning_rate
    study.watch = Watch.from_dict(state.get("watch")) if same_rate else Watch()
    return new


def _go_on(study: Study, new: list[int]) -> None:
    settle(study)
    joining.settle_average(study.network, study.average, taught=study.taught)
    if study.description.source in new and study.edit_of is not None:
        joining.become(study.network, study.average, new=study.description.source, of=study.edit_of)
    elif new:
        joining.welcome(study.network, study.average, study.banks, new)
    if new:
        names = study.description.architecture.identities
        study.joined_seconds |= {names[index]: study.trained_seconds for index in new}


def settle(study: Study) -> bool:
    """Set what the iteration asks for: how far the network is grown, who learns, and faces of that size.

    Returns:
        Whether faces of another size were loaded.
    """
    architecture, every = study.description.architecture, study.job.grow_iterations
    grown = growth.grown(study.iteration, growths=architecture.growths, every=every)
    study.network.grown = study.average.grown = grown
    edited = study.edit_of is not None
    joining.hold_still(study.network, taught=study.taught, together=study.together, edited=edited)
    if study.banks_size == study.size:
        return False
    study.banks, study.banks_size = {}, 0  # the ones before need not fit into memory beside them
    for done, (index, faceset) in enumerate(sorted(study.facesets.items())):
        study.report(
            Progress("load faces", done, len(study.facesets), f"{faceset.identity}, {study.size} px")
        )
        study.banks[index] = load_faces(faceset, study.size, study.device)
    study.banks_size = study.size
    return True


def _resume(study: Study) -> bool:
    """Load the newest checkpoint that is whole; False where there is none at all."""
    new = selection.newest(
        model_folder.checkpoints(study.job.model), partial(_load_weights, study), report=study.report
    )
    if new is None:
        return False
    _go_on(study, new)
    return True


def load_faces(faceset: FaceSet, size: int, device: torch.device) -> Bank:
    """A face set's bank on the device.

    Raises:
        TrainingError: it does not fit there, or holds too few faces.
        FaceError: crops are missing or unreadable.
    """
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


def adam(network: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """The optimiser of a network that is on its device already."""
    fused = next(network.parameters()).device.type in ("cpu", "cuda")
    return torch.optim.Adam(network.parameters(), learning_rate, betas=(0.9, 0.99), fused=fused)


def precision(job: RunFields, device: torch.device) -> torch.autocast:
    """Computes in bfloat16 what a job lets it and its device is faster with."""
    mixed = job.mixed_precision and device.type in ("cpu", "cuda")
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed)


def on_device(network: Network, device: torch.device) -> Network:
    """The network, moved, in the layout that training wants."""
    # Channels last is the layout that matrix units and tensor cores want.
    for parameter in network.to(device).parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def device_of(name: str, settings: Settings) -> torch.device:
    """The device that a job asks for; for auto the machine's setting says, or what there is.

    Raises:
        JobError: this machine has none such.
    """
    if name == "auto":
        name = settings.device
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[name]:
        raise JobError(f"This machine has no {name} device.", fix="set device to auto or cpu")
    return torch.device(name)
