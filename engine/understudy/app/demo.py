"""`understudy demo`: the whole craft once, on performers that a computer drew and a truth that is known.

Render → extract → track → train → export → swap → contact sheet and score. Each step is a verb's own `run`,
with the job a user would write; the folder it leaves is the tutorial's material.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core import atomic
from understudy.core.progress import Event, Finished, Progress, Reporter
from understudy.core.settings import Settings
from understudy.demo import shot as demo_shot
from understudy.face.faceset.store import FaceSet
from understudy.image import colour
from understudy.image.frame import FloatImage, Frame
from understudy.image.plate import open_plate
from understudy.jobs.table import DemoJob, ExportJob, ExtractJob, SwapJob, TrackJob, TrainJob
from understudy.shots import extract, score, track
from understudy.swap import pipeline
from understudy.train import run as loop
from understudy.train.export import onnx

SHEET_COLUMNS = 6


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


def run(job: DemoJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Do it all; what is rendered and extracted already stays, and training goes on from where it was.

    Raises:
        UnderstudyError: a step failed; the same command goes on from there.
    """
    where = Layout(job.output)
    steps = _quiet(report)
    shot = demo_shot.write(
        job.output,
        seed=job.seed,
        training_frames=job.training_frames,
        shot_frames=job.shot_frames,
        report=steps,
    )
    for name in (shot.destination, shot.source):
        _extract(job, where, name, steps, settings)
    track_job = TrackJob(plate=where.frames("plate"), track=where.track, detector=job.detector)
    track.run(track_job, report=steps, settings=settings)
    _train(job, where, shot, steps, settings)
    exported = onnx.run(ExportJob(model=where.model), report=steps, settings=settings)
    swap_job = SwapJob(
        plate=where.frames("plate"),
        track=where.track,
        model=Path(exported["model"]),
        output=where.frames("swap"),
    )
    swapped = pipeline.run(swap_job, report=steps, settings=settings)
    result = {
        "frames": where.frames("swap"),
        "contact_sheet": str(_sheet(job, where)),
        "model": exported["model"],
        "score": _score(where, steps),
        "failed_frames": swapped["failed_frames"],
    }
    atomic.write_text(job.output / "score.json", json.dumps(result, indent=1))
    report(Finished(result))
    return result


def _quiet(report: Reporter) -> Reporter:
    """The steps' progress without their results: the demo has one result of its own."""

    def pass_on(event: Event) -> None:
        if not isinstance(event, Finished):
            report(event)

    return pass_on


def _extract(job: DemoJob, where: Layout, name: str, report: Reporter, settings: Settings) -> None:
    if where.faceset(name).exists() and len(FaceSet.open(where.faceset(name))) >= job.training_frames:
        return
    extract_job = ExtractJob(
        plate=where.frames(name), faceset=where.faceset(name), identity=name, detector=job.detector
    )
    extract.run(extract_job, report=report, settings=settings)


def _train(
    job: DemoJob, where: Layout, shot: demo_shot.DemoShot, report: Reporter, settings: Settings
) -> None:
    train_job = TrainJob(
        model=where.model,
        source_faceset=where.faceset(shot.source),
        destination_faceset=where.faceset(shot.destination),
        size=job.size,
        minutes=job.minutes,
        seed=job.seed,
    )
    loop.run(train_job, report=report, settings=settings)


def _sheet(job: DemoJob, where: Layout) -> Path:
    columns = np.linspace(1, job.shot_frames, min(SHEET_COLUMNS, job.shot_frames)).round().astype(int)
    rows = {name: where.frames(name) for name in ("plate", "swap", "truth")}
    return score.contact_sheet(job.output / "contact_sheet.png", rows, [int(n) for n in columns])


def _score(where: Layout, report: Reporter) -> dict[str, float | int]:
    scorer = score.Scorer()
    names = ("plate", "truth", "swap", "region")
    plates = {name: open_plate(where.frames(name)) for name in names}
    numbers = list(plates["plate"].frames)
    for done, number in enumerate(numbers):
        report(Progress("score", done, len(numbers), f"frame {number}"))
        region = plates["region"].read(number).pixels[..., 0] > 0.5
        seen = {name: _picture(plates[name].read(number)) for name in ("plate", "truth", "swap")}
        scorer.add(plate=seen["plate"], truth=seen["truth"], result=seen["swap"], region=region)
    for plate in plates.values():
        plate.close()
    return scorer.score().as_dict()


def _picture(frame: Frame) -> FloatImage:
    """(H, W, 3) display values, 0..1."""
    return np.divide(colour.to_display(frame.rgb(), frame.colour_space), 255, dtype=np.float32)
