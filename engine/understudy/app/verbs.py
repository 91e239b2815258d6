"""Runs a job: the one place that knows which function does a verb, for the terminal and the worker alike.

Each verb's module is imported when it is asked for, so that a help text or a list of models does not wait
for torch.
"""

from __future__ import annotations

from typing import Any

from understudy.core.progress import Event, Failed, Finished, Reporter
from understudy.core.settings import Settings
from understudy.jobs.fields import Job
from understudy.jobs.summary import exit_code
from understudy.jobs.table import (
    AdaptJob,
    BundleJob,
    DemoJob,
    ExportJob,
    ExtractJob,
    ModelsJob,
    PointsJob,
    PropagateJob,
    RefineJob,
    ScoreJob,
    SwapJob,
    TrackJob,
    TrainJob,
)

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
        The result event's content; `failed_frames` in it names the frames that were lost, and `exit_code` is
        what the process ends with.

    Raises:
        UnderstudyError: what went wrong, where, and what to do.
        Cancelled: the reporter ended the run.
    """
    codes: list[int] = []

    def tell(event: Event) -> None:
        if isinstance(event, Failed):
            codes.append(int(event.error["exit_code"]))
        # A verb made of verbs would end several times; a listener takes the first result for the end.
        if not isinstance(event, Finished):
            report(event)

    result = _dispatch(job, tell, settings, warm)
    result.setdefault("exit_code", exit_code(codes))
    report(Finished(result))
    return result


def _dispatch(job: Job, report: Reporter, settings: Settings, warm: Warm | None) -> dict[str, Any]:
    match job:
        case ExtractJob():
            from understudy.shots import extract

            return extract.run(job, report=report, settings=settings)
        case TrackJob():
            from understudy.shots import track

            return track.run(job, report=report, settings=settings)
        case PointsJob():
            from understudy.shots import points

            return points.run(job, report=report, settings=settings)
        case TrainJob():
            from understudy.train import run as loop

            return loop.run(job, report=report, settings=settings)
        case RefineJob():
            from understudy.train import refine

            return refine.run(job, report=report, settings=settings)
        case AdaptJob():
            from understudy.train import adapt

            return adapt.run(job, report=report, settings=settings)
        case ExportJob():
            from understudy.train.export import onnx

            return onnx.run(job, report=report, settings=settings)
        case SwapJob():
            from understudy.swap import pipeline
            from understudy.swap.cache import Warm as Kept

            kept = None if warm is None else warm.setdefault("swap", Kept())
            return pipeline.run(job, report=report, settings=settings, warm=kept)
        case PropagateJob():
            from understudy.propagate import run as propagate

            return propagate.run(job, report=report, settings=settings)
        case ScoreJob():
            from understudy.quality import score

            return score.run(job, report=report, settings=settings)
        case BundleJob():
            from understudy.farm import bundle

            return bundle.run(job, report=report, settings=settings)
        case ModelsJob():
            return _models(job, report, settings)
        case DemoJob():
            from understudy.app import demo

            return demo.run(job, report=report, settings=settings)
    raise TypeError(f"no verb takes a {type(job).__name__}")


def _models(job: ModelsJob, report: Reporter, settings: Settings) -> dict[str, Any]:
    from understudy.core.errors import FaceError
    from understudy.face.detect import models

    if job.action == "list":
        chosen = [state for state in models.states(settings) if job.name in (None, state.model.name)]
        if job.name and not chosen:
            models.model(job.name)
    elif job.action == "fetch":
        chosen = models.fetch(settings, name=job.name, offline_folder=job.offline_folder, report=report)
    else:
        chosen = models.verify(settings, name=job.name)
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
