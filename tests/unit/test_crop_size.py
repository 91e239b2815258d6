"""The size of a face set's crops, where the job leaves it to the plate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from known_plate import SETTINGS
from understudy.core.errors import JobError
from understudy.core.progress import silent
from understudy.face import align
from understudy.face.detect import known
from understudy.face.faceset.store import FaceSet
from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.jobs.shots import ExtractJob
from understudy.jobs.table import parse_job
from understudy.shots import extract


def crop_size(folder: Path, edges: list[int], **changes: Any) -> int:
    """The crops' size for faces whose crops are that large in the plate."""
    folder.mkdir()
    table = {}
    for number, edge in enumerate(edges, 1):
        pixels = np.full((edge + 60, edge + 60, 3), 0.2, np.float32)
        write_image(folder / f"p.{number:04d}.exr", Frame.from_rgb(pixels, colour_space="ACEScg"))
        table[number] = (align.template("full") * edge + 30).astype(np.float32)
    known.write_table(folder / "landmarks.json", table)
    values = {"plate": str(folder / "p.%04d.exr"), "faceset": folder.parent / "f.faceset", "identity": "ann"}
    job = ExtractJob.model_validate({**values, "detector": "known", **changes})
    extract.run(job, report=silent, settings=SETTINGS)
    with FaceSet.open(job.faceset) as faces:
        assert len(faces) >= len(edges)
        return faces.crop_size


@pytest.mark.parametrize(("edge", "size"), [(90, 256), (400, 416), (1500, 1024)])
def test_it_is_the_faces_own_size_within_bounds(edge: int, size: int, tmp_path: Path) -> None:
    assert crop_size(tmp_path / "a", [edge]) == size


def test_a_set_that_is_there_keeps_its_size(tmp_path: Path) -> None:
    assert crop_size(tmp_path / "a", [400]) == 416
    assert crop_size(tmp_path / "b", [700]) == 416


def test_a_size_that_is_given_is_taken(tmp_path: Path) -> None:
    assert crop_size(tmp_path / "a", [400], crop_size=64) == 64


def test_a_size_too_small_for_a_face_is_refused() -> None:
    with pytest.raises(JobError, match="at least 64"):
        parse_job("extract", {"plate": "p.%04d.exr", "faceset": "f.faceset", "crop_size": 63})
