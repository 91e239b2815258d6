"""A known shot propagated: what the tests of `propagate` share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import moving
from moving import FIRST
from understudy.app import verbs
from understudy.core.settings import Settings
from understudy.image.exr import read_image
from understudy.jobs.propagation import PropagateJob

SETTINGS = Settings(models=Path("unused"))
COUNT = 7
LAST = FIRST + COUNT - 1


def job(folder, **changes):
    values = {
        "plate": str(folder / "plate.%04d.exr"),
        "fix": str(folder / "fix.%04d.exr"),
        "output": str(folder / "out.%04d.exr"),
    }
    return PropagateJob.model_validate(values | changes)


def run(folder, **changes):
    events = []
    result = verbs.run(job(folder, **changes), report=events.append, settings=SETTINGS)
    return result, events


def out(folder, number, name="out"):
    return read_image(folder / f"{name}.{number}.exr")


def stops_apart(one, other):
    """Mean difference in stops."""
    return float(np.abs(np.log2(np.maximum(one, 1e-3)) - np.log2(np.maximum(other, 1e-3))).mean())


def where_painted(number):
    return np.abs(moving.truth(number) - moving.seen(moving.texture(), number)).max(axis=2) > 0.02
