"""Several plates in one face set: nothing is lost, nothing is doubled, however their paths are spelt."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from known_plate import SETTINGS, SPELLINGS, write_plate
from understudy.core.errors import FaceError
from understudy.core.progress import silent
from understudy.face.faceset.store import FaceSet
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Frame
from understudy.jobs.shots import ExtractJob
from understudy.shots import extract

FRAMES = 6


def run(plate: str, path: Path, **changes: Any) -> None:
    job = ExtractJob(
        plate=plate,
        faceset=path,
        identity="ann",
        detector="known",
        minimum_face_px=4,
        crop_size=64,
        **changes,
    )
    extract.run(job, report=silent, settings=SETTINGS)


def held(path: Path) -> tuple[int, int, str]:
    """Faces, plates, and the digest; every crop must be there, and no other."""
    with FaceSet.open_for_training(path) as faces:
        rows = faces.records()
        assert {row.crop for row in rows} == {entry.name for entry in (path / "crops").iterdir()}
        for row in rows:
            faces.read_crop(row)
        return len(rows), len({row.origin for row in rows}), faces.digest()


@pytest.fixture
def plate(tmp_path: Path) -> str:
    return write_plate(tmp_path / "s1", FRAMES)


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_one_plate_by_two_spellings_counts_once(tmp_path: Path, plate: str, spelt: Any) -> None:
    path = tmp_path / "f.faceset"
    run(plate, path, frames="1-4")
    before = held(path)
    run(spelt(plate, tmp_path), path, frames="1-4")
    assert held(path) == before
    run(plate, path)
    assert held(path)[:2] == (FRAMES, 1)


def test_two_plates_of_the_same_names_are_two(
    tmp_path: Path, plate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.faceset"
    write_plate(tmp_path / "s2", FRAMES, seed=4)
    for _ in range(2):
        for folder in ("s1", "s2"):
            monkeypatch.chdir(tmp_path / folder)
            run("p.%04d.exr", path)
    assert held(path)[:2] == (2 * FRAMES, 2)


def test_the_digest_does_not_know_where_the_plate_lies(tmp_path: Path, plate: str) -> None:
    shutil.copytree(tmp_path / "s1", tmp_path / "elsewhere" / "deep")
    run(plate, tmp_path / "one.faceset")
    run(str(tmp_path / "elsewhere" / "deep" / "p.####.exr"), tmp_path / "two.faceset")
    assert held(tmp_path / "one.faceset") == held(tmp_path / "two.faceset")
    with FaceSet.open(tmp_path / "one.faceset") as faces:
        assert not any("/" in row.origin for row in faces.records())


def test_a_new_grade_in_the_plates_place_replaces_its_faces(tmp_path: Path, plate: str) -> None:
    path = tmp_path / "f.faceset"
    run(plate, path)
    before = held(path)
    for number in range(1, FRAMES + 1):
        rgb = read_image(Path(plate % number)).rgb() * np.float32(0.8)
        write_image(Path(plate % number), Frame.from_rgb(rgb, colour_space="ACEScg"))
    run(plate, path)
    after = held(path)
    assert after[:2] == before[:2] == (FRAMES, 1) and after[2] != before[2]


def test_another_shot_in_the_plates_place_is_another_plate(tmp_path: Path, plate: str) -> None:
    path = tmp_path / "f.faceset"
    run(plate, path)
    for _ in range(2):
        write_plate(tmp_path / "s1", FRAMES, seed=4)
        run(plate, path)
        assert held(path)[:2] == (2 * FRAMES, 2)


def of_an_earlier_release(path: Path, origin: str) -> None:
    """As a set is of a release that named the plate as it was typed."""
    with closing(sqlite3.connect(path / "faces.sqlite")) as connection, connection:
        connection.execute("DELETE FROM about WHERE key LIKE 'plate %'")
        connection.execute("UPDATE faces SET origin = ?", (origin,))


def test_a_set_of_an_earlier_release_is_extended_by_the_same_plate_and_by_another(
    tmp_path: Path, plate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.faceset"
    run(plate, path, frames="1-3")
    of_an_earlier_release(path, "p.%04d.exr")
    before = held(path)
    run(plate, path, frames="1-3")
    assert held(path) == before  # with the name that it had
    run(plate, path)
    assert held(path)[:2] == (FRAMES, 1)
    of_an_earlier_release(path, "p.%04d.exr")
    write_plate(tmp_path / "s2", FRAMES, seed=4)
    monkeypatch.chdir(tmp_path / "s2")
    run("p.%04d.exr", path)
    assert held(path)[:2] == (2 * FRAMES, 2)


def test_an_exchanged_crop_is_noticed(tmp_path: Path, plate: str) -> None:
    path = tmp_path / "f.faceset"
    run(plate, path)
    with FaceSet.open_for_training(path) as faces:
        first, second = faces.records()[:2]
        os.replace(path / "crops" / second.crop, path / "crops" / first.crop)
        with pytest.raises(FaceError, match=f"{first.crop} is not the one that was extracted"):
            faces.read_crop(first)
