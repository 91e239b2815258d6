#!/usr/bin/env python3
"""Score every colour method, merge and light strength against a known answer, with one model.

    bench/table.py --model bench-out/truth/model.model/export/swap_fp32.onnx

The plate, its track and the truth are those of bench/truth.py, which has to run first. Prints a Markdown
table and writes a picture of the same rows, two frames each, beside the frames.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from truth import SHARED, score, tell

from understudy.core.settings import Settings
from understudy.jobs.fields import ColourMethod
from understudy.jobs.table import SwapJob
from understudy.shots import score as review
from understudy.swap import pipeline
from understudy.swap.cache import Warm

ROWS: tuple[dict[str, Any], ...] = (
    {},
    *({"colour_method": method, "light_strength": 0.0} for method in get_args(ColourMethod)),
    *({"colour_method": method} for method in get_args(ColourMethod)),
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
COLUMNS = ("look_psnr", "look_ssim", "progress", "flicker")
SHEET_FRAMES = (26, 76)
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
    parser.add_argument("--track", type=Path, default=Path("bench-out/truth/testA.track"))
    parser.add_argument("--frames", default="1-100")
    parser.add_argument("--out", type=Path, default=Path("bench-out/table"))
    parser.add_argument("--footage", type=Path, default=SHARED / "footage" / "performers")
    parser.add_argument("--scorer", type=Path, default=SHARED / "bench" / "score_swap.py")
    options = parser.parse_args()
    settings, warm = Settings.from_environment(), Warm()
    plate, sheet = str(options.footage / "testA.mp4"), {}
    print("| changed from the defaults | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for index, row in enumerate(ROWS):
        pattern = str(options.out / f"{index:02d}" / "swap.%04d.exr")
        values = {"plate": plate, "track": options.track, "model": options.model, "output": pattern}
        job = SwapJob.model_validate({**values, "frames": options.frames, **row})
        pipeline.run(job, report=tell, settings=settings, warm=warm)
        told = score(options.footage, options.scorer, pattern)
        figures = [
            f"{told[name]:.2f}" if name in ("look_psnr", "flicker") else f"{told[name]:.3f}"
            for name in COLUMNS
        ]
        print(f"| {label(row)} | " + " | ".join(figures) + " |", flush=True)
        (options.out / f"{index:02d}" / "score.json").write_text(json.dumps({**row, **told}, indent=1))
        sheet[label(row)] = pattern
    print(picture(options.out / "table.jpg", sheet, str(options.footage / "testAB.mp4")))


def picture(path: Path, rows: dict[str, str], truth: str) -> Path:
    """Write every row's frames, in columns side by side with the truth on top of each."""
    labels = list(rows)
    count = -(-len(labels) // COLUMNS_OF_ROWS)
    columns = []
    for first in range(0, len(labels), count):
        chosen = {"truth": truth} | {name: rows[name] for name in labels[first : first + count]}
        part = review.contact_sheet(path.with_suffix(f".{first}.png"), chosen, SHEET_FRAMES, cell_px=192)
        columns.append(cv2.imread(str(part)))
    height = max(column.shape[0] for column in columns)
    padded = [
        np.pad(column, ((0, height - len(column)), (0, 8), (0, 0)), constant_values=40) for column in columns
    ]
    cv2.imwrite(str(path), np.concatenate(padded, axis=1), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return path


if __name__ == "__main__":
    main()
