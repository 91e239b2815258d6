"""Where to paint next: which frames need another keyframe, the best place first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# A keyframe helps less and less up to this many frames away.
_REACH_FRAMES = 16


def next_keyframes(
    confidence: Mapping[int, float], keyframes: Iterable[int], *, wanted: float, most: int = 10
) -> tuple[int, ...]:
    """Frames to paint, each chosen as if those before it had been painted.

    A keyframe takes away all that its own frame is short of; of other frames the less the further off they
    are, and nothing beyond another keyframe.

    Args:
        confidence: Of each frame, in 0..1.
        keyframes: Frames that are painted already.
        wanted: Confidence that is good enough, in 0..1.
        most: Frames to name at most.

    Returns:
        Frame numbers, the one that helps most first.
    """
    painted = set(keyframes)
    short = {frame: max(0.0, wanted - sure) for frame, sure in confidence.items() if frame not in painted}
    chosen: list[int] = []
    while len(chosen) < most and any(value > 1e-9 for value in short.values()):
        helps = {frame: _help(frame, short, painted) for frame in short if frame not in painted}
        best = max(sorted(helps), key=lambda frame: helps[frame])
        for frame in short:
            short[frame] *= 1 - _share(frame, best, painted)
        chosen.append(best)
        painted.add(best)
    return tuple(chosen)


def _help(frame: int, short: Mapping[int, float], painted: set[int]) -> float:
    near = range(frame - _REACH_FRAMES, frame + _REACH_FRAMES + 1)
    return sum(short[other] * _share(other, frame, painted) for other in near if other in short)


def _share(frame: int, key: int, painted: set[int]) -> float:
    """Part of a frame's shortage that a keyframe takes away."""
    if frame == key:
        return 1.0
    low, high = sorted((frame, key))
    if any(low < other < high for other in painted):
        return 0.0
    return max(0.0, 1 - abs(frame - key) / _REACH_FRAMES)
