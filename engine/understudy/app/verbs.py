"""Runs a job, for the terminal and the worker alike; the table says which function does a verb."""

from __future__ import annotations

from typing import Any

from understudy.core.progress import Event, Failed, Finished, Reporter
from understudy.core.settings import Settings
from understudy.jobs.fields import Job
from understudy.jobs.summary import exit_code
from understudy.jobs.table import VERBS, load, verb_of

Kept = dict[str, Any]
"""What a long-lived process keeps between two runs, by verb."""


def run(job: Job, *, report: Reporter, settings: Settings, kept: Kept | None = None) -> dict[str, Any]:
    """Do a job and report its result once, as the last event.

    Args:
        job: One of the table's jobs; its type says the verb.
        report: Hears every event; it raises `Cancelled` to end the run.
        settings: This machine's settings.
        kept: Models and frames of earlier runs, filled for the next; None keeps nothing.

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

    result = _dispatch(job, tell, settings, kept)
    result.setdefault("exit_code", exit_code(codes))
    report(Finished(result))
    return result


def _dispatch(job: Job, report: Reporter, settings: Settings, kept: Kept | None) -> dict[str, Any]:
    verb = verb_of(job)
    entry = VERBS[verb]
    more: dict[str, Any] = {}
    if kept is not None and entry.kept:
        if verb not in kept:
            kept[verb] = load(entry.kept)()
        more["kept"] = kept[verb]
    result: dict[str, Any] = load(entry.run)(job, report=report, settings=settings, **more)
    return result
