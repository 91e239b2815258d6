"""The state of a refiner in training, and how it begins: anew, or where its folder was left."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from understudy.core.errors import JobError
from understudy.core.progress import Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import RefineJob
from understudy.train.checkpoints import model_folder, refiners, selection, store
from understudy.train.checkpoints.refiners import Basis
from understudy.train.checkpoints.store import Checkpoint
from understudy.train.data.facesets import read_as_painted
from understudy.train.data.samples import LoadedFaces, load_on_device
from understudy.train.export import onnx
from understudy.train.hardware.device import adam, device_of, on_device
from understudy.train.hardware.process_group import ProcessGroup, local_device
from understudy.train.losses.patch_critic import PatchCritic
from understudy.train.networks import autoencoder
from understudy.train.networks.refiner import Refiner
from understudy.train.state import TrainingState


@dataclass(kw_only=True)
class RefinerState(TrainingState):
    """A refiner in training.

    Attributes:
        model: The frozen network, averaged.
        identity: The performer's index in it.
        faces: The performer's, of twice the edge that the model predicts.
        basis: What the refiner is trained on.
    """

    job: RefineJob
    network: Refiner
    ema: Refiner
    model: autoencoder.Comb
    identity: int
    faces: LoadedFaces
    basis: Basis

    @property
    def size(self) -> int:
        """Edge of the refined faces."""
        return 2 * self.basis.edge

    def load_checkpoint(self, found: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it is damaged, of another width, or from a later version; the state is as it was.
        """
        store.load(found, network=self.network, ema=self.ema, optimiser=self.optimiser)
        if self.critic is not None:
            store.load_critic(found, self.critic)
        self.recall(store.read_state(found))


def _warn_if_coarse(faceset: FaceSet, edge: int, report: Reporter) -> None:
    if faceset.crop_size < edge:
        report(
            Warned(
                f"The faces of {faceset.identity} are stored at {faceset.crop_size} pixels and refined to "
                f"{edge}: they hold no detail that fine. Extract them with a larger crop_size."
            )
        )


def prepare(
    job: RefineJob,
    faceset: FaceSet,
    *,
    report: Reporter,
    settings: Settings,
    processes: ProcessGroup | None = None,
) -> RefinerState:
    """Load the model and the faces, build the refiner, and go on where it was left.

    Raises:
        JobError: the face set does not fit the model, or the job does not fit the refiner or this machine.
        TrainingError: the model has no checkpoint, the faces are too few or too many, the refiner is of
            another size, or no checkpoint of it can be read.
    """
    device = local_device(device_of(job.device, settings))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    description, model, told = onnx.load(job.model)
    identity = _index_of(faceset, description, job)
    read_as_painted([faceset], description, report)
    basis = Basis(job.width, model.edge, told["iteration"])
    edge = 2 * basis.edge
    _warn_if_coarse(faceset, edge, report)
    report(Progress("load faces", 0, 1, f"{faceset.identity}, {edge} px"))
    faces = load_on_device(faceset, size=edge, device=device)
    torch.manual_seed(job.seed)
    untrained = Refiner(job.width)
    refiner, ema = on_device(untrained, device), on_device(Refiner(job.width), device)
    ema.load_state_dict(refiner.state_dict())
    state = RefinerState(
        job=job,
        device=device,
        network=refiner,
        ema=ema.requires_grad_(False),
        optimiser=adam(refiner, job.learning_rate),
        model=on_device(model, device).requires_grad_(False),
        identity=identity,
        faces=faces,
        basis=basis,
        first_batch=job.batch,
        critic=PatchCritic(job.seed, device) if job.adversarial else None,
        processes=processes or ProcessGroup(),
        report=report,
    )
    _resume(state, report)
    return state


def _index_of(faceset: FaceSet, description: model_folder.Description, job: RefineJob) -> int:
    """The identity's index in the model."""
    names = description.architecture.identities
    if faceset.identity not in names:
        raise JobError(
            f"The model does not know {faceset.identity!r}.",
            where=faceset.path,
            fix=f"give a face set of {' or '.join(names)}",
        )
    given, known = (faceset.coverage, faceset.detector), (description.coverage, description.landmarks)
    if given != known:
        raise JobError(
            f"The face set is of {given[0]} coverage and {given[1]} landmarks; the model was trained on "
            f"{known[0]} and {known[1]}.",
            where=faceset.path,
            fix=f"refine {job.model.name} with the face set that it was trained on",
        )
    return names.index(faceset.identity)


def _resume(state: RefinerState, report: Reporter) -> None:
    job, name = state.job, state.faces.name

    def load(found: Checkpoint) -> Basis:
        basis = Basis.of(store.read_state(found), found.path)
        if basis.width == job.width:
            state.load_checkpoint(found)
        return basis

    basis = selection.newest(refiners.checkpoints(job.model, name), load, report=report)
    if basis is None:
        return
    where = refiners.home(job.model, name)
    refiners.require_edge(basis, state.model, identity=name, where=where)
    if basis.width != job.width:
        raise JobError(
            f"The refiner of {name} has a width of {basis.width}, not {job.width}.",
            where=where,
            fix=f"set width to {basis.width}, or move this folder away to begin anew",
        )
    if basis.iteration != state.basis.iteration:
        report(
            Warned(
                f"The model has gone from iteration {basis.iteration} to {state.basis.iteration} since "
                f"{name} was refined; refining goes on with its predictions of now."
            )
        )
