#!/usr/bin/env python3
"""Draw the scores of a run of truth.py over its training time, of our recipe and of the classic one.

    bench/truth_plot.py bench-out/truth/truth.jsonl --output docs/time_to_truth.png

The file may hold several runs; the last one is drawn. Dotted lines say what the plate gets as it is, and what
the true face's own pixels do.
"""

from __future__ import annotations

import argparse
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image
from truth import CLASSIC, OURS, times_to_classic

Row = dict[str, Any]

TITLES = {"look_psnr": "look PSNR, dB", "look_ssim": "look SSIM"}
# What the truth's own pixels score when they are cut out at 128 px by landmarks and pasted back.
CEILING = {"look_psnr": 25.6, "look_ssim": 0.879}
COLOURS = {OURS: "#0b62c4", CLASSIC: "#c2500a"}
INK, FAINT = "#333333", "#767676"
# Inches and dots an inch: 1600 pixels, to be shown at 800 too.
FIGURE, DENSITY, COLOUR_COUNT = (8.0, 3.7), 200, 64


def read(path: Path) -> list[Row]:
    """The rows of the file's last run.

    Raises:
        ValueError: it holds none.
    """
    documents = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    rows = [row for row in documents if "recipe" in row]
    if not rows:
        raise ValueError(f"{path} holds no rows of bench/truth.py")
    return [row for row in rows if row["started"] == rows[-1]["started"]]


def draw(rows: list[Row], output: Path) -> None:
    """Write the picture, a PNG."""
    with pyplot.rc_context({"font.size": 9}):
        room = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
        figure, panels = pyplot.subplots(1, 2, figsize=FIGURE, facecolor="white", layout=room)
        for axes, name in zip(panels, TITLES, strict=True):
            _panel(axes, rows, name)
        drawn = BytesIO()
        figure.savefig(drawn, format="png", dpi=DENSITY)
        pyplot.close(figure)
    # A few flat colours: a palette takes a quarter of the bytes.
    picture = Image.open(drawn).convert("RGB").quantize(COLOUR_COUNT, dither=Image.Dither.NONE)
    output.parent.mkdir(parents=True, exist_ok=True)
    picture.save(output, format="png", optimize=True)


def _panel(axes: Axes, rows: list[Row], name: str) -> None:
    lines = {recipe: _line(rows, recipe, name) for recipe in (OURS, CLASSIC)}
    lines = {recipe: line for recipe, line in lines.items() if line}
    minutes = sorted({mark[0] for line in lines.values() for mark in line})
    for recipe, line in lines.items():
        axes.plot(*zip(*line, strict=True), color=COLOURS[recipe], linewidth=2, marker="o", markersize=4)
    floor = float(rows[0][f"nothing_{name}"])
    scores = [mark[1] for line in lines.values() for mark in line] + [floor, CEILING[name]]
    room = 0.09 * (max(scores) - min(scores))
    axes.set_ylim(min(scores) - room, max(scores) + room)
    axes.set_xscale("log")
    # Room on the right for the names at the lines' ends.
    span = max(minutes[-1] / minutes[0], 2.0)
    axes.set_xlim(minutes[0] / span**0.05, minutes[-1] * span**0.45)
    _name_lines(axes, lines)
    # On the far side from the nearer line's end, whose name stands there too.
    nearest = min((line[-1][1] for line in lines.values()), key=lambda score: abs(score - floor))
    _reference(axes, floor, "the plate as it is", above=nearest < floor)
    _reference(axes, CEILING[name], "the truth's own pixels, pasted at 128 px", above=True)
    _dress(axes, TITLES[name], minutes)
    if len(lines) == 2:
        _say_when(axes, times_to_classic(rows)[name], lines[CLASSIC][-1][0])


def _line(rows: list[Row], recipe: str, name: str) -> list[tuple[float, float]]:
    """(minutes, score), ascending."""
    return sorted((float(row["minutes"]), float(row[name])) for row in rows if row["recipe"] == recipe)


def _name_lines(axes: Axes, lines: dict[str, list[tuple[float, float]]]) -> None:
    """Names at the lines' ends, kept apart where these are near each other."""
    ends = sorted((line[-1][1], recipe) for recipe, line in lines.items())
    low, high = axes.get_ylim()
    near = len(ends) == 2 and ends[1][0] - ends[0][0] < 0.07 * (high - low)
    for (_, recipe), push in zip(ends, (-5, 5), strict=False):
        axes.annotate(
            recipe.capitalize() if recipe == OURS else recipe,
            lines[recipe][-1],
            xytext=(7, push if near else 0),
            textcoords="offset points",
            color=COLOURS[recipe],
            fontsize=10,
            fontweight="bold",
            verticalalignment="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},  # a dotted line may pass behind
        )


def _reference(axes: Axes, value: float, text: str, *, above: bool) -> None:
    axes.axhline(value, color=FAINT, linewidth=1, linestyle=":", zorder=0)
    axes.annotate(
        text,
        (1.0, value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-2, 3 if above else -3),
        textcoords="offset points",
        color=FAINT,
        fontsize=8,
        horizontalalignment="right",
        verticalalignment="bottom" if above else "top",
    )


def _say_when(axes: Axes, reached: Row, classic_minutes: float) -> None:
    """When ours had the classic's last score: in words under the title, and as an arrow at that score."""
    text = f"the classic's score at {classic_minutes:g} minutes: Understudy "
    if reached["minutes"] is None:
        text += "does not reach it"
    else:
        text += f"has it {'by' if reached['by_first_mark'] else 'at'} {reached['minutes']:.2g}"
        start, end = (classic_minutes, reached["score"]), (reached["minutes"], reached["score"])
        arrow = {"arrowstyle": "->", "color": INK, "linewidth": 0.8, "shrinkA": 4, "shrinkB": 0}
        axes.annotate("", xy=end, xytext=start, arrowprops=arrow)
    axes.text(0.0, 1.02, text, transform=axes.transAxes, color=INK, fontsize=8)


def _dress(axes: Axes, title: str, minutes: list[float]) -> None:
    axes.set_title(title, loc="left", pad=18, fontsize=10, color=INK, fontweight="bold")
    axes.set_xlabel("minutes of training", color=INK)
    axes.xaxis.set_major_locator(FixedLocator(minutes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path, nargs="?", default=Path("bench-out/truth/truth.jsonl"))
    parser.add_argument("--output", type=Path, default=Path("docs/time_to_truth.png"))
    options = parser.parse_args()
    draw(read(options.rows), options.output)
    print(options.output)


if __name__ == "__main__":
    main()
