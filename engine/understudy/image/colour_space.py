"""Which colour space a picture is in: the user's choice, else its header, else its file type; and why.

Convention:
    The header comes before the file type. A space that is not known for sure is reported as a doubt, and is
    never written into another file as if it were known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.errors import PlateError
from understudy.image import colour_config
from understudy.image.chromaticities import AP0, REC_709, alike, as_primaries, linear_space
from understudy.image.colour_codes import by_codes, space_of, words
from understudy.image.colour_config import find
from understudy.image.colour_names import DISPLAY, SCENE_LINEAR
from understudy.image.icc import read_profile
from understudy.image.png_chunks import PngColour

SPACE_ATTRIBUTE = "understudy:colour_space"
"""Where our own EXR files say which space they are in, by its name."""
_NAME_IT = "name the space with --colour-space"
# Older ffmpeg wrote the camera's curve of Rec.709 as this gamma.
_FFMPEG_REC709 = 1.961
_CINEON = frozenset({"Printing density", "Logarithmic"})
_DPX_VIDEO = frozenset(
    {
        "Unspecified video",
        "SMPTE 274M",
        "ITU-R 709-4",
        "ITU-R 601-5 system B or G",
        "ITU-R 601-5 system M",
        "NTSC composite video",
        "PAL composite video",
    }
)


@dataclass(frozen=True)
class Decision:
    """The space that a picture is taken to be in.

    Attributes:
        space: Its full name.
        reason: Why, to follow "taken for ...": "by its chromaticities".
        known: Whether the user or the header gave it. False where the file type decided.
        doubt: What the user should check; empty where nothing is doubtful.
    """

    space: str
    reason: str
    known: bool = True
    doubt: str = ""

    def sentence(self, what: str) -> str:
        """The decision as a sentence; `what` names the picture."""
        text = f"{what}: taken for {self.space} {self.reason}"
        return f"{text}; {self.doubt}: {_NAME_IT}." if self.doubt else f"{text}."


def meaning_of(decision: Decision, path: Path) -> str:
    """The space where neither the job nor the file type alone gives it; part of a frame's digest.

    A space of the studio's configuration is named with that configuration's digest.
    """
    plain = SCENE_LINEAR if path.suffix.lower() == ".exr" else DISPLAY
    return "" if decision.space == plain else colour_config.identity(decision.space)


def chosen(space: str) -> Decision:
    """The decision where the user named the space, by any name."""
    found = find(space)
    name = space if found is None else found.name
    alias = "" if name.lower() == space.lower() else f" ({space})"
    return Decision(name, f"as the job says{alias}")


def by_type(path: Path | str, assumed: str | None = None) -> Decision:
    """The decision where no header says a space: ACEScg, `assumed` or the studio's for EXR, else sRGB."""
    if Path(path).suffix.lower() != ".exr":
        return Decision(DISPLAY, "by its type of file", known=False)
    if assumed:
        return Decision(assumed, "like the plate")
    space = colour_config.scene_linear()
    if colour_config.studio_config() is not None:
        return Decision(space, "by the role scene_linear of OCIO", known=False)
    return Decision(space, "by its type of file", known=False)


def decide(
    path: Path, kind: str, said: Mapping[str, Any], png: PngColour | None = None, assumed: str | None = None
) -> Decision:
    """Decide by a still's header, then by its type.

    Args:
        path: For messages, and for its type where the header says nothing.
        kind: Format by its content: openexr, png, tiff, dpx or jpeg.
        said: The header's values by the picture library's names.
        png: A PNG's own chunks.
        assumed: The space of an EXR that says none.

    Raises:
        PlateError: the header holds primaries that do not define a space.
    """
    unsaid = by_type(path, assumed)
    if kind == "openexr":
        return _by_exr(path, said) or unsaid
    if kind == "dpx":
        return _by_dpx(said) or unsaid
    if png is not None and png.codes is not None:
        space, doubt = by_codes(*png.codes)
        doubt = doubt or ("" if png.full_range else "its cICP says that it does not use the full range")
        return Decision(space, f"by its cICP ({words(*png.codes)})", doubt=doubt)
    return _by_icc(said, unsaid) or _by_png(png) or _by_exif(said) or _cmyk(said, unsaid) or unsaid


