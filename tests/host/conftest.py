"""A shot to bake, and bakes of it, for the tests of both hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import blender_shots
import pytest

from rendered import SETTINGS, Shot, render
from understudy.core.progress import silent
from understudy.image.exr import write_image
from understudy.jobs.table import parse_job
from understudy.swap import run as swap_run
from understudy_host import jobs

Bake = Callable[[dict[str, Any]], tuple[Path, Path, Path]]


@pytest.fixture(scope="session")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return render(tmp_path_factory.mktemp("shot"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> blender_shots.Shot:
    """A shorter shot for Blender."""
    made = render(tmp_path_factory.mktemp("shot"), shot_frames=blender_shots.FRAMES)
    return blender_shots.Shot(made.root, str(made.model), made.frames("plate"))


@pytest.fixture(scope="session")
def bake(shot: Shot, tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """Bakes the first frame under some knobs: the face pass, the frame as the engine ends it, the plate."""
    root = tmp_path_factory.mktemp("bakes")
    plate = str(root / "plate.%04d.exr")
    # Half would round what the two are compared to.
    write_image(Path(plate % 1), replace(shot.plate(), storage="float"))

    def made(values: dict[str, Any]) -> tuple[Path, Path, Path]:
        needed = {"track": str(shot.root / "plate.track"), "model": str(shot.model)}
        place = {"plate": plate, "frames": "1"}
        paths = []
        for document in (jobs.face_pass_document, jobs.swap_document):
            folder = root / document.__name__ / jobs.digest(values)
            job = document({**needed, **values}, {}, **place, output=str(folder / "out.%04d.exr"))
            result = swap_run.run(parse_job("swap", job), report=silent, settings=SETTINGS)
            assert not result["failed_frames"]
            paths.append(folder / "out.0001.exr")
        return paths[0], paths[1], Path(plate % 1)

    return made
