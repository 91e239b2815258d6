"""The registry of colour methods: the built-in ones, and those that installed packages add.

A studio's own method is an entry point of the group `understudy.colour_methods` that names a `ColourMethod`:

    [project.entry-points."understudy.colour_methods"]
    house_match = "house_tools.colour:HOUSE_MATCH"

Its name is then a value of `colour_method`. The output of `understudy schema`, put in place of the plugin's
job_schema.json, shows it in a host's list. A frame's digest holds the name alone: a method that is changed
must get another name, or finished frames are not made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import entry_points

import numpy as np

from understudy.comp.colour import linear_methods, table
from understudy.comp.colour.matrix import ColourMatch, Matrix, Statistics, measure
from understudy.comp.colour.table import Samples, Transport
from understudy.core.errors import JobError
from understudy.image.frame import FloatImage

GROUP = "understudy.colour_methods"


@dataclass(frozen=True)
class ColourMethod:
    """How a colour match is solved.

    Attributes:
        solve: Called with the face's statistics, the plate's, samples of both (None unless they are needed)
            and a seed; gives the match at full strength. The same arguments must give the same bits.
        needs_samples: Whether it matches whole distributions and not only mean and covariance.
    """

    solve: Callable[[Statistics, Statistics, Samples | None, int], ColourMatch]
    needs_samples: bool = False


def _nothing(face: Statistics, plate: Statistics, samples: Samples | None, seed: int) -> ColourMatch:
    return ColourMatch.identity()


def _by_matrix(
    linear: Callable[[Statistics, Statistics], Matrix],
    face: Statistics,
    plate: Statistics,
    samples: Samples | None,
    seed: int,
) -> ColourMatch:
    matrix = linear(face, plate)
    return ColourMatch(np.column_stack([matrix, plate.mean - matrix @ face.mean]))


def _by_table(
    transport: Transport, face: Statistics, plate: Statistics, samples: Samples | None, seed: int
) -> ColourMatch:
    if samples is None:
        raise JobError("This colour method needs samples of face and plate.")
    return table.with_table(transport, face, plate, samples, seed)


AUTO = "auto"
"""`contrast`, where enough skin shows to measure it; `taken` says what it comes to on a frame."""

BUILT_IN: Mapping[str, ColourMethod] = {
    "none": ColourMethod(_nothing),
    "mean": ColourMethod(partial(_by_matrix, linear_methods.identity)),
    "mean_std": ColourMethod(partial(_by_matrix, linear_methods.mean_std)),
    "reinhard": ColourMethod(partial(_by_matrix, linear_methods.reinhard)),
    "linear": ColourMethod(partial(_by_matrix, linear_methods.linear)),
    "monge_kantorovich": ColourMethod(partial(_by_matrix, linear_methods.monge_kantorovich)),
    "histogram": ColourMethod(partial(_by_table, table.histogram), needs_samples=True),
    "iterative": ColourMethod(partial(_by_table, table.iterative), needs_samples=True),
    "sliced": ColourMethod(partial(_by_table, table.sliced), needs_samples=True),
    # At the end: a host keeps keys on this list as places in it.
    "contrast": ColourMethod(partial(_by_matrix, linear_methods.contrast)),
    AUTO: ColourMethod(partial(_by_matrix, linear_methods.contrast)),
}


def names() -> tuple[str, ...]:
    """The built-in methods, then those of installed packages."""
    return (*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP) if entry.name not in BUILT_IN))


def find(name: str) -> ColourMethod:
    """The method of that name; a built-in one cannot be replaced.

    Raises:
        JobError: there is none, or a package's cannot be loaded or is not a ColourMethod.
    """
    return BUILT_IN[name] if name in BUILT_IN else _installed(name)


def taken(name: str, on_skin: float) -> str:
    """The method itself, or the one that `auto` takes.

    Args:
        name: One of `names()`.
        on_skin: Share of the frames, 0..1, on which bare skin was measured.
    """
    if name != AUTO:
        return name
    return "contrast" if on_skin >= 0.5 else "mean"


@cache
def _installed(name: str) -> ColourMethod:
    entry = next(iter(entry_points(group=GROUP, name=name)), None)
    if entry is None:
        raise JobError(f"There is no colour method {name!r}.", fix=f"use one of {', '.join(names())}")
    try:
        found = entry.load()
    except Exception as exc:  # code of others: whatever it raises is told as its failure
        what = f"The colour method {name!r} of an installed package cannot be loaded: {exc}."
        raise JobError(what, where=entry.value, fix="mend or remove the package") from exc
    if not isinstance(found, ColourMethod):
        what = f"The colour method {name!r} of an installed package is not a ColourMethod."
        raise JobError(what, where=entry.value, fix="see understudy.comp.colour.methods")
    return found


def solve(
    name: str,
    face: FloatImage,
    plate: FloatImage,
    matte: FloatImage,
    *,
    strength: float = 1.0,
    seed: int = 1,
) -> ColourMatch:
    """Solve the match that moves the face's colours under the matte to the plate's, from pictures.

    The same pixels give the same bits on every run and thread count.

    Args:
        name: One of `names()`.
        face: (H, W, 3) float32, encoded space, unpremultiplied.
        plate: The same shape and space.
        matte: (H, W) float32 in 0..1; pixels weigh by it.
        strength: 0 keeps the face, 1 matches fully.
        seed: Of random axes.

    Returns:
        3×4 matrix in the encoded space, with a table for methods that are none.

    Raises:
        JobError: the method is unknown, or strength is outside 0..1.
        PlateError: the shapes differ, or the matte is empty (not for "none").
    """
    method = find(name)
    if name == "none":
        return ColourMatch.identity().at_strength(strength)
    samples = table.sample(face, plate, matte) if method.needs_samples else None
    return method.solve(*measure(face, plate, matte), samples, seed).at_strength(strength)
