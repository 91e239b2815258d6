"""The track as nodes of the host, and what an artist moved in them back into the track."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from typing import Any

from understudy_host.errors import HostError
from understudy_nuke import roto, runs, tracks
from understudy_nuke.coordinates import Raster


def make(nuke: Any, node: Any, kind: str) -> None:
    """Paste a node that follows the face, keyed on every frame of the track.

    Args:
        nuke: The host's module.
        node: The Understudy node whose track it is.
        kind: `tracker`, `corner_pin`, `transform` or `roto`.

    Raises:
        HostError: there is no track, no plate, or the engine fails.
    """
    document, raster = _points(node), _raster(node)
    with node.parent():  # a button of a group works inside of it
        _paste(nuke, kind, document, raster)


def _paste(nuke: Any, kind: str, document: dict[str, Any], raster: Raster) -> None:
    if kind == "roto":
        roto.draw(document, raster, nuke=nuke, rotopaint=importlib.import_module("nuke.rotopaint"))
        return
    first = min(tracks.faces_of(document))
    words = {
        "tracker": lambda: tracks.tracker(document, raster),
        "corner_pin": lambda: tracks.corner_pin(document, raster),
        "transform": lambda: tracks.transform(document, raster, reference_frame=first),
    }[kind]()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "nodes.nk")
        with open(path, "w", encoding="utf-8") as file:
            file.write(words)
        nuke.nodePaste(path)


def take(node: Any, tracker: Any) -> int:
    """Put the points that were moved in a Tracker into the node's track, as set by hand.

    Returns:
        How many frames changed.

    Raises:
        HostError: the selected node is not one of our Trackers, or nothing was moved.
    """
    if tracker is None or tracker.Class() != "Tracker4":
        trouble = "select the Tracker whose points you moved, and press again"
        raise HostError("No Tracker is selected.", node.fullName(), trouble)
    document = _points(node)
    moved = tracks.tracker_positions(tracker["tracks"].toScript())
    corrected = tracks.correction(document, moved, _raster(node))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "points.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(corrected, file)
        job = {"track": _track(node), "document": path, "action": "correct"}
        runs.engines.get().run("points", job)
    return sum(len(faces) for faces in corrected["faces"].values())


def _points(node: Any) -> dict[str, Any]:
    """The track's points as the engine tells them."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "points.json")
        runs.engines.get().run("points", {"track": _track(node), "document": path})
        with open(path, encoding="utf-8") as file:
            document: dict[str, Any] = json.load(file)
    return document


def _track(node: Any) -> str:
    said = str(node.knob("track").value() or "")
    if not said:
        trouble = "choose a file in the knob 'track', or press Track…"
        raise HostError("The node has no track.", node.fullName(), trouble)
    return said


def _raster(node: Any) -> Raster:
    above = node.input(0)
    if above is None:
        raise HostError("The plate input is not connected.", node.fullName(), "connect the plate to input 0")
    return Raster(height=float(above.format().height()))
