#!/usr/bin/env python3
"""Score a swap against a known answer, at several training times in one run.

    bench/truth.py --minutes 10,30 --refine-minutes 15
    bench/truth.py --size 96 --minutes 0.5,1.25,2.5,5,10,20,40 --classic --classic-minutes 2.5,5,10,20,40

Two digital performers, trainA (who acts) and trainB (who goes in), are extracted and trained on; testA is
swapped and scored against testAB by score_swap.py. The footage is not part of the project: --footage and
--scorer name where it lies. Prints one JSON line a mark, adds it to truth.jsonl, and writes a contact sheet
beside it.

With --refine-minutes the source's faces are refined after the last mark, and one row more says what the swap
comes to then.

With --classic the recipe that the field started from (classic.py) is trained on the same faces, in turns with
ours from mark to mark, so that whatever else the machine does hits both; only training counts as time. Its
swap is made by the same job, but inside the hull of the plate's landmarks, because it learns no matte. The
last line says when ours had reached the classic's last scores. truth_plot.py draws both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import classic_training
from classic import LOSSES

from understudy.core.progress import Event, Progress, Warned
from understudy.core.settings import Settings
from understudy.jobs.table import ExportJob, ExtractJob, RefineJob, SwapJob, TrackJob, TrainJob
from understudy.shots import extract, track
from understudy.shots import score as review
from understudy.swap import pipeline
from understudy.train import refine, run
from understudy.train.export import onnx

SHARED = Path(__file__).resolve().parents[2] / "shared"
SHEET_FRAMES = (1, 21, 41, 61, 81, 100)
OURS, REFINED, CLASSIC = "understudy", "understudy refined", "classic"
FIGURES = ("look_psnr", "look_ssim")
# What a swap covers where the network says nothing of it.
HULL = {"matte_learned": False, "matte_hull": True}

Row = dict[str, Any]


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


def swap_and_score(
    options: argparse.Namespace, settings: Settings, model: Path, name: str, minutes: float, **changes: Any
) -> dict[str, float]:
    """Swap the test plate with an exported model, score it, and write the contact sheet.

    Args:
        name: Begins the names of frames and sheet.
        changes: Options of the swap job.
    """
    pattern = str(options.out / name / f"{minutes:g}min.%04d.exr")
    plate = str(options.footage / "testA.mp4")
    job = SwapJob.model_validate(
        {"plate": plate, "track": options.out / "testA.track", "model": model, "output": pattern} | changes
    )
    pipeline.run(job, report=tell, settings=settings)
    scored = score(options.footage, options.scorer, pattern)
    rows = {"plate": plate, "swap": pattern, "truth": str(options.footage / "testAB.mp4")}
    review.contact_sheet(options.out / f"{name}_{minutes:g}min.png", rows, SHEET_FRAMES, cell_px=384)
    return scored


def train_ours(options: argparse.Namespace, settings: Settings, slice_minutes: float) -> tuple[Row, Path]:
    """Train our recipe on for so long: the run's figures, and the exported model."""
    model = options.out / f"{options.name}.model"
    job = TrainJob(
        model=model,
        source_faceset=options.out / "trainB.faceset",
        destination_faceset=options.out / "trainA.faceset",
        size=options.size,
        width=options.width,
        warp=options.warp,
        jitter=options.jitter,
        learning_rate=options.learning_rate,
        minutes=slice_minutes,
        preview_iterations=1000,
    )
    trained = run.run(job, report=tell, settings=settings)
    exported = onnx.run(ExportJob(model=model), report=tell, settings=settings)
    return trained, Path(exported["model"])


def refine_ours(options: argparse.Namespace, settings: Settings) -> tuple[Row, Path]:
    """Refine the source's faces in the trained model: the run's figures, and the exported model."""
    model = options.out / f"{options.name}.model"
    faceset = options.out / "trainB.faceset"
    job = RefineJob(model=model, faceset=faceset, minutes=options.refine_minutes)
    refined = refine.run(job, report=tell, settings=settings)
    exported = onnx.run(ExportJob(model=model, refine=True), report=tell, settings=settings)
    return refined, Path(exported["model"])


def begin_classic(options: argparse.Namespace, settings: Settings) -> classic_training.Training:
    """The classic recipe on the same faces, untrained."""
    return classic_training.begin(
        (options.out / "trainA.faceset", options.out / "trainB.faceset"),
        size=options.size,
        batch=options.classic_batch,
        loss=options.classic_loss,
        settings=settings,
    )


def schedule(ours: Sequence[float], classic: Sequence[float]) -> list[tuple[str, float]]:
    """Which recipe is trained to which mark, in turns."""
    marks = [(OURS, minutes) for minutes in ours] + [(CLASSIC, minutes) for minutes in classic]
    return sorted(marks, key=lambda mark: (mark[1], mark[0] == CLASSIC))


