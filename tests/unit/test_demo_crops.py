"""Crops for region mattes: repeatable, apart for training and test, and read as they were written."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from understudy.core.errors import TrainingError
from understudy.demo.crops import dataset
from understudy.demo.crops.crop import SIZE, SPLITS, Crop, crops
from understudy.demo.props.arrange import TEST_GESTURES
from understudy.face import regions
from understudy.train.regions.crops import Crops


@lru_cache(maxsize=4)
def made(split: str = "training", performer: int = 900) -> list[Crop]:
    return list(crops(split, performer, frames=1, variants=3))


def test_a_crop_has_the_promised_shape_and_range() -> None:
    for crop in made():
        assert crop.codes.shape == (SIZE, SIZE, 3) and crop.codes.min() >= 0.0 and crop.codes.max() <= 1.0
        assert crop.mattes.shape == (SIZE, SIZE, len(regions.REGIONS))
        assert np.allclose(crop.mattes.sum(-1), 1.0, atol=1e-4) and crop.mattes.min() >= 0.0
        assert 0.05 < crop.mattes[..., regions.BACKGROUND].mean() < 0.95


def test_crops_of_one_face_differ_and_the_same_performer_gives_the_same_bits() -> None:
    first, second = made(), list(crops("training", 900, frames=1, variants=3))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.codes, b.codes) and np.array_equal(a.mattes, b.mattes)
    assert not np.array_equal(first[0].mattes, first[1].mattes)


def test_training_and_test_share_no_seed_and_no_hand() -> None:
    training, test = SPLITS["training"], SPLITS["test"]
    assert abs(training.identity - test.identity) >= 100_000
    assert abs(training.performance - test.performance) >= 100_000
    assert set(test.gestures) == set(TEST_GESTURES) and not set(training.gestures) & set(test.gestures)


def test_packed_coverage_keeps_edges_between_two_regions() -> None:
    mattes = np.zeros((1, 256, len(regions.REGIONS)), np.float32)
    mattes[0, :, regions.SKIN] = np.linspace(0, 1, 256)
    mattes[0, :, regions.FRONT] = 1.0 - np.linspace(0, 1, 256)
    back = regions.unpack(regions.pack(mattes))
    assert np.abs(back - mattes).max() < 0.003
    real = made()[0].mattes
    assert np.abs(regions.unpack(regions.pack(real)) - real).mean() < 0.002


def test_packing_keeps_what_is_known_apart_from_the_regions() -> None:
    crop = made()[0]
    known = np.random.default_rng(1).random((SIZE, SIZE)) < 0.5
    packed = regions.pack(crop.mattes, known)
    assert np.array_equal(regions.known_of(packed), known)
    assert np.array_equal(regions.unpack(packed), regions.unpack(regions.pack(crop.mattes)))


def test_only_props_far_from_the_head_are_not_known() -> None:
    some = 0
    for crop in [crop for performer in (900, 901, 902) for crop in made(performer=performer)]:
        mask, mattes = ~crop.known, crop.mattes
        some += int(mask.sum())
        over = mattes[..., regions.FRONT] + mattes[..., regions.HAIR] + mattes[..., regions.BACKGROUND]
        assert over[mask].min(initial=1.0) > 0.5
        assert crop.known[mattes[..., regions.SKIN] > 0.5].all()
    assert some > 500


def test_a_file_is_written_once_and_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "FRAMES_EACH", 1)
    monkeypatch.setitem(dataset.VARIANTS, "training", 3)
    assert dataset.write(tmp_path, "training", 900) == 3
    path = dataset.path_of(tmp_path, "training", 900)
    written = path.read_bytes()
    assert dataset.write(tmp_path, "training", 900) == 0 and path.read_bytes() == written
    read = Crops([path])
    batch = read.batch([2, 0], mirrored=[False, True])
    assert len(read) == 3
    for k, (number, flip) in enumerate(((2, False), (0, True))):
        crop = made()[number]
        codes, mattes = (p[:, ::-1] if flip else p for p in (crop.codes, crop.mattes))
        assert np.abs(batch.faces[k].permute(1, 2, 0).numpy() - codes).max() <= 0.5 / 255 + 1e-6
        known = crop.known[:, ::-1] if flip else crop.known
        assert np.array_equal(batch.known[k].numpy() > 0.5, known)
        expected = regions.unpack(regions.pack(mattes))
        assert np.allclose(batch.mattes[k].permute(1, 2, 0).numpy(), expected, atol=1e-6)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.0000.npy"
    np.save(path, np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(TrainingError, match="holds no crops"):
        Crops([path])
    path.write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="cannot be read"):
        Crops([path])
