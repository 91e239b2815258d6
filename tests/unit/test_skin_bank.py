"""The skin bank: what is written is read, damaged and foreign files are refused; which faces it holds."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.core.errors import FaceError
from understudy.face import align
from understudy.face.faceset import crops
from understudy.face.faceset.records import FaceRecord
from understudy.face.skin import bank, making
from understudy.face.skin.bank import BankFace, SkinBank
from understudy.face.skin.canonical import PREVIEW_SIZE

SIZE = 64
ABOUT = {"identity": "ann", "coverage": "full", "crop_size": SIZE, "release_digest": "", "detector": "known"}


def one(seed: int) -> tuple[BankFace, np.ndarray]:
    random = np.random.default_rng(seed)
    crop = random.random((SIZE, SIZE, 3), np.float32)
    landmarks = align.template("full").astype(np.float32)
    small = random.random((PREVIEW_SIZE, PREVIEW_SIZE, 3), np.float32)
    return BankFace(landmarks, small, crops.encode(crop, SIZE)), crop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "a.skin"
    assert bank.write(found, (one(seed)[0] for seed in range(3)), **ABOUT) == 3
    return found


def spoil(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as file:
        file.execute(statement, values)
    file.close()


def test_a_bank_is_read_as_it_was_written(path: Path) -> None:
    read = SkinBank.open(path)
    assert (len(read), read.identity, read.coverage, read.crop_size) == (3, "ann", "full", SIZE)
    for index in range(3):
        face, crop = one(index)
        np.testing.assert_array_equal(read.landmarks[index], face.landmarks)
        np.testing.assert_allclose(read.previews[index], face.preview, atol=5e-4)
        np.testing.assert_allclose(read.read_crop(index), crop, atol=1e-5)


def test_another_content_has_another_digest(path: Path, tmp_path: Path) -> None:
    bank.write(tmp_path / "same.skin", (one(seed)[0] for seed in range(3)), **ABOUT)
    bank.write(tmp_path / "other.skin", (one(seed)[0] for seed in (0, 1, 3)), **ABOUT)
    digests = [SkinBank.open(tmp_path / name).digest for name in ("a.skin", "same.skin", "other.skin")]
    assert digests[0] == digests[1] != digests[2]


SPOILED = {
    "no face": ("DELETE FROM faces",),
    "a gap": ("DELETE FROM faces WHERE number = 1",),
    "short landmarks": ("UPDATE faces SET landmarks = ? WHERE number = 1", b"\0" * 100),
    "landmarks that are not finite": (
        "UPDATE faces SET landmarks = ? WHERE number = 1",
        np.full((68, 2), np.nan, "<f4").tobytes(),
    ),
    "landmarks far away": (
        "UPDATE faces SET landmarks = ? WHERE number = 1",
        np.full((68, 2), 1e30, "<f4").tobytes(),
    ),
    "a preview as text": ("UPDATE faces SET preview = 'x' WHERE number = 1",),
    "another identity": ("UPDATE about SET value = 'zoe' WHERE key = 'identity'",),
    "another crop's digest": ("UPDATE faces SET crop_sha256 = '00' WHERE number = 1",),
    "moved landmarks": (
        "UPDATE faces SET landmarks = ? WHERE number = 1",
        np.full((68, 2), 0.5, "<f4").tobytes(),
    ),
    "no identity": ("DELETE FROM about WHERE key = 'identity'",),
    "an unknown coverage": ("UPDATE about SET value = 'toes' WHERE key = 'coverage'",),
    "a huge size": ("UPDATE about SET value = '100000000' WHERE key = 'crop_size'",),
    "a newer version": ("PRAGMA user_version = 9",),
    "another program's": ("PRAGMA application_id = 7",),
    "a trigger": ("CREATE TRIGGER t AFTER INSERT ON about BEGIN SELECT 1; END",),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_spoiled_bank_is_refused(kind: str, path: Path) -> None:
    spoil(path, *SPOILED[kind])
    with pytest.raises(FaceError, match="skin bank") as caught:
        SkinBank.open(path)
    assert caught.value.fix and str(path) in str(caught.value.where)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, one(5)[0].png, "text"])
def test_a_crop_that_is_not_the_one_that_was_written_is_refused(data: bytes | str, path: Path) -> None:
    spoil(path, "UPDATE faces SET crop = ? WHERE number = 1", data)
    read = SkinBank.open(path)
    read.read_crop(0)
    with pytest.raises(FaceError, match="damaged"):
        read.read_crop(1)


def test_a_crop_of_another_size_with_its_own_digest_is_refused(tmp_path: Path) -> None:
    png = cv2.imencode(".png", np.zeros((9, 9, 3), np.uint16))[1].tobytes()
    bank.write(tmp_path / "a.skin", [replace(one(0)[0], png=png)], **ABOUT)
    with pytest.raises(FaceError, match="damaged"):
        SkinBank.open(tmp_path / "a.skin").read_crop(0)


@given(cut=st.integers(0, 60000), junk=st.binary(min_size=1, max_size=40))
def test_a_bank_with_any_bytes_overwritten_is_read_or_refused(
    cut: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("junk") / "a.skin"
    bank.write(path, [one(0)[0]], **ABOUT)
    whole = bytearray(path.read_bytes())
    whole[cut : cut + len(junk)] = junk
    path.write_bytes(whole)
    try:
        SkinBank.open(path).read_crop(0)
    except FaceError as error:
        assert error.fix


def record(frame: int, *, open_px: float, sharpness: float) -> FaceRecord:
    points = (align.template("full") * SIZE - 0.5).astype(np.float32)
    points[[55, 56, 57, 58, 59, 65, 66, 67]] += [0, open_px]
    return FaceRecord(frame, "plate", points, np.eye(2, 3), 1.0, sharpness)


def test_the_most_varied_of_the_sharp_faces_are_chosen() -> None:
    random = np.random.default_rng(1)
    still = [record(n, open_px=random.normal(0, 0.1), sharpness=1.0) for n in range(50)]
    opened = [record(n, open_px=6 + n - 50, sharpness=1.0) for n in range(50, 53)]
    blurred = [record(n, open_px=20.0, sharpness=0.1) for n in range(53, 60)]
    frames = [one.frame for one in making.chosen([*still, *opened, *blurred], SIZE, 6)]
    assert frames == sorted(set(frames)) and len(frames) == 6
    assert set(frames) >= {50, 52}, "mouths that open"
    assert max(frames) < 53, "blurred faces"


def test_of_few_faces_all_but_the_blurriest_are_chosen() -> None:
    few = [record(n, open_px=0.0, sharpness=float(n)) for n in range(8)]
    assert [one.frame for one in making.chosen(few, SIZE, 600)] == [2, 3, 4, 5, 6, 7]
    assert making.chosen([], SIZE, 600) == []
