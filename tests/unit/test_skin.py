"""Detail from a skin bank: what agrees with the prediction is taken, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.face import align
from understudy.face.skin import canonical
from understudy.face.skin.bank import SkinBank
from understudy.image import colour, grey
from understudy.image.frame import FloatImage
from understudy.swap.frame_data import Prediction, SkinLayer
from understudy.swap.skin import choose
from understudy.swap.skin.fit import BankCrop
from understudy.swap.stages import skin
from understudy.swap.stages.skin import SkinParameters

SMALL, LARGE = 64, 256
LANDMARKS = align.template("full").astype(np.float32)
RIGHT_EYE, MOUTH = (LANDMARKS[list(one)].mean(axis=0) for one in (range(36, 42), range(48, 68)))


def face(seed: int, *, iris: float = 0.0, mouth: float = 0.03, pores: float = 0.01) -> FloatImage:
    """(LARGE, LARGE, 3) a face of shapes and pores; `iris` shifts the gaze, `mouth` is how far it opens."""
    y, x = np.mgrid[:LARGE, :LARGE].astype(np.float32) / LARGE
    picture = np.repeat((0.4 + 0.05 * np.sin(5 * x + 3 * y))[..., None], 3, axis=2).astype(np.float32)
    picture *= np.array([1.05, 1.0, 0.9], np.float32)
    for eye in (range(36, 42), range(42, 48)):
        centre = LANDMARKS[list(eye)].mean(axis=0)
        ellipse(picture, centre, (0.06, 0.03), 0.55)
        ellipse(picture, centre + np.array([iris, 0]), (0.022, 0.022), 0.15)
    ellipse(picture, MOUTH, (0.12, 0.02 + mouth), 0.25)
    noise = np.random.default_rng(seed).normal(0, pores, (LARGE, LARGE, 1)).astype(np.float32)
    return np.asarray(picture + cv2.GaussianBlur(noise, (0, 0), 0.8)[..., None] * 2, np.float32)


def ellipse(picture: FloatImage, centre: np.ndarray, axes: tuple[float, float], value: float) -> None:
    whole = [int(16 * LARGE * part) for part in (*centre, *axes)]
    cv2.ellipse(picture, whole[:2], whole[2:], 0, 0, 360, (value,) * 3, -1, cv2.LINE_AA, 4)


def predicted(whole: FloatImage) -> Prediction:
    """What a small network predicts of a face: the same, blurred."""
    small = cv2.resize(cv2.GaussianBlur(whole, (0, 0), 2), (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    nothing = np.zeros((SMALL, SMALL), np.float32)
    at = LANDMARKS * SMALL - 0.5
    return Prediction(small, nothing, nothing, small, small, at, at, at, np.eye(2, 3))


def bank_of(faces: Sequence[FloatImage]) -> SkinBank:
    previews = np.stack([canonical.preview(one, LANDMARKS, coverage="full") for one in faces])
    points = np.repeat(LANDMARKS[None], len(faces), axis=0)
    return SkinBank(Path("none"), "ann", "full", LARGE, "", "known", "", points, previews)


def layer_of(prediction: Prediction, faces: Sequence[FloatImage], **values: float) -> SkinLayer:
    bank, parameters = bank_of(faces), SkinParameters.model_validate(values)
    candidates = choose.chosen(skin.scores(prediction, choose.KnownFaces.of(bank.previews, "full")))
    crops = [BankCrop.of(faces[one.index], LANDMARKS, "full") for one in candidates]
    return skin.layer(parameters, prediction, candidates, crops, "full", LARGE, identity_mix=100)


def fine(picture: FloatImage) -> FloatImage:
    """The finest octaves of the face's middle."""
    inside = slice(LARGE // 5, LARGE * 4 // 5)
    return np.asarray((picture - cv2.GaussianBlur(picture, (0, 0), 2))[inside, inside].mean(axis=2))


def upright(prediction: Prediction, layer: SkinLayer) -> FloatImage:
    larger = cv2.resize(prediction.face, (LARGE, LARGE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger + layer.rgb, np.float32)


def test_a_face_that_the_bank_holds_gets_its_own_detail_back() -> None:
    whole = face(1)
    prediction = predicted(whole)
    made = fine(upright(prediction, layer_of(prediction, [face(2, iris=0.03), whole, face(3, mouth=0.08)])))
    truth = fine(whole)
    assert np.corrcoef(made.ravel(), truth.ravel())[0, 1] > 0.7
    assert 0.6 < made.std() / truth.std() < 1.05, "as much contrast, and no more"


def test_a_gaze_that_the_bank_does_not_hold_is_not_replaced_by_another() -> None:
    prediction = predicted(face(1, iris=0.035))
    layer = layer_of(prediction, [face(2, iris=-0.035), face(3, iris=-0.03)])
    x, y = (int(part * LARGE) for part in RIGHT_EYE)
    eye = (slice(y - 8, y + 8), slice(x - 15, x + 15))
    held = layer_of(predicted(face(1, iris=-0.035)), [face(2, iris=-0.035), face(3, iris=-0.03)])
    assert layer.confidence[eye].mean() < 0.35 < 0.8 < held.confidence[eye].mean()
    assert np.abs(layer.rgb[eye]).mean() < 0.4 * np.abs(held.rgb[eye]).mean()


def test_the_face_that_looks_where_the_prediction_looks_is_chosen_for_the_eye() -> None:
    looks = [face(seed, iris=shift) for seed, shift in enumerate((-0.03, -0.015, 0.0, 0.015, 0.03))]
    known = choose.KnownFaces.of(bank_of(looks).previews, "full")
    for index, shift in enumerate((-0.03, -0.015, 0.0, 0.015, 0.03)):
        found = skin.scores(predicted(face(9, iris=shift)), known)
        assert found[:, choose.RIGHT_EYE].argmin() == index


def test_a_bank_of_somebody_with_nothing_in_common_adds_next_to_nothing() -> None:
    prediction = predicted(face(1))
    own = layer_of(prediction, [face(1)])
    noise = np.random.default_rng(4).random((LARGE, LARGE, 3)).astype(np.float32)
    other = layer_of(prediction, [cv2.GaussianBlur(noise, (0, 0), 6) * 4 - 1.5])
    middle = slice(LARGE // 4, LARGE * 3 // 4)
    assert np.abs(other.rgb[middle, middle]).mean() < 0.2 * np.abs(own.rgb[middle, middle]).mean()


@pytest.mark.parametrize("region", ["eyes", "mouth"])
def test_a_region_that_is_turned_off_gets_nothing_and_the_others_stay(region: str) -> None:
    whole = face(1)
    prediction = predicted(whole)
    full, less = layer_of(prediction, [whole]), layer_of(prediction, [whole], **{f"skin_{region}": 0.0})
    points = {"eyes": RIGHT_EYE, "mouth": MOUTH}
    for name, point in points.items():
        x, y = (int(part * LARGE) for part in point)
        part = (slice(y - 5, y + 5), slice(x - 8, x + 8))
        if name == region:
            assert np.abs(less.rgb[part]).mean() < 0.05 * np.abs(full.rgb[part]).mean()
        else:
            np.testing.assert_allclose(less.rgb[part], full.rgb[part], atol=1e-6)


def test_a_grey_plate_gets_detail_without_colour() -> None:
    whole = face(1)
    prediction = predicted(whole)
    faded = grey.towards_grey(prediction.face, colour.ENCODED, 1.0)
    plain = replace(prediction, face=faded, grey_share=1.0)
    assert np.ptp(layer_of(prediction, [whole]).rgb, axis=2).max() > 1e-3
    assert np.ptp(layer_of(plain, [whole]).rgb, axis=2).max() < 2e-3


def test_a_moved_face_gets_its_detail_where_it_lies() -> None:
    whole = face(1)
    shift = np.float32([[1, 0, 5], [0, 1, -4]])
    prediction = predicted(cv2.warpAffine(whole, shift, (LARGE, LARGE), borderMode=cv2.BORDER_REPLICATE))
    truth = fine(cv2.warpAffine(whole, shift, (LARGE, LARGE), borderMode=cv2.BORDER_REPLICATE))
    # The landmarks say that it has not moved: the flow has to find it.
    made = fine(upright(prediction, layer_of(prediction, [whole])))
    assert np.corrcoef(made.ravel(), truth.ravel())[0, 1] > 0.5


@settings(max_examples=50)
@given(values=st.lists(st.lists(st.floats(0, 4, width=32), min_size=4, max_size=4), min_size=1, max_size=12))
def test_the_best_face_of_each_region_is_chosen_and_the_first_that_is_not_would_have_no_weight(
    values: list[list[float]],
) -> None:
    scores = np.array(values, np.float32)
    chosen = {one.index: one.priority for one in choose.chosen(scores)}
    assert 1 <= len(chosen) <= choose.PER_REGION * len(choose.REGIONS)
    for region in range(len(choose.REGIONS)):
        order = np.argsort(scores[:, region], kind="stable")
        beyond = scores[order[choose.PER_REGION], region] if len(scores) > choose.PER_REGION else np.inf
        for index, priority in chosen.items():
            assert 0 <= priority[region] <= 1
            if scores[index, region] > beyond:
                assert priority[region] == 0
    assert all(max(p[region] for p in chosen.values()) == pytest.approx(1) for region in range(4))


def test_canonical_position_and_back_is_where_a_point_was() -> None:
    random = np.random.default_rng(3)
    landmarks = LANDMARKS + random.normal(0, 0.01, LANDMARKS.shape)
    there = canonical.to_canonical(landmarks, coverage="full")
    back = canonical.sampled(
        canonical.widened(canonical.from_canonical(landmarks, coverage="full"), 256), there
    )
    centres = (np.arange(canonical.GRID) + 0.5) / canonical.GRID
    grid = np.stack(np.meshgrid(centres, centres), axis=2)
    middle = slice(canonical.GRID // 4, canonical.GRID * 3 // 4)
    assert np.abs(back - grid)[middle, middle].max() < 0.01
