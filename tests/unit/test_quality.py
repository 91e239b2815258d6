"""The scorer: its formulas where the answer is known, its figures beside another scorer's, its refusals."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.core.errors import PlateError
from understudy.core.progress import Event, Warned, silent
from understudy.core.settings import Settings
from understudy.image.exr import write_image
from understudy.image.frame import Box, FloatImage, Frame
from understudy.image.plate import open_plate
from understudy.jobs.shots import ScoreJob
from understudy.quality import measures, registration, score, sheet
from understudy.quality.figures import FIGURES, score_rows

SHARED = Path(__file__).parents[3] / "shared"
SCRIPT, FOOTAGE, MODELS = (
    SHARED / "bench" / "score_swap.py",
    SHARED / "footage" / "performers",
    SHARED / "models",
)
NO_MODELS = Settings(models=Path("nowhere"), device="cpu", threads=1)
SRGB = "sRGB - Texture"


def noise(seed: int, size: int = 160) -> FloatImage:
    """A smooth picture with some fine grain."""
    random = np.random.default_rng(seed)
    coarse = cv2.GaussianBlur(random.random((size, size, 3), np.float32), (0, 0), 6)
    picture = 0.5 + 4 * (coarse - 0.5) + 0.02 * random.standard_normal((size, size, 3))
    return picture.clip(0, 1).astype(np.float32)


def with_face(plate: FloatImage, face: FloatImage) -> FloatImage:
    out = plate.copy()
    out[40:120, 40:120] = face[40:120, 40:120]
    return out


PLATE, FACE = noise(1), (noise(2) * 0.6 + 0.4).astype(np.float32)
TRUTH = with_face(PLATE, FACE)


def figures(*swapped: FloatImage) -> dict[str, float]:
    """The score of a scene that moves a pixel a frame, with the swaps that are given for its first frame."""
    scorer = score.Scorer()
    for number, one in enumerate(swapped):
        plate, truth, result = (np.roll(picture, number, axis=1) for picture in (PLATE, TRUTH, one))
        scorer.add(number, plate, truth, result)
    return scorer.figures()


def test_the_truth_scores_as_the_truth() -> None:
    told = figures(TRUTH, TRUTH)
    assert (told["look_psnr"], told["face_psnr"], told["outside_psnr"]) == (200.0, 200.0, 200.0)
    assert (told["progress"], told["look_ssim"]) == (pytest.approx(1.0, abs=0.05), pytest.approx(1.0))
    assert (told["vif"], told["detail"]) == (pytest.approx(1.0, rel=1e-4), 1.0)
    assert (told["flicker"], told["drift_px"], told["frames"]) == (0.0, 0.0, 2)
    assert told["twinkle"] == 1.0


def test_the_plate_scores_as_nothing_done() -> None:
    told = figures(PLATE)
    assert told["progress"] == 0.0
    for name in ("look_psnr", "look_ssim", "face_psnr"):
        assert told[name] == told[f"nothing_{name}"]


def test_blur_lowers_detail_and_vif_and_noise_raises_twinkle() -> None:
    blurred = with_face(PLATE, cv2.GaussianBlur(TRUTH, (0, 0), 2))
    random = np.random.default_rng(3)
    noisy = [with_face(PLATE, TRUTH + random.normal(0, 0.05, TRUTH.shape).astype(np.float32)) for _ in "12"]
    soft, boiling = figures(blurred, blurred), figures(*noisy)
    assert soft["detail"] < 0.5 and soft["vif"] < 0.7 and soft["twinkle"] < 0.5
    assert boiling["twinkle"] > 1.5 and boiling["flicker"] > 5 and boiling["detail"] > 1.2


def test_a_face_that_sits_two_pixels_off_is_drift_and_hardly_an_error() -> None:
    smooth = with_face(PLATE, cv2.GaussianBlur(FACE, (0, 0), 4))
    scorer = score.Scorer()
    scorer.add(1, PLATE, smooth, np.roll(smooth, 2, axis=1))
    told = scorer.figures()
    assert 0.5 < told["drift_px"] <= registration.LIMIT_PX
    assert told["look_psnr"] > told["face_psnr"] + 3


def test_flicker_is_measured_between_neighbouring_frames_alone() -> None:
    scorer = score.Scorer()
    for number in (1, 3):
        scorer.add(number, PLATE, TRUTH, TRUTH)
    assert "flicker" not in scorer.figures() and "twinkle" not in scorer.figures()


def test_the_region_is_one_filled_area() -> None:
    ring = TRUTH.copy()
    ring[70:90, 70:90] = PLATE[70:90, 70:90]
    ring[0:6, 0:6] = 1 - PLATE[0:6, 0:6]
    region = registration.changed_region(PLATE, ring)
    assert region[80, 80] and region[45, 45] and not region[:8, :8].any()
    assert not registration.changed_region(PLATE, PLATE).any()


def test_psnr_and_ssim_are_their_formulas() -> None:
    assert measures.psnr(0.03, 3) == pytest.approx(20.0)
    assert measures.psnr(0.0, 3) == math.inf
    flat = np.full((20, 20, 3), 0.5, np.float32)
    brighter = np.full((20, 20, 3), 0.7, np.float32)
    expected = (2 * 0.5 * 0.7 + 1e-4) / (0.5**2 + 0.7**2 + 1e-4)
    assert measures.ssim(flat, brighter) == pytest.approx(expected, rel=1e-3)


def test_what_cannot_be_scored_is_refused(tmp_path: Path) -> None:
    scorer = score.Scorer()
    with pytest.raises(PlateError, match="Sizes differ"):
        scorer.add(1, PLATE, TRUTH, TRUTH[:80])
    scorer.add(1, PLATE, PLATE, PLATE)
    with pytest.raises(PlateError, match="truth and plate are alike"):
        scorer.figures()
    pixels = PLATE.copy()
    pixels[0, 0] = np.nan
    with pytest.raises(PlateError, match="not finite"):
        score.display_values(Frame.from_rgb(pixels, colour_space=SRGB), "frame 1")


def test_a_cropped_data_window_is_seen_in_its_display_window() -> None:
    cropped = Frame(
        PLATE[10:90, 20:60].copy(), ("R", "G", "B"), Box(20, 10, 60, 90), Box(0, 0, 160, 160), SRGB
    )
    seen = score.display_values(cropped, "frame 1")
    assert seen.shape == PLATE.shape
    assert np.array_equal(seen[10:90, 20:60], PLATE[10:90, 20:60]) and not seen[:10].any()


def test_linear_frames_are_compared_as_a_display_shows_them() -> None:
    linear = Frame.from_rgb(np.full((4, 4, 3), 0.18, np.float32), colour_space="Linear Rec.709 (sRGB)")
    assert score.display_values(linear, "frame 1") == pytest.approx(0.461, abs=2e-3)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames as 16 bit pictures, which every scorer reads alike; the swap is soft, shifted and noisy."""
    folder = tmp_path_factory.mktemp("pair")
    random = np.random.default_rng(0)
    with (
        closing(open_plate(str(FOOTAGE / "testA.mp4"))) as plate,
        closing(open_plate(str(FOOTAGE / "testAB.mp4"))) as truth,
    ):
        for number in range(1, 7):
            seen = {"plate": plate.read(number).rgb(), "truth": truth.read(number).rgb()}
            soft = cv2.GaussianBlur(np.roll(seen["truth"], 2, axis=1), (0, 0), 1.5)
            mixed = 0.8 * soft + 0.2 * seen["plate"] + random.normal(0, 0.01, soft.shape)
            inside = cv2.GaussianBlur(
                registration.changed_region(*seen.values()).astype(np.float32), (0, 0), 3
            )
            swapped = seen["plate"] + inside[..., None] * (mixed - seen["plate"])
            seen["swap"] = swapped + random.normal(0, 0.002, soft.shape)
            for name, rgb in seen.items():
                frame = Frame.from_rgb(rgb.clip(0, 1).astype(np.float32), colour_space=SRGB, storage="uint16")
                write_image(folder / f"{name}.{number:04d}.png", frame)
    return folder


