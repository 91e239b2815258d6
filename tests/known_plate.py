"""A small plate whose faces the detector `known` knows: detection costs nothing, and nothing is rendered."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.detect.known import write_table
from understudy.image.exr import write_image
from understudy.image.frame import Frame

SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
EDGE = 96


def landmarks(number: int, *, shift: float = 0.0) -> np.ndarray:
    """(68, 2) of the face in a frame: it drifts to the right and shakes a little."""
    shake = np.random.default_rng(number).normal(0, 0.3, (68, 2))
    points: np.ndarray = align.TEMPLATE * 50 + 20 + [0.2 * number + shift, shift] + shake
    return points.astype(np.float32)


def write_plate(
    folder: Path, count: int, *, name: str = "p", seed: int = 0, first: int = 1, shift: float = 0.0
) -> str:
    """Write `name.####.exr` of noise and their landmarks.json; gives back the pattern."""
    numbers = range(first, first + count)
    for number in numbers:
        noise = np.random.default_rng((seed, number)).random((EDGE, EDGE, 3), np.float32)
        write_image(folder / f"{name}.{number:04d}.exr", Frame.from_rgb(noise, colour_space="ACEScg"))
    write_table(folder / "landmarks.json", {number: landmarks(number, shift=shift) for number in numbers})
    return str(folder / f"{name}.%04d.exr")


def _dotted(plate: str, folder: Path) -> str:
    return os.path.relpath(plate)


def _hashes(plate: str, folder: Path) -> str:
    return plate.replace("%04d", "####")


def _linked(plate: str, folder: Path) -> str:
    (folder / "link").symlink_to(Path(plate).parent)
    return str(folder / "link" / Path(plate).name)


def _linked_frames(plate: str, folder: Path) -> str:
    (folder / "links").mkdir()
    for file in Path(plate).parent.iterdir():
        name = file.name.replace("p.", "other.")
        (folder / "links" / name).symlink_to(file)
    return str(folder / "links" / "other.%04d.exr")


def _copied(plate: str, folder: Path) -> str:
    shutil.copytree(Path(plate).parent, folder / "mount")
    return str(folder / "mount" / Path(plate).name)


SPELLINGS: list[Callable[[str, Path], str]] = [_dotted, _hashes, _linked, _linked_frames, _copied]
"""Other ways to name a plate: each takes its pattern and a folder for links and copies."""
