#!/usr/bin/env python3
"""Score every colour method, merge and light strength against a known answer, with one model.

    bench/table.py --model bench-out/truth/model.model/export/swap_fp32.onnx

Plate, track and truth are the demo's, or those of --footage, as in bench/truth.py. Prints a Markdown
table and writes a picture of the same rows, two frames each, beside the frames.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from truth import machine_settings, prepare, tell

from understudy.comp.colour import methods
from understudy.image.plate import open_plate
from understudy.jobs.shots import ScoreJob
from understudy.quality import score, sheet
from understudy.quality.figures import FIGURES
from understudy.swap import run as swap_run
from understudy.swap.cache import RenderCache
from understudy.swap.job import SwapJob

ROWS: tuple[dict[str, Any], ...] = (
    {},
    *({"colour_method": method, "light_strength": 0.0} for method in methods.BUILT_IN),
    *({"colour_method": method} for method in methods.BUILT_IN),
    {"light_strength": 50.0},
    {"light_radius_percent": 10.0},
    {"light_radius_percent": 30.0},
    {"temporal_window": 1},
    {"temporal_window": 3},
    {"temporal_window": 3, "colour_method": "reinhard"},
    {"matte_destination": True},
    {"merge": "multiband"},
    {"merge": "gradient"},
)
COLUMNS = ("look_psnr", "look_ssim", "vif", "detail", "progress", "flicker")
SHEET_COLUMNS = 2
COLUMNS_OF_ROWS = 4


def label(row: dict[str, Any]) -> str:
    """A row's name."""
    return (
        ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in row.items()
        )
        or "defaults"
    )


def main() -> None:
    """Swap, score and print, row by row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--frames", help="such as 1-24; all when left out")
    parser.add_argument("--out", type=Path, default=Path("bench-out/table"))
    parser.add_argument("--detector", default="yunet")
    parser.add_argument("--demo", type=Path, default=Path("demo-out"), help="folder of `understudy demo`")
    parser.add_argument("--footage", type=Path, help="folder of trainA, trainB, testA, testAB.mp4 instead")
    options = parser.parse_args()
    settings, warm = machine_settings(), RenderCache()
    footage = prepare(options, settings)
    patterns = {}
    print("| changed from the defaults | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for index, row in enumerate(ROWS):
        pattern = str(options.out / f"{index:02d}" / "swap.%04d.exr")
        common = {"plate": footage.plate, "frames": options.frames}
        values = {**common, "track": footage.track, "model": options.model, "output": pattern, **row}
        swap_run.run(SwapJob.model_validate(values), report=tell, settings=settings, kept=warm)
        job = ScoreJob.model_validate({**common, "truth": footage.truth, "swapped": pattern})
        told = score.run(job, report=tell, settings=settings)["score"]
        titles = {figure.name: figure for figure in FIGURES}
        figures = [titles[name].text(told[name]) for name in COLUMNS]
        print(f"| {label(row)} | " + " | ".join(figures) + " |", flush=True)
        (options.out / f"{index:02d}" / "score.json").write_text(json.dumps({**row, **told}, indent=1))
        patterns[label(row)] = pattern
    print(picture(options.out / "table.jpg", patterns, footage.truth))


def picture(path: Path, rows: dict[str, str], truth: str) -> Path:
    """Write every row's frames, in columns side by side with the truth on top of each."""
    labels = list(rows)
    with closing(open_plate(rows[labels[0]])) as made:
        frames = sheet.spread_frames(made.frames, SHEET_COLUMNS + 2)[1:-1]
    count = -(-len(labels) // COLUMNS_OF_ROWS)
    columns = []
    for first in range(0, len(labels), count):
        chosen = {"truth": truth} | {name: rows[name] for name in labels[first : first + count]}
        part = sheet.contact_sheet(path.with_suffix(f".{first}.png"), chosen, frames, cell_px=192)
        columns.append(cv2.imread(str(part)))
    height = max(column.shape[0] for column in columns)
    padded = [
        np.pad(column, ((0, height - len(column)), (0, 8), (0, 0)), constant_values=40) for column in columns
    ]
    cv2.imwrite(str(path), np.concatenate(padded, axis=1), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return path


if __name__ == "__main__":
    main()
