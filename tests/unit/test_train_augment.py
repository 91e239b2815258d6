"""What is done to faces is done to the encoder's input alone, and drawn the same again."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import two_performers
from small_training import SETTINGS, job, make_sets
from understudy.core.progress import silent
from understudy.train import run, schedule
from understudy.train.checkpoints import model_folder, store
from understudy.train.data import augmentation as augment
from understudy.train.data import samples
from understudy.train.data.augmentation import Augmentation
from understudy.train.data.samples import Batch, LoadedFaces

SIZE = 48
ON_THE_INPUT = ("warp", "jitter", "hue", "other_colour", "grain", "blur", "jpeg", "background")
EVERYTHING = {
    **dict.fromkeys(("hue", "other_colour", "grain", "blur", "jpeg", "background", "uniform_yaw"), 50.0),
    "flip": True,
}


@pytest.fixture(scope="module")
def banks() -> tuple[LoadedFaces, LoadedFaces]:
    anna = two_performers.bank("anna", look=two_performers.texture(1), seed=1, count=40)
    bert = two_performers.bank("bert", look=two_performers.texture(2), seed=2, count=40)
    tint = torch.tensor([0.06, 0.0, -0.04])[:, None, None]
    return replace(anna, faces=anna.faces + tint), replace(bert, faces=bert.faces * 0.8 - tint)


def draw(banks: tuple[LoadedFaces, LoadedFaces], count: int = 32, **strengths: float) -> Batch:
    return samples.draw_batch(
        banks[0],
        count=count,
        size=SIZE,
        generator=torch.Generator().manual_seed(5),
        augmentation=Augmentation(**strengths),
        others=banks[1:],
    )


@pytest.mark.parametrize("name", ON_THE_INPUT)
def test_what_the_decoder_is_to_draw_is_never_touched(
    banks: tuple[LoadedFaces, LoadedFaces], name: str
) -> None:
    plain, changed, again = draw(banks), draw(banks, **{name: 1.0}), draw(banks, **{name: 1.0})
    for part in ("truth", "matte", "weight", "points"):
        assert torch.equal(getattr(changed, part), getattr(plain, part)), part
    assert float((changed.distorted - plain.distorted).abs().mean()) > 1e-4
    assert torch.equal(changed.distorted, again.distorted)
    assert torch.isfinite(changed.distorted).all()


@pytest.mark.parametrize("name", ["hue", "grain", "blur", "jpeg"])
def test_half_of_the_faces_are_spared(banks: tuple[LoadedFaces, LoadedFaces], name: str) -> None:
    difference = (draw(banks, 200, **{name: 1.0}).distorted - draw(banks, 200).distorted).abs()
    spared = (difference.amax(dim=(1, 2, 3)) < 1e-6).float().mean()
    assert 0.4 < float(spared) < 0.6


def test_every_strength_of_a_job_arrives(tmp_path: Path) -> None:
    asked = dict.fromkeys((*ON_THE_INPUT, "uniform_yaw"), 30.0)
    train_job = job(tmp_path / "m.model", (tmp_path, tmp_path), flip=True, **asked)
    given = Augmentation.of(train_job, 0)
    assert {field.name for field in fields(given)} == {*asked, "flip"}
    assert all(getattr(given, name) == pytest.approx(0.3) for name in asked)
    assert given.flip == 0.5


def test_the_warp_is_whole_for_long_and_falls_to_a_floor() -> None:
    shares = [schedule.warp_multiplier(iteration) for iteration in range(0, 40_000, 100)]
    assert shares[:30] == [1.0] * 30
    assert shares == sorted(shares, reverse=True)
    assert schedule.warp_multiplier(2 * schedule.WARP_ITERATIONS) == pytest.approx(math.sqrt(0.5), rel=1e-3)
    assert schedule.warp_multiplier(10**9) == schedule.WARP_FLOOR


def test_a_resumed_run_draws_the_same_with_everything_on(tmp_path: Path) -> None:
    sets = make_sets(tmp_path)
    for name, ends in (("once.model", (6,)), ("twice.model", (3, 6))):
        for end in ends:
            train_job = job(tmp_path / name, sets, iterations=end, **EVERYTHING)
            run.run(train_job, report=silent, settings=SETTINGS)
    once, twice = (
        store.find(model_folder.checkpoints(tmp_path / name))[-1].path / "weights.safetensors"
        for name in ("once.model", "twice.model")
    )
    assert once.read_bytes() == twice.read_bytes()


def test_faces_take_on_the_colours_of_another_identity(banks: tuple[LoadedFaces, LoadedFaces]) -> None:
    batch = draw(banks, other_colour=1.0)
    # Unwarped but placed at random: the statistics are those of the whole face, so they agree but roughly.
    mean, deviation = augment.hull_colours(batch.distorted, batch.matte).unbind(1)
    other = banks[1].colours[banks[1].training]
    own = augment.hull_colours(batch.truth, batch.matte)[:, 0]
    assert float((mean - other[:, 0].mean(0)).abs().max()) < 0.02
    assert float((own - other[:, 0].mean(0)).abs().amax(1).min()) > 0.1
    assert float((deviation / other[:, 1].mean(0)).mean()) == pytest.approx(1.0, abs=0.2)


def test_another_background_leaves_the_face_and_its_rim(banks: tuple[LoadedFaces, LoadedFaces]) -> None:
    batch, plain = draw(banks, background=1.0), draw(banks)
    face = (batch.matte > 0.5).expand_as(batch.truth)
    torch.testing.assert_close(batch.distorted[face], plain.distorted[face], rtol=0, atol=1e-5)
    corner = batch.distorted[:, :, :3, :3].flatten(2)
    assert float((corner.amax(2) - corner.amin(2)).max()) < 1e-6
    assert float(corner.std(dim=0).mean()) > 0.05


def test_blur_takes_detail_and_keeps_the_level(banks: tuple[LoadedFaces, LoadedFaces]) -> None:
    blurred, plain = draw(banks, blur=1.0).distorted, draw(banks).distorted
    assert float(blurred.diff(dim=3).abs().mean()) < 0.97 * float(plain.diff(dim=3).abs().mean())
    assert float((blurred.mean(dim=(2, 3)) - plain.mean(dim=(2, 3))).abs().max()) < 2e-3


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_jpeg_is_what_an_encoder_makes_of_a_grey_picture(quality: int) -> None:
    coarse = np.random.default_rng(0).uniform(60, 200, (12, 12)).astype(np.float32)
    picture = np.round(cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC)).clip(20, 235)
    kind = [cv2.IMWRITE_JPEG_QUALITY, quality]
    written = cv2.imdecode(
        cv2.imencode(".jpg", picture.astype(np.uint8), kind)[1], cv2.IMREAD_GRAYSCALE
    ).astype(np.float32)
    scale = augment._DISPLAY_CONTRAST * 255.0
    encoded = torch.from_numpy((picture - 128) / scale + augment._MID_GREY).expand(1, 3, 48, 48)
    ours = (augment.jpeg(encoded, torch.tensor([float(quality)])) - augment._MID_GREY) * scale + 128
    assert np.abs(written - picture).mean() > 0.3  # it does something
    # An encoder of whole numbers rounds some frequencies the other way.
    assert np.abs(ours[0, 0].numpy() - written).mean() < 0.7
    assert float((ours - ours[:, :1]).abs().max()) < 0.1  # grey stays grey


def test_all_yaws_are_drawn_alike_and_no_face_too_often() -> None:
    """Ten profiles among a thousand frontal faces."""
    random = torch.Generator().manual_seed(0)
    yaws = torch.cat([torch.rand(990, generator=random) * 0.2, 0.8 + torch.rand(10, generator=random) * 0.1])
    fair = samples.yaw_odds(yaws)
    mixed = 0.5 + 0.5 * fair
    assert float(fair.mean()) == pytest.approx(1.0)
    assert float(mixed.max()) <= samples.RAREST
    assert float(mixed[990:].min()) > 3.0
    alike = samples.yaw_odds(torch.linspace(-0.5, 0.5, 320))
    assert float((alike - 1.0).abs().max()) < 0.1
    assert torch.equal(samples.yaw_odds(torch.zeros(9)), torch.ones(9, dtype=torch.float64))


def test_draws_follow_the_yaws(banks: tuple[LoadedFaces, LoadedFaces]) -> None:
    anna = banks[0]
    yaws = torch.zeros(len(anna.poses))
    yaws[:2] = 1.0
    turned = replace(anna, poses=torch.stack([yaws, torch.zeros_like(yaws)], dim=1))

    def share(uniform_yaw: float) -> float:
        generator = torch.Generator().manual_seed(0)
        picked = samples._pick(turned, 4000, generator, uniform_yaw=uniform_yaw)
        assert set(picked.tolist()) <= set(turned.training.tolist())
        return float((picked < 2).float().mean())

    plain = 2 / len(turned.training)
    expected = float((0.5 + 0.5 * turned.yaw_odds[:2]).sum()) / len(turned.training)
    assert share(0.0) == pytest.approx(plain, abs=0.015)
    assert share(1.0) == pytest.approx(expected, abs=0.02)
    assert expected > 3 * plain
