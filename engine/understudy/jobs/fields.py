"""What the jobs' fields are made of: types with ranges and units, and the fields that several verbs share.

What a field tells beyond its type (`unit`, `affects` and so on) is listed in schema.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from understudy.core import paths
from understudy.core.names import DEFAULT_FACE, FACE_NAME
from understudy.core.strict import Strict
from understudy.image.alpha import Alpha
from understudy.image.reading import Reading

# A studio's own detectors come in by entry points; whether there is one of a name is said where it is opened.
Detector = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        json_schema_extra={
            "enum": ["auto", "fan", "yunet", "known"],
            "entry_points": "understudy.detectors",
        },
    ),
]
FaceName = Annotated[str, Field(pattern=FACE_NAME)]
CoverageName = Literal["half", "full", "whole_face", "head"]
Compression = Literal["zips", "zip", "piz", "none"]
Precision = Literal["fp32", "fp16"]
PathKind = Literal["file", "sequence", "folder"]
Access = Literal["read", "write", "update"]


def unit(name: str) -> dict[str, Any]:
    """What a field's schema says of its unit."""
    return {"unit": name}


def affects(what: Literal["name", "file", "run"], *, knob: bool = True) -> Any:
    """What a field changes where it is not the pixels by its value; schema.py says what each word means.

    Args:
        what: `name`, `file` or `run`.
        knob: Whether a host shows it; False where the host decides the value itself.
    """
    return Field(json_schema_extra={"affects": what, **({} if knob else {"knob": False})})


def reads(what: PathKind, *, knob: bool = True) -> Any:
    """Marks a path that a verb reads; arguments as for `path`."""
    return path(what, "read", knob=knob)


def writes(what: PathKind, output: str, *, when: tuple[str, str] | None = None, knob: bool = True) -> Any:
    """Marks a path that a verb writes; further arguments as for `path`.

    Args:
        output: One of `KINDS` of files.py, which says how a file of ours is recognised.
        when: Another field, and the value with which this path is written; with any other it is read.
    """
    return path(what, "write", output=output, when=when, knob=knob)


def updates(what: PathKind, output: str, *, when: tuple[str, str] | None = None, knob: bool = True) -> Any:
    """Marks a path whose content a verb reads and changes, or creates; arguments as for `writes`."""
    return path(what, "update", output=output, when=when, knob=knob)


def words() -> Any:
    """Marks a text that names no file; one that does says so by `reads`, `writes` or `updates`."""
    return Field(json_schema_extra={"words": True})


def path(
    what: PathKind,
    access: Access,
    *,
    output: str = "",
    when: tuple[str, str] | None = None,
    knob: bool = True,
) -> Any:
    """What a path names, and what a verb does with it; schema.py says what each word means.

    Args:
        what: `file`, `sequence` or `folder`.
        access: `read`, `write` or `update`.
        knob: Whether a host shows it; False where the host decides the value itself.
    """
    extra: dict[str, Any] = {"path": what, "access": access}
    if output:
        extra["output"] = output
    if when is not None:
        extra["written_when"] = list(when)
    return Field(json_schema_extra=extra if knob else {**extra, "knob": False})


def facts(field: FieldInfo) -> dict[str, Any]:
    """What a field tells beyond its type."""
    extra = field.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def hidden() -> Any:
    """Marks a field that the host decides itself: no knob."""
    return Field(json_schema_extra={"knob": False})


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
# What all verbs that read or write frames share.
Plate = Annotated[str, reads("sequence", knob=False)]
Frames = Annotated[str | None, affects("run", knob=False), words()]
Output = Annotated[str, writes("sequence", "frames", knob=False)]
# Files that do not carry our mark are replaced with it alone; nobody but the user may say so.
Overwrite = Annotated[bool, affects("run", knob=False)]
Packing = Annotated[Compression, affects("file", knob=False)]
Verify = Annotated[bool, affects("run", knob=False)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Job(Strict):
    """What every verb's job shares: frozen, no extra fields, no NaN, and names that can be names."""

    @field_validator("*", mode="before")
    @classmethod
    def _check_names(cls, value: Any, info: ValidationInfo) -> Any:
        """Every field that names a file is held to what a file can be called; other words are Unicode."""
        if not isinstance(value, str | Path):
            return value
        if names_a_file(cls.model_fields[str(info.field_name)]):
            paths.check_name(value)
        elif isinstance(value, str):
            paths.check_text(value)
        return value


def names_a_file(field: FieldInfo) -> bool:
    """Whether a field names a file, or a pattern of files."""
    is_path = field.annotation is Path or Path in get_args(field.annotation)
    return is_path or "path" in facts(field)


class PlateFields(Job):
    """Where frames come from."""

    plate: Plate
    """Plate to read: a video, or an image sequence such as plate.%04d.exr, plate.####.exr, plate.@@@@.exr."""
    frames: Frames = None
    """Frames to process, such as 1001-1100, 1001-1100x2 or 1001,1005; all when left out."""
    colour_space: Annotated[str | None, words()] = None
    """Colour space of the plate by its OCIO name; by the file's header or type when left out."""
    alpha: Alpha = "auto"
    """Whether the plate's colours are multiplied by its alpha; auto looks at each frame, and tells."""
    layer: Annotated[str | None, words()] = None
    """Layer of the plate to work on, such as ViewLayer.Combined; the main layer when left out."""
    view: Annotated[str | None, words()] = None
    """View of a stereo plate to work on, such as right; the default view when left out."""

    @property
    def reading(self) -> Reading:
        """How the plate's channels are taken."""
        return Reading(self.alpha, self.layer or "", self.view or "")


class DetectionFields(Job):
    """How a face is detected and tracked."""

    detector: Detector = "auto"
    """Face detector: the best one whose models are there (auto), one by name, or a studio's own."""
    face: FaceName = DEFAULT_FACE
    """Name of the face among the plate's faces."""
    reference: Annotated[Path | None, reads("file")] = None
    """Picture of the performer to track; who is surely somebody else is left out."""
    face_box: tuple[float, float, float, float] | None = None
    """Box (left, top, right, bottom) around the face to track, in pixels of the first frame."""
    minimum_face_px: Annotated[float, Field(ge=4, le=4096, json_schema_extra=unit("pixels"))] = 24.0
    """Faces smaller than this are ignored."""
    smoothing_frames: Annotated[float, Field(ge=0, le=25, json_schema_extra=unit("frames"))] = 1.0
    """Width of the temporal smoothing of the face's placement; 0 leaves it as detected."""
