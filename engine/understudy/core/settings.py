"""Settings of this machine, from UNDERSTUDY_* environment variables; none of them is about a shot."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from understudy.core.errors import JobError

PREDICTION_SECONDS = 300
"""Seconds that opening a model, or one run of it, may take where nothing else is said."""
_LONGEST_PREDICTION = 86_400


@dataclass(frozen=True)
class Settings:
    """Folders, device and limits of this machine.

    Attributes:
        models: Folder of downloaded detector and landmark models (UNDERSTUDY_MODELS).
        device: `auto`, `cpu`, `cuda`, `mps` (UNDERSTUDY_DEVICE).
        threads: Threads a process may use, 0 for all cores (UNDERSTUDY_THREADS).
        cache: Folder of data that can be computed again (UNDERSTUDY_CACHE); None for no cache.
        prediction_seconds: Limit of opening a model and of one run of it (UNDERSTUDY_PREDICTION_SECONDS).
    """

    models: Path
    device: str = "auto"
    threads: int = 0
    cache: Path | None = None
    prediction_seconds: int = PREDICTION_SECONDS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises:
            JobError: a variable holds a value that is not allowed.
        """
        values = os.environ if environment is None else environment
        home = Path(values.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        device = values.get("UNDERSTUDY_DEVICE", "auto")
        if device not in ("auto", "cpu", "cuda", "mps"):
            raise JobError(
                f"UNDERSTUDY_DEVICE is {device!r}.",
                where="environment",
                fix="set it to auto, cpu, cuda or mps",
            )
        text = values.get("UNDERSTUDY_THREADS", "0")
        if not text.isdigit():
            raise JobError(
                f"UNDERSTUDY_THREADS is {text!r}.",
                where="environment",
                fix="set it to a whole number, 0 for all cores",
            )
        seconds = values.get("UNDERSTUDY_PREDICTION_SECONDS", str(PREDICTION_SECONDS))
        if not seconds.isdecimal() or not 0 < int(seconds[:9]) <= _LONGEST_PREDICTION:
            raise JobError(
                f"UNDERSTUDY_PREDICTION_SECONDS is {seconds[:40]!r}.",
                where="environment",
                fix=f"set it to a whole number from 1 to {_LONGEST_PREDICTION}",
            )
        return cls(
            models=Path(values.get("UNDERSTUDY_MODELS") or home / "understudy" / "models"),
            device=device,
            threads=int(text),
            cache=Path(values.get("UNDERSTUDY_CACHE") or home / "understudy"),
            prediction_seconds=int(seconds),
        )
