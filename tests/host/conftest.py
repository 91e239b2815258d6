"""A shot to bake, and bakes of it, for the tests of both hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import blender_shots
import numpy as np
import pytest

from rendered import SETTINGS, Shot, render
from understudy.core.progress import silent
from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.jobs.table import parse_job
from understudy.swap import run as swap_run
from understudy_host import jobs

Bake = Callable[..., tuple[Path, Path, Path]]


@pytest.fixture(scope="session")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return render(tmp_path_factory.mktemp("shot"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> blender_shots.Shot:
    """A shorter shot for Blender."""
    made = render(tmp_path_factory.mktemp("shot"), shot_frames=blender_shots.FRAMES)
    return blender_shots.Shot(
        made.root, str(made.model), made.frames("plate"), str(made.root / "plate.track")
    )


@pytest.fixture(scope="session")
def bake(shot: Shot, tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """Bakes the first frame under some knobs: the face pass, the frame as the engine ends it, the plate."""
    root = tmp_path_factory.mktemp("bakes")
    plates = {False: str(root / "plate.%04d.exr"), True: str(root / "premultiplied.%04d.exr")}
    # Half would round what the two are compared to.
    plate = replace(shot.plate(), storage="float")
    write_image(Path(plates[False] % 1), plate)
    write_image(Path(plates[True] % 1), premultiplied(plate))

    def made(values: dict[str, Any], *, alpha: bool = False) -> tuple[Path, Path, Path]:
        needed = {"track": str(shot.root / "plate.track"), "model": str(shot.model)}
        place = {"plate": plates[alpha], "frames": "1"}
        paths = []
        for document in (jobs.face_pass_document, jobs.swap_document):
            folder = root / document.__name__ / f"{jobs.digest(values)}-{alpha}"
            job = document({**needed, **values}, {}, **place, output=str(folder / "out.%04d.exr"))
            result = swap_run.run(parse_job("swap", job), report=silent, settings=SETTINGS)
            assert not result["failed_frames"]
            paths.append(folder / "out.0001.exr")
        return paths[0], paths[1], Path(plates[alpha] % 1)

    return made


def premultiplied(plate: Frame) -> Frame:
    """A plate with an alpha of a half on its left half, its colours multiplied by it."""
    height, width = plate.pixels.shape[:2]
    alpha = np.ones((height, width, 1), np.float32)
    alpha[:, : width // 2] = 0.5
    pixels = np.concatenate([plate.pixels[..., :3] * alpha, alpha], axis=-1)
    return replace(plate, pixels=pixels.astype(np.float32), channels=("R", "G", "B", "A"), premultiplied=True)
