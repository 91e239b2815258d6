"""The numbers that the finish of a face pass works with: those of its header, and those made with knobs.

Source:
    Academy S-2016-001 for ACEScct; comp/colour/grade.py for the grade.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from understudy_host.knobs import knobs
from understudy_host.live_kinds import nested


class Matte(NamedTuple):
    """A matte that may be combined live.

    Attributes:
        name: Its layer is called so, after `matte_`.
        meaning: For an artist.
        asked: Whether it is in a face pass only where the job asks for it: choosing it then needs a bake.
    """

    name: str
    meaning: str
    asked: bool = True

    @property
    def use(self) -> str:
        """Whether it is used, as an expression."""
        return f"chosen_{self.name}" if self.asked else f"matte_{self.name}"


# In the order in which the engine combines them.
MATTES = (
    Matte("learned", "The model's matte, before erode and feather.", asked=False),
    Matte("hull", "The landmarks' outline, before erode and feather.", asked=False),
    Matte("destination", "The model's matte of the plate's own face."),
    Matte("occlusion", "1 where nothing lies in front of the plate's face."),
    Matte("box", "The rectangle round the landmarks."),
)
ROTO = Matte("roto", "The artist's own matte.")


class Number(NamedTuple):
    """A number, or three, of a face pass's header.

    Attributes:
        default: What changes nothing, where the header has none.
        meaning: For an artist.
    """

    default: float | tuple[float, float, float]
    meaning: str


_ROWS = ("r", "g", "b")
_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def _matrix(name: str, meaning: str) -> dict[str, Number]:
    return {f"{name}_{row}": Number(axis, meaning) for row, axis in zip(_ROWS, _AXES)}


HEADER: Mapping[str, Number] = {
    **_matrix("to", "A row of the matrix from the plate's space to ACEScct's light."),
    **_matrix("from", "A row of the matrix back to the plate's space."),
    **_matrix("match", "A row of the colour match, in the encoded space."),
    "match_shift": Number((0.0, 0.0, 0.0), "The colour match's last column, in the encoded space."),
    "grain_deviation": Number((0.0, 0.0, 0.0), "Deviation of the plate's grain, in the encoded space."),
    "has_light": Number(0.0, "1 where the face pass holds light to match."),
    "face_px": Number(512.0, "Edge of the aligned face. In pixels of the plate."),
    "plate_alpha": Number(0.0, "1 where the plate's colours are multiplied by its alpha."),
    "has_combined": Number(0.0, "1 where the face pass holds the chosen mattes as one."),
    "chosen_combine": Number(0.0, "How they were combined: the place of the word."),
    **{
        f"chosen_{one.name}": Number(0.0, f"1 where the bake used the {one.name} matte.")
        for one in (*MATTES, ROTO)
    },
}

# What a host's node chooses by itself: knobs that are in no job.
SOURCE = "matte_source"
SOURCES = {
    "baked": "The matte as it was baked",
    "live": "Of the single mattes, by this host's own filters: near the baked one, not equal to it",
}

STOPS, SHIFT_STOPS, SLOPE = 17.52, 9.72, 10.5402377416545
"""ACEScct: (log2(x) + SHIFT_STOPS) / STOPS above BREAK, a line with the slope SLOPE below."""

BREAK = 0.0078125
BREAK_ENCODED = (math.log2(BREAK) + SHIFT_STOPS) / STOPS
_MID_GREY, _WHITE = (math.log2(0.18) + SHIFT_STOPS) / STOPS, SHIFT_STOPS / STOPS


def place_of(knob: str, word: str) -> int:
    """The place of a choice's word among its words."""
    return next(one for one in knobs("swap") if one.name == knob).items.index(word)


def _numbers() -> dict[str, str]:
    used = nested("max", [one.use for one in MATTES])
    not_asked = [one.name for one in MATTES if not one.asked]
    same = " * ".join(f"(matte_{name} == chosen_{name})" for name in (*not_asked, "combine"))
    turned = "grade_hue_degrees * pi / 180"
    apart = "(1 - grade_along) / 3"
    return {
        "pi": f"{math.pi:.17g}",
        "light_share": "light_strength / 100 * has_light",
        "matte_px": f"face_px / 100 if matte_unit == {place_of('matte_unit', 'percent')} else 1",
        "any_matte": used,
        "same_mattes": f"has_combined * {same}",
        "grade_scale": "1 / grade_gamma * (1 - grade_lift_percent / 100)",
        "grade_shift": (
            f"((grade_gain_stops / {STOPS} - {_MID_GREY:.9g}) / grade_gamma + {_MID_GREY - _WHITE:.9g})"
            f" * (1 - grade_lift_percent / 100) + {_WHITE:.9g}"
        ),
        "grade_along": f"grade_saturation_percent / 100 * cos({turned})",
        "grade_across": f"grade_saturation_percent / 100 * sin({turned}) / sqrt(3)",
        "grade_self": "grade_scale * (1 + 2 * grade_along) / 3",
        "grade_before": f"grade_scale * ({apart} - grade_across)",
        "grade_after": f"grade_scale * ({apart} + grade_across)",
    }


NUMBERS: Mapping[str, str] = _numbers()
