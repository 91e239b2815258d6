"""The known colour spaces: the pinned configuration's, the studio's (`OCIO`), and those made of primaries.

A name is looked for in this order: the three spaces that the engine itself works with; the studio's
configuration, where the environment variable `OCIO` names one; the pinned configuration; everyday names. A
name that both configurations have, with the same colours, is the pinned one's.
"""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import PyOpenColorIO as ocio

from understudy.core.errors import ColourError
from understudy.image.chromaticities import MadeSpace
from understudy.image.colour_names import CONFIG_NAME, DISPLAY, ENCODED, EVERYDAY_NAMES, RAW, SCENE_LINEAR

_NEWER_CONFIG = "studio-config-v2.2.0_aces-v1.3_ocio-v2.4"
_NEWER_SPACES = ("Apple Log", "Gamma 2.2 Encoded AdobeRGB", "Linear AdobeRGB")
_INTERCHANGE = "ACES2065-1"
_OWN = frozenset({ENCODED, SCENE_LINEAR, DISPLAY})
# Cineon: code values of 10 bits, 0.002 density a code, negative gamma 0.6, black 95 and white 685: Kodak,
# "Conversion of 10-bit Log Film Data To 8-bit Linear or Video Data", 1995.
_CINEON_WHITE, _CINEON_BLACK, _CINEON_STEP = 685, 95, 0.002 / 0.6


@dataclass(frozen=True, eq=False)
class Space:
    """A colour space that was found.

    Attributes:
        name: Its full name, by which it is found again.
        config: The configuration that has it; None for data and for one made of primaries.
        made: Its primaries and curve, where it is made of them.
    """

    name: str
    config: Any = None
    made: MadeSpace | None = None

    @property
    def encoding(self) -> str:
        """OCIO's encoding of it: scene-linear, log, sdr-video, hdr-video or data."""
        if self.name == RAW:
            return "data"
        if self.made is not None:
            return "scene-linear" if self.made.gamma == 1 else "sdr-video"
        if self.name == DISPLAY:
            return "sdr-video"
        return str(self.config.getColorSpace(self.name).getEncoding())


def find(name: str) -> Space | None:
    """The space of a name, an alias, a role or an everyday name, in any case; None where there is none."""
    return _find(name, os.environ.get("OCIO", ""))


def all_names() -> list[str]:
    """The full names of every space, the studio's first, then the pinned configuration's."""
    studio = studio_config()
    names = [] if studio is None else list(_names(studio))
    return list(dict.fromkeys([*names, *_names(pinned())]))


def near_names(name: str) -> list[str]:
    """Names that are like this one, by name, alias or everyday name; every name where none is."""
    known: dict[str, str] = {}
    for config in filter(None, (studio_config(), pinned())):
        for space in _spaces(config):
            known.update({label.lower(): space.getName() for label in (space.getName(), *space.getAliases())})
    known.update({label: full for label, full in EVERYDAY_NAMES.items() if full})
    near = difflib.get_close_matches(name.lower(), known, n=6, cutoff=0.5)
    near += [label for label in known if len(name) > 2 and name.lower() in label][:6]
    return list(dict.fromkeys(known[label] for label in near)) or all_names()


def scene_linear() -> str:
    """The studio configuration's space for the role `scene_linear`; ACEScg without a configuration."""
    studio = studio_config()
    if studio is None or not studio.hasRole("scene_linear"):
        return SCENE_LINEAR
    space = find("scene_linear")
    return SCENE_LINEAR if space is None else space.name


@lru_cache(maxsize=1)
def pinned() -> Any:
    """The pinned configuration, with Cineon and what a later one added.

    Raises:
        ColourError: OpenColorIO does not have it.
    """
    try:
        config = copy.deepcopy(ocio.Config.CreateFromBuiltinConfig(CONFIG_NAME))
        later = ocio.Config.CreateFromBuiltinConfig(_NEWER_CONFIG)
    except ocio.Exception as exc:
        raise ColourError(
            f"OpenColorIO does not know its configuration {CONFIG_NAME}.",
            where=f"OpenColorIO {ocio.GetVersion()}",
            fix="install the OpenColorIO version that Understudy names",
        ) from exc
    for name in _NEWER_SPACES:
        config.addColorSpace(later.getColorSpace(name))
    config.addColorSpace(_cineon())
    return config


def studio_config() -> Any | None:
    """The configuration that the environment variable `OCIO` names; None where it is not set.

    Raises:
        ColourError: it cannot be read.
    """
    named = os.environ.get("OCIO", "")
    return _studio(named, _stamp(named)) if named else None


def identity(name: str) -> str:
    """A space's name, with a digest of the studio's configuration where it is that one's.

    One name may mean different colours on machines with different configurations.
    """
    space = find(name)
    if space is None or space.config is None or space.config is pinned():
        return name
    return f"{name} of {space.config.getCacheID()}"


