"""Refining, from a trained model and one performer's faces to a refiner: read `run` from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from understudy.core.errors import JobError, PlateError, TrainingError
from understudy.core.progress import Cancelled, Finished, Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import RefineJob
from understudy.train.checkpoints import lock, model_folder, refiners, retention, store
from understudy.train.clock import Clock
from understudy.train.divergence import CHECK_ITERATIONS
from understudy.train.hardware import memory
from understudy.train.refining import Refining, columns, learn, prepare, validate
from understudy.train.validation import preview

Warn = Callable[[str], None]


def run(job: RefineJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Train the refiner of one identity until the job's iterations or minutes, or the reporter cancels.

    Whatever ends it, what was learned is saved first; the same job goes on from there.

    Raises:
        JobError: the job asks for no end, or the face set does not fit the model.
        TrainingError: there is no trained model, another run trains it, the refiner is of another size, its
            training goes wrong, nothing can be saved, or not even one face fits into memory.
        FaceError: the face set cannot be read.
        Cancelled: the reporter ended the run; it is saved.
    """
    if not job.iterations and not job.minutes:
        raise JobError("The job does not say how long to refine.", fix="give minutes or iterations")
    if model_folder.read(job.model) is None:
        raise JobError("The folder holds no model.", where=job.model, fix="train one, then refine it")
    with FaceSet.open_for_training(job.faceset) as faceset, lock.hold(job.model, report=report):
        store.tidy(refiners.checkpoints(job.model, faceset.identity))
        refining = prepare(job, faceset, report=report, settings=settings)
        result = _train(refining, report)
    report(Finished(result))
    return result


def _train(refining: Refining, report: Reporter) -> dict[str, Any]:
    """The loop: learn, look whether it is sound, show it, save."""
    clock = Clock(refining.iteration)
    job = refining.job
    warn = cache(lambda message: report(Warned(message)))
    try:
        while not clock.over(job, refining.iteration):
            loss = learn(refining, warn)
            if refining.iteration % CHECK_ITERATIONS == 0 and not math.isfinite(loss):
                raise _unsound(refining)
            if clock.may_tell(refining.iteration):
                done = clock.progress(job, refining.iteration)
                report(Progress("refine", *done, clock.told_of(refining.iteration, loss)))
            if refining.iteration % job.preview_iterations == 0:
                _examine(refining, clock, report, warn)
            if clock.may_save(job.save_minutes):
                _save(refining)
                clock.saved = time.monotonic()
    except (Cancelled, KeyboardInterrupt):
        if refining.between:  # a second Ctrl-C may come in the middle of a step
            _save(refining)
        raise
    _examine(refining, clock, report, warn)
    _save(refining)
    return {
        "refiner": str(refiners.home(job.model, refining.bank.name)),
        "identity": refining.bank.name,
        "iteration": refining.iteration,
        "iterations_a_second": round(clock.speed(refining.iteration), 3),
        "minutes": round(clock.elapsed / 60, 2),
        "device": str(refining.device),
        **{f"held_out/{name}": value for name, value in refining.figures.items()},
    }


def _examine(refining: Refining, clock: Clock, report: Reporter, warn: Warn) -> None:
    """Measure the averaged refiner, say what came of it, and draw a sheet; at most once an iteration."""
    if refining.examined == refining.iteration:
        return
    refining.examined, refining.figures = refining.iteration, {}
    try:
        figures = validate(refining)
        _draw_sheet(refining, warn)
    except (MemoryError, RuntimeError) as exc:
        if not memory.is_shortage(exc):
            raise
        warn("Out of memory while validating: a validation is left out, and refining goes on.")
        return
    refining.figures = figures
    words = (
        f"unseen faces: SSIM {figures['ssim']:.3f}, doubled alone {figures['ssim_doubled']:.3f}; "
        f"skin has {100 * figures['skin']:.0f}% of the true faces' fine detail, "
        f"doubled alone {100 * figures['skin_doubled']:.0f}%"
    )
    report(Progress("validate", *clock.progress(refining.job, refining.iteration), words))


def _draw_sheet(refining: Refining, warn: Warn) -> None:
    previews = refiners.home(refining.job.model, refining.bank.name) / "previews"
    sheet = preview.tiled(columns(refining, preview.rows(refining.bank)))
    try:
        preview.write(previews / f"{refining.iteration:08d}.png", sheet)
    except PlateError as exc:
        warn(f"A preview could not be written: {exc.what} Refining goes on without it.")


def _save(refining: Refining) -> None:
    """Save and thin out older checkpoints.

    Raises:
        TrainingError: the weights are not worth saving, or the disk is full.
    """
    if not store.is_finite(refining.refiner):
        raise _unsound(refining)
    job = refining.job
    where = refiners.checkpoints(job.model, refining.bank.name)
    facts: dict[str, Any] = {"seed": job.seed, "batch": job.batch, "learning_rate": job.learning_rate}
    facts |= refining.basis.as_dict() | {"identity": refining.bank.name, "era": refining.basis.iteration}
    facts |= {"saved_at": time.time(), "sound": True}
    if refining.figures and refining.examined == refining.iteration:
        facts |= {"held_out_error": 1.0 - refining.figures["ssim"], "figures": refining.figures}
    store.save(
        where,
        iteration=refining.iteration,
        network=refining.refiner,
        average=refining.average,
        optimiser=refining.optimiser,
        facts=facts,
        adversary=refining.adversary,
    )
    retention.thin(where, newest=job.keep_checkpoints)


def _unsound(refining: Refining) -> TrainingError:
    return TrainingError(
        f"What the refiner learns is no number any more, at iteration {refining.iteration}.",
        where=refiners.home(refining.job.model, refining.bank.name),
        fix="refine again with half the learning_rate; it goes on from the last checkpoint, which is whole",
    )
