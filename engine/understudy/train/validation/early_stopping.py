"""Early stopping: whether to go on, roll back, stop or warn after the validations so far.

Everything here is a function of the history alone, so that a resumed run decides what the run before it would
have. Losses are not used: they show that training goes on, not that the face is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from understudy.train.validation.forecast import Forecast, forecast
from understudy.train.validation.history import Curve

ERROR, TRAINING_ERROR, LEAK = "held_out/error", "training/error", "identity/leak"
# What must have levelled off before a run ends. The error must be forecast; the others where they can be.
LEVELS = (ERROR, "expression/mouth", "expression/eyes", "identity/to_source")
_HOUR_SECONDS = 3600.0
# A plateau: the gain in an hour is below the job's threshold, and twice as much is unlikely.
_SURELY = 2.0
_SPEED_VALIDATIONS = 5

# Half way to the destination is neither performer. A true swap of two rendered performers lay at 0.12,
# models' swaps at 0.03 to 0.20. A new model's decoders are all alike and lie anywhere (seen: 0.88 and
# 0.23); after 100 iterations these two lay below 0.35.
LEAK_BAD = 0.5
LEAK_GOOD = 0.35
_LEAK_SETTLED_ITERATIONS = 500
_LEAK_VALIDATIONS = 3
_LEAK_DUE_ITERATIONS = 3000

# On real footage unseen faces got worse from iteration 4,000 on, by 3.5 percent at 7,000, while those trained
# on got better; validations before scattered by less than 1 percent.
OVERFIT_SHARE = 0.01
_OVERFIT_VALIDATIONS = 5
_OVERFIT_LATEST = 3
_OVERFIT_SCATTERS = 3.0


@dataclass(frozen=True)
class Assessment:
    """What follows from a validation.

    Attributes:
        divergence: Why training should be rolled back, as the beginning of a sentence; "" for no reason.
        warning: What a user should know and do, "" for nothing new.
        stop_reason: Why more training brings nothing; "" where it does, or where that cannot be told.
        hour: What another hour would bring to the error on unseen faces; None where that cannot be told.
        suspicious: Whether the last validation measured what may turn out to be divergence.
    """

    divergence: str = ""
    warning: str = ""
    stop_reason: str = ""
    hour: Forecast | None = None
    suspicious: bool = False


def assess(curves: Mapping[str, Curve], *, plateau_percent: float) -> Assessment:
    """Assess a run by its validations.

    Args:
        curves: As `History.curves` gives them, none beyond the iteration that is assessed.
        plateau_percent: A gain in an hour below this share of what is left to gain is a plateau.
    """
    best = overfitted_since(curves)
    hours = {} if best is not None else _hours(curves)
    hour = hours.get(ERROR)
    if _leaks_again(curves, _LEAK_VALIDATIONS):
        return Assessment(
            divergence="The source's decoder has begun to predict the destination", suspicious=True
        )
    warning = stop_reason = ""
    if _never_parted(curves) and not _never_parted(_before(curves)):
        warning = (
            "Swapped faces are still nearer to the destination than to the source. See that each face set "
            "holds one performer; if it does, more jitter, or a model begun without the base, parts them."
        )
    if best is not None:
        stop_reason = f"Unseen faces have been predicted worse since iteration {best}"
        if overfitted_since(_before(curves)) is None:
            warning = (
                f"{stop_reason}, while those trained on are predicted better: the model overfits. More "
                "training brings nothing; more faces, more warp and jitter do. Export takes the best "
                "checkpoint."
            )
    elif hour is not None and all(_level(found, plateau_percent) for found in hours.values()):
        stop_reason = (
            f"Another hour would bring {100 * hour.gain / hour.now:.1f} percent less error on unseen faces, "
            f"which is below {plateau_percent:g}"
        )
    return Assessment(warning=warning, stop_reason=stop_reason, hour=hour, suspicious=_leaks_again(curves, 1))


def iterations_an_hour(curve: Curve) -> float:
    """The speed of the latest validations, 0 where it cannot be told."""
    pairs = list(pairwise(zip(curve.iterations, curve.seconds, strict=True)))[-_SPEED_VALIDATIONS:]
    speeds = [(now[0] - before[0]) / (now[1] - before[1]) for before, now in pairs if now[1] > before[1]]
    return float(np.median(speeds)) * _HOUR_SECONDS if speeds else 0.0


def overfitted_since(curves: Mapping[str, Curve]) -> int | None:
    """The iteration of the best validation, once unseen faces get worse while those trained on get better."""
    if ERROR not in curves or TRAINING_ERROR not in curves:
        return None
    unseen, trained = curves[ERROR].values, curves[TRAINING_ERROR].values
    if len(unseen) != len(trained) or len(unseen) <= _OVERFIT_VALIDATIONS:
        return None
    # A single lucky validation does not count as the best: the median of three neighbours does.
    calm = np.median([unseen[:-2], unseen[1:-1], unseen[2:]], axis=0)
    best = int(np.argmin(calm)) + 1
    late = len(unseen) - 1 - best >= _OVERFIT_VALIDATIONS
    # The scatter is taken from second differences, which are 0 on a curve that rises evenly.
    bends = np.abs(np.diff(unseen[best - 1 :], 2))
    scatter = float(np.median(bends)) / (0.6745 * np.sqrt(6.0))
    least = max(OVERFIT_SHARE * calm.min(), _OVERFIT_SCATTERS * scatter)
    worse = unseen[-_OVERFIT_LATEST:].min() > calm.min() + least
    learns = trained[-_OVERFIT_LATEST:].max() < trained[best]
    return int(curves[ERROR].iterations[best]) if late and worse and learns else None


def summary(figures: Mapping[str, float], assessment: Assessment) -> str:
    """The validation as one line for people."""
    similar = {name.rpartition("/")[2]: value for name, value in figures.items() if "held_out/ssim/" in name}
    parts = ["unseen faces: SSIM " + ", ".join(f"{name} {value:.3f}" for name, value in similar.items())]
    for part in ("mouth", "eyes"):
        if f"expression/{part}" in figures:
            off, least = figures[f"expression/{part}"], figures[f"expression/{part}_readable"]
            parts.append(f"{part} {off:.1f}% off (readable to {least:.1f}%)")
    if LEAK in figures:
        parts.append(f"{100 * figures[LEAK]:.0f}% of the way from source to destination")
    if "flicker/stops" in figures:
        parts.append(f"flicker {figures['flicker/stops']:.3f} stops")
    if assessment.hour is not None:
        parts.append(hour_words(assessment.hour))
    return "; ".join(parts)


def hour_words(hour: Forecast) -> str:
    """What another hour would bring, in percent of the error that is left."""
    gain, low, high = (100 * value / hour.now for value in (hour.gain, hour.low, hour.high))
    return f"another hour: {gain:.1f}% less error ({low:.0f} to {high:.0f}%)"


def _hours(curves: Mapping[str, Curve]) -> dict[str, Forecast]:
    """What another hour would bring to each of the levels for which that can be said."""
    if ERROR not in curves:
        return {}
    horizon = iterations_an_hour(curves[ERROR])
    found = {}
    for name in LEVELS:
        if name in curves and horizon > 0:
            ahead = forecast(curves[name].iterations, curves[name].values, horizon=horizon)
            if ahead is not None:
                found[name] = ahead
    return found


def _level(hour: Forecast, percent: float) -> bool:
    least = hour.now * percent / 100
    return hour.gain < least and hour.high < _SURELY * least


def _before(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """The curves without the last validation."""
    last = max((int(curve.iterations[-1]) for curve in curves.values()), default=0)
    shorter = {name: curve.until(int((curve.iterations < last).sum())) for name, curve in curves.items()}
    return {name: curve for name, curve in shorter.items() if len(curve.iterations)}


def _leaks_again(curves: Mapping[str, Curve], validations: int) -> bool:
    """Whether swaps that were the source's have become the destination's, so many validations in a row."""
    if LEAK not in curves:
        return False
    leaks = curves[LEAK].values[curves[LEAK].iterations >= _LEAK_SETTLED_ITERATIONS]
    before, latest = leaks[:-validations], leaks[-validations:]
    return bool(len(before)) and bool(before.min() < LEAK_GOOD) and bool(latest.min() > LEAK_BAD)


def _never_parted(curves: Mapping[str, Curve]) -> bool:
    """Whether swaps are the destination's, have always been, and should not be any more."""
    if LEAK not in curves or len(curves[LEAK].values) < _LEAK_VALIDATIONS:
        return False
    due = int(curves[LEAK].iterations[-1]) >= _LEAK_DUE_ITERATIONS
    return due and bool(curves[LEAK].values.min() > LEAK_BAD)
