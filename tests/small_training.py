"""The smallest training there is: random faces, a tiny network, seconds on a CPU."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from understudy.core.progress import Reporter
from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.faceset.store import FaceRecord, FaceSet
from understudy.jobs.training import TrainJob
from understudy.train.data import facesets
from understudy.train.tasks import model_start
from understudy.train.tasks.model_state import ModelState

SIZE = 32
SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
SCRIPT = """
import sys
from small_training import SETTINGS
from understudy.jobs.training import TrainJob
from understudy.core.progress import silent
from understudy.train import run
run.run(TrainJob.model_validate_json(sys.argv[1]), report=silent, settings=SETTINGS)
"""


def make_faceset(
    path: Path, identity: str, *, seed: int, count: int = 12, detector: str = "yunet", step: int = 1
) -> FaceSet:
    """Smooth random pictures with the template's landmarks: enough to learn something from."""
    random = np.random.default_rng(seed)
    edge = 64
    matrix = align.plate_to_aligned(align.TEMPLATE * 200, coverage="full", size=edge)
    landmarks = align.transform(align.TEMPLATE * 200, matrix).astype(np.float32)
    with FaceSet.create(
        path, identity=identity, coverage="full", crop_size=edge, detector=detector
    ) as faceset:
        for frame in range(0, count * step, step):
            coarse = random.uniform(0.2, 0.5, (6, 6, 3)).astype(np.float32)
            record = FaceRecord(
                frame=frame,
                origin="random",
                landmarks_aligned=landmarks + random.normal(0, 0.5, (68, 2)).astype(np.float32),
                plate_to_aligned=matrix,
                confidence=1.0,
                sharpness=1.0,
            )
            faceset.add(record, cv2.resize(coarse, (edge, edge), interpolation=cv2.INTER_CUBIC))
    return FaceSet.open(path)


def make_sets(root: Path) -> tuple[Path, Path]:
    """Face sets of anna, who acts in the plate, and bert, whose face goes in."""
    for seed, name in enumerate(("anna", "bert")):
        make_faceset(root / f"{name}.faceset", name, seed=seed).close()
    return root / "anna.faceset", root / "bert.faceset"


def job(model: Path, sets: tuple[Path, Path], **changes: object) -> TrainJob:
    """A job of six iterations, on `sets` of the destination and the source."""
    values = {
        "model": model,
        "destination_faceset": sets[0],
        "source_faceset": sets[1],
        "size": SIZE,
        "width": 8,
        "batch": 4,
        "iterations": 6,
        "preview_iterations": 1000,
    }
    return TrainJob.model_validate(values | changes)


def resume(train_job: TrainJob, report: Reporter) -> ModelState:
    """What a run of the job would begin with."""
    with facesets.open_facesets(train_job) as sets:
        return model_start.prepare(train_job, sets, report=report, settings=SETTINGS)
