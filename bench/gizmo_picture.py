#!/usr/bin/env python3
"""Draw a gizmo's node graph from the gizmo itself, its tabs listed beside it.

bench/gizmo_picture.py gizmos/Understudy.gizmo docs/nuke_group.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "host"))
from nuke_script import Node, Reader

_COLOURS = {
    "Input": (90, 140, 90), "Read": (90, 140, 90), "Output": (90, 140, 90), "NoOp": (60, 120, 170),
    "Switch": (130, 130, 130), "Keymix": (150, 100, 60), "Merge2": (150, 100, 60), "STMap": (120, 80, 140),
}  # fmt: skip
_WIDE, _HIGH, _GAP_X, _GAP_Y, _SIDE = 168, 40, 26, 34, 330


def depths(group: Node) -> dict[str, int]:
    """How far below its furthest source every node stands."""
    found: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in found:
            above = [one for one in group.children[name].inputs if one is not None]
            found[name] = 1 + max(map(depth, above), default=-1)
        return found[name]

    for name in group.children:
        depth(name)
    return found


def places(group: Node) -> dict[str, tuple[int, int]]:
    """Column and row of every node: a row a depth, and in it each near the middle of what it is wired to."""
    rows: dict[int, list[str]] = {}
    for name, row in depths(group).items():
        rows.setdefault(row, []).append(name)
    column: dict[str, float] = {}
    for row in sorted(rows):

        def middle(name: str) -> float:
            above = [column[one] for one in group.children[name].inputs if one in column]
            return float(np.mean(above)) if above else 0.0

        taken = -1.0
        for name in sorted(rows[row], key=middle):
            column[name] = max(middle(name), taken + 1)
            taken = column[name]
    grid = {name: (round(column[name] * 2), row) for row, names in rows.items() for name in names}
    return {name: (x, y) for name, (x, y) in grid.items()}


def write(
    words: str, at: tuple[int, int], canvas: np.ndarray, *, size: float = 0.42, bold: bool = False
) -> None:
    """Put a line of text."""
    cv2.putText(
        canvas, words, at, cv2.FONT_HERSHEY_SIMPLEX, size, (235, 235, 235), 2 if bold else 1, cv2.LINE_AA
    )


def draw(group: Node) -> np.ndarray:
    """The graph as a picture (H, W, 3) uint8 BGR."""
    where = places(group)
    step_x, step_y = (_WIDE + _GAP_X) // 2, _HIGH + _GAP_Y
    width = _SIDE + 40 + _WIDE + max(x for x, _ in where.values()) * step_x
    height = 40 + _HIGH + max(y for _, y in where.values()) * step_y
    canvas = np.full((height, width, 3), 45, np.uint8)
    corner = {name: (_SIDE + x * step_x, 20 + y * step_y) for name, (x, y) in where.items()}
    for name, node in group.children.items():
        for index, above in enumerate(node.inputs):
            if above is not None:
                start = (corner[above][0] + _WIDE // 2, corner[above][1] + _HIGH)
                share = (index + 1) / (len(node.inputs) + 1)
                cv2.line(
                    canvas,
                    start,
                    (corner[name][0] + int(_WIDE * share), corner[name][1]),
                    (150, 150, 150),
                    1,
                    cv2.LINE_AA,
                )
    for name, node in group.children.items():
        x, y = corner[name]
        cv2.rectangle(canvas, (x, y), (x + _WIDE, y + _HIGH), _COLOURS.get(node.kind, (95, 80, 70)), -1)
        write(name, (x + 6, y + 17), canvas, bold=False)
        write(node.kind, (x + 6, y + 33), canvas, size=0.34)
    _tabs(group, canvas)
    return canvas


def _tabs(group: Node, canvas: np.ndarray) -> None:
    row = 34
    write(group.name, (16, row), canvas, size=0.6, bold=True)
    for words in group.declarations:
        if "+INVISIBLE" in words:
            continue
        tab = words[0] == "20"
        row += 26 if tab else 15
        if row > canvas.shape[0] - 8:
            break
        label = words[1] if tab else words[words.index("l") + 1]
        write(
            label.encode("ascii", "ignore").decode() or words[1],
            (16 if tab else 30, row),
            canvas,
            size=0.5 if tab else 0.36,
            bold=tab,
        )


def main() -> None:
    """Read a gizmo, write a picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("gizmo", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    (group,) = Reader().read(options.gizmo.read_text(encoding="utf-8")).children.values()
    cv2.imwrite(str(options.picture), draw(group))


if __name__ == "__main__":
    main()
