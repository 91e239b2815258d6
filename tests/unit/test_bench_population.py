"""The population bench: its pairs differ as they say, and what is measured of lids and mouths is that."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from understudy.demo.performance import Expression, Performance

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def population() -> Any:
    sys.path.insert(0, str(BENCH))
    try:
        return importlib.import_module("population")
    finally:
        sys.path.remove(str(BENCH))


def test_pairs_have_names_of_their_own_and_span_the_tones_in_both_directions(population: Any) -> None:
    pairs = population.PAIRS
    assert len(pairs) >= 12 and len({pair.name for pair in pairs}) == len(pairs)
    assert len({one.seed for pair in pairs for one in (pair.double, pair.actor)}) == 2 * len(pairs)
    steps = [pair.actor.monk - pair.double.monk for pair in pairs]
    assert max(steps) >= 5 and min(steps) <= -5
    for half in (pairs[::2], pairs[1::2]):
        assert {pair.light is None for pair in half} == {True, False}


def test_tones_darken_and_their_middle_is_the_published_one(population: Any) -> None:
    tones = np.array([population.skin(monk) for monk in range(1, 11)])
    assert (tones > 0).all() and (tones < 1).all()
    luminance = tones @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance[2:]) < 0).all()
    # a07e56 in sRGB
    wanted = np.array([0.3515, 0.2086, 0.0931]) * population.ALBEDO
    np.testing.assert_allclose(tones[5], wanted, atol=2e-4)


def test_a_listener_moves_less_but_blinks_as_much(population: Any) -> None:
    pair = population.PAIRS[0]
    talks, listens = (population.played(replace(pair, intensity=share), 3) for share in (1.0, 0.25))
    frames = range(0, 200, 5)
    for frame in frames:
        loud, soft = talks(frame).expression, listens(frame).expression
        assert soft.smile == pytest.approx(0.25 * loud.smile) and soft.blink_left == loud.blink_left
    assert any(talks(frame).expression.blink_left >= population.CLOSED for frame in range(200))
    assert talks(0).light == Performance.from_seed(3).at(0).light
    lit = population.played(replace(pair, light=population.LEFT), 3)
    assert lit(0).light.azimuth == -75


def test_openings_are_shares_of_the_eye_and_pixels_of_the_lips(population: Any) -> None:
    points = np.zeros((68, 2), np.float32)
    points[36:42] = [[0, 0], [10, -4], [20, -4], [30, 0], [20, 5], [10, 5]]
    points[62], points[66] = (50, 10), (50, 22)
    assert population.lid(points, 36) == pytest.approx(18 / 60)
    assert population.mouth(points) == 12
    assert Expression().blink_left < population.CLOSED


def test_the_summary_names_the_median_and_the_worst(
    population: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"pair": "a", "gain_psnr": 1.0, "twinkle": 0.5}, {"pair": "b", "gain_psnr": 3.0, "twinkle": 0.9}]
    population.summary(rows, "choosing")
    said = capsys.readouterr().out
    assert "gain_psnr  median   2.000  worst   1.000" in said and "worst   0.900" in said
