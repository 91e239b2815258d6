"""A tracked shot for the tests of what Nuke is told of a track, and Nuke's side of it read without Nuke."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from tcl import tkinter

from understudy.app import verbs
from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.face.detect.known import write_table
from understudy.face.template import BASE
from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.jobs.shots import PointsJob, TrackJob
from understudy_nuke.coordinates import Raster

SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
WIDTH, HEIGHT = 260, 240
RASTER = Raster(HEIGHT)
FRAMES = (1001, 1002, 1003, 1004)
REFERENCE = 1002


def landmarks(frame: int) -> np.ndarray:
    """A face that turns, grows and wanders as a similarity does."""
    step = frame - 1001
    angle, size = 0.1 + 0.05 * step, 90 + 3 * step
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((BASE - 0.5) @ turn.T + [120.3 + 3.7 * step, 110.1 - 2 * step]).astype(np.float32)


def write_shot(root: Path) -> TrackJob:
    """Grey frames whose landmarks are known, and the job that tracks them."""
    grey = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
    for number in FRAMES:
        write_image(root / f"p.{number}.exr", Frame.from_rgb(grey, colour_space="ACEScg"))
    write_table(root / "landmarks.json", {number: landmarks(number) for number in FRAMES})
    return TrackJob(
        plate=str(root / "p.%04d.exr"), track=root / "a.track", detector="known", smoothing_frames=0.0
    )


def fresh(job: TrackJob) -> dict[str, Any]:
    """What the engine tells a host of a shot that it has just tracked."""
    job.track.unlink(missing_ok=True)
    verbs.run(job, report=silent, settings=SETTINGS)
    return read(job)


def read(job: TrackJob) -> dict[str, Any]:
    path = job.track.with_suffix(".json")
    path.unlink(missing_ok=True)  # a document with moved points is the artist's, and is not written over
    verbs.run(PointsJob(track=job.track, document=path), report=silent, settings=SETTINGS)
    return json.loads(path.read_text())


def correct(job: TrackJob, document: dict[str, Any]) -> dict[str, Any]:
    path = job.track.with_suffix(".json")
    path.write_text(json.dumps(document))
    points = PointsJob(track=job.track, document=path, action="correct")
    return verbs.run(points, report=silent, settings=SETTINGS)


class Script:
    """A script as Tcl itself reads it: every unknown command is a node, its body knobs and values."""

    def __init__(self, text: str) -> None:
        self.tcl = tkinter.Tcl()
        self.nodes: list[tuple[str, dict[str, str]]] = []
        for name in ("push", "version", "stack"):
            self.tcl.createcommand(name, lambda *_: "0")
        self.tcl.createcommand("make_node", self._node)
        self.tcl.eval("proc unknown {args} { make_node {*}$args }")
        self.tcl.eval(text)

    def _node(self, kind: str, body: str) -> str:
        words = self.tcl.splitlist(body)
        self.nodes.append((kind, dict(zip(words[::2], words[1::2], strict=True))))
        return ""

    def list(self, words: str) -> list[str]:
        return list(self.tcl.splitlist(words))

    def keys(self, words: str) -> dict[int, float]:
        """A curve's keys, each with its frame before it."""
        head, *rest = words.split()
        assert head == "curve" and len(rest) % 2 == 0
        return {
            int(frame.removeprefix("x")): float(value) for frame, value in zip(*[iter(rest)] * 2, strict=True)
        }

    def places(self, words: str) -> dict[int, np.ndarray]:
        x, y = (self.keys(one) for one in self.list(words))
        assert list(x) == list(y)
        return {frame: np.array([x[frame], y[frame]]) for frame in x}


def in_nuke(point: Any) -> np.ndarray:
    """The rule, written down again: y up from the bottom, centres at one half."""
    return np.array([point[0] + 0.5, HEIGHT - (point[1] + 0.5)])


def moved_by(script: Script, knobs: dict[str, str], frame: int, points: np.ndarray) -> np.ndarray:
    """What Nuke's Transform does: scale and turn about the centre, then the shift."""
    ((_, centre),) = script.places(knobs["center"]).items()
    (turn,), (size,) = script.list(knobs["rotate"]), script.list(knobs["scale"])
    angle, scale = math.radians(script.keys(turn)[frame]), script.keys(size)[frame]
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - centre) @ linear.T + centre + script.places(knobs["translate"])[frame]
