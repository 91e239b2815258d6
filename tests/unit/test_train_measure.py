"""What a validation measures moves with what it names, and is left out where it cannot be measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import two_performers as performers
from small_training import SETTINGS, job, make_faceset, make_sets
from understudy.core.progress import silent
from understudy.face import align
from understudy.face.faceset.store import FaceSet
from understudy.train import run
from understudy.train.data import augmentation, samples
from understudy.train.data.samples import LoadedFaces
from understudy.train.validation import flicker, measurement, openness
from understudy.train.validation.history import read
from understudy.train.validation.measurement import References

LOOKS = [performers.texture(seed) for seed in (1, 2)]
ACTING = {"seed": 11}  # the destination's performance, which a true swap repeats


@pytest.fixture(scope="module")
def banks() -> list[LoadedFaces]:
    return [
        performers.bank("anna", look=LOOKS[0], **ACTING),
        performers.bank("bert", look=LOOKS[1], seed=12),
    ]


@pytest.fixture(scope="module")
def references(banks: list[LoadedFaces]) -> References:
    return measurement.fit_references(performers.study(banks, banks[0].faces))


@pytest.fixture(scope="module")
def plate(banks: list[LoadedFaces]) -> torch.Tensor:
    return banks[0].faces[banks[0].held_out]


@pytest.fixture(scope="module")
def true_swap(banks: list[LoadedFaces]) -> torch.Tensor:
    return performers.bank("anna", look=LOOKS[1], **ACTING).faces[banks[0].held_out]


def figures(banks: list[LoadedFaces], references: References, swaps: torch.Tensor) -> dict[str, float]:
    return measurement.measure(performers.study(banks, swaps), references)


def test_a_true_swap_shows_the_acting_and_is_the_source(
    banks: list[LoadedFaces], references: References, true_swap: torch.Tensor
) -> None:
    found = figures(banks, references, true_swap)
    for part in openness.PARTS:
        assert found[f"expression/{part}"] < 2.0 * found[f"expression/{part}_readable"] + 0.5
    assert found["identity/leak"] < 0.1
    assert found["identity/to_source"] < 1.5 < found["identity/to_destination"]
    assert found["flicker/stops"] < 0.01
    assert found["held_out/ssim/anna"] == pytest.approx(1.0, abs=1e-4)
    assert found["held_out/error"] == pytest.approx(0.0, abs=1e-4)


def test_the_nearer_a_swap_is_to_the_plates_own_face_the_larger_is_the_leak(
    banks: list[LoadedFaces], references: References, plate: torch.Tensor, true_swap: torch.Tensor
) -> None:
    rows = [
        figures(banks, references, torch.lerp(true_swap, plate, share)) for share in (0.0, 0.3, 0.5, 0.7, 1.0)
    ]
    leaks = [row["identity/leak"] for row in rows]
    assert leaks == sorted(leaks) and leaks[0] < 0.1 and leaks[2] == pytest.approx(0.5, abs=0.2)
    assert leaks[-1] > 0.9
    to_source = [row["identity/to_source"] for row in rows]
    to_destination = [row["identity/to_destination"] for row in rows]
    assert to_source == sorted(to_source) and to_destination == sorted(to_destination, reverse=True)


@pytest.mark.parametrize(
    ("scale", "across", "down"), [(1.0, 0.0, 0.0), (1.06, 0.01, -0.03), (0.95, 0.0, 0.04)]
)
def test_a_face_that_lies_elsewhere_is_cut_out_as_it_would_be_placed(
    scale: float, across: float, down: float
) -> None:
    size = 64
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    still = torch.stack([torch.sin(5 * rows), torch.cos(4 * columns), rows * columns])[None] * 0.2 + 0.4
    points = torch.from_numpy(align.TEMPLATE).float()[None]
    affine = torch.tensor([[[scale, 0.0, 2 * across], [0.0, scale, 2 * down]]])
    grid = torch.nn.functional.affine_grid(affine, [1, 3, size, size], align_corners=False)
    elsewhere = torch.nn.functional.grid_sample(still, grid, align_corners=False, padding_mode="border")
    back = measurement.placed(elsewhere, augmentation.moved(points, affine), "full")
    inside = (..., slice(8, -8), slice(8, -8))
    assert float((back - still)[inside].abs().max()) < 0.004
    if scale != 1.0:
        assert float((elsewhere - still)[inside].abs().max()) > 0.02


def test_light_and_colour_are_no_identity(
    banks: list[LoadedFaces], references: References, true_swap: torch.Tensor
) -> None:
    graded = true_swap * 0.8 + torch.tensor([0.1, 0.05, 0.0]).view(3, 1, 1)
    found = figures(banks, references, graded)
    assert found["identity/leak"] < 0.15
    assert found["expression/mouth"] < 2.0


def test_a_mouth_that_stays_shut_is_expression_drift(
    banks: list[LoadedFaces], references: References
) -> None:
    mute = performers.bank("anna", look=LOOKS[1], talks=False, **ACTING).faces[banks[0].held_out]
    found = figures(banks, references, mute)
    distance = references.distance
    asked = openness.openness(banks[0].landmarks[banks[0].held_out], distance)[:, 1]
    assert found["expression/mouth"] == pytest.approx(float(asked.mean()), rel=0.25)
    assert found["expression/eyes"] < 1.0


def test_mouths_that_never_move_are_not_read() -> None:
    silent_banks = [
        performers.bank(name, look=look, seed=seed, talks=False)
        for name, look, seed in zip(performers.NAMES, LOOKS, (11, 12), strict=True)
    ]
    made = measurement.fit_references(performers.study(silent_banks, silent_banks[0].faces))
    eyes, mouth = made.readers
    assert mouth is None and eyes is not None


def test_openness_that_the_pixels_do_not_show_is_not_read() -> None:
    random = np.random.default_rng(0)
    seen, unseen = random.normal(size=(80, 50)), random.normal(size=(20, 50))
    truth, unseen_truth = random.normal(10.0, 3.0, 80), random.normal(10.0, 3.0, 20)
    assert openness.fit_reader(seen, truth, unseen=unseen, unseen_truth=unseen_truth) is None


def test_two_performers_who_look_alike_are_not_told_apart() -> None:
    alike = [performers.bank(name, look=LOOKS[0], seed=seed) for name, seed in (("anna", 1), ("bert", 2))]
    made = measurement.fit_references(performers.study(alike, alike[0].faces))
    assert made.likeness is None
    found = figures(alike, made, alike[0].faces[alike[0].held_out])
    assert not any(name.startswith("identity/") for name in found)


@settings(max_examples=10)
@given(st.floats(0.05, 0.5))
def test_flicker_is_the_jump_that_the_plate_does_not_make(stops: float) -> None:
    """Every second swap is brighter: each step of it is a jump of so many stops."""
    still = torch.from_numpy(performers.draw(performers.landmarks(0.05, 0.03), LOOKS[0], 0.1))
    plate = still.permute(2, 0, 1)[None].float().expand(6, -1, -1, -1)
    brighter = torch.tensor([0.0, 1.0] * 3).view(6, 1, 1, 1) * stops * flicker.STOP
    matte, frames = torch.ones(5, 1, performers.EDGE, performers.EDGE), (plate[:-1], plate[1:])
    flow = flicker.plate_flow(*frames)
    swapped = plate + brighter
    found = flicker.flicker((swapped[:-1], swapped[1:]), frames, flow=flow, matte=matte)
    assert found == pytest.approx(stops, rel=0.05)
    flashing = (plate + brighter, swapped)  # the plate's own light jumps as much
    assert flicker.flicker(
        (swapped[:-1], swapped[1:]), (flashing[0][:-1], flashing[0][1:]), flow=flow, matte=matte
    ) == pytest.approx(0.0, abs=1e-5)


def test_another_face_that_holds_still_does_not_flicker(
    banks: list[LoadedFaces], references: References, true_swap: torch.Tensor
) -> None:
    noisy = true_swap + torch.randn(true_swap.shape, generator=torch.Generator().manual_seed(0)) * 0.02
    steady, shaking = (figures(banks, references, swaps)["flicker/stops"] for swaps in (true_swap, noisy))
    assert shaking > 4 * steady


def test_faces_of_other_frames_make_no_clip(banks: list[LoadedFaces]) -> None:
    cut = [replace(banks[0], consecutive=torch.zeros_like(banks[0].consecutive)), banks[1]]
    made = measurement.fit_references(performers.study(cut, cut[0].faces))
    assert made.flow is None
    found = figures(cut, made, cut[0].faces[cut[0].held_out])
    assert "flicker/stops" not in found and "identity/leak" in found


def test_a_face_follows_another_of_the_frame_before_it_in_the_same_plate(tmp_path: Path) -> None:
    with make_faceset(tmp_path / "anna.faceset", "anna", seed=1) as faceset:
        first, *_ = faceset.records()
        crop = faceset.read_crop(first)
        for frame in (20, 22, 23):
            faceset.add(replace(first, frame=frame, crop=""), crop)
        faceset.add(replace(first, origin="second", frame=24, crop=""), crop)
    bank = samples.load_faces(FaceSet.open(tmp_path / "anna.faceset"), size=32)
    assert bank.consecutive.tolist() == [False, *[True] * 11, False, False, True, False]


def test_a_set_of_every_third_frame_has_clips_too(tmp_path: Path) -> None:
    with make_faceset(tmp_path / "anna.faceset", "anna", seed=1, step=3) as faceset:
        assert [record.frame for record in faceset.records()][:3] == [0, 3, 6]
    bank = samples.load_faces(FaceSet.open(tmp_path / "anna.faceset"), size=32)
    assert bank.consecutive.tolist() == [False, *[True] * 11]


def test_many_faces_are_measured_by_whole_clips(banks: list[LoadedFaces]) -> None:
    many = replace(banks[0], held_out=torch.arange(6 * 40))
    chosen = measurement._clips(many, 64)
    assert len(chosen) == measurement.MOST_FACES
    assert all(clip.tolist() == list(range(clip[0], clip[0] + 6)) for clip in chosen.split(6))
    assert len(measurement._clips(many, 1024)) == 12


def test_a_run_on_few_faces_measures_what_it_can_and_records_it(tmp_path: Path) -> None:
    """Twelve random pictures a performer allow nothing but reconstruction, and a flicker of nonsense."""
    sets = make_sets(tmp_path)
    result = run.run(
        job(tmp_path / "m.model", sets, iterations=4, preview_iterations=2), report=silent, settings=SETTINGS
    )
    curves = read(tmp_path / "m.model")
    assert not any(name.startswith(("expression/", "identity/")) for name in curves)
    assert {
        "held_out/ssim/anna",
        "held_out/ssim/bert",
        "training/error",
        "held_out/absolute",
    } <= curves.keys()
    error = curves["held_out/error"]
    assert error.iterations.tolist() == [2, 4]
    assert 0 < error.seconds[0] < error.seconds[1]
    assert result["held_out/error"] == pytest.approx(error.values[-1])
