"""Which frames to paint next, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# A keyframe raises the confidence of frames up to this distance, linearly less with distance.
_REACH_FRAMES = 16


def next_keyframes(
    confidence: Mapping[int, float], keyframes: Iterable[int], *, wanted: float, most: int = 10
) -> tuple[int, ...]:
    """The frames to paint, each chosen as if those before it had been painted.

    A new keyframe is assumed to bring its own frame to the wanted confidence, to help other frames less with
    distance, and not to help beyond another keyframe.

    Args:
        confidence: Of each frame, in 0..1.
        keyframes: Frames that are painted already.
        wanted: Sufficient confidence, in 0..1.
        most: Largest number of frames to name.

    Returns:
        Frame numbers, the most useful first.
    """
    painted = set(keyframes)
    short = {frame: max(0.0, wanted - sure) for frame, sure in confidence.items() if frame not in painted}
    chosen: list[int] = []
    while len(chosen) < most and any(value > 1e-9 for value in short.values()):
        gains = {frame: _gain(frame, short, painted) for frame in short if frame not in painted}
        best = max(sorted(gains), key=lambda frame: gains[frame])
        for frame in short:
            short[frame] *= 1 - _share(frame, best, painted)
        chosen.append(best)
        painted.add(best)
    return tuple(chosen)


def _gain(frame: int, short: Mapping[int, float], painted: set[int]) -> float:
    """The confidence that a keyframe at a frame would add, over all frames."""
    near = range(frame - _REACH_FRAMES, frame + _REACH_FRAMES + 1)
    return sum(short[other] * _share(other, frame, painted) for other in near if other in short)


def _share(frame: int, key: int, painted: set[int]) -> float:
    """The part of a frame's missing confidence that a keyframe at `key` would add."""
    if frame == key:
        return 1.0
    low, high = sorted((frame, key))
    if any(low < other < high for other in painted):
        return 0.0
    return max(0.0, 1 - abs(frame - key) / _REACH_FRAMES)