def _by_exr(path: Path, said: Mapping[str, Any]) -> Decision | None:
    """By our own attribute, the container flag, the interchange ID, chromaticities, a library's name."""
    numbers = said.get("chromaticities")
    by_numbers = ""
    if isinstance(numbers, tuple) and any(numbers):
        primaries = as_primaries(numbers)
        if primaries is None:
            raise PlateError(
                "The chromaticities in the header are not primaries that make colours.",
                where=path,
                fix=f"{_NAME_IT}, or correct the header",
            )
        by_numbers = linear_space(primaries)
    for space, reason in (
        (_named(said.get(SPACE_ATTRIBUTE)), "as its header says"),
        ("ACES2065-1" if said.get("acesImageContainerFlag") == 1 else "", "by its ACES container flag"),
        (_named(said.get("colorInteropID")), "by its colorInteropID"),
        (by_numbers, "by its chromaticities"),
        (_named(said.get("oiio:ColorSpace")), "by its oiio:ColorSpace"),
    ):
        if space:
            return Decision(space, reason, doubt=_contradiction(space, by_numbers, numbers))
    return None


def _contradiction(space: str, by_numbers: str, numbers: Any) -> str:
    """Two attributes that give different linear spaces."""
    found = find(space)
    if not by_numbers or by_numbers == space or found is None or found.encoding != "scene-linear":
        return ""
    if space == "ACES2065-1" and alike(numbers, AP0):
        return ""
    return f"its chromaticities are those of {by_numbers}"


def _named(value: Any) -> str:
    """The full name of a space that a header names; empty where there is none of that name."""
    found = find(value) if isinstance(value, str) and value else None
    return "" if found is None else found.name


def _by_dpx(said: Mapping[str, Any]) -> Decision | None:
    transfer = said.get("dpx:Transfer")
    reason = f"by its transfer ({transfer})"
    if transfer in _CINEON:
        return Decision("Cineon", reason)
    if transfer == "ADX":
        return Decision("ADX16" if said.get("oiio:BitsPerSample") == 16 else "ADX10", reason)
    if transfer == "Linear":
        return Decision("Linear Rec.709 (sRGB)", reason)
    if transfer in _DPX_VIDEO:
        return Decision(DISPLAY, reason)
    doubt = f"its transfer ({transfer}) says nothing" if transfer else "it says no transfer"
    return Decision(DISPLAY, "by its type of file", known=False, doubt=doubt)


def _by_icc(said: Mapping[str, Any], unsaid: Decision) -> Decision | None:
    content = said.get("ICCProfile")
    if content is None:
        return None
    profile = read_profile(np.asarray(content).astype(np.uint8).tobytes())
    if profile is None:
        return Decision(unsaid.space, unsaid.reason, known=False, doubt="its ICC profile cannot be read")
    named = f"ICC profile {profile.name!r}" if profile.name else "ICC profile"
    if profile.codes is not None:
        space, doubt = by_codes(*profile.codes)
        return Decision(space, f"by its {named} ({words(*profile.codes)})", doubt=doubt)
    if profile.model == "GRAY" and profile.gamma is not None:
        return Decision(space_of(REC_709, profile.gamma), f"by its {named}")
    if profile.primaries is not None and profile.gamma is not None:
        return Decision(space_of(profile.primaries, profile.gamma), f"by its {named}")
    if profile.model == "CMYK":
        return _cmyk(said, unsaid)
    doubt = f"its {named} is none of a matrix and one curve that can be worked with"
    return Decision(unsaid.space, unsaid.reason, known=False, doubt=doubt)


def _by_png(png: PngColour | None) -> Decision | None:
    if png is None or not (png.srgb or png.gamma is not None):
        return None
    if png.srgb:
        return Decision(DISPLAY, "by its sRGB chunk")
    assert png.gamma is not None  # else it is sRGB
    primaries = png.primaries or REC_709
    chunks = "by its gAMA and cHRM" if png.primaries else "by its gAMA"
    if abs(png.gamma - 2.2) < 0.01 and alike(primaries, REC_709):
        return Decision(DISPLAY, f"{chunks} (2.2, as sRGB is written)")
    if abs(png.gamma - _FFMPEG_REC709) < 0.01:
        return Decision(space_of(primaries, 0.0), f"{chunks} (Rec.709 as ffmpeg writes it)")
    gamma = 1.0 if abs(png.gamma - 1) < 0.005 else round(png.gamma, 2)
    return Decision(space_of(primaries, gamma), f"{chunks} ({gamma:g})")


def _by_exif(said: Mapping[str, Any]) -> Decision | None:
    told = said.get("Exif:ColorSpace")
    if told == 1:
        return Decision(DISPLAY, "by its EXIF colour space")
    if told == 2 or said.get("Exif:InteroperabilityIndex") == "R03":
        return Decision("Gamma 2.2 Encoded AdobeRGB", "by its EXIF colour space")
    return None


def _cmyk(said: Mapping[str, Any], unsaid: Decision) -> Decision | None:
    if "CMYK" not in (said.get("jpeg:ColorSpace"), said.get("tiff:ColorSpace")):
        return None
    doubt = "it is CMYK, and its inks are mixed without their profile"
    return Decision(unsaid.space, unsaid.reason, known=False, doubt=doubt)
