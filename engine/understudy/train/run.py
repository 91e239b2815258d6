"""Training, from two face sets to a checkpoint: read `run` from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

from understudy.core.errors import JobError, PlateError, TrainingError
from understudy.core.progress import Cancelled, Finished, Progress, Reporter, Warned, silent
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import TrainJob
from understudy.train.checkpoints import lock, model_folder, retention, store
from understudy.train.clock import Clock
from understudy.train.data.facesets import opened_facesets
from understudy.train.divergence import CHECK_ITERATIONS, MOST_SETBACKS
from understudy.train.gradients import Figures
from understudy.train.hardware import batch_finder, memory
from understudy.train.hardware.process_group import Team, Word, joined, own_device
from understudy.train.hardware.profile import profiled
from understudy.train.state import (
    Study,
    begin_anew,
    device_of,
    load_checkpoint,
    load_iteration,
    prepare,
    settle,
)
from understudy.train.step import learn
from understudy.train.validation import preview
from understudy.train.validation.history import History
from understudy.train.validation.validator import Examiner

Warn = Callable[[str], None]


def run(job: TrainJob, *, report: Reporter, settings: Settings, edited: bool = False) -> dict[str, Any]:
    """Train until the job's iterations or minutes are reached, a plateau is, or the reporter cancels.

    Whatever ends it, what was learned is saved first; the same job goes on from there. When training goes
    wrong it goes back to the last good checkpoint and on with half the learning rate; when memory is short
    the batch is computed in parts. Both are told by a warning and noted in the history.

    Raises:
        JobError: the job asks for no end, or does not fit the model folder.
        TrainingError: another run trains this model, training goes wrong again and again, nothing can be
            saved, or memory does not suffice for one face.
        FaceError: a face set cannot be read.
        Cancelled: the reporter ended the run; it is saved.
    """
    if not job.iterations and not job.minutes and job.stop_when == "none":
        raise JobError(
            "The job says neither how long nor how far to train.",
            fix="give minutes or iterations, or set stop_when to plateau",
        )
    device = own_device(device_of(job.device, settings))
    with opened_facesets(job) as sets, joined(device) as team:
        if job.batch < team.size and team.many:
            raise JobError(
                f"A batch of {job.batch} faces for {team.size} processes leaves some without any.",
                where=f"batch = {job.batch}",
                fix=f"give a batch of {team.size} or a multiple of it",
            )
        if not team.leads:
            return _follow(job, sets, settings, team, edited=edited)
        with lock.hold(job.model, report=report):
            store.tidy(model_folder.checkpoints(job.model))
            with History(job.model) as history:
                with team.lead_first():
                    study = prepare(job, sets, report=report, settings=settings, team=team, edited=edited)
                if not study.first_batch:
                    batch = batch_finder.find(study)
                    history.note(study.iteration, f"Batches of {batch} faces were found to be fast.")
                with profiled(study) as profile:
                    result = _train(study, history, report)
    if profile is not None:
        result["profile"] = profile.report()
    report(Finished(result))
    return result


def _follow(
    job: TrainJob, sets: list[FaceSet], settings: Settings, team: Team, *, edited: bool
) -> dict[str, Any]:
    """Do what the lead says until it says that the training ends."""
    with team.lead_first():
        study = prepare(job, sets, report=silent, settings=settings, team=team, edited=edited)
    while True:
        word, iteration, setbacks = team.heard()
        if word is Word.END:
            return {"model": str(job.model), "iteration": study.iteration}
        if word is Word.LOAD:
            load_iteration(study, iteration)
            study.watch.setbacks = setbacks
        if word is Word.LEARN:
            settle(study)
            learn(study, warn=lambda message: None)


def _train(study: Study, history: History, report: Reporter) -> dict[str, Any]:
    """The loop: learn, look at how it goes, show it, save."""
    clock = Clock(study.iteration)

    def note(message: str) -> None:
        with suppress(TrainingError):  # a history on a full disk is no reason to stop
            history.note(study.iteration, message)

    def warn(message: str) -> None:
        note(message)
        report(Warned(message))

    once = cache(warn)
    examiner = Examiner(study, history, report=report, warn=once, progress=partial(_progress, study, clock))
    try:
        while not (_finished(study, clock, examiner) and _save(study, examiner, warn)):
            if settle(study):
                note(f"Faces of {study.size} pixels are drawn from here on.")
            study.lap("other")
            study.team.say(Word.LEARN)
            figures = learn(study, warn)
            study.trained_seconds += clock.lap()
            if study.iteration % CHECK_ITERATIONS == 0:
                trouble = _look(study, figures, history, once)
                if trouble:
                    _go_back(study, trouble, examiner, warn)
                    continue
            _tell(study, figures, clock, report)
            _now_and_then(study, clock, examiner, once)
    except (Cancelled, KeyboardInterrupt):
        if study.between:  # a second Ctrl-C may come in the middle of a step
            _save(study, examiner, warn)
        raise
    finally:
        if study.between:
            with suppress(TrainingError):  # who has gone already need not be told
                study.team.say(Word.END)
    return _result(study, clock) | _end(study, examiner, once, history)


def _now_and_then(study: Study, clock: Clock, examiner: Examiner, warn: Warn) -> None:
    """Measure, show and save, where it is time to."""
    shown = study.iteration % study.job.preview_iterations == 0
    due = clock.may_save(study.job.save_minutes)
    trouble = examiner.examine().trouble if shown or (due and examiner.rested) else ""
    if trouble:
        _go_back(study, trouble, examiner, warn)
        return
    if shown:
        _draw_sheet(study, warn)
    if due:
        _save(study, examiner, warn)
        clock.saved = time.monotonic()


def _finished(study: Study, clock: Clock, examiner: Examiner) -> bool:
    level = study.job.stop_when == "plateau" and bool(examiner.verdict.stop)
    return level or clock.over(study.job, study.iteration)


def _end(study: Study, examiner: Examiner, warn: Warn, history: History) -> dict[str, Any]:
    """Measure what was saved, show it, and say why the run ended where neither time nor iterations did."""
    stopped = examiner.verdict.stop if study.job.stop_when == "plateau" else ""
    examiner.examine()
    _draw_sheet(study, warn)
    ended: dict[str, Any] = dict(examiner.figures)
    joined = examiner.time_saved()
    if joined:
        ended["joined"] = joined
    try:
        newest = store.find(model_folder.checkpoints(study.job.model))[-1]
        if newest.iteration == study.iteration and examiner.facts():
            store.amend(newest, examiner.facts())
        if stopped:
            history.note(study.iteration, f"{stopped}. Training ends.")
    except TrainingError as exc:
        warn(f"{exc.what} What was trained is saved.")
    if stopped:
        ended["stopped"] = stopped
    return ended


def _look(study: Study, figures: Figures, history: History, warn: Warn) -> str:
    """Say what is wrong, or record the figures and say nothing."""
    losses = {f"loss/{name}": float(value) for name, value in figures.losses.items()}
    contrasts = {name: float(value) for name, value in figures.contrasts.items()}
    trouble = study.watch.look(study.iteration, losses["loss/total"], contrasts)
    if not trouble:
        measured = losses | {f"contrast/{name}": value for name, value in contrasts.items()}
        _record(study, measured, history, warn)
    return trouble


def _go_back(study: Study, trouble: str, examiner: Examiner, warn: Warn) -> None:
    """Return to the newest checkpoint that nothing was wrong with, or to the beginning, at half the rate.

    Raises:
        TrainingError: it was done too often already.
    """
    setbacks, where = study.watch.setbacks + 1, f"at iteration {study.iteration}"
    if setbacks > MOST_SETBACKS:
        raise TrainingError(
            f"{trouble}, {where}; going back to a lower learning rate {MOST_SETBACKS} times did not help.",
            where=study.job.model,
            fix="look at the last previews and the face sets for what is odd there, then train on with a "
            f"learning rate below {study.job.learning_rate * study.watch.rate_share:.1g}",
        )
    checkpoints = model_folder.checkpoints(study.job.model)
    found = _load_sound(study)
    if found is None:
        begin_anew(study)
    study.watch.setbacks = setbacks
    study.team.say(Word.LOAD, study.iteration if found else -1, setbacks)
    retention.forget_after(checkpoints, study.iteration)
    examiner.forget()
    if found is not None:  # so that a run killed before the next checkpoint knows it too
        store.amend(found, {"watch": study.watch.as_dict()})
    rate = study.job.learning_rate * study.watch.rate_share
    back = f"iteration {study.iteration}" if found else "the beginning"
    warn(f"{trouble}, {where}. Training goes back to {back} and on with a learning rate of {rate:.2g}.")


def _load_sound(study: Study) -> store.Checkpoint | None:
    """Load the newest checkpoint that nothing was wrong with, None where there is none such.

    Raises:
        TrainingError: there are some, and none of them can be read any more.
    """
    unreadable: TrainingError | None = None
    for found in reversed(store.find(model_folder.checkpoints(study.job.model))):
        try:
            if store.read_state(found).get("sound", True):
                load_checkpoint(study, found)
                return found
        except TrainingError as exc:
            unreadable = exc
    if unreadable is not None:
        raise unreadable
    return None


def _save(study: Study, examiner: Examiner, warn: Warn) -> bool:
    """Save and thin out older checkpoints; what is not worth saving makes training go back instead.

    Returns:
        Whether it was saved.

    Raises:
        TrainingError: the disk is full, or training went wrong too often.
    """
    if not store.is_finite(study.network):
        _go_back(study, "The weights are no numbers any more", examiner, warn)
        return False
    job = study.job
    uneasy = study.watch.uneasy or examiner.verdict.uneasy
    facts: dict[str, Any] = {"seed": job.seed, "batch": study.first_batch, "learning_rate": job.learning_rate}
    facts |= {"identities": list(study.description.architecture.identities), "era": study.era}
    facts |= {"joined_seconds": study.joined_seconds, "grown": study.network.grown}
    facts |= {"saved_at": time.time(), "sound": not uneasy, "trained_seconds": study.trained_seconds}
    store.save(
        model_folder.checkpoints(job.model),
        iteration=study.iteration,
        network=study.network,
        average=study.average,
        optimiser=study.optimiser,
        facts=facts | examiner.facts() | {"watch": study.watch.as_dict()},
        adversary=study.adversary,
    )
    study.lap("saving")
    retention.thin(model_folder.checkpoints(job.model), newest=job.keep_checkpoints)
    return True


def _draw_sheet(study: Study, warn: Warn) -> None:
    """Draw the preview sheet; a failure costs no more than the sheet."""
    path = study.job.model / "previews" / f"{study.iteration:08d}.png"
    ends = {"source": study.description.source, "destination": study.description.destination}
    try:
        preview.write_sheet(path, study.average, study.banks, **ends)
    except PlateError as exc:
        warn(f"A preview could not be written: {exc.what} Training goes on without it.")
    except (MemoryError, RuntimeError) as exc:
        if not memory.is_shortage(exc):
            raise
        warn("Out of memory while drawing a preview: it is left out, and training goes on.")
    study.lap("preview")


def _record(study: Study, figures: dict[str, float], history: History, warn: Warn) -> None:
    try:
        history.add(study.iteration, figures)
    except TrainingError as exc:
        warn(f"{exc.what} Training goes on, and its figures are lost.")


def _tell(study: Study, figures: Figures, clock: Clock, report: Reporter) -> None:
    if clock.may_tell(study.iteration):
        note = clock.told_of(study.iteration, float(figures.losses["total"]))
        report(Progress("train", *_progress(study, clock), note))


def _progress(study: Study, clock: Clock) -> tuple[int, int]:
    return clock.progress(study.job, study.iteration)


def _result(study: Study, clock: Clock) -> dict[str, Any]:
    return {
        "model": str(study.job.model),
        "iteration": study.iteration,
        "iterations_a_second": round(clock.speed(study.iteration), 3),
        "minutes": round(clock.elapsed / 60, 2),
        "device": str(study.device),
        "batch": study.batch,
    }
