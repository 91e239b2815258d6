"""A swap with a skin bank: export writes it, chunks make the same bits, a bank that does not fit is told."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rendered import SETTINGS, Shot
from understudy.core.errors import FaceError, JobError
from understudy.core.progress import Event, Warned, silent
from understudy.face.faceset.store import FaceSet
from understudy.face.skin import making
from understudy.face.skin.bank import SkinBank, bank_path
from understudy.face.track.store import Track
from understudy.image.exr import read_image
from understudy.jobs.training import ExportJob
from understudy.swap import run as swap_run
from understudy.swap.cache import RenderCache
from understudy.train.export import onnx


def swapped(shot: Shot, folder: Path, model: Path, **changes: Any) -> tuple[list[np.ndarray], list[str]]:
    """The frames that a swap writes, and its warnings."""
    told: list[Event] = []
    job = shot.job(folder, model=model, **changes)
    result = swap_run.run(job, report=told.append, settings=SETTINGS)
    assert result["failed_frames"] == [], result
    paths = sorted(folder.glob("*.exr"))
    return [read_image(path).pixels for path in paths], [e.message for e in told if isinstance(e, Warned)]


@pytest.fixture
def model(shot: Shot, tmp_path: Path) -> Path:
    """A copy of the model and its bank, to be spoiled."""
    for path in (shot.model, shot.model.with_suffix(".card.json"), bank_path(shot.model)):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / shot.model.name


def test_export_writes_the_bank_of_the_source_beside_the_model(shot: Shot) -> None:
    bank = SkinBank.open(bank_path(shot.model))
    assert bank.identity == "actor" and bank.crop_size == 64 and len(bank) == 8
    assert bank.read_crop(0).shape == (64, 64, 3)


def test_export_takes_no_other_performers_faces(shot: Shot, tmp_path: Path) -> None:
    job = ExportJob(
        model=shot.root / "m.model", skin=shot.root / "double.faceset", output=tmp_path / "a.onnx"
    )
    with pytest.raises(JobError, match="'double'"):
        onnx.run(job, report=silent, settings=SETTINGS)
    none = job.model_copy(update={"skin": None, "skin_faces": 0})
    assert onnx.run(none, report=silent, settings=SETTINGS)["skin_faces"] == 0
    assert not bank_path(tmp_path / "a.onnx").exists()


def test_detail_is_added_and_its_strength_is_linear(shot: Shot, model: Path, tmp_path: Path) -> None:
    shown = {
        skin: swapped(shot, tmp_path / str(skin), model, skin=skin, frames="2", colour_method="none")[0][0]
        for skin in (0, 50, 100)
    }
    bank_path(model).unlink()
    without, _ = swapped(shot, tmp_path / "without", model, frames="2", colour_method="none")
    np.testing.assert_array_equal(shown[0], without[0])
    apart = [np.abs(shown[skin] - shown[0]).max() for skin in (50, 100)]
    assert apart[1] > 1e-3 and 0.35 < apart[0] / apart[1] < 0.65


def test_chunks_of_a_shot_are_the_whole_shots_bits(shot: Shot, model: Path, tmp_path: Path) -> None:
    whole, _ = swapped(shot, tmp_path / "whole", model)
    for number in (1, 2, 3):
        chunk, _ = swapped(shot, tmp_path / f"chunk{number}", model, frames=str(number))
        np.testing.assert_array_equal(chunk[0], whole[number - 1])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"identity": "zoe"}, "is of 'zoe'"),
        ({"coverage": "head"}, "covers head"),
        ({"release_digest": "x"}, "release"),
    ],
)
def test_a_bank_that_does_not_belong_to_the_model_is_told_and_left_out(
    changed: dict[str, str], told: str, shot: Shot, model: Path, tmp_path: Path
) -> None:
    with FaceSet.open(shot.root / "actor.faceset") as faces:
        for name, value in changed.items():
            setattr(faces, name, value)
        making.write(faces, bank_path(model), most=5)
    frames, warnings = swapped(shot, tmp_path / "other", model, frames="2")
    assert any(told in warning and "not used" in warning for warning in warnings), warnings
    without, _ = swapped(shot, tmp_path / "without", model, frames="2", skin=0)
    np.testing.assert_array_equal(frames[0], without[0])


def test_a_damaged_bank_is_an_error_before_the_first_frame(shot: Shot, model: Path, tmp_path: Path) -> None:
    bank_path(model).write_bytes(bank_path(model).read_bytes()[:5000])
    with pytest.raises(FaceError, match="skin bank"):
        swapped(shot, tmp_path / "out", model)
    frames, _ = swapped(shot, tmp_path / "off", model, skin=0)
    assert len(frames) == 3


def test_a_face_that_is_damaged_fails_its_frames_and_says_so(shot: Shot, model: Path, tmp_path: Path) -> None:
    with sqlite3.connect(bank_path(model)) as file:
        file.execute("UPDATE faces SET crop = x'00'")
    file.close()
    result = swap_run.run(shot.job(tmp_path / "out", model=model), report=silent, settings=SETTINGS)
    assert sorted(result["failed_frames"]) == [1, 2, 3] and not list((tmp_path / "out").glob("*.exr"))


def test_a_neighbour_that_moved_is_seen_by_a_warm_worker_and_by_the_digest(
    shot: Shot, model: Path, tmp_path: Path
) -> None:
    found, cache = Track.open(shot.root / "plate.track"), RenderCache()
    faces = [
        replace(face, landmarks=face.landmarks + np.float32(3 * (face.frame == 1)))
        for face in found.face().faces.values()
    ]
    moved = tmp_path / "moved.track"
    Track.create(
        moved, plate=found.plate, faces={"face": faces}, detector=found.detector, raster=found.raster
    )

    def written(folder: Path, kept: RenderCache | None, **changes: Any) -> tuple[int, bytes]:
        job = shot.job(folder, model=model, frames="2", colour_method="none", **changes)
        result = swap_run.run(job, report=silent, settings=SETTINGS, kept=kept)
        return result["written"], read_image(folder / "out.0002.exr").pixels.tobytes()

    before = written(tmp_path / "warm", cache)
    assert written(tmp_path / "warm", cache)[0] == 0
    again = written(tmp_path / "warm", cache, track=moved)
    assert again[0] == 1, "the digest"
    assert again == written(tmp_path / "cold", None, track=moved)
    alone = written(tmp_path / "alone", None, track=moved, skin=0.0)
    assert alone[1] == written(tmp_path / "none", None, skin=0.0)[1] and before[1] != alone[1]
    bank_path(model).unlink()
    written(tmp_path / "bankless", None)
    assert written(tmp_path / "bankless", None, track=moved)[0] == 0, "without a bank it reads no neighbour"


def test_a_neighbours_keyframe_makes_a_frame_again(shot: Shot, model: Path, tmp_path: Path) -> None:
    def written(last: float) -> int:
        keys = {"smile": {"2": 0.0, "3": last}}
        job = shot.job(tmp_path / "out", model=model, frames="2", keyframes=keys)
        return int(swap_run.run(job, report=silent, settings=SETTINGS)["written"])

    assert [written(0.0), written(0.0), written(40.0), written(40.0)] == [1, 0, 1, 0]