def measure(options: argparse.Namespace, settings: Settings) -> list[Row]:
    """Train each recipe to each of its marks, swap, score; a row for each."""
    rows: list[Row] = []
    training = begin_classic(options, settings) if options.classic_minutes else None
    started, spent = datetime.now().astimezone().isoformat(timespec="seconds"), 0.0
    about = {"name": options.name, "started": started, "size": options.size}
    for recipe, minutes in schedule(options.minutes, options.classic_minutes):
        if training is not None and recipe == CLASSIC:
            trained = classic_training.train(training, minutes=minutes, report=tell)
            name, changes = f"{options.name}_classic", HULL
            model = options.out / f"{name}.onnx"
            classic_training.export(training, model)
        else:
            trained, model = train_ours(options, settings, minutes - spent)
            name, changes, spent = options.name, {}, minutes
        scored = swap_and_score(options, settings, model, name, minutes, **changes)
        rows.append(about | {"recipe": recipe} | trained | {"minutes": minutes} | scored)
        record(options.out, rows[-1])
    if options.refine_minutes:
        refined, model = refine_ours(options, settings)
        minutes = spent + options.refine_minutes
        scored = swap_and_score(options, settings, model, f"{options.name}_refined", minutes)
        rows.append(about | {"recipe": REFINED} | refined | {"minutes": minutes} | scored)
        record(options.out, rows[-1])
    return rows


def record(out: Path, row: Row) -> None:
    """Print a row, and add it to truth.jsonl."""
    line = json.dumps(row)
    print(line, flush=True)
    with (out / "truth.jsonl").open("a") as file:
        file.write(line + "\n")


def time_to(marks: Sequence[tuple[float, float]], wanted: float) -> float | None:
    """When a score was first reached, in minutes, by straight lines between (minutes, score).

    Returns:
        None where it never was. The first mark where it was reached by then: there is no line before it, so
        the true time is at most that.
    """
    before: tuple[float, float] | None = None
    for minutes, reached in sorted(marks):
        if reached >= wanted:
            if before is None:
                return minutes
            return before[0] + (minutes - before[0]) * (wanted - before[1]) / (reached - before[1])
        before = minutes, reached
    return None


def times_to_classic(rows: Sequence[Row]) -> Row:
    """When ours had the classic's last scores, and how many times longer the classic took for them.

    Where it had one `by_first_mark` already, it took at most those minutes, and the ratio is at least that.
    """
    last = max((row for row in rows if row["recipe"] == CLASSIC), key=lambda row: float(row["minutes"]))
    answer: Row = {"classic_minutes": last["minutes"]}
    for figure in FIGURES:
        ours = [(row["minutes"], row[figure]) for row in rows if row["recipe"] == OURS]
        minutes = time_to(ours, last[figure])
        answer[figure] = {
            "score": last[figure],
            "minutes": minutes,
            "ratio": None if minutes is None else last["minutes"] / minutes,
            "by_first_mark": minutes == min(ours)[0],
        }
    return answer


def _marks(text: str) -> list[float]:
    """Minutes between commas, ascending."""
    marks = sorted({float(part) for part in text.split(",")})
    if not marks[0] > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a list of minutes above 0")
    return marks


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; without --classic there are no marks for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = {name: field.default for name, field in TrainJob.model_fields.items()}
    parser.add_argument("--minutes", type=_marks, default="10,30,60", help="training times to score at")
    parser.add_argument("--size", type=int, default=defaults["size"])
    parser.add_argument("--width", type=int, default=defaults["width"])
    parser.add_argument("--warp", type=float, default=defaults["warp"])
    parser.add_argument("--jitter", type=float, default=defaults["jitter"])
    parser.add_argument("--learning-rate", type=float, default=defaults["learning_rate"])
    parser.add_argument(
        "--refine-minutes", type=float, default=0.0, help="then refine the source for so long"
    )
    parser.add_argument("--classic", action="store_true", help="train and score the classic recipe too")
    parser.add_argument("--classic-minutes", type=_marks, default=[], help="its marks; as --minutes")
    parser.add_argument("--classic-loss", choices=sorted(LOSSES), default="l1")
    parser.add_argument("--classic-batch", type=int, default=defaults["batch"], help="as in our recipe")
    parser.add_argument("--detector", default="yunet")
    parser.add_argument("--out", type=Path, default=Path("bench-out/truth"))
    parser.add_argument("--name", default="model")
    parser.add_argument("--footage", type=Path, default=SHARED / "footage" / "performers")
    parser.add_argument("--scorer", type=Path, default=SHARED / "bench" / "score_swap.py")
    options = parser.parse_args(arguments)
    if options.classic_minutes and not options.classic:
        parser.error("--classic-minutes is for --classic")
    if options.classic and (options.out / f"{options.name}.model").exists():
        parser.error(f"{options.name}.model has been trained before: the times would lie; choose a --name")
    if options.classic and not options.classic_minutes:
        options.classic_minutes = options.minutes
    return options


def main() -> None:
    """Train to each mark, swap, score."""
    options = parse()
    os.environ.setdefault("UNDERSTUDY_MODELS", str(SHARED / "models"))
    settings = Settings.from_environment()
    prepare(options.footage, options.out, settings, options.detector)
    rows = measure(options, settings)
    if options.classic:
        record(options.out, {"time_to_classic": times_to_classic(rows)})


if __name__ == "__main__":
    main()
