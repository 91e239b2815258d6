#!/usr/bin/env python3
"""Draw Blender's node group as Blender lays it out.

bench/blender_picture.py docs/blender_nodes.jpg --blender .venv-host/bin/python
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
# Runs in Blender's interpreter and prints the group's frames, nodes and links.
_ASKED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import understudy_blender
understudy_blender.register()
from understudy_blender import nodes
tree = nodes.group()
told = [
    [node.name, node.label or getattr(node, "operation", "").replace("_", " ").title() or node.bl_label,
     node.bl_idname, node.parent.name if node.parent else "", *node.location_absolute]
    for node in tree.nodes
]
links = [[link.from_node.name, link.to_node.name] for link in tree.links]
print("\\n" + json.dumps({"nodes": told, "links": links}))
"""
_WIDE, _HIGH, _MARGIN, _SCALE = 170, 60, 60, 0.42
_COLOURS = {
    "NodeGroupInput": (90, 140, 90), "NodeGroupOutput": (90, 140, 90),
    "ShaderNodeMath": (95, 80, 70), "ShaderNodeVectorMath": (120, 80, 110),
}  # fmt: skip


def asked(blender: str) -> dict[str, Any]:
    """What Blender says of the group."""
    done = subprocess.run(
        [blender, "-c", _ASKED, str(ROOT / "plugin")], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def draw(group: dict[str, Any]) -> np.ndarray:
    """The group as a picture (H, W, 3) uint8 BGR."""
    frames = [node for node in group["nodes"] if node[2] == "NodeFrame"]
    nodes = [node for node in group["nodes"] if node[2] != "NodeFrame"]
    left, top = min(node[4] for node in nodes), max(node[5] for node in nodes)
    corner = {
        node[0]: (int(node[4] - left) + 2 * _MARGIN, int(top - node[5]) + 2 * _MARGIN) for node in nodes
    }
    width = max(x for x, _ in corner.values()) + _WIDE + 2 * _MARGIN
    height = max(y for _, y in corner.values()) + _HIGH + 2 * _MARGIN
    canvas = np.full((height, width, 3), 30, np.uint8)
    for frame in frames:
        inside = np.array([corner[node[0]] for node in nodes if node[3] == frame[0]])
        (x0, y0), (x1, y1) = inside.min(axis=0) - _MARGIN, inside.max(axis=0) + np.array([_WIDE, _HIGH]) + 20
        cv2.rectangle(canvas, (int(x0), int(y0)), (int(x1), int(y1)), (48, 48, 48), -1)
        cv2.putText(canvas, frame[1], (int(x0) + 10, int(y0) + 38), 0, 1.2, (235, 235, 235), 2, cv2.LINE_AA)
    for first, second in group["links"]:
        start, end = corner[first], corner[second]
        ends = ((start[0] + _WIDE, start[1] + _HIGH // 2), (end[0], end[1] + _HIGH // 2))
        cv2.line(canvas, *ends, (120, 120, 120), 2, cv2.LINE_AA)
    for name, label, kind, *_ in nodes:
        x, y = corner[name]
        cv2.rectangle(canvas, (x, y), (x + _WIDE, y + _HIGH), _COLOURS.get(kind, (150, 100, 60)), -1)
        cv2.putText(canvas, label[:16], (x + 6, y + 38), 0, 0.6, (235, 235, 235), 1, cv2.LINE_AA)
    return cv2.resize(canvas, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_AREA)


def main() -> None:
    """Ask Blender, write a picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument("--blender", default=str(ROOT / ".venv-host" / "bin" / "python"))
    options = parser.parse_args()
    cv2.imwrite(str(options.picture), draw(asked(options.blender)), [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