@pytest.mark.skipif(not (SCRIPT.is_file() and FOOTAGE.is_dir()), reason="the footage is not at ../shared")
def test_the_figures_are_those_of_the_other_scorer_on_a_real_pair(pair: Path) -> None:
    names = {option: str(pair / f"{name}.%04d.png") for option, name in PAIR.items()}
    command = [sys.executable, str(SCRIPT), "--json", "--first", "1", "--models", str(MODELS)]
    for option, pattern in names.items():
        command += [f"--{option}", pattern]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = json.loads(answer.stdout)
    job = ScoreJob(plate=names["plate"], truth=names["truth"], swapped=names["result"])
    settings = Settings(models=MODELS, device="cpu", threads=1)
    told = score.run(job, report=silent, settings=settings)["score"]
    assert set(told) == set(expected)
    assert told["frames"] == 6
    for name, value in expected.items():
        assert told[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name


PAIR = {"plate": "plate", "truth": "truth", "result": "swap"}


def test_the_verb_scores_a_sequence_and_writes_its_sheet(tmp_path: Path) -> None:
    for name, rgb in {"plate": PLATE, "truth": TRUTH, "swap": TRUTH}.items():
        for number in (1, 2):
            write_image(tmp_path / f"{name}.{number:04d}.exr", Frame.from_rgb(rgb, colour_space=SRGB))
    events: list[Event] = []
    job = ScoreJob(
        plate=str(tmp_path / "plate.%04d.exr"),
        truth=str(tmp_path / "truth.%04d.exr"),
        swapped=str(tmp_path / "swap.%04d.exr"),
        sheet=tmp_path / "sheet.png",
    )
    result = score.run(job, report=events.append, settings=NO_MODELS)
    told = result["score"]
    assert (told["frames"], told["face_psnr"]) == (2, 200.0)
    assert cv2.imread(result["contact_sheet"]).shape == (3 * 256, 2 * 256, 3)
    assert "identity" not in told
    assert next(event for event in events if isinstance(event, Warned)).message.endswith(
        "identity is left out."
    )


def test_a_sheet_shows_frames_that_are_there() -> None:
    assert sheet.spread_frames(range(1, 81)) == [1, 17, 33, 48, 64, 80]
    assert sheet.spread_frames([7]) == [7]
    assert sheet.spread_frames([3, 5]) == [3, 5]


def test_a_score_is_told_in_words_with_the_digits_that_count() -> None:
    rows = score_rows({"look_psnr": 26.310100040013094, "nothing_look_psnr": 24.04, "look_ssim": 0.86804})
    assert rows[1][:3] == ["look PSNR", "26.3 dB", "24.0 dB"]
    assert rows[2][:3] == ["look SSIM", "0.868", ""]
    told = set(figures(TRUTH, TRUTH)) - {"frames"}
    named = {figure.name for figure in FIGURES} | {figure.plate for figure in FIGURES}
    assert told <= named
