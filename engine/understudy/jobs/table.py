"""The verbs: for each its job and its function, as text that is imported when the verb is asked for.

The command line, its help and the worker's list of verbs are built from the packaged schema (`schema.py`), so
that asking for help loads neither pydantic nor numpy. A new verb is a frozen model, a function `run` and a
line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from understudy.core.errors import JobError
from understudy.jobs import schema

if TYPE_CHECKING:
    from understudy.jobs.fields import Job


@dataclass(frozen=True)
class Verb:
    """Where a verb's parts are, each as "module:name".

    Attributes:
        job: Its job, a frozen model; an option is described there and nowhere else.
        run: Its function: `run(job, *, report, settings)` gives the content of the result event.
        kept: What a long-lived process keeps for it between two runs: a class that is called without
            arguments once and handed to `run` as `kept`; empty for most verbs.
    """

    job: str
    run: str
    kept: str = ""


VERBS: Mapping[str, Verb] = {
    "extract": Verb("understudy.jobs.shots:ExtractJob", "understudy.shots.extract:run"),
    "track": Verb("understudy.jobs.shots:TrackJob", "understudy.shots.track:run"),
    "points": Verb("understudy.jobs.shots:PointsJob", "understudy.shots.points:run"),
    "train": Verb("understudy.jobs.training:TrainJob", "understudy.train.run:run"),
    "refine": Verb("understudy.jobs.training:RefineJob", "understudy.train.refine:run"),
    "adapt": Verb("understudy.jobs.training:AdaptJob", "understudy.train.adapt:run"),
    "export": Verb("understudy.jobs.training:ExportJob", "understudy.train.export.onnx:run"),
    "swap": Verb(
        "understudy.swap.job:SwapJob",
        "understudy.swap.run:run",
        kept="understudy.swap.cache:RenderCache",
    ),
    "propagate": Verb("understudy.jobs.propagation:PropagateJob", "understudy.propagate.run:run"),
    "score": Verb("understudy.jobs.shots:ScoreJob", "understudy.quality.score:run"),
    "bundle": Verb("understudy.jobs.machine:BundleJob", "understudy.farm.bundle:run"),
    "models": Verb("understudy.jobs.machine:ModelsJob", "understudy.app.models:run"),
    "demo": Verb("understudy.jobs.machine:DemoJob", "understudy.app.demo:run"),
}


def load(reference: str) -> Any:
    """What a "module:name" refers to; the module is imported."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def job_class(verb: str) -> type[Job]:
    """The model of a verb's job.

    Raises:
        JobError: the verb is unknown.
    """
    if verb not in VERBS:
        raise JobError(f"There is no verb {verb!r}.", fix=f"use one of {', '.join(VERBS)}")
    found: type[Job] = load(VERBS[verb].job)
    return found


def verb_of(job: Job) -> str:
    """The verb that a job is of."""
    kind = type(job)
    return next(verb for verb, one in VERBS.items() if one.job == f"{kind.__module__}:{kind.__qualname__}")


def parse_job(verb: str, values: Mapping[str, Any], *, warn: Callable[[str], None] | None = None) -> Job:
    """Build a verb's job from plain values.

    Args:
        verb: One of VERBS.
        values: By field name; names of earlier releases are read as the present ones.
        warn: Is told of every name of an earlier release.

    Raises:
        JobError: the verb is unknown, or a field is missing, unknown, of the wrong type or out of range.
    """
    job = job_class(verb)
    from pydantic import ValidationError

    try:
        return job.model_validate(with_present_names(verb, values, warn))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=True)[0]
        field = ".".join(str(part)[:40] for part in first["loc"]) or verb
        raise JobError(
            f"{field} of the {verb} job: {first['msg']}.",
            where=f"{field} = {str(first['input'])[:200]!r}",
            fix=f"see `understudy {verb} --help`",
        ) from exc


def with_present_names(
    verb: str, values: Mapping[str, Any], warn: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """The values under the present names of their fields.

    Raises:
        JobError: a field is given under both names.
    """
    present = dict(values)
    for name, former in schema.former_names(verb):
        if former not in present:
            continue
        if name in present:
            raise JobError(f"{former} is the former name of {name}: give one of them.", fix=f"use {name}")
        present[name] = present.pop(former)
        if warn is not None:
            warn(f"{former} is now called {name}; the former name is still read.")
    return present
