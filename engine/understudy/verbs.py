"""Runs a job: the one place that knows which function does a verb, for the terminal and the worker alike.

Each verb's module is imported when it is asked for, so that a help text or a list of models does not wait
for torch.
"""

from __future__ import annotations

from typing import Any

from understudy.fields import Job
from understudy.job import (
    AdaptJob,
    BundleJob,
    DemoJob,
    ExportJob,
    ExtractJob,
    ModelsJob,
    PointsJob,
    PropagateJob,
    RefineJob,
    SwapJob,
    TrackJob,
    TrainJob,
)
from understudy.progress import Event, Finished, Reporter
from understudy.settings import Settings

Warm = dict[str, Any]
"""What a long-lived process keeps between two runs, by verb."""


def run(job: Job, *, report: Reporter, settings: Settings, warm: Warm | None = None) -> dict[str, Any]:
    """Do a job and report its result once, as the last event.

    Args:
        job: One of the job table's models; its type chooses the verb.
        report: Hears every event; it raises `Cancelled` to end the run.
        settings: This machine's settings.
        warm: Sessions and frames kept from an earlier run, filled for the next.

    Returns:
        The result event's content; `failed_frames` in it names the frames that were lost.

    Raises:
        UnderstudyError: what went wrong, where, and what to do.
        Cancelled: the reporter ended the run.
    """

    def tell(event: Event) -> None:
        # A verb made of verbs would end several times; a listener takes the first result for the end.
        if not isinstance(event, Finished):
            report(event)

    result = _dispatch(job, tell, settings, warm)
    report(Finished(result))
    return result


def _dispatch(job: Job, report: Reporter, settings: Settings, warm: Warm | None) -> dict[str, Any]:
    match job:
        case ExtractJob():
            from understudy.shot import extract

            return extract.run(job, report=report, settings=settings)
        case TrackJob():
            from understudy.shot import track

            return track.run(job, report=report, settings=settings)
        case PointsJob():
            from understudy.shot import points

            return points.run(job, report=report, settings=settings)
        case TrainJob():
            from understudy.train import loop

            return loop.run(job, report=report, settings=settings)
        case RefineJob():
            from understudy.train import refine

            return refine.run(job, report=report, settings=settings)
        case AdaptJob():
            from understudy.train import adapt

            return adapt.run(job, report=report, settings=settings)
        case ExportJob():
            from understudy.train import export

            return export.run(job, report=report, settings=settings)
        case SwapJob():
            from understudy.shot import swap
            from understudy.shot.warm import Warm as Kept

            kept = None if warm is None else warm.setdefault("swap", Kept())
            return swap.run(job, report=report, settings=settings, warm=kept)
        case PropagateJob():
            from understudy.shot import propagate

            return propagate.run(job, report=report, settings=settings)
        case BundleJob():
            from understudy.farm import bundle

            return bundle.run(job, report=report, settings=settings)
        case ModelsJob():
            return _models(job, report, settings)
        case DemoJob():
            from understudy import walkthrough

            return walkthrough.run(job, report=report, settings=settings)
    raise TypeError(f"no verb takes a {type(job).__name__}")


def _models(job: ModelsJob, report: Reporter, settings: Settings) -> dict[str, Any]:
    from understudy.errors import FaceError
    from understudy.face import registry

    if job.action == "list":
        chosen = [state for state in registry.states(settings) if job.name in (None, state.model.name)]
        if job.name and not chosen:
            registry.model(job.name)
    elif job.action == "fetch":
        chosen = registry.fetch(settings, name=job.name, offline_folder=job.offline_folder, report=report)
    else:
        chosen = registry.verify(settings, name=job.name)
        damaged = [str(state.path) for state in chosen if state.state == "damaged"]
        if damaged:
            raise FaceError(
                f"{len(damaged)} model files are damaged.",
                where=", ".join(damaged),
                fix="delete them and run `understudy models fetch`",
            )
    rows = [
        {"name": s.model.name, "state": s.state, "licence": s.model.licence, "purpose": s.model.purpose}
        for s in chosen
    ]
    return {"folder": str(settings.models), "models": rows}
