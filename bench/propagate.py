#!/usr/bin/env python3
"""Score and time `understudy propagate`, with a plain flow warp of the keyframe beside it.

    bench/propagate.py [images] [appears] [sequence] [region]     all of them when none is named

images    fix512 and paint512: one painted frame, one target with its truth
appears   paint512 with a disc that moves away: what it uncovers is scored alone
sequence  hard.mp4: the prop is taken away on one keyframe, then on two, 15 frames to each side
region    1080p with a fix of 400×400, and of 200×200: seconds a frame, flow and the rest apart

The material is not part of the project: --shared names the folder of `propagation` and `footage`. Prints one
JSON line a measurement; CPU seconds include reading and writing. The plain warp is OpenCV's DIS flow from
keyframe to frame, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.settings import Settings
from understudy.image.exr import read_image, write_image
from understudy.image.frame import FloatImage, Frame
from understudy.image.plate import open_plate
from understudy.jobs.propagation import PropagateJob
from understudy.patch import flow
from understudy.propagate import run as propagate
from understudy.quality import measures

SHARED = Path(__file__).resolve().parents[2] / "shared"
DISPLAY = "sRGB - Texture"
REACH_FRAMES = 15
KEYFRAMES = (36, 66)


def read(path: Path) -> FloatImage:
    """A picture's display values."""
    return read_image(path).rgb()


def write(path: Path, rgb: FloatImage) -> None:
    """A picture's display values as 16 bits."""
    write_image(path, Frame.from_rgb(rgb, colour_space=DISPLAY, storage="uint16"))


def psnr(result: FloatImage, truth: FloatImage, mask: np.ndarray) -> float:
    """Peak signal-to-noise ratio of display values inside a mask, dB."""
    error = (np.clip(result, 0, 1) - truth)[mask].astype(np.float64) ** 2
    return round(measures.psnr(max(float(error.sum()), 1e-12 * error.size), error.size), 2)


def run(folder: Path, **fields: Any) -> tuple[dict[str, Any], float]:
    """Propagate within a folder: the result, and the CPU seconds of it all."""
    job = PropagateJob(fix=str(folder / "fix.%04d.png"), output=str(folder / "out.%04d.png"), **fields)
    began = time.process_time()
    result = propagate.run(job, report=lambda event: None, settings=Settings.from_environment())
    return result, round(time.process_time() - began, 2)


def warped(painted: FloatImage, key: FloatImage, frame: FloatImage) -> FloatImage:
    """The plain warp, of display values."""
    return flow.sample(painted, flow.between(frame, key).shift)


def pair(a: FloatImage, b: FloatImage, style: FloatImage) -> tuple[FloatImage, float]:
    """The target frame with the fix, and its CPU seconds; run twice, so that nothing is compiled in them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, picture in (("plate.0001", a), ("plate.0002", b), ("fix.0001", style)):
            write(folder / f"{file}.png", picture)
        for seed in (0, 1):
            _, seconds = run(folder, plate=str(folder / "plate.%04d.png"), frames="2", seed=seed)
        return read(folder / "out.0002.png"), seconds


def images(shared: Path) -> Iterator[dict[str, Any]]:
    """A local fix and a whole repaint."""
    for name in ("fix512", "paint512"):
        a, b, style, truth, valid = (
            read(shared / "propagation" / name / f"{one}.png")
            for one in ("A", "B", "style", "truth", "valid")
        )
        mask = valid[..., 0] > 0.5
        made, seconds = pair(a, b, style)
        plain = warped(style, a, b)
        yield {
            "images": name,
            "psnr": psnr(made, truth, mask),
            "plain": psnr(plain, truth, mask),
            "cpu_s": seconds,
        }


def appears(shared: Path) -> Iterator[dict[str, Any]]:
    """Discs cut from elsewhere in the picture, painted as it is, that move and uncover what was hidden."""
    a, b, style, truth = (
        read(shared / "propagation" / "paint512" / f"{one}.png") for one in ("A", "B", "style", "truth")
    )
    there = flow.between(b, a)
    for place, moved in (((300, 80), (255, 95)), ((230, 300), (275, 330)), ((100, 80), (150, 90))):
        covered, key = disc(a, a, place)
        still, frame = disc(b, a, moved)
        made, seconds = pair(key, frame, disc(style, style, place)[1])
        right = disc(truth, style, moved)[1]
        new = (flow.sample(covered.astype(np.float32), there.shift) > 0.5) & ~still
        plain = warped(disc(style, style, place)[1], key, frame)
        yield {
            "appears": list(place),
            "psnr": psnr(made, right, new),
            "plain": psnr(plain, right, new),
            "cpu_s": seconds,
        }


def disc(picture: FloatImage, cut_from: FloatImage, place: tuple[int, int]) -> tuple[np.ndarray, FloatImage]:
    """A disc of the helmet laid over a place (x, y): its mask, and the picture with it."""
    (height, width), (x, y) = picture.shape[:2], place
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    mask = (across - x) ** 2 + (down - y) ** 2 < 60**2
    shifted = np.roll(cut_from, (y - 390, x - 150), axis=(0, 1))
    return mask, np.where(mask[..., None], shifted, picture).astype(np.float32)


def sequence(shared: Path) -> Iterator[dict[str, Any]]:
    """One keyframe to both sides, then two with the frames between them."""
    footage = shared / "footage" / "performers"
    first, second = KEYFRAMES
    yield from clip(footage, (first,), range(first - REACH_FRAMES, first + REACH_FRAMES + 1))
    yield from clip(footage, (first,), range(first, second + 1))
    yield from clip(footage, (first, second), range(first, second + 1))


def clip(footage: Path, keys: Sequence[int], frames: range) -> Iterator[dict[str, Any]]:
    """Scores by distance from the nearest keyframe, over the prop's matte."""
    names = ("hard", "hard_clean", "hard_propmatte")
    plate, clean, matte = (open_plate(str(footage / f"{name}.mp4")) for name in names)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for key in keys:
            write(folder / f"fix.{key:04d}.png", clean.read(key).rgb())
        asked = f"{frames[0]}-{frames[-1]}"
        _, seconds = run(folder, plate=plate.name, matte=matte.name, frames=asked)
        nearest = {number: min(keys, key=lambda key: abs(key - number)) for number in frames}
        masks = {number: matte.read(number).pixels[..., 0] > 0.5 for number in frames}
        truth = {number: clean.read(number).rgb() for number in frames}
        made = {number: read(folder / f"out.{number:04d}.png") for number in frames}
        plain = {
            number: warped(truth[key], plate.read(key).rgb(), plate.read(number).rgb())
            for number, key in nearest.items()
        }
    for label, result in (("propagate", made), ("plain warp", plain)):
        scores = {number: psnr(result[number], truth[number], masks[number]) for number in frames}
        others = [number for number in frames if number not in keys]
        by_distance: dict[int, list[float]] = {}
        for number in others:
            by_distance.setdefault(abs(number - nearest[number]), []).append(scores[number])
        yield {
            "sequence": label,
            "keyframes": list(keys),
            "frames": asked,
            "psnr": round(float(np.mean([scores[number] for number in others])), 2),
            "by_distance": {away: round(float(np.mean(v)), 1) for away, v in sorted(by_distance.items())},
            "flicker": flicker(result, truth, masks, frames),
            **({"cpu_s_a_frame": round(seconds / len(others), 2)} if label == "propagate" else {}),
        }


