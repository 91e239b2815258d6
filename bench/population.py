#!/usr/bin/env python3
"""Score the default swap on a population of rendered pairs, each with its truth.

    bench/population.py --models ../shared/models [--half choosing] [--pairs dark-on-light,light-on-dark]

Twelve pairs differ in skin tone, sex, age, build of the face, light and performance (`PAIRS`). Half of them
are for choosing a default, half for reporting what it comes to. Of each, frames of both performers are
rendered, a short model is trained from the base (1,000 iterations, two minutes on two quiet cores), and a
shot is swapped and scored against the truth. What is finished is kept in `--out`, so a run that was stopped
goes on; with `--swap-only` frames and scores are made anew from the models that are there, with the options
in `--set`, such as `--set colour_method=histogram`. Pairs are done one after another. Prints a line a pair,
then the median and the worst of each half; writes `population.jsonl` and a contact sheet a pair.

Gains are over doing nothing, the untouched plate. `identity` and the figures of lids and mouth need
../shared/models; without them they are left out. Lids and mouth are measured on landmarks detected in the
swap and in the truth alike, so that the detector's own error counts on both sides.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from truth import SHARED, tell

from understudy.core.errors import FaceError
from understudy.core.settings import Settings
from understudy.demo.identity import Colour, Identity
from understudy.demo.performance import Expression, Light, Performance, PerformanceFrame
from understudy.demo.shot import FIRST_FRAME, SHOT_STEP, write_shot, write_training
from understudy.face.detect.detectors import FaceDetector, open_detector
from understudy.face.detect.protocol import Points
from understudy.image import colour
from understudy.image.exr import read_image
from understudy.jobs.shots import ExtractJob, ScoreJob, TrackJob
from understudy.jobs.training import ExportJob, TrainJob
from understudy.quality import score
from understudy.shots import extract, track
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob
from understudy.train import run
from understudy.train.export import onnx

# The ten tones of the Monk scale in sRGB (Monk 2022, https://skintone.google, CC BY 4.0).
MONK = (
    ["f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420"]
)  # fmt: skip
# Swatches are of lit skin; its albedo is darker.
ALBEDO = 0.72
CLOSED = 0.8
"""Lids that the renderer shuts by this much count as closed."""
LID_ERROR, MOUTH_ERROR = 0.06, 0.10
"""How far an opening may be off: of the eye's width, and of the distance between the eyes."""
HALVES = ("choosing", "reporting")

Row = dict[str, Any]


@dataclass(frozen=True)
class Performer:
    """A digital performer: the seed gives shape, sex (odd seeds are female), age and hair.

    Attributes:
        seed: Of the identity.
        monk: Skin tone, 1 (lightest) to 10 (darkest).
        changes: What else is not as the seed has it.
    """

    seed: int
    monk: int
    changes: tuple[tuple[str, float], ...] = ()

    @property
    def identity(self) -> Identity:
        """The performer as the renderer knows it."""
        return replace(Identity.from_seed(self.seed), skin=skin(self.monk), **dict(self.changes))


@dataclass(frozen=True)
class Pair:
    """Who acts, whose face goes in, how it is lit and played.

    Attributes:
        name: Of its folder.
        double, actor: Who is in the plate, and whose face goes in.
        light: The plate's; None for that of the performance.
        intensity: Share of the performance's expressions that is played: 0.3 listens, 1 talks.
    """

    name: str
    double: Performer
    actor: Performer
    light: Light | None = None
    intensity: float = 1.0


OLD, YOUNG, STUBBLE = ("age", 0.95), ("age", 0.05), ("stubble", 0.9)
WIDE, NARROW = ("jaw_width", 1.12), ("jaw_width", 0.84)
LEFT, RIGHT = Light(azimuth=-75, fill=0.15), Light(azimuth=75, fill=0.15)
# The first of two is for choosing, the second for reporting.
PAIRS = (
    Pair("dark-on-light", Performer(40, 2), Performer(52, 9)),
    Pair("dark-on-light-woman", Performer(41, 3), Performer(53, 8), intensity=0.6),
    Pair("light-on-dark", Performer(54, 9), Performer(42, 2)),
    Pair("light-on-dark-woman", Performer(55, 8), Performer(43, 1), Light(azimuth=-30, warmth=0.8)),
    Pair("old-on-young", Performer(44, 4, (YOUNG,)), Performer(56, 5, (OLD,))),
    Pair("young-on-old", Performer(57, 5, (OLD,)), Performer(45, 4, (YOUNG,)), intensity=0.4),
    Pair("lit-from-left", Performer(46, 4), Performer(58, 3), LEFT),
    Pair("lit-from-right", Performer(47, 5), Performer(59, 6), RIGHT),
    Pair("narrow-on-wide", Performer(48, 3, (WIDE, STUBBLE)), Performer(60, 3, (NARROW,))),
    Pair("wide-on-narrow", Performer(49, 6, (NARROW,)), Performer(62, 7, (WIDE,)), Light(elevation=65)),
    Pair("woman-on-man", Performer(50, 6, (STUBBLE,)), Performer(61, 5), Light(warmth=-0.9, fill=0.3)),
    Pair("man-on-woman", Performer(63, 4), Performer(64, 4), Light(azimuth=150, rim=1.2), intensity=0.5),
)


