"""The base model: what a new model is given, at any size, and what it keeps of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import load_file

from understudy.core.errors import TrainingError
from understudy.demo import Identity, Performance, render
from understudy.demo.shot import CAMERA, COLOUR_SPACE
from understudy.face import align
from understudy.image import colour
from understudy.train.checkpoints import base_weights
from understudy.train.networks import autoencoder

OWN = ("shapes", "normaliser.")


def network(size: int = 96, width: int = 24, names: tuple[str, ...] = ("anna", "bert")) -> autoencoder.Comb:
    torch.manual_seed(3)
    return autoencoder.Comb(autoencoder.Architecture(size, width, names))


@pytest.fixture(scope="module")
def stranger() -> list[tuple[np.ndarray, np.ndarray]]:
    """Moments of a performer that the base has never seen: encoded pictures and landmarks."""
    found = []
    for frame in range(0, 180, 30):
        moment = replace(Performance.from_seed(99).at(frame), camera=CAMERA)
        drawn = render(Identity.from_seed(77), moment, size=(192, 192))
        encoded = colour.encode(np.ascontiguousarray(drawn.pixels, np.float32), COLOUR_SPACE)
        found.append((encoded, drawn.landmarks))
    return found


def aligned(moments: list[tuple[np.ndarray, np.ndarray]], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 3, S, S) encoded, and landmarks (N, 68, 2) as shares of the edge."""
    pictures, landmarks = [], []
    for encoded, points in moments:
        matrix = align.plate_to_aligned(points, coverage="full", size=size)
        pictures.append(align.warp(encoded, matrix, size, interpolation=cv2.INTER_LINEAR))
        landmarks.append((align.transform(points, matrix) + 0.5) / size)
    faces = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return faces, torch.from_numpy(np.stack(landmarks).astype(np.float32))


def test_a_network_begins_as_the_base_and_keeps_what_is_its_performers(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = autoencoder.Comb(autoencoder.Architecture(96, 24, ("base",)))
    base_weights.save(first, tmp_path / "base.safetensors", iterations=7)
    begun = network()
    begun.shapes.fill_(0.25)
    begun.normaliser.mean.fill_(0.5)
    before = {name: value.clone() for name, value in begun.state_dict().items()}
    assert base_weights.give(begun, tmp_path / "base.safetensors")
    given = first.state_dict()
    for name, value in begun.state_dict().items():
        if name.startswith(OWN):
            assert torch.equal(value, before[name])
        else:
            wanted = given[
                name if not name.startswith("decoders.") else "decoders.0." + name.split(".", 2)[2]
            ]
            assert torch.equal(value, wanted.half().float()), name
    with safetensors.safe_open(str(tmp_path / "base.safetensors"), "pt") as file:
        assert file.metadata()["iterations"] == "7"


def test_the_shipped_base_is_small_finite_and_says_how_it_was_made() -> None:
    assert base_weights.FILE.stat().st_size <= 8_000_000
    with safetensors.safe_open(str(base_weights.FILE), "pt") as file:
        assert {"architecture", "performers", "faces", "iterations"} <= set(file.metadata())
        for name, tensor in load_file(str(base_weights.FILE)).items():
            assert tensor.dtype == torch.float16 and torch.isfinite(tensor).all()
            assert not name.startswith(OWN)


@pytest.mark.parametrize("size", [64, 80, 96, 128])
@torch.no_grad()
def test_the_shipped_base_draws_a_stranger_at_any_size(
    stranger: list[tuple[np.ndarray, np.ndarray]], size: int
) -> None:
    faces, landmarks = aligned(stranger, size)
    inside = (slice(None), slice(None), slice(size // 4, -size // 4), slice(size // 4, -size // 4))
    agreement = []
    for give in (True, False):
        drawn = network(size, names=("anna",)).eval()
        if give:
            assert base_weights.give(drawn)
        # As training does from its first batch on.
        drawn.normaliser.learn(drawn.encoder(autoencoder.normalise(faces)), 0, share=1.0)
        seen, _, _ = drawn(faces, landmarks)
        # Colours are learned by each model anew; what counts is the drawing.
        ours, theirs = (one[inside] - one[inside].mean(dim=(2, 3), keepdim=True) for one in (seen, faces))
        agreement.append(float((ours * theirs).mean() / (ours.std() * theirs.std() + 1e-9)))
    assert agreement[0] > 0.6 and agreement[0] > agreement[1] + 0.3


def test_a_network_of_another_width_is_left_as_it_was() -> None:
    other = network(width=8)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    assert not base_weights.give(other)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


@pytest.mark.parametrize("content", [None, b"", b"not weights", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_missing_or_damaged_base_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "base.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match="missing or damaged"):
        base_weights.give(network(), path)


def test_a_base_of_which_one_bit_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "base.safetensors"
    base_weights.save(network(), path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(TrainingError, match="digest differs"):
        base_weights.give(network(), path)
