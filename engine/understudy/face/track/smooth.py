"""Smooth a tracked face over time without delay."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.face import align
from understudy.face.detect.protocol import FaceBox, Points, box_round
from understudy.face.template import BASE, WEIGHTS

# Lids and lips move fast: proportions are smoothed over a third of the frames that placement is.
_SHAPE_SHARE = 0.35
# A cut: from one frame to the next the face jumps by this part of its size, or grows by this factor.
_JUMP = 0.4
_GROWTH = 1.3


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """A shot's face in one frame.

    Attributes:
        frame: The frame's number.
        landmarks: (68, 2) float32 pixels of the plate.
        confidence: The detector's, 0 to 1.
        by_hand: Whether a person set it; such a face is never changed.
        box: (left, top, right, bottom) in pixels.
    """

    frame: int
    landmarks: Points
    confidence: float
    by_hand: bool
    box: FaceBox

    @property
    def landmarks_digest(self) -> str:
        """SHA-256 of the landmarks, as hex digits."""
        return hashlib.sha256(self.landmarks.tobytes()).hexdigest()


def smooth(faces: Sequence[TrackedFace], *, frames: float) -> list[TrackedFace]:
    """Smooth a face's placement, and more lightly its proportions, with no preferred direction in time.

    Each value is replaced by that of a straight line, fitted around its frame with Gaussian weights. This has
    no delay, and leaves a move of constant speed unchanged up to the first and the last frame. Frames beyond
    a gap or a cut do not count. A detection is weighted by its confidence; a face set by hand has the largest
    weight and is not changed itself.

    Source:
        Cleveland 1979, Robust Locally Weighted Regression and Smoothing Scatterplots, of degree 1.

    Args:
        faces: In any order, at most one a frame.
        frames: Standard deviation of the Gaussian in frames; 0 gives the faces back as they are.

    Returns:
        The faces in order of their frames.
    """
    ordered = sorted(faces, key=lambda face: face.frame)
    if frames <= 0 or len(ordered) < 2:
        return ordered
    return [face for run in _runs(ordered) for face in _smooth_run(run, frames)]


def _placement(face: TrackedFace) -> NDArray[np.float64]:
    """(4,): the middle in pixels, the logarithm of the size, and the roll."""
    matrix = align.similarity(BASE, face.landmarks, WEIGHTS)
    middle = align.transform(np.array([[0.5, 0.5]]), matrix)[0]
    size = np.log(align.magnification(matrix))
    return np.array([middle[0], middle[1], size, np.arctan2(matrix[1, 0], matrix[0, 0])])


def _matrix(placement: NDArray[np.float64]) -> align.Matrix:
    """From the brow-to-lip square to the plate."""
    scale = np.exp(placement[2])
    cosine, sine = scale * np.cos(placement[3]), scale * np.sin(placement[3])
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, placement[:2] - linear @ np.array([0.5, 0.5])])


def _runs(faces: Sequence[TrackedFace]) -> Iterator[list[TrackedFace]]:
    """The faces in sequences without a gap or a cut."""
    gaps = np.diff([face.frame for face in faces])
    # A track of every second frame has no gaps: its usual step is 2.
    step = int(np.median(gaps))
    places = [_placement(face) for face in faces]
    run = [faces[0]]
    for index in range(1, len(faces)):
        if gaps[index - 1] > step or _jumped(places[index - 1], places[index], max(1, step)):
            yield run
            run = []
        run.append(faces[index])
    yield run


def is_cut(before: TrackedFace, after: TrackedFace) -> bool:
    """Whether between two neighbouring frames a face jumps or grows as no head moves."""
    return _jumped(_placement(before), _placement(after), 1)


def _jumped(before: NDArray[np.float64], after: NDArray[np.float64], step: int) -> bool:
    """A cut is sudden, so that fast motion over a longer step is not taken for one."""
    moved, grown = float(np.hypot(*(after[:2] - before[:2]))), abs(float(after[2] - before[2]))
    size = float(np.exp(min(before[2], after[2])))
    return moved > _JUMP * size * step or grown > np.log(_GROWTH) * step


def _smooth_run(run: list[TrackedFace], frames: float) -> Iterator[TrackedFace]:
    if len(run) < 2:
        yield from run
        return
    times = np.array([face.frame for face in run], np.float64)
    trust = np.array([4.0 if face.by_hand else max(face.confidence, 0.02) for face in run])
    places = np.stack([_placement(face) for face in run])
    places[:, 3] = np.unwrap(places[:, 3])
    squares = [align.invert(_matrix(placement)) for placement in places]
    shapes = np.stack(
        [align.transform(face.landmarks, square) for face, square in zip(run, squares, strict=True)]
    )
    steady = _lines(places, times, trust, frames)
    # Where a face's middle moves, its landmarks move with it; their shape inside the square is separate.
    formed = _lines(shapes.reshape(len(run), -1), times, trust, frames * _SHAPE_SHARE).reshape(shapes.shape)
    for face, placement, shape in zip(run, steady, formed, strict=True):
        if face.by_hand:
            yield face
            continue
        points = align.transform(shape, _matrix(placement)).astype(np.float32)
        yield TrackedFace(face.frame, points, face.confidence, False, moved_box(face, points))


def moved_box(face: TrackedFace, points: Points) -> FaceBox:
    """A face's box, its sides moved with those of its landmarks (68, 2)."""
    shift = np.subtract(box_round(points), box_round(face.landmarks))
    left, top, right, bottom = (float(value) for value in np.add(face.box, shift))
    return left, top, right, bottom


def _lines(
    values: NDArray[np.float64], times: NDArray[np.float64], trust: NDArray[np.float64], sigma: float
) -> NDArray[np.float64]:
    """(N, D): at each time the value of the line that fits the values around it best."""
    result = np.empty_like(values)
    for index, time in enumerate(times):
        low, high = np.searchsorted(times, [time - 4 * sigma, time + 4 * sigma + 1e-9])
        apart = times[low:high] - time
        weight = trust[low:high] * np.exp(-0.5 * (apart / sigma) ** 2)
        weight /= weight.sum()
        mean_time = float(weight @ apart)
        mean = weight @ values[low:high]
        spread = float(weight @ (apart - mean_time) ** 2)
        if spread < 1e-12:
            result[index] = values[index] if high - low < 2 else mean
            continue
        slope = (weight * (apart - mean_time)) @ values[low:high] / spread
        result[index] = mean - slope * mean_time
    return result
