"""Jobs that do not work on a shot: a farm bundle, the detectors' models, the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from understudy.jobs.fields import Detector, Frames, Job, Overwrite, reads, unit, words, writes


class BundleJob(Job):
    """Write a swap job as an Open Job Description bundle, for a farm to split into chunks of frames."""

    document: Annotated[Path, reads("file")]
    """Swap job document, a JSON file with full paths, as a node writes it."""
    folder: Annotated[Path, writes("folder", "bundle")]
    """Folder of the bundle to write."""
    frames: Frames = None
    """Frames to make, such as 1001-1100 or 1001-1100x2; the document's own when left out."""
    chunk_frames: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=unit("frames"))] = 20
    """Frames in one task."""
    name: Annotated[str, words()] = ""
    """Name of the job on the farm; the folder's when left out."""
    program: Annotated[str, words()] = "understudy"
    """The engine's program on the farm's machines."""
    overwrite: Overwrite = False
    """Replace files that Understudy did not write; they are refused otherwise."""


class ModelsJob(Job):
    """List, fetch or verify the detector and landmark models."""

    action: Literal["list", "fetch", "verify"] = "list"
    """What to do."""
    name: Annotated[str | None, words()] = None
    """One model by name; all the needed ones when left out."""
    offline_folder: Annotated[Path | None, reads("folder")] = None
    """Folder to take the files from in place of the network."""


class DemoJob(Job):
    """Render the demo shot, train on it, swap it and score it against the truth."""

    output: Annotated[Path, writes("folder", "demo", knob=False)] = Path("demo-out")
    """Folder to write everything to."""
    minutes: Annotated[float, Field(gt=0, le=600, json_schema_extra=unit("minutes"))] = 3.0
    """Training time."""
    size: Annotated[int, Field(ge=32, le=512, multiple_of=16, json_schema_extra=unit("pixels"))] = 80
    """Edge of the face the network makes."""
    training_frames: Annotated[int, Field(ge=8, le=5000)] = 200
    """Frames rendered of each performer to train on."""
    shot_frames: Annotated[int, Field(ge=2, le=2000)] = 48
    """Frames of the shot that is swapped."""
    detector: Detector = "yunet"
    """Face detector; `known` uses the renderer's own landmarks where no detector can be had."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 7
    """Seed of the performers and the performance."""
    overwrite: Overwrite = False
    """Replace files that Understudy did not write; they are refused otherwise."""
