"""What the jobs' fields are made of: types with ranges and units, and the fields that several verbs share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from understudy.jobs.keyframes import moving, stepping

Detector = Literal["auto", "fan", "yunet", "known"]
CoverageName = Literal["half", "full", "whole_face", "head"]
MatteMode = Literal["product", "minimum", "maximum", "difference"]
ColourMethod = Literal[
    "none",
    "mean",
    "mean_std",
    "reinhard",
    "linear",
    "monge_kantorovich",
    "histogram",
    "iterative",
    "sliced",
]
MatteUnit = Literal["percent", "pixels"]
MergeMode = Literal["over", "multiband", "gradient"]
Compression = Literal["zips", "zip", "piz", "none"]
Precision = Literal["fp32", "fp16"]
FACE = "percent of the aligned face's edge"
MATTE = "percent of the aligned face's edge, or pixels"


def unit(name: str) -> dict[str, Any]:
    """What a field's schema says of its unit."""
    return {"unit": name}


def as_minutes(value: Any) -> Any:
    """Read 2h, 90m, 45s or 1h30m as minutes; anything else is left for the field to judge."""
    if not isinstance(value, str):
        return value
    found = _SPAN.fullmatch("".join(value.lower().split()))
    if found is None or not any(found.groups()):
        return value
    return sum(
        float(part) * minutes for part, minutes in zip(found.groups(), (60, 1, 1 / 60), strict=True) if part
    )


_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_SPAN = re.compile(rf"(?:({_NUMBER})h)?(?:({_NUMBER})m(?:in)?)?(?:({_NUMBER})s)?")
# How long a run may train; `also` is a flag that says the same in another word.
RunMinutes = Annotated[
    float,
    Field(ge=0, le=1_000_000, json_schema_extra={**unit("minutes"), "also": "--pause-after"}),
    BeforeValidator(as_minutes),
]
Percent = Annotated[float, Field(ge=0, le=100, json_schema_extra=unit("percent"))]
# Fields that a keyframe may move: what the artist sees at once.
Share = Annotated[float, moving(0, 100, "percent")]
Signed = Annotated[float, moving(-100, 100, "percent")]
SignedOfFace = Annotated[float, moving(-50, 50, FACE)]
OfMatte = Annotated[float, moving(0, 200, MATTE)]
SignedOfMatte = Annotated[float, moving(-200, 200, MATTE)]
Switch = Annotated[bool, stepping()]
Turn = Annotated[float, moving(-45, 45, "degrees")]
Scale = Annotated[float, moving(50, 200, "percent")]


class Job(BaseModel):
    """What every verb's job shares: it is frozen, knows no extra fields and accepts no NaN."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


class PlateFields(Job):
    """Where frames come from."""

    plate: str
    """Plate to read: a video, or an image sequence such as plate.%04d.exr, plate.####.exr, plate.@@@@.exr."""
    frames: str | None = None
    """Frames to process, such as 1001-1100, 1001-1100x2 or 1001,1005; all when left out."""
    colour_space: str | None = None
    """Colour space of the plate by its OCIO name; by the file's header or type when left out."""


class FindFields(Job):
    """How a face is found and followed."""

    detector: Detector = "auto"
    """Face detector: the best one whose models are there (auto), or one by name."""
    reference: Path | None = None
    """Picture of the performer to follow when several faces are in the plate."""
    face_box: tuple[float, float, float, float] | None = None
    """Box (left, top, right, bottom) round the face to follow, in pixels of the first frame."""
    minimum_face_px: Annotated[float, Field(ge=4, le=4096, json_schema_extra=unit("pixels"))] = 24.0
    """Faces smaller than this are passed over."""
    smoothing_frames: Annotated[float, Field(ge=0, le=25, json_schema_extra=unit("frames"))] = 1.0
    """Width of the temporal smoothing of the face's placement; 0 leaves it as detected."""
