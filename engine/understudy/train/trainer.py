"""The trainer: step, check, report, validate, save, stop, whatever the task is.

Whatever ends a run, what was learned is saved first. When training diverges it is rolled back to the last
good checkpoint (rollback.py) and goes on with half the learning rate.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import cache
from typing import Any

from understudy.core.errors import JobError, PlateError, TrainingError
from understudy.core.progress import Cancelled, Progress, Reporter, Warned
from understudy.jobs.training import RunFields
from understudy.train.checkpoints import retention, store
from understudy.train.clock import Clock
from understudy.train.divergence import CHECK_ITERATIONS
from understudy.train.gradients import Figures
from understudy.train.hardware import memory
from understudy.train.hardware.process_group import Command, ProcessGroup
from understudy.train.rollback import load_iteration, roll_back
from understudy.train.step import train_step
from understudy.train.tasks.protocol import Task
from understudy.train.validation.history import History
from understudy.train.validation.validator import Validator


def require_faces_for_all(job: RunFields, processes: ProcessGroup) -> None:
    """Refuse a batch that leaves a process without any face.

    Raises:
        JobError: it does.
    """
    if processes.distributed and job.batch < processes.size:
        raise JobError(
            f"A batch of {job.batch} faces for {processes.size} processes leaves some without any.",
            where=f"batch = {job.batch}",
            fix=f"give a batch of {processes.size} or a multiple of it",
        )


def follow(task: Task) -> dict[str, Any]:
    """Do what the lead process broadcasts until it ends the training."""
    state = task.state
    while True:
        command, iteration, rollbacks = state.processes.receive()
        if command is Command.END:
            return task.result() | {"iteration": state.iteration}
        if command is Command.LOAD:
            load_iteration(task, iteration)
            state.monitor.rollbacks = rollbacks
        if command is Command.STEP:
            task.apply_schedule()
            train_step(task, warn=lambda message: None)


class Trainer:
    """Trains a task until its job's end, a plateau or a cancel."""

    def __init__(self, task: Task, history: History, report: Reporter) -> None:
        self._task, self._history, self._report = task, history, report
        self._job, self._state = task.state.job, task.state
        self._checkpoints = task.folder / "checkpoints"
        self._clock = Clock(task.state.iteration)
        self._warn_once = cache(self._warn)
        self._validator = Validator(
            task, history, report=report, warn=self._warn_once, progress=self._progress
        )

    def run(self) -> dict[str, Any]:
        """The loop.

        Returns:
            The run's result: where the network is, how far and how fast it was trained, the last figures.

        Raises:
            TrainingError: training diverges again and again, nothing can be saved, or memory does not
                suffice for one face.
            Cancelled: the reporter ended the run; it is saved.
        """
        try:
            while not (self._finished() and self._save()):
                figures = self._step()
                diverged = self._check(figures)
                if diverged:
                    self._roll_back(diverged)
                    continue
                self._report_progress(figures)
                self._validate_and_save()
        except (Cancelled, KeyboardInterrupt):
            if self._state.between_steps:  # a second Ctrl-C may come in the middle of a step
                self._save()
            raise
        finally:
            if self._state.between_steps:
                with suppress(TrainingError):  # a process that has ended already need not be told
                    self._state.processes.broadcast(Command.END)
        return self._result() | self._end()

    def _step(self) -> Figures:
        changed = self._task.apply_schedule()
        if changed:
            self._note(changed)
        self._state.mark_time("other")
        self._state.processes.broadcast(Command.STEP)
        figures = train_step(self._task, self._warn)
        self._state.trained_seconds += self._clock.lap()
        return figures

    def _check(self, figures: Figures) -> str:
        """Record the figures and say nothing, or say what is wrong."""
        if self._state.iteration % CHECK_ITERATIONS:
            return ""
        losses = {f"loss/{name}": float(value) for name, value in figures.losses.items()}
        contrasts = {name: float(value) for name, value in figures.contrasts.items()}
        diverged = self._state.monitor.check(self._state.iteration, losses["loss/total"], contrasts)
        if not diverged:
            measured = losses | {f"contrast/{name}": value for name, value in contrasts.items()}
            try:
                self._history.add(self._state.iteration, measured)
            except TrainingError as exc:
                self._warn_once(f"{exc.what} Training goes on, and its figures are lost.")
        return diverged

    def _validate_and_save(self) -> None:
        """Validate, show and save, where it is time to."""
        shown = self._state.iteration % self._job.preview_iterations == 0
        due = self._clock.may_save(self._job.save_minutes)
        if shown or (due and self._validator.rested):
            diverged = self._validator.validate().divergence
            if diverged:
                self._roll_back(diverged)
                return
        if shown:
            self._write_preview()
        if due:
            self._save()
            self._clock.saved = time.monotonic()

    def _finished(self) -> bool:
        at_plateau = self._task.stops_at_plateau() and bool(self._validator.assessment.stop_reason)
        return at_plateau or self._clock.over(self._job, self._state.iteration)

    def _save(self) -> bool:
        """Save and thin out older checkpoints; weights that are not finite are rolled back instead.

        Returns:
            Whether it was saved.

        Raises:
            TrainingError: the disk is full, or training diverged too often.
        """
        state = self._state
        if not store.is_finite(state.network):
            self._roll_back("The weights are no longer finite numbers")
            return False
        suspicious = state.monitor.suspicious or self._validator.assessment.suspicious
        facts = state.facts() | self._task.facts() | self._validator.facts()
        store.save(
            self._checkpoints,
            iteration=state.iteration,
            network=state.network,
            ema=state.ema,
            optimiser=state.optimiser,
            facts=facts | {"saved_at": time.time(), "sound": not suspicious},
            critic=state.critic,
        )
        state.mark_time("saving")
        retention.thin(self._checkpoints, newest=self._job.keep_checkpoints)
        return True

    def _roll_back(self, diverged: str) -> None:
        self._warn(roll_back(self._task, diverged))
        self._validator.forget()

    def _write_preview(self) -> None:
        """Write the preview sheet; a failure costs no more than the sheet."""
        try:
            self._task.write_preview(self._task.folder / "previews" / f"{self._state.iteration:08d}.png")
        except PlateError as exc:
            self._warn_once(f"A preview could not be written: {exc.what} Training goes on without it.")
        except (MemoryError, RuntimeError) as exc:
            if not memory.is_shortage(exc):
                raise
            self._warn_once("Out of memory while making a preview: it is left out, and training goes on.")
        self._state.mark_time("preview")

    def _end(self) -> dict[str, Any]:
        """Validate what was saved, show it, and say why the run ended before its time and iterations."""
        stopped = self._validator.assessment.stop_reason if self._task.stops_at_plateau() else ""
        self._validator.validate()
        self._write_preview()
        try:
            newest = store.find(self._checkpoints)[-1]
            if newest.iteration == self._state.iteration and self._validator.facts():
                store.amend(newest, self._validator.facts())
            if stopped:
                self._history.note(self._state.iteration, f"{stopped}. Training ends.")
        except TrainingError as exc:
            self._warn_once(f"{exc.what} What was trained is saved.")
        return self._validator.report_end() | ({"stopped": stopped} if stopped else {})

    def _result(self) -> dict[str, Any]:
        state = self._state
        return self._task.result() | {
            "iteration": state.iteration,
            "iterations_a_second": round(self._clock.speed(state.iteration), 3),
            "minutes": round(self._clock.elapsed / 60, 2),
            "device": str(state.device),
            "batch": state.batch,
        }

    def _report_progress(self, figures: Figures) -> None:
        if self._clock.may_report(self._state.iteration):
            said = self._clock.progress_note(self._state.iteration, float(figures.losses["total"]))
            self._report(Progress(self._task.stage, *self._progress(), said))

    def _progress(self) -> tuple[int, int]:
        return self._clock.progress(self._job, self._state.iteration)

    def _warn(self, message: str) -> None:
        self._note(message)
        self._report(Warned(message))

    def _note(self, message: str) -> None:
        with suppress(TrainingError):  # training goes on when the history's disk is full
            self._history.note(self._state.iteration, message)