def flicker(
    result: dict[int, FloatImage], truth: dict[int, FloatImage], masks: dict[int, np.ndarray], frames: range
) -> float:
    """What changes from frame to frame beyond the truth's own change, root mean square, of 255."""
    each = []
    for one, other in pairwise(frames):
        both = masks[one] & masks[other]
        apart = (result[other] - result[one]) - (truth[other] - truth[one])
        each.append(255 * float(np.sqrt((apart[both] ** 2).mean())))
    return round(float(np.mean(each)), 1)


def region(shared: Path) -> Iterator[dict[str, Any]]:
    """A tint and a scar on a performer's face, over five frames of 1080p."""
    plate = open_plate(str(shared / "footage" / "real" / "performer_a.mp4"))
    centre = (540, 700)
    for edge in (400, 200):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder / "fix.0001.png", scarred(plate.read(1).rgb(), centre, edge))
            for method in ("hybrid", "synthesis", "preview"):
                how = {"preview": True} if method == "preview" else {"method": method}
                for seed in (0, 1):  # the second run compiles nothing
                    spent, restore = timed_flow()
                    began = time.perf_counter()
                    run(folder, plate=plate.name, frames="1-6", seed=seed, **how)
                    whole = time.perf_counter() - began
                    restore()
                rest = {"flow_s": round(spent[0] / 5, 2), "rest_s": round((whole - spent[0]) / 5, 2)}
                yield {"region": edge, "method": method, **rest}


def scarred(rgb: FloatImage, centre: tuple[int, int], edge: int) -> FloatImage:
    """A square with a warm tint and a dark line."""
    x, y, half = *centre, edge // 2
    out = rgb.copy()
    square = out[y - half : y + half, x - half : x + half]
    square *= np.float32([1.0, 0.9, 0.85])
    for step in range(-half // 2, half // 2):
        square[half + step, half + step // 2 : half + step // 2 + 4] *= 0.4
    return out


def timed_flow() -> tuple[list[float], Callable[[], None]]:
    """Count the wall time that flow takes from now on, and how to stop counting."""
    plain, spent = flow.between, [0.0]

    def counted(*pictures: Any, **how: Any) -> flow.Motion:
        began = time.perf_counter()
        motion = plain(*pictures, **how)
        spent[0] += time.perf_counter() - began
        return motion

    flow.between = counted

    def restore() -> None:
        flow.between = plain

    return spent, restore


PARTS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    "images": images,
    "appears": appears,
    "sequence": sequence,
    "region": region,
}


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--shared", type=Path, default=SHARED)
    options = parser.parse_args()
    for name in options.parts or PARTS:
        for line in PARTS[name](options.shared):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
