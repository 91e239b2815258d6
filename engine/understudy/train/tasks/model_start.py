"""How a model's training begins: anew, from the base model, or where its folder was left."""

from __future__ import annotations

from functools import partial

import torch

from understudy.core.progress import Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import TrainJob
from understudy.train.checkpoints import base_weights, model_folder, selection, store
from understudy.train.checkpoints.store import Checkpoint
from understudy.train.data.facesets import matching_description
from understudy.train.hardware.batch_finder import LARGEST_BATCH
from understudy.train.hardware.device import adam, device_of, on_device
from understudy.train.hardware.process_group import ProcessGroup, local_device
from understudy.train.losses.patch_critic import PatchCritic
from understudy.train.networks import autoencoder, joining
from understudy.train.tasks.model_state import ModelState


def prepare(
    job: TrainJob,
    sets: list[FaceSet],
    *,
    report: Reporter,
    settings: Settings,
    processes: ProcessGroup | None = None,
    edited: bool = False,
) -> ModelState:
    """Load the faces, build the network, and go on where the model folder was left.

    Raises:
        JobError: the job does not fit the model folder or this machine.
        TrainingError: the faces are too few or too many, or no checkpoint of those there can be read.
    """
    device = local_device(device_of(job.device, settings))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    description = matching_description(job, sets, report, edited=edited)
    names = description.architecture.identities
    network = on_device(autoencoder.Comb(description.architecture), device)
    ema = on_device(autoencoder.Comb(description.architecture), device)
    ema.requires_grad_(False)
    state = ModelState(
        job=job,
        device=device,
        description=description,
        network=network,
        ema=ema,
        optimiser=adam(network, job.learning_rate),
        facesets={names.index(faceset.identity): faceset for faceset in sets},
        first_batch=job.batch,
        critic=PatchCritic(job.seed, device) if job.adversarial else None,
        processes=processes or ProcessGroup(),
        report=report,
    )
    if not _resume(state):
        begin_anew(state)
    _warn_of_absent(state)
    return state


def _warn_of_absent(state: ModelState) -> None:
    names = state.description.architecture.identities
    absent = ", ".join(name for index, name in enumerate(names) if index not in state.facesets)
    if absent and not state.newcomers:
        state.report(
            Warned(
                f"Without the faces of {absent} only the others' own parts learn; shared layers are frozen."
            )
        )


def begin_anew(state: ModelState) -> None:
    """Set the network to what a model begins with: the base, or the random weights of its seed."""
    torch.manual_seed(state.job.seed)
    untrained = autoencoder.Comb(state.description.architecture)
    for own in untrained.identity_parts[1:]:  # what is pulled to its mean must begin alike
        own.load_state_dict(untrained.identity_parts[0].state_dict())
    if state.job.base:
        base_weights.give(untrained)  # one of another width begins at random
    state.forget()
    state.apply_schedule()
    indices = sorted(state.faces)
    untrained.shapes[indices] = torch.from_numpy(joining.shapes_of([state.faces[i] for i in indices]))
    state.network.load_state_dict(untrained.state_dict())
    state.ema.load_state_dict(untrained.state_dict())


def load_checkpoint(state: ModelState, found: Checkpoint) -> None:
    """Go on from a checkpoint.

    Raises:
        TrainingError: it is damaged, of another shape, or from a later version, and the state is as it was;
            or the faces do not fit into memory.
    """
    _go_on(state, _load_weights(state, found))


def _resume(state: ModelState) -> bool:
    """Load the newest checkpoint that is whole; False where there is none at all."""
    folder = model_folder.checkpoints(state.job.model)
    new = selection.newest(folder, partial(_load_weights, state), report=state.report)
    if new is None:
        return False
    _go_on(state, new)
    return True


def _load_weights(state: ModelState, found: Checkpoint) -> list[int]:
    """Take over what a checkpoint holds; gives the identities that it does not know yet."""
    facts = store.read_state(found)
    new = joining.load(found, network=state.network, ema=state.ema, optimiser=state.optimiser)
    if state.critic is not None:
        store.load_critic(found, state.critic)
    state.recall(facts)
    joined, batch = facts.get("joined_seconds"), facts.get("batch")
    state.joined_seconds = joined if isinstance(joined, dict) else {}
    if not state.job.batch and isinstance(batch, int) and 0 < batch <= LARGEST_BATCH:
        state.first_batch = batch
    return new


def _go_on(state: ModelState, new: list[int]) -> None:
    state.apply_schedule()
    joining.set_frozen_to_ema(state.network, state.ema, learning=state.learning)
    if state.description.source in new and state.edit_of is not None:
        joining.begin_edit(state.network, state.ema, new=state.description.source, of=state.edit_of)
    elif new:
        joining.begin_newcomers(state.network, state.ema, state.faces, new)
    if new:
        names = state.description.architecture.identities
        state.joined_seconds |= {names[index]: state.trained_seconds for index in new}
