"""How a file declares its colour space, in the attributes of its format.

EXR: `chromaticities` where the space is linear, and `colorInteropID`. PNG: cICP or sRGB, and an ICC profile.
TIFF and JPEG: an ICC profile. DPX: its transfer. A space that is not known is not declared, and the plate's
declarations of another space are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from understudy.image.chromaticities import LINEAR_SPACES, MadeSpace
from understudy.image.colour_codes import primaries_of
from understudy.image.colour_config import find
from understudy.image.colour_names import DISPLAY, INTEROP_IDS
from understudy.image.colour_space import SPACE_ATTRIBUTE
from understudy.image.frame import MetadataValue
from understudy.image.icc import make_profile

OF_COLOUR = frozenset(
    {"chromaticities", "acesImageContainerFlag", "colorInteropID", "CICP", "ICCProfile", "whiteLuminance"}
    | {"Exif:ColorSpace", "Exif:InteroperabilityIndex", "Exif:Gamma", "dpx:Transfer", "dpx:Colorimetric"}
)
"""Header values that say a space; they are written for the space that the pixels are in, never copied."""

Tag = tuple[str, str, Any]
"""Name, the picture library's type, and value."""

_CICP = {
    "Rec.2100-HLG - Display": (9, 18, 0, 1),
    "Rec.2100-PQ - Display": (9, 16, 0, 1),
    "ST2084-P3-D65 - Display": (12, 16, 0, 1),
    "sRGB Encoded P3-D65 - Texture": (12, 13, 0, 1),
}
_DPX = {
    "Cineon": "Printing density",
    "ADX10": "ADX",
    "ADX16": "ADX",
    "Linear Rec.709 (sRGB)": "Linear",
    DISPLAY: "ITU-R 709-4",
}


def without_colour(values: Mapping[str, MetadataValue]) -> dict[str, MetadataValue]:
    """Header values without those that declare a space."""
    return {name: value for name, value in values.items() if name not in OF_COLOUR}


def can_say(suffix: str, space: str) -> bool:
    """Whether a file of this suffix has a standard way to declare the space."""
    if suffix == ".exr":
        return space in INTEROP_IDS or MadeSpace.parse(space) is not None
    if suffix == ".dpx":
        return space in _DPX
    return (suffix == ".png" and space in _CICP) or primaries_of(space) is not None


def tags(suffix: str, space: str, *, known: bool) -> list[Tag]:
    """The header values that declare the space in a file of this suffix, by the image library's names.

    Args:
        known: False where the space was not given: then nothing is declared.
    """
    if suffix == ".exr":
        return _of_exr(space) if known else []
    if suffix == ".png":
        return _of_png(space) if known else [("oiio:ColorSpace", "string", "unknown")]
    if suffix == ".dpx":
        return _of_dpx(space) if known else []
    return _profile(space) if known else []


def _of_exr(space: str) -> list[Tag]:
    said: list[Tag] = [(SPACE_ATTRIBUTE, "string", space)]
    made = MadeSpace.parse(space)
    primaries = made.primaries if made is not None and made.gamma == 1 else LINEAR_SPACES.get(space)
    if primaries is not None:
        said.append(("chromaticities", "float[8]", primaries))
    if space in INTEROP_IDS:
        said.append(("colorInteropID", "string", INTEROP_IDS[space]))
    return said


def _of_png(space: str) -> list[Tag]:
    if space == DISPLAY:
        return [("oiio:ColorSpace", "string", INTEROP_IDS[DISPLAY])]
    said: list[Tag] = [("oiio:ColorSpace", "string", "unknown")]
    if space in _CICP:
        said.append(("CICP", "int[4]", _CICP[space]))
    return said + _profile(space)


def _of_dpx(space: str) -> list[Tag]:
    transfer = _DPX.get(space, "User defined")
    colorimetric = "ITU-R 709-4" if space in (DISPLAY, "Linear Rec.709 (sRGB)") else "User defined"
    return [("dpx:Transfer", "string", transfer), ("dpx:Colorimetric", "string", colorimetric)]


def _profile(space: str) -> list[Tag]:
    """An ICC profile of matrix and curve; nothing for a space that is none."""
    found = find(space)
    by_numbers = primaries_of(space)
    if by_numbers is None and space in LINEAR_SPACES:
        by_numbers = LINEAR_SPACES[space], 1.0
    if found is None or by_numbers is None:
        return []
    content = np.frombuffer(make_profile(*by_numbers, name=space), np.uint8)
    return [("ICCProfile", f"uint8[{content.size}]", content)]
