#!/usr/bin/env python3
"""Score a swap against a known answer, at several training times in one run.

    bench/truth.py --minutes 10,30 --refine-minutes 15
    bench/truth.py --size 96 --minutes 0.5,1.25,2.5,5,10,20,40 --classic --classic-minutes 2.5,5,10,20,40

Two digital performers are trained on; a plate of the one is swapped and scored against the same frames
rendered with the other's face. The performers are the demo's: --demo names its folder, in which what is
missing is rendered, extracted and tracked first. --footage names a folder with trainA.mp4 (who acts),
trainB.mp4 (who goes in), testA.mp4 and testAB.mp4 to measure on instead. Prints one JSON line a mark, adds it
to truth.jsonl, and writes a contact sheet beside it.

Each mark has a second row, of the swap without the skin bank. With --refine-minutes the source's faces are
refined after the last mark, and two more rows say what the swap comes to then; a last one is swapped with the
plate's own teeth (--plate-mouth 100).

With --classic the recipe that the field started from (classic.py) is trained on the same faces, in turns with
ours from mark to mark, so that whatever else the machine does hits both; only training counts as time. Its
swap is made by the same job, but inside the hull of the plate's landmarks, because it learns no matte. The
last line says when ours had reached the classic's last scores. truth_plot.py draws both.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import classic_training
from classic import LOSSES

from understudy.app import demo
from understudy.core.progress import Event, Progress, Warned
from understudy.core.settings import Settings
from understudy.jobs.machine import DemoJob
from understudy.jobs.shots import ExtractJob, ScoreJob, TrackJob
from understudy.jobs.training import ExportJob, RefineJob, TrainJob
from understudy.quality import score
from understudy.shots import extract, track
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob
from understudy.train import refine, run
from understudy.train.export import onnx

SHARED = Path(__file__).resolve().parents[2] / "shared"
OURS, REFINED, MOUTH, CLASSIC = "understudy", "understudy refined", "with the plate's mouth", "classic"
PLAIN, REFINED_PLAIN = "without the skin bank", "refined, without the skin bank"
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


@dataclass(frozen=True)
class BenchmarkShot:
    """What is trained on and scored.

    Attributes:
        destination, source: Face sets of who acts and of who goes in.
        plate, truth: The frames to swap, and what they should become.
        track: The plate's track.
    """

    destination: Path
    source: Path
    plate: str
    truth: str
    track: Path


def prepare(options: argparse.Namespace, settings: Settings) -> BenchmarkShot:
    """Make what is missing of face sets and track; the demo's frames too."""
    if options.footage is None:
        job = DemoJob(output=options.demo, detector=options.detector)
        shot = demo.prepare(job, report=tell, settings=settings)
        where = demo.Layout(options.demo)
        sets = where.faceset(shot.destination), where.faceset(shot.source)
        return BenchmarkShot(*sets, where.frames("plate"), where.frames("truth"), where.track)
    folder, out, detector = options.footage, options.out, options.detector
    for name in ("trainA", "trainB"):
        faceset, plate = out / f"{name}.faceset", str(folder / f"{name}.mp4")
        if not faceset.exists():
            extracted = ExtractJob(plate=plate, faceset=faceset, identity=name, detector=detector)
            extract.run(extracted, report=tell, settings=settings)
    plate, placed = str(folder / "testA.mp4"), out / "testA.track"
    if not placed.exists():
        track.run(TrackJob(plate=plate, track=placed, detector=detector), report=tell, settings=settings)
    sets = out / "trainA.faceset", out / "trainB.faceset"
    return BenchmarkShot(*sets, plate, str(folder / "testAB.mp4"), placed)


