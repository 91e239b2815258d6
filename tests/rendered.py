"""A rendered shot with a barely trained model, for every test that needs something to swap."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.demo import shot as demo_shot
from understudy.image.exr import read_image
from understudy.image.frame import Frame
from understudy.jobs.shots import ExtractJob, TrackJob
from understudy.jobs.training import ExportJob, TrainJob
from understudy.shots import extract, track
from understudy.swap.job import SwapJob
from understudy.train import run
from understudy.train.export import onnx

SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
FRAMES = 3


@dataclass(frozen=True)
class Shot:
    """A rendered shot with a barely trained model: enough for everything but looks."""

    root: Path
    model: Path

    def frames(self, name: str) -> str:
        return str(self.root / name / f"{name}.%04d.exr")

    def job(self, folder: Path, **changes: Any) -> SwapJob:
        values = {
            "plate": self.frames("plate"),
            "track": self.root / "plate.track",
            "model": self.model,
            "output": str(folder / "out.%04d.exr"),
        }
        return SwapJob.model_validate(values | changes)

    def plate(self, number: int = 1) -> Frame:
        return read_image(Path(self.frames("plate") % number))


def released(root: Path, performer: str, until: str = "2999-12-31") -> Path:
    """A performer's release to train and to swap."""
    document = {
        "performer": performer,
        "granted_to": "Example Pictures",
        "production": "The Example",
        "valid_from": "2020-01-01",
        "valid_until": until,
        "uses": ["train", "swap"],
        "signed": {"by": performer, "on": "2020-01-01"},
    }
    path = root / f"{performer}-{until}.release.json"
    path.write_text(json.dumps(document))
    return path


def render(root: Path, *, shot_frames: int = FRAMES) -> Shot:
    """Render two performers and a shot, extract, track, train for a moment and export."""
    names = demo_shot.write(root, seed=7, training_frames=10, shot_frames=shot_frames, report=silent)
    for name in (names.destination, names.source):
        plate = str(root / name / f"{name}.%04d.exr")
        extract_job = ExtractJob(
            plate=plate,
            faceset=root / f"{name}.faceset",
            identity=name,
            detector="known",
            crop_size=64,
            release=released(root, name),
        )
        found = extract.run(extract_job, report=silent, settings=SETTINGS)
        assert found["faces"] == 10
    track_job = TrackJob(
        plate=str(root / "plate" / "plate.%04d.exr"), track=root / "plate.track", detector="known"
    )
    assert track.run(track_job, report=silent, settings=SETTINGS)["faces"] == shot_frames
    train_job = TrainJob(
        model=root / "m.model",
        source_faceset=root / f"{names.source}.faceset",
        destination_faceset=root / f"{names.destination}.faceset",
        size=32,
        width=8,
        batch=2,
        iterations=10,
    )
    run.run(train_job, report=silent, settings=SETTINGS)
    exported = onnx.run(ExportJob(model=root / "m.model"), report=silent, settings=SETTINGS)
    return Shot(root, Path(exported["model"]))
