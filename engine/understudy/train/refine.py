"""Training a refiner, from a trained model and one performer's faces: read `run` from top to bottom."""

from __future__ import annotations

from typing import Any

from understudy.core.errors import JobError
from understudy.core.progress import Finished, Reporter, silent
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs import files
from understudy.jobs.training import RefineJob
from understudy.train.checkpoints import lock, model_folder, refiners, store
from understudy.train.hardware import process_group
from understudy.train.hardware.device import device_of
from understudy.train.hardware.process_group import ProcessGroup
from understudy.train.tasks.refiner import RefinerTask
from understudy.train.tasks.refiner_state import prepare
from understudy.train.trainer import Trainer, follow, require_faces_for_all
from understudy.train.validation.history import History


def run(job: RefineJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Train the refiner of one identity until the job's iterations or minutes, or a cancel.

    Whatever ends it, what was learned is saved first; the same job goes on from there. It is rolled back
    and computed in parts as a model's training is.

    Raises:
        JobError: the job asks for no end, or the face set does not fit the model.
        TrainingError: there is no trained model, another run trains it, the refiner is of another size,
            training diverges again and again, nothing can be saved, or not even one face fits into memory.
        FaceError: the face set cannot be read.
        Cancelled: the reporter ended the run; it is saved.
    """
    files.guard(job)
    if not job.iterations and not job.minutes:
        raise JobError("The job does not say how long to refine.", fix="give minutes or iterations")
    if model_folder.read(job.model) is None:
        raise JobError("The folder holds no model.", where=job.model, fix="train one, then refine it")
    device = process_group.local_device(device_of(job.device, settings))
    with FaceSet.open_for_training(job.faceset) as faceset, process_group.connected(device) as processes:
        require_faces_for_all(job, processes)
        if not processes.is_lead:
            return follow(_prepare(job, faceset, silent, settings, processes))
        with lock.hold(job.model, report=report):
            store.tidy(refiners.checkpoints(job.model, faceset.identity))
            task = _prepare(job, faceset, report, settings, processes)
            task.folder.mkdir(parents=True, exist_ok=True)
            with History(task.folder) as history:
                result = Trainer(task, history, report).run()
    report(Finished(result))
    return result


def _prepare(
    job: RefineJob, faceset: FaceSet, report: Reporter, settings: Settings, processes: ProcessGroup
) -> RefinerTask:
    with processes.lead_first():
        return RefinerTask(prepare(job, faceset, report=report, settings=settings, processes=processes))
