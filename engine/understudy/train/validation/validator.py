"""A validation: measured, recorded, assessed with all before it, and reported in one line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from understudy.core.errors import TrainingError
from understudy.core.progress import Progress, Reporter
from understudy.train.hardware import memory
from understudy.train.tasks.protocol import Task
from understudy.train.validation.early_stopping import ERROR, Assessment
from understudy.train.validation.history import History

# Measuring what is saved takes at most a twentieth of the time, also where saves come every few seconds.
_REST = 20.0


class Validator:
    """Validates a task whenever it is asked to, at most once an iteration.

    Attributes:
        figures: What was measured last.
        assessment: What follows from the history up to where training is.
    """

    def __init__(
        self,
        task: Task,
        history: History,
        *,
        report: Reporter,
        warn: Callable[[str], None],
        progress: Callable[[], tuple[int, int]],
    ) -> None:
        self._task, self._history = task, history
        self._report, self._warn, self._progress = report, warn, progress
        self._validated = -1
        self._error = (-1, 0.0)
        self._ended, self._took = 0.0, 0.0
        self.figures: dict[str, float] = {}
        self.assessment = Assessment()
        self.forget()

    def validate(self) -> Assessment:
        """Measure the averaged network, then record and assess that; a failure costs only this validation."""
        state = self._task.state
        if self._validated == state.iteration:
            return self.assessment
        self._validated, self.figures = state.iteration, {}
        begun = time.monotonic()
        try:
            self.figures = self._task.measure()
        except (MemoryError, RuntimeError) as exc:
            if not memory.is_shortage(exc):
                raise
            self._warn("Out of memory while validating: a validation is left out, and training goes on.")
            return self.assessment
        finally:
            self._ended, self._took = time.monotonic(), time.monotonic() - begun
            state.mark_time("validation")
        self._record()
        if self.assessment.warning:
            self._warn(self.assessment.warning)
        said = self._task.describe_figures(self.figures, self.assessment)
        self._report(Progress("validate", *self._progress(), said))
        return self.assessment

    @property
    def rested(self) -> bool:
        """Whether enough time has passed since the last validation for another one to cost little."""
        return time.monotonic() - self._ended > _REST * self._took

    def facts(self) -> dict[str, Any]:
        """The validation figures that a checkpoint of this iteration records."""
        iteration, error = self._error
        return {"held_out_error": error} if iteration == self._task.state.iteration else {}

    def report_end(self) -> dict[str, Any]:
        """The validation figures of the run's result."""
        try:
            return self.figures | self._task.report_end(self._history)
        except TrainingError as exc:
            self._warn(f"{exc.what} The result leaves out what only the history knows.")
            return dict(self.figures)

    def forget(self) -> None:
        """Drop the validations after the current iteration, and assess the rest."""
        self._validated = -1
        try:
            self._history.forget_after(self._task.state.iteration)
            self._assess()
        except TrainingError as exc:
            self.assessment = Assessment()
            self._warn(f"{exc.what} Training goes on, and is not assessed by its history.")

    def _record(self) -> None:
        state = self._task.state
        try:
            self._history.validated(state.iteration, self.figures, trained_seconds=state.trained_seconds)
            self._assess()
        except TrainingError as exc:
            self.assessment = Assessment()
            self._warn(f"{exc.what} Training goes on, and its figures are lost.")

    def _assess(self) -> None:
        curves = self._history.curves()
        if ERROR in curves:
            self._error = int(curves[ERROR].iterations[-1]), float(curves[ERROR].values[-1])
        self.assessment = self._task.assess(curves)