def main() -> None:
    """Render, train, swap, score, print."""
    options = arguments()
    settings = replace(Settings.from_environment(), models=options.models)
    changes = dict(one.split("=", 1) for one in options.set)
    rows: list[Row] = []
    for index, pair in enumerate(PAIRS):
        half = HALVES[index % 2]
        if options.half not in (half, "both") or (options.pairs and pair.name not in options.pairs):
            continue
        row = {"pair": pair.name, "half": half, **one_pair(pair, options, settings, changes)}
        rows.append(row)
        print(line(row), flush=True)
        with (options.out / "population.jsonl").open("a") as file:
            file.write(json.dumps({**row, "set": changes, "iterations": options.iterations}) + "\n")
    for half in HALVES:
        summary([row for row in rows if row["half"] == half], half)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench-out/population"))
    parser.add_argument("--models", type=Path, default=SHARED / "models", help="folder of the networks")
    parser.add_argument("--half", choices=(*HALVES, "both"), default="both")
    parser.add_argument("--pairs", type=lambda text: text.split(","), default=[], help="names, with commas")
    parser.add_argument(
        "--iterations", type=int, default=1000, help="of each model: minutes depend on the machine"
    )
    parser.add_argument("--size", type=int, default=80)
    parser.add_argument("--training-frames", type=int, default=160)
    parser.add_argument("--shot-frames", type=int, default=48)
    parser.add_argument("--swap-only", action="store_true", help="make frames and scores anew")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="of the swap")
    return parser.parse_args()


def one_pair(pair: Pair, options: argparse.Namespace, settings: Settings, changes: Row) -> Row:
    """The figures of one pair; what its folder holds is not made again."""
    folder = options.out / pair.name
    done = folder / "score.json"
    if done.exists() and not options.swap_only and not changes:
        return dict(json.loads(done.read_text()))
    model = prepare(pair, folder, options, settings)
    name = "-".join(["swap", *(f"{key}={value}" for key, value in sorted(changes.items()))])
    frames = {one: str(folder / one / f"{one}.%04d.exr") for one in ("plate", "truth")}
    swapped = str(folder / name / f"{name}.%04d.exr")
    job = {"plate": frames["plate"], "track": folder / "plate.track", "model": model, "output": swapped}
    swap_run.run(SwapJob.model_validate(job | changes), report=tell, settings=settings)
    sheet = options.out / f"{pair.name}-{name}.png"
    scored = ScoreJob(plate=frames["plate"], truth=frames["truth"], swapped=swapped, sheet=sheet)
    nothing = scored.model_copy(update={"swapped": frames["plate"], "sheet": None})
    figures, plain = (score.run(one, report=tell, settings=settings)["score"] for one in (scored, nothing))
    row = {
        "gain_psnr": figures["look_psnr"] - figures["nothing_look_psnr"],
        "gain_vif": figures["vif"] - plain["vif"],
        **{
            name: figures[name]
            for name in ("look_psnr", "look_ssim", "vif", "identity", "detail", "twinkle", "flicker")
            if name in figures
        },
        **acting(pair, options.shot_frames, swapped, frames["truth"], settings),
    }
    if not changes:
        done.write_text(json.dumps(row))
    return row


def prepare(pair: Pair, folder: Path, options: argparse.Namespace, settings: Settings) -> Path:
    """Frames, face sets, track and model of a pair; gives the exported model."""
    double, actor = pair.double.identity, pair.actor.identity
    playing = played(pair, pair.double.seed + 20)
    write_shot(folder, double, actor, playing, options.shot_frames, report=tell)
    for name, identity in {"double": double, "actor": actor}.items():
        performance = Performance.from_seed(identity.seed + 10)
        write_training(folder / name, identity, performance.at, options.training_frames, report=tell)
        faces = folder / f"{name}.faceset"
        if not faces.exists():
            wanted = ExtractJob(
                plate=str(folder / name / f"{name}.%04d.exr"), faceset=faces, identity=name, detector="known"
            )
            extract.run(wanted, report=tell, settings=settings)
    placed = folder / "plate.track"
    if not placed.exists():
        plate = str(folder / "plate" / "plate.%04d.exr")
        track.run(TrackJob(plate=plate, track=placed, detector="known"), report=tell, settings=settings)
    exported = folder / "swap.onnx"
    if not exported.exists():
        model = folder / "pair.model"
        training = TrainJob(
            model=model,
            source_faceset=folder / "actor.faceset",
            destination_faceset=folder / "double.faceset",
            size=options.size,
            iterations=options.iterations,
            preview_iterations=100_000,
        )
        run.run(training, report=tell, settings=settings)
        onnx.run(ExportJob(model=model, output=exported), report=tell, settings=settings)
    return exported


