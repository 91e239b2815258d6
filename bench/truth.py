#!/usr/bin/env python3
"""Score a swap against a known answer, at several training times in one run.

    bench/truth.py --minutes 10,30,60 --size 96

Two digital performers, trainA (who acts) and trainB (who goes in), are extracted and trained on; testA is
swapped and scored against testAB by score_swap.py. The footage is not part of the project: --footage and
--scorer name where it lies. Prints one JSON line a mark and writes a contact sheet beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from understudy.job import ExportJob, ExtractJob, SwapJob, TrackJob, TrainJob
from understudy.progress import Event, Progress, Warned
from understudy.settings import Settings
from understudy.shot import extract, review, swap, track
from understudy.train import export, loop

SHARED = Path(__file__).resolve().parents[2] / "shared"
SHEET_FRAMES = (1, 21, 41, 61, 81, 100)


def tell(event: Event) -> None:
    """Warnings, and a line now and then."""
    if isinstance(event, Warned):
        print(f"warning: {event.message}", file=sys.stderr)
    if isinstance(event, Progress) and event.done % 50 == 0:
        print(f"{event.stage} {event.done}/{event.total} {event.note}", file=sys.stderr)


def prepare(footage: Path, out: Path, settings: Settings, detector: str) -> None:
    """Extract both performers and track the test plate, where that is not done yet."""
    for name in ("trainA", "trainB"):
        faceset = out / f"{name}.faceset"
        if not faceset.exists():
            job = ExtractJob(
                plate=str(footage / f"{name}.mp4"), faceset=faceset, identity=name, detector=detector
            )
            extract.run(job, report=tell, settings=settings)
    if not (out / "testA.track").exists():
        job = TrackJob(plate=str(footage / "testA.mp4"), track=out / "testA.track", detector=detector)
        track.run(job, report=tell, settings=settings)


def score(footage: Path, scorer: Path, pattern: str) -> dict[str, float]:
    """What the scoring script says of the frames."""
    command = [sys.executable, str(scorer), "--json", "--first", "1", "--result", pattern]
    command += ["--plate", str(footage / "testA.mp4"), "--truth", str(footage / "testAB.mp4")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(answer.stdout))


def main() -> None:
    """Train to each mark, swap, score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", default="10,30,60", help="training times to score at, ascending")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--width", type=int, default=TrainJob.model_fields["width"].default)
    parser.add_argument("--warp", type=float, default=TrainJob.model_fields["warp"].default)
    parser.add_argument("--jitter", type=float, default=TrainJob.model_fields["jitter"].default)
    parser.add_argument("--learning-rate", type=float, default=TrainJob.model_fields["learning_rate"].default)
    parser.add_argument("--detector", default="yunet")
    parser.add_argument("--out", type=Path, default=Path("bench-out/truth"))
    parser.add_argument("--name", default="model")
    parser.add_argument("--footage", type=Path, default=SHARED / "footage" / "performers")
    parser.add_argument("--scorer", type=Path, default=SHARED / "bench" / "score_swap.py")
    options = parser.parse_args()
    os.environ.setdefault("UNDERSTUDY_MODELS", str(SHARED / "models"))
    settings = Settings.from_environment()
    prepare(options.footage, options.out, settings, options.detector)
    model, spent = options.out / f"{options.name}.model", 0.0
    for minutes in (float(text) for text in options.minutes.split(",")):
        train_job = TrainJob(
            model=model,
            source_faceset=options.out / "trainB.faceset",
            destination_faceset=options.out / "trainA.faceset",
            size=options.size,
            width=options.width,
            warp=options.warp,
            jitter=options.jitter,
            learning_rate=options.learning_rate,
            minutes=minutes - spent,
            preview_iterations=1000,
        )
        trained = loop.run(train_job, report=tell, settings=settings)
        spent = minutes
        exported = export.run(ExportJob(model=model), report=tell, settings=settings)
        pattern = str(options.out / options.name / f"{minutes:g}min.%04d.exr")
        swap_job = SwapJob(
            plate=str(options.footage / "testA.mp4"),
            track=options.out / "testA.track",
            model=Path(exported["model"]),
            output=pattern,
        )
        swap.run(swap_job, report=tell, settings=settings)
        row = {**trained, "minutes": minutes, **score(options.footage, options.scorer, pattern)}
        print(json.dumps(row), flush=True)
        rows = {
            "plate": str(options.footage / "testA.mp4"),
            "swap": pattern,
            "truth": str(options.footage / "testAB.mp4"),
        }
        review.contact_sheet(
            options.out / f"{options.name}_{minutes:g}min.png", rows, SHEET_FRAMES, cell_px=384
        )


if __name__ == "__main__":
    main()
