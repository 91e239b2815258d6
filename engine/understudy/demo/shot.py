"""The demo shot on disk: two performers to train on, a plate, and the truth.

    actor/      the source performer, its own performance
    double/     the destination performer, another performance
    plate/      the double in the shot
    truth/      the double in the same shot with the actor's face: what a perfect swap gives

Convention:
    EXR, half, scene-linear with Rec.709 primaries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from understudy.core.progress import Progress, Reporter
from understudy.demo.identity import Identity
from understudy.demo.performance import Camera, Performance, PerformanceFrame
from understudy.demo.render import render
from understudy.face.detect.known import read_table, write_table
from understudy.face.detect.protocol import Points
from understudy.image.exr import write_image
from understudy.image.frame import FloatImage, Frame

COLOUR_SPACE = "Linear Rec.709 (sRGB)"
FIRST_FRAME = 1
FRAME_PX = (256, 256)
# A close-up: the face fills two thirds of the frame's height.
CAMERA = Camera(view_height_cm=24.0)
# Faces to train on are taken seldom, so that they differ; the shot is played at double speed.
TRAINING_STEP = 4
SHOT_STEP = 2
Acting = Callable[[float], PerformanceFrame]


@dataclass(frozen=True)
class DemoShot:
    """The names of the two performers."""

    destination: str = "double"
    source: str = "actor"


def write(output: Path, *, seed: int, training_frames: int, shot_frames: int, report: Reporter) -> DemoShot:
    """Render what is not there yet.

    Args:
        seed: Of the performers and their performances.
        training_frames, shot_frames: How many frames of each performer, and of the shot.

    Raises:
        PlateError: the folder cannot be written.
    """
    shot = DemoShot()
    cast = {shot.destination: Identity.from_seed(seed), shot.source: Identity.from_seed(seed + 1)}
    for index, (name, identity) in enumerate(cast.items()):
        performance = Performance.from_seed(seed + 10 + index)
        write_training(output / name, identity, performance.at, training_frames, report=report)
    double, actor = cast[shot.destination], cast[shot.source]
    write_shot(output, double, actor, Performance.from_seed(seed + 20).at, shot_frames, report=report)
    return shot


def write_shot(
    output: Path, double: Identity, actor: Identity, acting_at: Acting, count: int, *, report: Reporter
) -> None:
    """Render what is not there yet of a plate and its truth.

    Args:
        output: The folder that holds the folders `plate` and `truth`.
        double, actor: Who is in the plate, and whose face the truth has.
        acting_at: What happens at a frame; the camera is the shot's.
        count: How many frames.
        report: Is told of each frame.

    Raises:
        PlateError: the folder cannot be written.
    """
    known = output / "plate" / "landmarks.json"
    places = read_table(known) if known.exists() else {}
    names = ("plate", "truth")
    for done in range(count):
        report(Progress("render the shot", done, count))
        number = FIRST_FRAME + done
        if all(_path(output, name, number).exists() for name in names) and number in places:
            continue
        acting = replace(acting_at(done * SHOT_STEP), camera=CAMERA)
        plate = render(double, acting, size=FRAME_PX)
        places[number] = plate.landmarks
        _write(output, "plate", number, plate.pixels)
        truth = render(double, acting, size=FRAME_PX, face_identity=actor)
        _write(output, "truth", number, truth.pixels)
    _note(known, places)


def write_training(
    folder: Path, identity: Identity, acting_at: Acting, count: int, *, report: Reporter
) -> None:
    """Render what is not there yet of a performer's training frames, with the landmarks that are known.

    Args:
        folder: Its name is the frames'.
        identity: The performer.
        acting_at: What happens at a frame; the camera is the shot's.
        count: How many frames.
        report: Is told of each frame.

    Raises:
        PlateError: the folder cannot be written.
    """
    output, name = folder.parent, folder.name
    known = folder / "landmarks.json"
    places = read_table(known) if known.exists() else {}
    for done in range(count):
        report(Progress(f"render the {name}", done, count))
        number = FIRST_FRAME + done
        if _path(output, name, number).exists() and number in places:
            continue
        acting = replace(acting_at(done * TRAINING_STEP), camera=CAMERA)
        rendered = render(identity, acting, size=FRAME_PX)
        _write(output, name, number, rendered.pixels)
        places[number] = rendered.landmarks
    _note(known, places)


def _note(known: Path, places: dict[int, Points]) -> None:
    """Write the landmarks that the renderer knows, where the table lacks some."""
    if not known.exists() or read_table(known).keys() != places.keys():
        write_table(known, places)


def _path(output: Path, name: str, number: int) -> Path:
    return output / name / f"{name}.{number:04d}.exr"


def _write(output: Path, name: str, number: int, pixels: FloatImage) -> None:
    frame = Frame.from_rgb(np.ascontiguousarray(pixels, np.float32), colour_space=COLOUR_SPACE)
    write_image(_path(output, name, number), frame)
