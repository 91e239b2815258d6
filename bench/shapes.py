#!/usr/bin/env python3
"""Measure how well one performer's acting is carried over to another's shape, on performers of known shape.

    bench/shapes.py [--pairs 40]

Each pair acts two performances that have nothing in common, with habits that the other has not: one squints
all the time, one smiles. From those alone a shape is made of each. Then one acts a third performance, and its
landmarks are carried over to the other; the truth is the other acting the same. Figures are pixels of a face
of 128, the mean of all pairs: the distance from the truth, the same after the best similarity transform,
because a face that is 3% larger is not a wrong face, and the error of how far mouth and eyes stand open.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from understudy.demo import Expression, Identity, Performance, PerformanceFrame, landmarks_of
from understudy.face.align import plate_to_aligned, transform
from understudy.face.identity_shape import identity_shapes
from understudy.face.landmarks import BROWS, EYES, JAW, LIDS, LIPS, MOUTH, NOSE
from understudy.face.pose import pose

Numbers = NDArray[np.float64]
Estimate = Callable[[Sequence[Numbers], Sequence[Numbers]], NDArray[np.floating]]

SIZE, PLATE = 128, (512, 512)
FRAMES, FRAME_STEP, SHOT_FRAMES = 100, 6, 20
PARTS = {"jaw": JAW, "brows": BROWS, "nose": NOSE, "eyes": EYES, "mouth": MOUTH}
OPENINGS = {"mouth open": LIPS, "eyes open": LIDS}
HABITS = {"squint": 0.5, "brows_up": 0.3, "brows_down": 0.3, "smile": 0.3, "mouth_open": 0.3}


@dataclass(frozen=True)
class Pair:
    """Two performers' landmarks, shares of the crop's edge, and what carrying them over should do.

    Attributes:
        seen: (N, 68, 2) of each, in performances of their own.
        poses: (N, 2) of each.
        truth: (68, 2) how far the second's landmarks lie from the first's, on average, where both act alike.
    """

    seen: tuple[Numbers, Numbers]
    poses: tuple[Numbers, Numbers]
    truth: Numbers

    @classmethod
    def from_seed(cls, seed: int) -> Pair:
        """Draw two performers and let them act."""
        rng = np.random.default_rng(seed)
        whom = tuple(Identity.from_seed(int(one)) for one in rng.integers(0, 1_000_000, 2))
        acted = [_performance(one, rng) for one in whom]
        shot, steps = Performance.from_seed(int(rng.integers(1_000_000)), max_yaw=30.0), []
        for frame in range(SHOT_FRAMES):
            first, second = (landmarks_of(one, shot.at(frame * 10.0), PLATE) for one in whom)
            aligned = plate_to_aligned(first, coverage="full", size=SIZE)
            steps.append((transform(second, aligned) - transform(first, aligned)) / SIZE)
        seen = tuple(np.stack([_aligned(one) for one in marks]) for marks in acted)
        poses = tuple(np.array([pose(one)[:2] for one in marks]) for marks in acted)
        return cls((seen[0], seen[1]), (poses[0], poses[1]), np.mean(steps, axis=0))


def _performance(who: Identity, rng: np.random.Generator) -> list[Numbers]:
    acting = Performance.from_seed(int(rng.integers(1_000_000)), max_yaw=40.0)
    habit = {name: rng.uniform(0.0, 0.6) for name, odds in HABITS.items() if rng.random() < odds}
    frames = (acting.at(float(frame * FRAME_STEP)) for frame in range(FRAMES))
    return [np.asarray(landmarks_of(who, _given_to(one, habit), PLATE), np.float64) for one in frames]


def _given_to(acting: PerformanceFrame, habit: dict[str, float]) -> PerformanceFrame:
    more = {name: min(1.0, getattr(acting.expression, name) + by) for name, by in habit.items()}
    expression: Expression = replace(acting.expression, **more)
    return replace(acting, expression=expression)


def _aligned(landmarks: Numbers) -> Numbers:
    places = transform(landmarks, plate_to_aligned(landmarks, coverage="full", size=SIZE))
    return np.asarray((places + 0.5) / SIZE)


def errors(pairs: Sequence[Pair], estimate: Estimate) -> dict[str, float]:
    """Mean errors of what an estimate of shapes carries over, in pixels."""
    found: list[dict[str, float]] = []
    for pair in pairs:
        shapes = np.asarray(estimate(pair.seen, pair.poses), np.float64)
        off = (shapes[1] - shapes[0] - pair.truth) * SIZE
        far = np.linalg.norm(off, axis=1)
        figures = {name: far[part].mean() for name, part in PARTS.items()}
        figures |= {"all": far.mean(), "all, but for size": np.linalg.norm(_unplaced(off), axis=1).mean()}
        for name, meet in OPENINGS.items():
            figures[name] = abs(np.mean([off[low, 1] - off[up, 1] for up, low in meet]))
        found.append(figures)
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def _unplaced(off: Numbers) -> Numbers:
    """What no shift, scale or roll of a face explains."""
    basis = _placings()
    share, *_ = np.linalg.lstsq(basis, off.ravel(), rcond=None)
    return np.asarray((off.ravel() - basis @ share).reshape(68, 2))


@cache
def _placings() -> Numbers:
    """(136, 4): the directions in which shift, scale and roll move landmarks."""
    face = _aligned(landmarks_of(Identity.from_seed(0), PerformanceFrame(), PLATE)) - 0.5
    turned = np.stack([-face[:, 1], face[:, 0]], axis=1)
    ones = np.ones(68)
    shifts = [np.stack(pair, axis=1) for pair in ((ones, 0 * ones), (0 * ones, ones))]
    return np.stack([part.ravel() for part in (*shifts, face, turned)], axis=1)


def nothing(seen: Sequence[Numbers], _: Sequence[Numbers]) -> Numbers:
    """The plate's own landmarks, unchanged."""
    return np.zeros((len(seen), 68, 2))


def means(seen: Sequence[Numbers], _: Sequence[Numbers]) -> Numbers:
    """Movement about each performer's mean."""
    return np.stack([one.mean(axis=0) for one in seen])


def main() -> None:
    """Draw the pairs and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=40)
    with ProcessPoolExecutor() as pool:
        pairs = list(pool.map(Pair.from_seed, range(parser.parse_args().pairs)))
    rows = {"unchanged": nothing, "about the means": means, "by shape": identity_shapes}
    for number, (name, estimate) in enumerate(rows.items()):
        figures = errors(pairs, estimate)
        if not number:
            print("| carried over | " + " | ".join(figures) + " |\n|---|" + "---|" * len(figures))
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in figures.values()) + " |")


if __name__ == "__main__":
    main()
