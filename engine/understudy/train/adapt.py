"""Adapting a model to an edited performer: aged, made up or healed, from a few faces that somebody painted.

The edit joins the model as a performer and begins as the one that was edited. Only the layers that make skin
learn (networks/joining.py). What the few faces do not show stays the performer's, because weights are pulled
to the performer's, and the performer's unedited faces are rehearsed (losses/terms/rehearsal.py). So the mouth
opens as far as before, though no edited face had it open.

Source:
    Li et al. 2018, Explicit Inductive Bias for Transfer Learning with Convolutional Networks (weights pulled
    to where they began); Rebuffi et al. 2017, iCaRL (rehearsal).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from understudy.core.errors import JobError
from understudy.core.progress import Reporter
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs import files
from understudy.jobs.training import AdaptJob, TrainJob
from understudy.train import run as training
from understudy.train.checkpoints import model_folder, store
from understudy.train.checkpoints.model_folder import Description


def run(job: AdaptJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Train the edit until the job's iterations or minutes are reached, or the reporter cancels.

    Raises:
        JobError: no end is given, the model is not trained or has not grown to its size, or the face sets are
            not a known performer's and an edit's.
        TrainingError, FaceError, Cancelled: as training has them.
    """
    files.guard(job)
    description = model_folder.read(job.model)
    saved = store.find(model_folder.checkpoints(job.model))
    if description is None or not saved:
        raise JobError("The folder holds no trained model.", where=job.model, fix="train one, then adapt it")
    if store.read_state(saved[-1]).get("grown", 0) < description.architecture.growths:
        raise JobError("The model has not grown to its size yet.", where=job.model, fix="train on first")
    name, of = _identity(job.faceset), _identity(job.of_faceset)
    _check(job, description, name, of)
    begun = description.joined.get(name, saved[-1].iteration)
    return training.run(_as_training(job, description, begun), report=report, settings=settings, edited=True)


def _identity(path: Path) -> str:
    with FaceSet.open_for_training(path) as faceset:
        return faceset.identity


def _check(job: AdaptJob, description: Description, name: str, of: str) -> None:
    known = description.architecture.identities
    if of not in known:
        raise JobError(
            f"The model does not know {of!r}.", where=job.of_faceset, fix=f"use one of {', '.join(known)}"
        )
    if name == of or (name in known and description.edited.get(name) != of):
        raise JobError(
            f"{name!r} is a performer of the model already, and not as an edit of {of!r}.",
            where=job.faceset,
            fix=f"give the edited face set an identity of its own, such as {of}_edited",
        )


def _as_training(job: AdaptJob, description: Description, begun: int) -> TrainJob:
    """The training that an adaptation is: of the edit's faces, with the performer's beside them."""
    architecture = description.architecture
    shared = {field: getattr(job, field) for field in AdaptJob.model_fields if field in TrainJob.model_fields}
    return TrainJob(
        **shared
        | {
            "iterations": begun + job.iterations if job.iterations else 0,
            "source_faceset": job.faceset,
            "destination_faceset": job.of_faceset,
            "size": architecture.size,
            "width": architecture.width,
            "variant": architecture.variant,
            "residuals": architecture.residuals,
            "attention": architecture.attention,
            "grow_iterations": 0,
        }
    )