def played(pair: Pair, seed: int) -> Callable[[float], PerformanceFrame]:
    """The pair's performance: blinks in full, all else by its intensity, in its light."""
    performance = Performance.from_seed(seed)

    def at(frame: float) -> PerformanceFrame:
        acting = performance.at(frame)
        face = acting.expression
        share = {
            name: value * (1 if name.startswith("blink") else pair.intensity)
            for name, value in vars(face).items()
        }
        light = acting.light if pair.light is None else replace(pair.light, exposure=acting.light.exposure)
        return replace(acting, expression=Expression(**share), light=light)

    return at


def acting(pair: Pair, count: int, swapped: str, truth: str, settings: Settings) -> Row:
    """Shares of the frames whose lids are closed, and whose mouth opens, as the truth's."""
    try:
        detector = open_detector("auto", settings)
    except FaceError:
        return {}
    playing = played(pair, pair.double.seed + 20)
    lids: list[bool] = []
    mouths: list[bool] = []
    for done, (ours, wanted) in enumerate(pairs_of_landmarks(detector, swapped, truth, count)):
        if ours is None or wanted is None:
            continue
        between = float(np.linalg.norm(wanted[36:42].mean(axis=0) - wanted[42:48].mean(axis=0)))
        mouths.append(abs(mouth(ours) - mouth(wanted)) <= MOUTH_ERROR * between)
        expression = playing(done * SHOT_STEP).expression
        for first, shut in ((36, expression.blink_left), (42, expression.blink_right)):
            if shut >= CLOSED:
                lids.append(lid(ours, first) - lid(wanted, first) <= LID_ERROR)
    shares = {"closed": lids, "mouth": mouths}
    return {name: float(np.mean(found)) for name, found in shares.items() if found}


def pairs_of_landmarks(
    detector: FaceDetector, swapped: str, truth: str, count: int
) -> Iterator[tuple[Points | None, Points | None]]:
    """(68, 2) of the swap's and of the truth's face in each frame; None where none is found."""
    for number in range(FIRST_FRAME, FIRST_FRAME + count):
        found: list[Points | None] = []
        for pattern in (swapped, truth):
            frame = read_image(Path(pattern % number))
            faces = detector.detect(colour.to_display(frame.rgb(), frame.colour_space), frame=number)
            found.append(max(faces, key=lambda face: face.size_px).landmarks if faces else None)
        yield found[0], found[1]


def lid(points: Points, first: int) -> float:
    """An eye's opening as a share of its width (Soukupová & Čech 2016, the eye aspect ratio)."""
    eye = points[first : first + 6]
    height = np.linalg.norm(eye[1] - eye[5]) + np.linalg.norm(eye[2] - eye[4])
    return float(height / (2 * np.linalg.norm(eye[0] - eye[3])))


def mouth(points: Points) -> float:
    """The distance between the lips' inner edges, in pixels."""
    return float(np.linalg.norm(points[62] - points[66]))


def skin(monk: int) -> Colour:
    """A tone of the Monk scale as the renderer's albedo, scene-linear with Rec.709 primaries."""
    text = MONK[monk - 1]
    coded = np.array([int(text[place : place + 2], 16) / 255 for place in (0, 2, 4)])
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    red, green, blue = (float(value) for value in ALBEDO * linear)
    return red, green, blue


def line(row: Row) -> str:
    """A pair's figures on one line."""
    figures = [f"{name} {value:.3g}" for name, value in row.items() if isinstance(value, float)]
    return f"{row['pair']:22}" + "  ".join(figures)


def summary(rows: list[Row], half: str) -> None:
    """Print the median and the worst of each figure."""
    if not rows:
        return
    print(f"\n{half}: {len(rows)} pairs")
    for name in [name for name, value in rows[0].items() if isinstance(value, float)]:
        values = [row[name] for row in rows if name in row]
        worst = max(values) if name in ("twinkle", "flicker") else min(values)
        print(f"  {name:10} median {median(values):7.3f}  worst {worst:7.3f}")


if __name__ == "__main__":
    main()
