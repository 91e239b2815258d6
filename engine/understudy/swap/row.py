"""The row of stages that makes a swap, in their order; each is declared in its own file under `stages`."""

from __future__ import annotations

from understudy.swap.declare import Stage
from understudy.swap.stages import (
    average,
    colour,
    detail,
    grade,
    grain,
    light,
    mattes,
    measure,
    merge,
    motion,
    mouth,
    place,
    predict,
)

STAGES: tuple[Stage, ...] = tuple(
    module.STAGE
    for module in (
        predict, mattes, measure, average, colour, light, grade, detail, mouth, place, motion, merge, grain
    )
)  # fmt: skip
