"""Colour spaces by the numbers that videos, PNG and ICC profiles name them with: ITU-T H.273.

Convention:
    Video of the standard range is taken for a picture on a display with sRGB's curve, whichever of the camera
    curves (Rec.709, SMPTE 170M) its header names: these describe the camera, not what a display shows. With
    Rec.2020 primaries the display is Rec.1886.
"""

from __future__ import annotations

from understudy.image.chromaticities import (
    ADOBE_RGB,
    AP1,
    EBU,
    NTSC_1953,
    P3_D65,
    P3_DCI,
    REC_709,
    REC_2020,
    SMPTE_C,
    MadeSpace,
    Primaries,
    alike,
    linear_space,
)
from understudy.image.colour_names import DISPLAY

UNSPECIFIED = 2
PRIMARIES: dict[int, tuple[str, Primaries]] = {
    1: ("Rec.709", REC_709),
    4: ("NTSC 1953", NTSC_1953),
    5: ("EBU", EBU),
    6: ("SMPTE C", SMPTE_C),
    7: ("SMPTE C", SMPTE_C),
    9: ("Rec.2020", REC_2020),
    11: ("P3 DCI", P3_DCI),
    12: ("P3 D65", P3_D65),
    22: ("EBU", EBU),
}
_PQ, _HLG = 16, 18
TRANSFERS = {
    1: "Rec.709", 4: "gamma 2.2", 5: "gamma 2.8", 6: "SMPTE 170M", 7: "SMPTE 240M", 8: "linear", 9: "log 100",
    10: "log 316", 11: "xvYCC", 12: "Rec.1361", 13: "sRGB", 14: "Rec.2020", 15: "Rec.2020", _PQ: "PQ",
    17: "SMPTE 428", _HLG: "HLG",
}  # fmt: skip
_CAMERA = frozenset({1, 2, 5, 6, 7, 11, 12, 14, 15})

_KNOWN: tuple[tuple[str, Primaries, float], ...] = (
    (DISPLAY, REC_709, 0.0),
    ("sRGB Encoded P3-D65 - Texture", P3_D65, 0.0),
    ("sRGB Encoded AP1 - Texture", AP1, 0.0),
    ("Gamma 1.8 Rec.709 - Texture", REC_709, 1.8),
    ("Gamma 2.2 Rec.709 - Texture", REC_709, 2.2),
    ("Gamma 2.4 Rec.709 - Texture", REC_709, 2.4),
    ("Gamma 2.2 AP1 - Texture", AP1, 2.2),
    ("Gamma 2.2 Encoded AdobeRGB", ADOBE_RGB, 2.2),
    ("P3-D65 - Display", P3_D65, 2.6),
)


def space_of(primaries: Primaries, gamma: float) -> str:
    """The space of some primaries and a display's gamma: 1 is linear, 0 stands for sRGB's curve."""
    if gamma == 1:
        return linear_space(primaries)
    for name, known, power in _KNOWN:
        if alike(known, primaries) and abs(power - gamma) < 0.02:
            return name
    return MadeSpace(primaries, round(gamma, 3)).name


def primaries_of(space: str) -> tuple[Primaries, float] | None:
    """The primaries and gamma of a space, as `space_of` takes them; None where it is not known by them."""
    made = MadeSpace.parse(space)
    if made is not None:
        return made.primaries, made.gamma
    return next(((primaries, gamma) for name, primaries, gamma in _KNOWN if name == space), None)


def by_codes(primaries: int, transfer: int) -> tuple[str, str]:
    """The space of a header's numbers, and what is doubtful about it, empty where nothing is.

    Returns:
        The doubt names the space that is taken all the same.
    """
    known = PRIMARIES.get(primaries)
    doubt = ""
    if known is None and primaries != UNSPECIFIED:
        doubt = f"its primaries (code {primaries}) are not known"
    if transfer in (_PQ, _HLG):
        return _hdr(primaries, transfer, doubt)
    _, values = known or PRIMARIES[1]
    if transfer in _CAMERA and values == REC_2020:
        return "Rec.1886 Rec.2020 - Display", doubt
    if transfer in _CAMERA or transfer == 13:
        return space_of(values, 0.0), doubt
    if transfer in (4, 8):
        return space_of(values, 2.2 if transfer == 4 else 1.0), doubt
    named = TRANSFERS.get(transfer, f"code {transfer}")
    return space_of(values, 0.0), f"its transfer ({named}) is no display's"


def words(primaries: int, transfer: int) -> str:
    """What the numbers say, for a person."""
    one = PRIMARIES[primaries][0] if primaries in PRIMARIES else "unspecified"
    return f"{one} primaries, {TRANSFERS.get(transfer, 'unspecified')} transfer"


def _hdr(primaries: int, transfer: int, doubt: str) -> tuple[str, str]:
    name = TRANSFERS[transfer]
    if transfer == _PQ and primaries == 12:
        return "ST2084-P3-D65 - Display", doubt
    if primaries not in (9, UNSPECIFIED):
        doubt = doubt or f"{name} with {PRIMARIES[primaries][0]} primaries has no space of its own"
    return f"Rec.2100-{name} - Display", doubt
