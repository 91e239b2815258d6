"""The swap job: the stages' parameters, the files, and the values by frame, as one flat document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast

from pydantic import ConfigDict, Field, field_validator, model_validator

from understudy.core import documents
from understudy.jobs import keyframes
from understudy.jobs.fields import (
    FaceName,
    Job,
    Output,
    Overwrite,
    Packing,
    PlateFields,
    Verify,
    affects,
    facts,
    hidden,
    reads,
    words,
)
from understudy.jobs.keyframes import Keys
from understudy.swap.declare import Parameters
from understudy.swap.recipe import STAGES
from understudy.swap.stages.acting import ActingParameters
from understudy.swap.stages.average import AverageParameters
from understudy.swap.stages.colour import ColourParameters
from understudy.swap.stages.detail import DetailParameters
from understudy.swap.stages.grade import GradeParameters
from understudy.swap.stages.grain import GrainParameters
from understudy.swap.stages.light import LightParameters
from understudy.swap.stages.mattes import MatteParameters
from understudy.swap.stages.measure import MeasureParameters
from understudy.swap.stages.merge import MergeParameters
from understudy.swap.stages.motion import MotionParameters
from understudy.swap.stages.mouth import MouthParameters
from understudy.swap.stages.place import PlaceParameters
from understudy.swap.stages.predict import PredictParameters
from understudy.swap.stages.skin import SkinParameters

Group = TypeVar("Group", bound=Parameters)


def _tell_stages(schema: dict[str, Any], job: type[Any]) -> None:
    """Put the files first and then the stages in their order; tell each field's stage and tab.

    A field that several stages share stands with the last of them.
    """
    fields: dict[str, Any] = schema["properties"]
    stages = {name: stage for stage in STAGES for name in stage.parameters.model_fields}
    left_out = not_in_a_face_pass()
    order = [name for name in fields if name not in stages]
    for stage in STAGES:
        mine = [name for name in stage.parameters.model_fields if stages[name] is stage]
        order += mine
        for name in mine:
            fields[name] = {"stage": stage.name, "tab": stage.tab, **fields[name]}
            if name in left_out and "live" not in fields[name]:
                fields[name]["in_face_pass"] = False
    schema["properties"] = {name: fields[name] for name in order}
    schema["stages"] = [{"name": stage.name, "sentence": stage.sentence} for stage in STAGES]


class FaceSwap(Job):
    """One face of several: which, by which model, and whose face goes in."""

    face: FaceName
    """Name of the face in the track."""
    model: Annotated[Path | None, reads("file")] = None
    """Exported model; the job's when left out."""
    source: Annotated[str | None, words()] = None
    """Identity to put in; the job's when left out."""


def not_in_a_face_pass() -> frozenset[str]:
    """The parameters that change nothing of a face pass: those of later stages that its header does not tell.

    A host shows those of them that are live: it applies them itself.
    """
    fields = {name: one for stage in STAGES for name, one in stage.parameters.model_fields.items()}
    held = {name for stage in STAGES if stage.in_face_pass for name in stage.parameters.model_fields}
    return frozenset(
        name for name, one in fields.items() if name not in held and not facts(one).get("in_face_pass")
    )


class SwapJob(
    # Fields come in the order of the last base first; the schema puts them in the order of STAGES.
    GrainParameters,
    MergeParameters,
    MotionParameters,
    PlaceParameters,
    MouthParameters,
    DetailParameters,
    GradeParameters,
    LightParameters,
    ColourParameters,
    AverageParameters,
    MeasureParameters,
    MatteParameters,
    SkinParameters,
    PredictParameters,
    ActingParameters,
    PlateFields,
):
    """Put the source performer's face onto the plate, frame by frame."""

    model_config = ConfigDict(json_schema_extra=_tell_stages)

    track: Annotated[Path, reads("file")]
    """Track of the faces in the plate."""
    model: Annotated[Path, reads("file")]
    """Exported model, an .onnx file with its card beside it."""
    face: Annotated[FaceName | None, affects("name", knob=False)] = None
    """Face of the track to swap; its only face when left out."""
    faces: Annotated[tuple[FaceSwap, ...], Field(max_length=32), affects("name", knob=False)] = ()
    """Several faces in their order, as [{"face": "hero", "model": "a.onnx", "source": "ann"}]."""
    output: Output
    """Frames to write, such as out.%04d.exr."""
    overwrite: Overwrite = False
    """Replace files that Understudy did not write; they are refused otherwise."""
    write: Annotated[Literal["frame", "face_pass"], hidden()] = "frame"
    """Write the finished frame, or the face pass to composite in the host."""
    exr_compression: Packing = "zips"
    """EXR compression: zips (scanline), zip (16-line blocks), piz (wavelet) or none."""
    verify: Verify = False
    """Read finished frames in full and make damaged ones again; without it their size and structure count."""
    keyframes: Annotated[Keys, hidden()] = Field(default_factory=dict)
    """Values by frame for options that can move, as {"opacity": {"1001": 0, "1009": 100}}, linear between."""
    device: Annotated[Literal["auto", "cpu", "cuda", "tensorrt", "coreml", "directml"], affects("run")] = (
        "auto"
    )
    """Where inference runs; auto takes the fastest provider there is."""

    @field_validator("keyframes", "faces", mode="before")
    @classmethod
    def _parse_json(cls, value: Any) -> Any:
        return documents.parse(value) if isinstance(value, str) else value  # a command line has only text

    @field_validator("keyframes")
    @classmethod
    def _check_keyframes(cls, keys: Keys) -> Keys:
        return keyframes.check(cls, keys)

    @model_validator(mode="after")
    def _check_faces(self) -> Self:
        names = [one.face for one in self.faces]
        if len(set(names)) < len(names):
            raise ValueError("a face is named twice in faces")
        if self.faces and self.face is not None:
            raise ValueError("faces names the faces already: leave face out")
        return self

    @property
    def takes_skin(self) -> bool:
        """Whether any frame takes detail from a skin bank."""
        return self.skin > 0 or "skin" in self.keyframes

    def each_face(self) -> tuple[Self, ...]:
        """The job of each face by itself, in the order they are laid over."""
        return tuple(
            self.model_copy(
                update={
                    "face": one.face,
                    "model": one.model or self.model,
                    "source": one.source or self.source,
                    "faces": (),
                }
            )
            for one in self.faces
        ) or (self,)

    def at(self, frame: int) -> Self:
        """The job as its keyframes have it on one frame; before the first and after the last they hold."""
        if not self.keyframes:
            return self
        return self.model_copy(update={**keyframes.at(self.keyframes, frame), "keyframes": {}})

    def of(self, group: type[Group]) -> Group:
        """The parameters of one stage: all that its function sees of the job."""
        values = {name: getattr(self, name) for name in group.model_fields}
        return cast(Group, group.model_construct(None, **values))
