"""Colour: the match that moves the new face's colours to the plate's."""

from __future__ import annotations

from typing import Annotated

from understudy.comp.colour import methods, whites
from understudy.comp.colour.matrix import ColourMatch
from understudy.comp.colour.whites import WhitesMatch
from understudy.image.frame import FloatImage
from understudy.swap.colour_statistics import ColourStatistics
from understudy.swap.declare import Parameters, SeedParameter, Share, Stage, live
from understudy.swap.stages import average
from understudy.swap.stages.measure import ColourMethodParameter


class ColourParameters(ColourMethodParameter, SeedParameter, Parameters):
    """How colours are matched, and how far."""

    colour_strength: Annotated[Share, live(100.0)] = 100.0
    """How far the colour match goes."""


STAGE = Stage(
    name="colour",
    sentence=(
        "The new face's skin is matched to the plate's, by a matrix in the encoded space; eyes and teeth "
        "are matched by the whites of the eyes."
    ),
    parameters=ColourParameters,
    tab="Colour",
    after=(average.STAGE,),
)


def solve(parameters: ColourParameters, statistics: ColourStatistics | None) -> ColourMatch:
    """The colour match at its full strength; the identity where nothing was measured."""
    if statistics is None:
        return ColourMatch.identity()
    method = methods.find(methods.taken(parameters.colour_method, statistics.on_skin))
    return method.solve(statistics.face, statistics.plate, statistics.samples, parameters.seed)


def taken(parameters: ColourParameters, statistics: ColourStatistics | None) -> str:
    """What the match came to on a frame, in words; empty where nothing was measured.

    A method whose matrix changes lightness alone says by how much: `contrast 0.58`.
    """
    if statistics is None or parameters.colour_method == "none":
        return ""
    method = methods.taken(parameters.colour_method, statistics.on_skin)
    if method != "contrast":
        return method
    grey = solve(parameters, statistics).matrix[:, :3].sum(axis=1).mean()
    return f"{method} {grey:.2f}"


def solve_whites(
    parameters: ColourParameters, statistics: ColourStatistics | None, landmarks: FloatImage, size: int
) -> WhitesMatch | None:
    """What eyes and the inside of the mouth get in place of the skin's match; None where nothing is matched.

    Args:
        parameters: How colours are matched.
        statistics: As measured.
        landmarks: (68, 2) pixels of the new face, at its working size.
        size: That size.
    """
    if statistics is None or parameters.colour_method == "none":
        return None
    skin_shift = statistics.plate.mean - statistics.face.mean
    return WhitesMatch(whites.matte(landmarks, size), whites.shift(statistics.whites, skin_shift))
