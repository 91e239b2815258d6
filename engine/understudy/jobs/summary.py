"""What a verb reports at its end: how many frames it made, which it lost, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from understudy.core.errors import UnderstudyError


def exit_code(codes: Iterable[int]) -> int:
    """The exit code of a run that went through: 0 where no frame was lost, else the largest code.

    The largest, so that it does not depend on the order in which frames are made.

    Args:
        codes: Exit code of the error of each frame that was lost.
    """
    return max(codes, default=0)


def outcome(
    output: str, written: Sequence[int], kept: Sequence[int], failed: Mapping[int, UnderstudyError]
) -> dict[str, Any]:
    """The result of a run that writes frames.

    Args:
        output: Pattern of the frames.
        written: Frames that were made.
        kept: Frames that were made before and are unchanged.
        failed: Frames that were lost, with their errors.
    """
    return {
        "output": output,
        "written": len(written),
        "unchanged": len(kept),
        "failed_frames": sorted(failed),
        "exit_code": exit_code(error.exit_code for error in failed.values()),
    }
