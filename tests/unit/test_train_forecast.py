"""Forecasts hold for curves that fall like training does, and nothing is said where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from understudy.train.validation.forecast import Forecast, forecast

FLOORS, FALLS, POWERS = st.floats(0.0, 0.1), st.floats(0.05, 0.5), st.floats(0.3, 1.2)
SEEDS = st.integers(0, 2**16)
CURVES = 60


def steps(count: int, every: int = 500) -> NDArray[np.int64]:
    return np.arange(1, count + 1) * every


def power_law(at: NDArray[np.int64], floor: float, fall: float, power: float) -> NDArray[np.float64]:
    return floor + fall * (at / 500) ** -power


@settings(max_examples=40)
@given(FLOORS, FALLS, POWERS, st.integers(10, 120), st.floats(0.1, 1.0))
def test_a_power_law_is_continued(floor: float, fall: float, power: float, count: int, ahead: float) -> None:
    at = steps(count)
    horizon = ahead * at[-1]
    found = forecast(at, power_law(at, floor, fall, power), horizon=horizon)
    assert found is not None
    now, then = (float(power_law(where, floor, fall, power)) for where in (at[-1], at[-1] + horizon))
    assert found.now == pytest.approx(now, rel=0.03)
    assert found.gain == pytest.approx(now - then, abs=0.03 * now)
    assert found.low <= found.gain <= found.high


@settings(max_examples=40)
@given(FLOORS, FALLS, POWERS, SEEDS)
def test_the_scale_of_the_error_and_the_unit_of_time_change_nothing(
    floor: float, fall: float, power: float, seed: int
) -> None:
    at = steps(30)
    errors = noisy(power_law(at, floor, fall, power), 0.005, seed)
    found, scaled = (forecast(at, errors, horizon=3000), forecast(at * 7, errors * 10, horizon=21_000))
    assert (found is None) == (scaled is None)
    if found is not None and scaled is not None:
        assert scaled.gain == pytest.approx(10 * found.gain, rel=1e-3, abs=1e-4 * found.now)
        assert scaled.high == pytest.approx(10 * found.high, rel=1e-2, abs=1e-3 * found.now)


def noisy(errors: NDArray[np.float64], share: float, seed: int) -> NDArray[np.float64]:
    return errors * (1.0 + share * np.random.default_rng(seed).normal(size=len(errors)))


def coverage(errors_of: str, noise: float) -> tuple[float, int]:
    """How many of the intervals hold, of so many random curves."""
    random, held, said = np.random.default_rng(5), 0, 0
    for seed in range(CURVES):
        floor, fall, power = random.uniform(0.0, 0.05), random.uniform(0.05, 0.3), random.uniform(0.3, 1.2)
        at = steps(int(random.integers(12, 60)))
        later = int(at[-1] * random.uniform(1.1, 2.0))

        def truth(
            where: NDArray[np.int64] | int, floor: float = floor, fall: float = fall, power: float = power
        ) -> NDArray[np.float64]:
            share = np.asarray(where) / 500
            return floor + fall * (share**-power if errors_of == "power" else np.exp(-share * power / 10))

        found = forecast(at, noisy(truth(at), noise, seed), horizon=later - at[-1])
        if found is not None:
            said += 1
            held += found.low <= float(truth(at[-1]) - truth(later)) <= found.high
    return held / max(said, 1), said


@pytest.mark.parametrize("noise", [0.003, 0.02])
def test_nine_of_ten_intervals_hold_on_power_laws_with_noise(noise: float) -> None:
    held, said = coverage("power", noise)
    assert held >= 0.9 and said > 0.75 * CURVES


def test_curves_of_another_law_are_passed_over_or_most_intervals_hold() -> None:
    held, said = coverage("exponential", 0.005)
    assert said < CURVES / 2 and held >= 0.75


@pytest.mark.parametrize("noise", [0.002, 0.01])
def test_a_curve_that_has_levelled_off_promises_next_to_nothing(noise: float) -> None:
    at = steps(60)
    found = [forecast(at, noisy(np.full(60, 0.05), noise, seed), horizon=2000) for seed in range(CURVES)]
    said = [one for one in found if one is not None]
    assert np.mean([one.gain < noise * one.now for one in said]) > 0.9
    assert np.mean([one.low < 0.0 < one.high < 10 * noise * one.now for one in said]) > 0.9


def test_a_curve_that_still_falls_is_no_plateau() -> None:
    at = steps(20)
    falling = [noisy(power_law(at, 0.0, 0.2, 0.5), 0.005, seed) for seed in range(CURVES)]
    found = [forecast(at, errors, horizon=10_000) for errors in falling]
    assert np.mean([one is not None and one.gain > 0.15 * one.now for one in found]) > 0.9


@settings(max_examples=25)
@given(st.integers(12, 38))
def test_one_wild_validation_changes_little(where: int) -> None:
    at = steps(40)
    errors = noisy(power_law(at, 0.02, 0.2, 0.7), 0.003, seed=1)
    wild = errors.copy()
    wild[where] *= 1.5
    calm, shaken = (forecast(at, values, horizon=5000) for values in (errors, wild))
    assert calm is not None and shaken is not None
    assert shaken.gain == pytest.approx(calm.gain, abs=0.02 * calm.now)


NOTHING = {
    "too few validations": (steps(7), power_law(steps(7), 0.0, 0.2, 0.5), 500.0),
    "none at all": (steps(0), np.zeros(0), 500.0),
    "farther ahead than trained": (steps(20), power_law(steps(20), 0.0, 0.2, 0.5), 10_001.0),
    "a curve that rises": (steps(20), 0.05 + 0.0005 * np.maximum(0.0, np.arange(20.0) - 12.0) ** 2, 2000.0),
    "nothing but noise": (steps(12), np.random.default_rng(0).uniform(0.01, 0.2, 12), 5000.0),
    "not finite numbers": (steps(20), np.full(20, np.nan), 2000.0),
}


@pytest.mark.parametrize("why", NOTHING)
def test_nothing_is_said_of(why: str) -> None:
    at, errors, horizon = NOTHING[why]
    assert forecast(at, errors, horizon=horizon) is None


def test_a_perfect_score_is_no_error() -> None:
    found = forecast(steps(20), np.zeros(20), horizon=1000.0)
    assert found is None or found == Forecast(0.0, 0.0, found.low, found.high)
