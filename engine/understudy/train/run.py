"""Training a model, from face sets to a checkpoint: read `run` from top to bottom."""

from __future__ import annotations

from typing import Any

from understudy.core.errors import JobError
from understudy.core.progress import Finished, Reporter, silent
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs import files
from understudy.jobs.training import TrainJob
from understudy.train.checkpoints import lock, model_folder, store
from understudy.train.data.facesets import open_facesets
from understudy.train.hardware import batch_finder, process_group
from understudy.train.hardware.device import device_of
from understudy.train.hardware.process_group import ProcessGroup
from understudy.train.hardware.profile import profiled
from understudy.train.tasks.model import ModelTask
from understudy.train.tasks.model_start import prepare
from understudy.train.trainer import Trainer, follow, require_faces_for_all
from understudy.train.validation.history import History


def run(job: TrainJob, *, report: Reporter, settings: Settings, edited: bool = False) -> dict[str, Any]:
    """Train until the job's iterations or minutes, a plateau, or a cancel.

    Whatever ends it, what was learned is saved first; the same job goes on from there. When training
    diverges it is rolled back to the last good checkpoint and goes on with half the learning rate; when
    memory is short the batch is computed in parts. Both are warned of and noted in the history.

    Args:
        job: What to train.
        report: Told of progress, warnings and the result.
        settings: The machine's.
        edited: The source's faces are the destination's, edited (adapt.py).

    Returns:
        The result: the model, how far and how fast it was trained, the last validation's figures.

    Raises:
        JobError: the job asks for no end, or does not fit the model folder.
        TrainingError: another run trains this model, training diverges again and again, nothing can be
            saved, or memory does not suffice for one face.
        FaceError: a face set cannot be read.
        Cancelled: the reporter ended the run; it is saved.
    """
    files.guard(job)
    if not job.iterations and not job.minutes and job.stop_when == "none":
        raise JobError(
            "The job says neither how long nor how far to train.",
            fix="give minutes or iterations, or set stop_when to plateau",
        )
    device = process_group.local_device(device_of(job.device, settings))
    with open_facesets(job) as sets, process_group.connected(device) as processes:
        require_faces_for_all(job, processes)
        if not processes.is_lead:
            return follow(_prepare(job, sets, silent, settings, processes, edited=edited))
        with lock.hold(job.model, report=report):
            store.tidy(model_folder.checkpoints(job.model))
            with History(job.model) as history:
                task = _prepare(job, sets, report, settings, processes, edited=edited)
                if not task.state.first_batch:
                    batch = batch_finder.find(task)
                    history.note(task.state.iteration, f"Batches of {batch} faces were found to be fast.")
                with profiled(task.state, wanted=job.profile) as profile:
                    result = Trainer(task, history, report).run()
    if profile is not None:
        result["profile"] = profile.report()
    report(Finished(result))
    return result


def _prepare(
    job: TrainJob,
    sets: list[FaceSet],
    report: Reporter,
    settings: Settings,
    processes: ProcessGroup,
    *,
    edited: bool,
) -> ModelTask:
    with processes.lead_first():
        state = prepare(job, sets, report=report, settings=settings, processes=processes, edited=edited)
        return ModelTask(state)
