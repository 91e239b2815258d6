"""A validation: measured, recorded, judged by all before it, and told in one line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from understudy.core.errors import TrainingError
from understudy.core.progress import Progress, Reporter
from understudy.train.hardware import memory
from understudy.train.networks import joining
from understudy.train.state import Study
from understudy.train.step import validate
from understudy.train.validation.early_stopping import ERROR, LEAK, Verdict, judge, summary
from understudy.train.validation.history import History
from understudy.train.validation.measurement import Yardsticks, make_yardsticks, measure

# Measuring what is saved takes at most a twentieth of the time, also where saves come every few seconds.
_REST = 20.0


class Examiner:
    """Examines a study whenever it is asked to, at most once an iteration.

    Attributes:
        figures: What was measured last.
        verdict: What follows from the history up to where training is.
    """

    def __init__(
        self,
        study: Study,
        history: History,
        *,
        report: Reporter,
        warn: Callable[[str], None],
        progress: Callable[[], tuple[int, int]],
    ) -> None:
        self._study, self._history = study, history
        self._report, self._warn, self._progress = report, warn, progress
        self._yardsticks: Yardsticks | None = None
        self._size = 0
        self._examined = -1
        self._error = (-1, 0.0)
        self._ended, self._took = 0.0, 0.0
        self.figures: dict[str, float] = {}
        self.verdict = Verdict()
        self.forget()

    def examine(self) -> Verdict:
        """Measure the averaged network, record that, and judge; what fails costs no more than that."""
        study = self._study
        if self._examined == study.iteration:
            return self.verdict
        self._examined, self.figures = study.iteration, {}
        begun = time.monotonic()
        try:
            if self._yardsticks is None or self._size != study.size:
                self._yardsticks, self._size = make_yardsticks(study), study.size
            self.figures = validate(study) | measure(study, self._yardsticks)
        except (MemoryError, RuntimeError) as exc:
            if not memory.is_shortage(exc):
                raise
            self._warn("Out of memory while validating: a validation is left out, and training goes on.")
            return self.verdict
        finally:
            self._ended, self._took = time.monotonic(), time.monotonic() - begun
            study.lap("validation")
        self._record()
        if self.verdict.warning:
            self._warn(self.verdict.warning)
        self._report(Progress("validate", *self._progress(), summary(self.figures, self.verdict)))
        return self.verdict

    @property
    def rested(self) -> bool:
        """Whether the last validation is so long ago that another one costs little."""
        return time.monotonic() - self._ended > _REST * self._took

    def facts(self) -> dict[str, Any]:
        """What a checkpoint of this very iteration should know of its validation."""
        iteration, error = self._error
        return {"held_out_error": error} if iteration == self._study.iteration else {}

    def time_saved(self) -> dict[str, dict[str, float]]:
        """How long newcomers took, and what they spared."""
        study = self._study
        if not study.joined_seconds:
            return {}
        try:
            return joining.time_saved(self._history.curves(), study.joined_seconds)
        except TrainingError as exc:
            self._warn(f"{exc.what} What joining saved cannot be told.")
            return {}

    def forget(self) -> None:
        """Drop what was measured after where training is now, and judge by what is left."""
        self._examined = -1
        try:
            self._history.forget_after(self._study.iteration)
            self.verdict = self._judge()
        except TrainingError as exc:
            self.verdict = Verdict()
            self._warn(f"{exc.what} Training goes on, and is not judged by its history.")

    def _record(self) -> None:
        study = self._study
        try:
            self._history.validated(study.iteration, self.figures, trained_seconds=study.trained_seconds)
            self.verdict = self._judge()
        except TrainingError as exc:
            self.verdict = Verdict()
            self._warn(f"{exc.what} Training goes on, and its figures are lost.")

    def _judge(self) -> Verdict:
        era = self._study.era
        everything = self._history.curves()
        curves = {name: curve.since(era) for name, curve in everything.items()} if era else everything
        curves = {name: curve for name, curve in curves.items() if len(curve.iterations)}
        if self._study.edit_of is not None:  # an edit begins as the performer that it is of
            curves.pop(LEAK, None)
        if ERROR in curves:
            self._error = int(curves[ERROR].iterations[-1]), float(curves[ERROR].values[-1])
        return judge(curves, plateau_percent=self._study.job.plateau_percent)
