"""The jobs that detect and track faces in a shot, and that score a swapped one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from understudy.jobs.fields import (
    CoverageName,
    DetectionFields,
    FaceName,
    Frames,
    Job,
    Overwrite,
    PlateFields,
    reads,
    unit,
    updates,
    words,
    writes,
)


class ExtractJob(PlateFields, DetectionFields):
    """Detect one performer's face in every frame and write a face set to train on."""

    faceset: Annotated[Path, updates("folder", "face_set")]
    """Face set to write, a folder that ends in .faceset."""
    identity: Annotated[str, words()] = "performer"
    """Name of the performer whose faces these are."""
    coverage: CoverageName = "full"
    """How much of the head a crop holds."""
    crop_size: Annotated[int, Field(ge=0, le=2048, json_schema_extra=unit("pixels"))] = 0
    """Edge of a stored crop, of at least 64; 0 takes the face's own size in the plate, from 256 to 1024."""
    release: Annotated[Path | None, reads("file")] = None
    """Likeness release of the performer, a JSON document; its digest travels with every model and frame."""

    @model_validator(mode="after")
    def _check_crop_size(self) -> Self:
        if 0 < self.crop_size < 64:
            raise ValueError("crop_size is 0, or at least 64")
        return self


class TrackJob(PlateFields, DetectionFields):
    """Detect and track one face of a shot, or several at once, and write the track."""

    track: Annotated[Path, updates("file", "track")]
    """Track to write, a file that ends in .track; of one that is there, other frames and faces are kept."""
    existing: Literal["check", "extend", "replace"] = "check"
    """A track that is there: extended if it is of this plate (check), or of any (extend); or replaced."""
    faces: Annotated[int, Field(ge=1, le=32)] = 1
    """How many faces to track at once; several are numbered from left to right: face1, face2."""

    @model_validator(mode="after")
    def _check_one_is_meant(self) -> Self:
        if self.faces > 1 and (self.reference is not None or self.face_box is not None):
            raise ValueError("a reference or a box is of one face: track it alone, by a name of its own")
        return self


class PointsJob(Job):
    """Write a track's faces as a document for a host, or put corrections by hand from one into the track."""

    track: Annotated[Path, updates("file", "track", when=("action", "correct"))]
    """Track to read, or to correct."""
    document: Annotated[Path, writes("file", "points", when=("action", "read"))]
    """JSON document to write, or to read corrections from."""
    action: Literal["read", "correct"] = "read"
    """Write the document, or put the faces it marks as set by hand into the track."""
    face: FaceName | None = None
    """Face of the track; all of its faces when left out."""
    frames: Frames = None
    """Frames of the track, such as 1001-1100, 1001-1100x2 or 1001,1005; all when left out."""
    overwrite: Overwrite = False
    """Replace files that Understudy did not write; they are refused otherwise."""


class ScoreJob(PlateFields):
    """Score a swap against the true swap, where the performers were rendered and it is known."""

    truth: Annotated[str, reads("sequence")]
    """The plate's frames with the other identity rendered into them: what a perfect swap gives."""
    swapped: Annotated[str, reads("sequence")]
    """Frames that a swap wrote, such as swap.%04d.exr."""
    sheet: Annotated[Path | None, writes("file", "sheet")] = None
    """Contact sheet of plate, swap and truth to write, a .png; none when left out."""
    overwrite: Overwrite = False
    """Replace files that Understudy did not write; they are refused otherwise."""
