"""`understudy models`: list, fetch or verify the detectors' models."""

from __future__ import annotations

from typing import Any

from understudy.core.errors import FaceError
from understudy.core.progress import Reporter
from understudy.core.settings import Settings
from understudy.face.detect import fetch, models
from understudy.jobs.machine import ModelsJob


def run(job: ModelsJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Do what the job says, to one model or to all that are needed.

    Raises:
        FaceError: there is no such model, or files are damaged or cannot be fetched.
    """
    if job.action == "list":
        chosen = [state for state in models.states(settings) if job.name in (None, state.model.name)]
        if job.name and not chosen:
            models.model(job.name)
    elif job.action == "fetch":
        chosen = fetch.fetch(settings, name=job.name, offline_folder=job.offline_folder, report=report)
    else:
        chosen = _verified(job, settings)
    rows = [
        {"name": s.model.name, "state": s.state, "licence": s.model.licence, "purpose": s.model.purpose}
        for s in chosen
    ]
    return {"folder": str(settings.models), "models": rows}


def _verified(job: ModelsJob, settings: Settings) -> list[models.ModelState]:
    chosen = models.verify(settings, name=job.name)
    damaged = [str(state.path) for state in chosen if state.state == "damaged"]
    if damaged:
        raise FaceError(
            f"{len(damaged)} model files are damaged.",
            where=", ".join(damaged),
            fix="delete them and run `understudy models fetch`",
        )
    return chosen
