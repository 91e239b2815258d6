"""A face pass and its plate as the Understudy group sees them, for the tests of its nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nuke_pixels import Graph, Picture
from nuke_script import Node

from understudy.image.exr import read_image
from understudy.image.frame import Frame


def host_channels(frame: Frame) -> Picture:
    """A frame's channels under Nuke's names."""
    names = {"R": "red", "G": "green", "B": "blue", "A": "alpha"}
    out = {}
    for index, channel in enumerate(frame.channels):
        layer, _, short = channel.rpartition(".")
        name = names.get(short, short)
        out[f"{layer}.{name}" if layer else name] = frame.pixels[..., index].astype(np.float64)
    return out


def placed(frame: Frame, plate: Frame) -> Picture:
    """A face pass in the plate's raster, black where it has no pixels."""
    rows, columns = frame.data_window.slices(plate.data_window)
    out = {}
    for name, plane in host_channels(frame).items():
        out[name] = np.zeros(plate.pixels.shape[:2])
        out[name][rows, columns] = plane
    return out


def numbers(group: Node, changes: dict[str, Any]) -> dict[str, float]:
    """The values of the group's knobs as expressions see them."""
    values = {}
    choices = {words[1]: words for words in group.declarations if words[0] == "4"}
    for name, kind in group.user.items():
        value = changes.get(name, group.knobs.get(name))
        if kind == 4:
            words = choices[name][choices[name].index("M") + 1].split()
            values[name] = float(words.index(value)) if value in words else 0.0
        elif kind == 6:
            values[name] = float(value in (True, "true"))
        elif kind in (3, 7):
            values[name] = float(value or 0)
    return values


def graph_of(reader, group, face_pass: Path, plate: Path, changes, roto=None, connected=(0,)) -> Graph:
    made, below = read_image(face_pass), read_image(plate)
    metadata = {f"exr/{name}": value for name, value in made.metadata.items()}
    pictures = {"plate": host_channels(below), "FacePass": placed(made, below)}
    if roto is not None:
        pictures["matte"] = roto
    return Graph(reader, group, numbers(group, changes), pictures, metadata, connected)
