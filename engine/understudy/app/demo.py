"""`understudy demo`: every verb once, on digital performers whose true swap is known.

Render → extract → track → train → export → swap → score. Each step is a verb's own `run`, with the job that a
user would write. Steps that are finished are not repeated: `steps.json` in the folder records them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.core import atomic, documents
from understudy.core.errors import JobError, UnderstudyError
from understudy.core.progress import Event, Finished, Reporter
from understudy.core.settings import Settings
from understudy.demo import shot as demo_shot
from understudy.jobs import files
from understudy.jobs.fields import Job
from understudy.jobs.machine import DemoJob
from understudy.jobs.shots import ExtractJob, ScoreJob, TrackJob
from understudy.jobs.training import ExportJob, TrainJob
from understudy.quality import identity, score
from understudy.shots import extract, track
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob
from understudy.train import run as training
from understudy.train.checkpoints import model_folder, store
from understudy.train.export import onnx

# A finished run may have trained for a moment less than its minutes.
TRAINED_SHARE = 0.99
_STEPS = documents.Kind("record of finished steps", JobError, "delete it")


@dataclass(frozen=True)
class Layout:
    """Where the demo writes what."""

    root: Path

    def frames(self, name: str) -> str:
        """The image sequence of that name."""
        return str(self.root / name / f"{name}.%04d.exr")

    def faceset(self, name: str) -> Path:
        """The face set of that performer."""
        return self.root / f"{name}.faceset"

    @property
    def track(self) -> Path:
        """The shot's track."""
        return self.root / "plate.track"

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.root / "demo.model"

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.root / "contact_sheet.png"


class Steps:
    """Records in steps.json which steps are finished, and with which job."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "steps.json"
        self._finished = _read_object(self._path)

    def finished(self, name: str, facts: Mapping[str, Any], output: Path) -> bool:
        """Whether a step was finished with these facts, and what it wrote is there."""
        return output.exists() and self._finished.get(name) == self._portable(facts)

    def finish(self, name: str, facts: Mapping[str, Any]) -> None:
        """Note that a step is finished."""
        if self._finished.get(name) == self._portable(facts):
            return
        self._finished[name] = self._portable(facts)
        atomic.write_text(self._path, json.dumps(self._finished, indent=1))

    def _portable(self, facts: Mapping[str, Any]) -> Any:
        """The facts as JSON holds them, without the folder's own path, so that it can be moved."""
        root = json.dumps(str(self._root))[1:-1]
        return json.loads(json.dumps(facts, default=str).replace(root, "."))


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON object that the demo wrote; empty where missing or damaged, so that its step runs again."""
    try:
        return documents.read(path, _STEPS)
    except UnderstudyError:
        return {}


def run(job: DemoJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Do what is missing of the demo.

    Returns:
        Where the frames, the contact sheet and the model are, the score, and the frames that failed.

    Raises:
        UnderstudyError: a step failed; the same command goes on from there.
    """
    files.guard(job)
    Steps(job.output).finish("demo", _facts(job))  # from here on the folder says whose it is
    where, tell = Layout(job.output), _without_results(report)
    shot = prepare(job, report=tell, settings=settings)
    _train(job, where, shot, tell, settings)
    steps = Steps(job.output)
    model = _export(where, steps, tell, settings)
    swap_job = SwapJob(
        plate=where.frames("plate"), track=where.track, model=model, output=where.frames("swap")
    )
    swapped = swap_run.run(swap_job, report=tell, settings=settings)
    result: dict[str, Any] = {
        "frames": where.frames("swap"),
        "contact_sheet": str(where.sheet),
        "model": str(model),
        "score": _score(job, where, steps, swapped["failed_frames"], tell, settings),
        "failed_frames": swapped["failed_frames"],
        **{name: swapped[name] for name in ("frames_without_face", "doubtful_frames") if name in swapped},
    }
    report(Finished(result))
    return result