def to_interchange(made: MadeSpace) -> Any:
    """OCIO's transform from a space of primaries to ACES2065-1."""
    group = ocio.GroupTransform()
    if made.gamma == 0:
        group.appendTransform(
            ocio.ExponentWithLinearTransform(
                gamma=[2.4, 2.4, 2.4, 1.0],
                offset=[0.055, 0.055, 0.055, 0.0],
                negativeStyle=ocio.NEGATIVE_LINEAR,
            )
        )
    elif made.gamma != 1:
        group.appendTransform(
            ocio.ExponentTransform(value=[made.gamma] * 3 + [1.0], negativeStyle=ocio.NEGATIVE_MIRROR)
        )
    matrix = np.eye(4)
    matrix[:3, :3] = made.to_ap0()
    group.appendTransform(ocio.MatrixTransform(matrix=matrix.ravel().tolist()))
    return group


@lru_cache(maxsize=256)
def _find(name: str, studio_named: str) -> Space | None:
    # A header's text may hold bytes that are not UTF-8, which the library does not take.
    if not name.isprintable() or not name:
        return None
    made = MadeSpace.parse(name)
    if made is not None:
        return Space(made.name, made=made)
    if name.lower() == RAW:
        return Space(RAW)
    ours = pinned().getColorSpace(name)
    if ours is not None and ours.getName() in _OWN:
        return Space(str(ours.getName()), pinned())
    studio = _studio(studio_named, _stamp(studio_named)) if studio_named else None
    theirs = None if studio is None else studio.getColorSpace(name)
    if theirs is not None and not (ours is not None and _same_colours(studio, theirs, ours)):
        return Space(RAW) if theirs.isData() else Space(str(theirs.getName()), studio)
    if ours is not None:
        return Space(RAW) if ours.isData() else Space(str(ours.getName()), pinned())
    everyday = EVERYDAY_NAMES.get(name.lower(), "")
    return _find(everyday, studio_named) if everyday else None


def _same_colours(studio: Any, theirs: Any, ours: Any) -> bool:
    """Whether the studio's space of a name is the pinned one's."""
    probe = np.array([[0.0, 0.0, 0.0], [0.18, 0.18, 0.18], [0.9, 0.4, 0.1], [0.1, 0.5, 0.9]], np.float32)
    if theirs.isData() or ours.isData():
        return bool(theirs.isData() and ours.isData())
    try:
        processor = ocio.Config.GetProcessorFromConfigs(
            studio, theirs.getName(), pinned(), ours.getName()
        ).getDefaultCPUProcessor()
    except ocio.Exception:
        return False
    seen = probe.copy()
    processor.applyRGB(seen)
    return bool(np.allclose(seen, probe, atol=1e-4))


@lru_cache(maxsize=4)
def _studio(named: str, stamp: tuple[int, int]) -> Any:
    try:
        return ocio.Config.CreateFromFile(named)
    except ocio.Exception as exc:
        raise ColourError(
            "The OCIO configuration cannot be read.",
            where=f"OCIO={named}: {next(iter(str(exc).splitlines()), '')[:200]}",
            fix="correct or unset the environment variable OCIO",
        ) from exc


def _stamp(named: str) -> tuple[int, int]:
    """Size and time of a configuration's file; one that is built in has none."""
    try:
        about = Path(named).stat()
    except OSError:
        return (0, 0)
    return (about.st_size, about.st_mtime_ns)


def _spaces(config: Any) -> Iterator[Any]:
    yield from config.getColorSpaces(ocio.SEARCH_REFERENCE_SPACE_ALL, ocio.COLORSPACE_ACTIVE)


def _names(config: Any) -> Iterator[str]:
    return (str(space.getName()) for space in _spaces(config))


def _cineon() -> Any:
    """Cineon printing density as linear Rec.709 with reference white at 1."""
    black = 10 ** ((_CINEON_BLACK - _CINEON_WHITE) * _CINEON_STEP)
    density = ocio.LogAffineTransform(
        logSideSlope=[float(np.log10(2)) / _CINEON_STEP / 1023] * 3,
        logSideOffset=[_CINEON_WHITE / 1023] * 3,
        linSideSlope=[1 - black] * 3,
        linSideOffset=[black] * 3,
        direction=ocio.TRANSFORM_DIR_INVERSE,
    )
    space = ocio.ColorSpace(referenceSpace=ocio.REFERENCE_SPACE_SCENE, name="Cineon", encoding="log")
    rec709 = ocio.ColorSpaceTransform("Linear Rec.709 (sRGB)", _INTERCHANGE)
    space.setTransform(ocio.GroupTransform([density, rec709]), ocio.COLORSPACE_DIR_TO_REFERENCE)
    return space
