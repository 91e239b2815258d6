"""The recipe: the row of stages that makes a swap, in their order. Each has its own file under `stages`.

A new stage is a file there, its line here, its parameters among the bases of `job.SwapJob`, and its call in
`pipeline.py`.
"""

from __future__ import annotations

from understudy.swap.declare import Stage
from understudy.swap.stages import (
    acting,
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
    skin,
)

STAGES: tuple[Stage, ...] = tuple(
    module.STAGE
    for module in (
        acting, predict, skin, mattes, measure, average, colour, light, grade, detail, mouth, place, motion,
        merge, grain,
    )
)  # fmt: skip

VERSION = 3
"""Counts up with every change of the code that changes a frame's pixels, from the network's faces to the
finished frame: what was made before is then made anew (tests/golden says when that is due)."""