def prepare(job: DemoJob, *, report: Reporter, settings: Settings) -> demo_shot.DemoShot:
    """Render both performers, plate and truth, extract the face sets and track the plate, where missing."""
    where, steps = Layout(job.output), Steps(job.output)
    shot = demo_shot.write(
        job.output,
        seed=job.seed,
        training_frames=job.training_frames,
        shot_frames=job.shot_frames,
        report=report,
    )
    for name in (shot.destination, shot.source):
        extract_job = ExtractJob(
            plate=where.frames(name),
            frames=f"1-{job.training_frames}",
            faceset=where.faceset(name),
            identity=name,
            detector=job.detector,
        )
        if not steps.finished(f"extract {name}", _facts(extract_job), where.faceset(name)):
            found = extract.run(extract_job, report=report, settings=settings)
            if not found["failed_frames"]:
                steps.finish(f"extract {name}", _facts(extract_job))
    track_job = TrackJob(
        plate=where.frames("plate"),
        frames=f"1-{job.shot_frames}",
        track=where.track,
        detector=job.detector,
    )
    if not steps.finished("track", _facts(track_job), where.track):
        found = track.run(track_job, report=report, settings=settings)
        if not found["failed_frames"]:
            steps.finish("track", _facts(track_job))
    return shot


def trained_minutes(model: Path) -> float:
    """How long a model was trained so far, over all runs; 0 where there is none."""
    found = store.find(model_folder.checkpoints(model))
    if not found:
        return 0.0
    seconds = store.read_state(found[-1]).get("trained_seconds", 0.0)
    return float(seconds) / 60


def _without_results(report: Reporter) -> Reporter:
    """The steps' progress without their results: the demo has one result of its own."""

    def pass_on(event: Event) -> None:
        if not isinstance(event, Finished):
            report(event)

    return pass_on


def _facts(job: Job) -> dict[str, Any]:
    return job.model_dump(mode="json")


def _train(
    job: DemoJob, where: Layout, shot: demo_shot.DemoShot, report: Reporter, settings: Settings
) -> None:
    """Train for the rest of the job's minutes."""
    minutes = job.minutes - trained_minutes(where.model)
    if minutes < (1 - TRAINED_SHARE) * job.minutes:
        return
    train_job = TrainJob(
        model=where.model,
        source_faceset=where.faceset(shot.source),
        destination_faceset=where.faceset(shot.destination),
        size=job.size,
        minutes=minutes,
        seed=job.seed,
    )
    training.run(train_job, report=report, settings=settings)


def _export(where: Layout, steps: Steps, report: Reporter, settings: Settings) -> Path:
    """Export the model, unless its newest checkpoint is exported already."""
    job = ExportJob(model=where.model)
    output = where.model / "export" / "swap_fp32.onnx"
    newest = store.find(model_folder.checkpoints(where.model))[-1]
    facts = {**_facts(job), "iteration": newest.iteration}
    if not steps.finished("export", facts, output):
        output = Path(onnx.run(job, report=report, settings=settings)["model"])
        steps.finish("export", facts)
    return output


def _score(
    job: DemoJob, where: Layout, steps: Steps, lost: list[int], report: Reporter, settings: Settings
) -> dict[str, Any]:
    """Score the frames that were made, unless they are scored already."""
    made = [number for number in range(1, job.shot_frames + 1) if number not in lost]
    if not made:
        return {}
    score_job = ScoreJob(
        plate=where.frames("plate"),
        truth=where.frames("truth"),
        swapped=where.frames("swap"),
        frames=",".join(map(str, made)),
        sheet=where.sheet,
        overwrite=True,  # the demo's own guard has looked at the sheet that is there
    )
    written = max(Path(score_job.swapped % number).stat().st_mtime_ns for number in made)
    facts = {**_facts(score_job), "written": written, "identity": identity.available(settings)}
    known = job.output / "score.json"
    if steps.finished("score", facts, known) and where.sheet.exists() and (before := _read_object(known)):
        return before
    scored = score.run(score_job, report=report, settings=settings)["score"]
    atomic.write_text(known, json.dumps(scored, indent=1))
    steps.finish("score", facts)
    return dict(scored)