def swap_and_score(
    options: argparse.Namespace, settings: Settings, model: Path, name: str, minutes: float, **changes: Any
) -> dict[str, float]:
    """Swap the plate with an exported model, score it, and write the contact sheet.

    Args:
        name: Begins the names of frames and sheet.
        changes: Options of the swap job.
    """
    footage: BenchmarkShot = options.prepared
    pattern = str(options.out / name / f"{minutes:g}min.%04d.exr")
    plain = {"plate": footage.plate, "track": footage.track, "model": model, "output": pattern}
    swap_run.run(SwapJob.model_validate(plain | changes), report=tell, settings=settings)
    job = ScoreJob(
        plate=footage.plate,
        truth=footage.truth,
        swapped=pattern,
        sheet=options.out / f"{name}_{minutes:g}min.png",
    )
    return dict(score.run(job, report=tell, settings=settings)["score"])


def train_ours(options: argparse.Namespace, settings: Settings, slice_minutes: float) -> tuple[Row, Path]:
    """Train our recipe on for so long: the run's figures, and the exported model."""
    model = options.out / f"{options.name}.model"
    job = TrainJob(
        model=model,
        source_faceset=options.prepared.source,
        destination_faceset=options.prepared.destination,
        size=options.size,
        width=options.width,
        warp=options.warp,
        jitter=options.jitter,
        learning_rate=options.learning_rate,
        minutes=slice_minutes,
        preview_iterations=1000,
    )
    trained = run.run(job, report=tell, settings=settings)
    export = ExportJob(model=model, skin=options.prepared.source)
    exported = onnx.run(export, report=tell, settings=settings)
    return trained | {"exported": exported["iteration"]}, Path(exported["model"])


def refine_ours(options: argparse.Namespace, settings: Settings) -> tuple[Row, Path]:
    """Refine the source's faces in the trained model: the run's figures, and the exported model."""
    model = options.out / f"{options.name}.model"
    job = RefineJob(model=model, faceset=options.prepared.source, minutes=options.refine_minutes)
    refined = refine.run(job, report=tell, settings=settings)
    export = ExportJob(model=model, skin=options.prepared.source, refine=True)
    exported = onnx.run(export, report=tell, settings=settings)
    return refined, Path(exported["model"])


def begin_classic(options: argparse.Namespace, settings: Settings) -> classic_training.Training:
    """The classic recipe on the same faces, untrained."""
    return classic_training.begin(
        (options.prepared.destination, options.prepared.source),
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
        if recipe == OURS:
            scored = swap_and_score(options, settings, model, f"{name}_plain", minutes, skin=0.0)
            rows.append(about | {"recipe": PLAIN} | trained | {"minutes": minutes} | scored)
            record(options.out, rows[-1])
    if options.refine_minutes:
        refined, model = refine_ours(options, settings)
        minutes = spent + options.refine_minutes
        for recipe, name, changes in (
            (REFINED, "refined", {}),
            (REFINED_PLAIN, "refined_plain", {"skin": 0.0}),
            (MOUTH, "mouth", {"plate_mouth": 100.0}),
        ):
            scored = swap_and_score(options, settings, model, f"{options.name}_{name}", minutes, **changes)
            rows.append(about | {"recipe": recipe} | refined | {"minutes": minutes} | scored)
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
    parser.add_argument("--demo", type=Path, default=Path("demo-out"), help="folder of `understudy demo`")
    parser.add_argument("--footage", type=Path, help="folder of trainA, trainB, testA, testAB.mp4 instead")
    options = parser.parse_args(arguments)
    if options.classic_minutes and not options.classic:
        parser.error("--classic-minutes is for --classic")
    if options.classic and (options.out / f"{options.name}.model").exists():
        parser.error(f"{options.name}.model has been trained before: the times would lie; choose a --name")
    if options.classic and not options.classic_minutes:
        options.classic_minutes = options.minutes
    return options


def machine_settings() -> Settings:
    """This machine's settings; the models of ../shared where they lie there and no folder is named."""
    if (SHARED / "models").is_dir():
        os.environ.setdefault("UNDERSTUDY_MODELS", str(SHARED / "models"))
    return Settings.from_environment()


def main() -> None:
    """Train to each mark, swap, score."""
    options = parse()
    settings = machine_settings()
    options.prepared = prepare(options, settings)
    rows = measure(options, settings)
    if options.classic:
        record(options.out, {"time_to_classic": times_to_classic(rows)})


if __name__ == "__main__":
    main()
