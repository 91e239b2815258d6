"""What a verb that writes frames reports at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.core.errors import UnderstudyError


def outcome(
    output: str, written: Sequence[int], kept: Sequence[int], failed: Mapping[int, UnderstudyError]
) -> dict[str, Any]:
    """What a run that writes frames tells at its end: how many it made, left and lost."""
    return {
        "output": output,
        "written": len(written),
        "unchanged": len(kept),
        "failed_frames": sorted(failed),
        "exit_code": max((exc.exit_code for exc in failed.values()), default=0),
    }
