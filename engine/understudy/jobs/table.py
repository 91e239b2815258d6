"""The job table: one frozen model a verb, and the only place where an option is described.

The command line and its help, the JSON schema, the worker's parameters, the host's knobs and the page
`docs/jobs.md` all come from here. A field is its name, its type with a range, its default, one sentence, and
where it has one a unit. What training asks for is long enough for a file of its own, job_training.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator

from understudy.core.errors import JobError
from understudy.jobs import keyframes
from understudy.jobs.fields import (
    FACE,
    ColourMethod,
    Compression,
    CoverageName,
    Detector,
    FindFields,
    Job,
    MatteMode,
    MatteUnit,
    MergeMode,
    OfMatte,
    Percent,
    PlateFields,
    Scale,
    Share,
    Signed,
    SignedOfFace,
    SignedOfMatte,
    Switch,
    Turn,
    unit,
)
from understudy.jobs.keyframes import Keys, moving, stepping
from understudy.jobs.training import AdaptJob as AdaptJob
from understudy.jobs.training import ExportJob as ExportJob
from understudy.jobs.training import RefineJob as RefineJob
from understudy.jobs.training import TrainJob as TrainJob


class ExtractJob(PlateFields, FindFields):
    """Find one performer's face in every frame and write a face set to train on."""

    faceset: Path
    """Face set to write, a folder that ends in .faceset."""
    identity: str = "performer"
    """Name of the performer whose faces these are."""
    coverage: CoverageName = "full"
    """How much of the head a crop holds."""
    crop_size: Annotated[int, Field(ge=64, le=2048, json_schema_extra=unit("pixels"))] = 256
    """Edge of a stored crop."""
    release: Path | None = None
    """Likeness release of the performer, a JSON document; its digest travels with every model and frame."""


class TrackJob(PlateFields, FindFields):
    """Find one performer's face in every frame of a shot and write its track."""

    track: Path
    """Track to write, a file that ends in .track."""


class PointsJob(Job):
    """Write a track's faces as a document for a host, or put corrections by hand from one into the track."""

    track: Path
    """Track to read, or to correct."""
    document: Path
    """JSON document to write, or to read corrections from."""
    action: Literal["read", "correct"] = "read"
    """Write the document, or put the faces it marks as set by hand into the track."""
    frames: str | None = None
    """Frames of the track, such as 1001-1100, 1001-1100x2 or 1001,1005; all when left out."""


class SwapJob(PlateFields):
    """Put the source performer's face onto the plate, frame by frame."""

    track: Path
    """Track of the face in the plate."""
    model: Path
    """Exported model, an .onnx file with its card beside it."""
    output: str
    """Frames to write, such as out.%04d.exr."""
    write: Literal["frame", "face_pass"] = "frame"
    """Write the finished frame, or the face pass to composite in the host."""
    exr_compression: Compression = "zips"
    """How EXR frames are packed: in lines (zips), in blocks (zip), by wavelets (piz), or not, for speed."""
    source: str | None = None
    """Identity to put in; the model's first source when left out."""
    identity_mix: Share = 100.0
    """Share of the source performer in the new face; the rest is the plate's own, as the model knows it."""
    plate_mouth: Share = 0.0
    """How far the plate's own teeth and tongue show between the new face's lips."""
    matte_learned: Switch = True
    """Covers the plate where the model says the new face is."""
    matte_destination: Switch = False
    """Covers the plate where the model says the plate's own face is."""
    matte_hull: Switch = False
    """Covers the plate inside its own face's landmarks only: holds a longer or wider new face in."""
    matte_occlusion: Switch = False
    """Leaves out what lies in front of the plate's face: where it differs from what the model knows."""
    matte_box: Switch = False
    """Covers the plate inside the rectangle round the landmarks."""
    box_padding_percent: SignedOfFace = 0.0
    """Room between the landmarks and the sides of the box matte; negative values draw it in."""
    matte_external: str | None = None
    """Your own matte in the plate's raster, such as roto.%04d.exr: alpha or first channel, used as drawn."""
    matte_combine: Annotated[MatteMode, stepping()] = "product"
    """How the chosen mattes become one; difference takes the later ones out of the first."""
    matte_unit: Annotated[MatteUnit, stepping()] = "percent"
    """Unit of erode and feather: percent of the aligned face's edge, or pixels of the plate."""
    erode: SignedOfMatte = -2.0
    """Shrinks the matte; negative values grow it."""
    erode_top: SignedOfMatte = 0.0
    """Shrinks the matte from the forehead; negative values grow it."""
    erode_bottom: SignedOfMatte = 0.0
    """Shrinks the matte from the chin; negative values grow it."""
    erode_left: SignedOfMatte = 0.0
    """Shrinks the matte from the picture's left side of the face; negative values grow it."""
    erode_right: SignedOfMatte = 0.0
    """Shrinks the matte from the picture's right side of the face; negative values grow it."""
    feather: OfMatte = 5.0
    """Width of the matte's soft edge, inwards."""
    feather_top: OfMatte = 0.0
    """Width of a longer soft edge at the forehead."""
    feather_bottom: OfMatte = 0.0
    """Width of a longer soft edge at the chin."""
    feather_left: OfMatte = 0.0
    """Width of a longer soft edge on the picture's left side of the face."""
    feather_right: OfMatte = 0.0
    """Width of a longer soft edge on the picture's right side of the face."""
    opacity: Share = 100.0
    """Opacity of the new face; at 0 the plate comes out bit for bit."""
    colour_method: Annotated[ColourMethod, stepping()] = "mean"
    """How the face's colour is matched to the plate."""
    colour_strength: Share = 100.0
    """How far the colour match goes."""
    temporal_window: Annotated[int, Field(ge=0, le=25, json_schema_extra=unit("frames"))] = 0
    """Frames on each side that colour and light are averaged with; never across a cut."""
    light_strength: Share = 100.0
    """How far the plate's broad light and shade replace the new face's own."""
    light_radius_percent: Annotated[float, moving(1, 50, FACE)] = 20.0
    """What counts as broad: the deviation of the blur that tells light from detail."""
    grade_gain_stops: Annotated[float, moving(-4, 4, "stops")] = 0.0
    """Your own exposure of the new face, after match and light."""
    grade_gamma: Annotated[float, moving(0.25, 4, "a factor")] = 1.0
    """Flattens the new face's contrast about mid grey above 1, and steepens it below."""
    grade_lift_percent: Annotated[float, moving(-50, 50, "percent")] = 0.0
    """Raises the dark of the new face and leaves its white."""
    grade_saturation_percent: Annotated[float, moving(0, 200, "percent")] = 100.0
    """Colourfulness of the new face."""
    grade_hue_degrees: Annotated[float, moving(-180, 180, "degrees")] = 0.0
    """Turns the new face's hues."""
    sharpness: Signed = 0.0
    """Sharpens the new face; negative values soften it."""
    sharpness_radius_percent: Annotated[float, moving(0.1, 10, FACE)] = 1.0
    """How fine the detail is that sharpness changes."""
    match_sharpness: Share = 0.0
    """How far the new face takes on the plate's own sharpness, as measured on its face."""
    degrade: Share = 0.0
    """Throws resolution of the new face away, for soft plates."""
    denoise: Share = 0.0
    """Smooths small differences in the new face and keeps its edges."""
    grain: Annotated[float, moving(0, 200, "percent")] = 0.0
    """Gives the new face the grain measured in the plate; 100 is as much as the plate has."""
    motion_blur: Share = 0.0
    """Blurs the new face along its track, by the share of a frame that the shutter is open."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """Seed of the grain's pattern and of random axes in colour; the same seed gives the same frames."""
    merge: Annotated[MergeMode, stepping()] = "over"
    """How the face joins the plate: over, its bands blended apart, or its gradients with the plate's edge."""
    face_scale_percent: Scale = 100.0
    """Size of the new face about its centre."""
    face_shift_x_percent: SignedOfFace = 0.0
    """Moves the new face to the right."""
    face_shift_y_percent: SignedOfFace = 0.0
    """Moves the new face down."""
    face_turn_degrees: Turn = 0.0
    """Turns the new face clockwise about its centre."""
    keyframes: Keys = Field(default_factory=dict)
    """Values by frame for options that can move, as {"opacity": {"1001": 0, "1009": 100}}, linear between."""
    device: Literal["auto", "cpu", "cuda", "tensorrt", "coreml", "directml"] = "auto"
    """Where inference runs; auto takes the fastest provider there is."""

    @field_validator("keyframes", mode="before")
    @classmethod
    def _parse_keyframes(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value  # a command line has only text

    @field_validator("keyframes")
    @classmethod
    def _check_keyframes(cls, keys: Keys) -> Keys:
        return keyframes.check(cls, keys)

    def at(self, frame: int) -> Self:
        """The job as its keyframes have it on one frame; before the first and after the last they hold."""
        if not self.keyframes:
            return self
        return self.model_copy(update={**keyframes.at(self.keyframes, frame), "keyframes": {}})


class PropagateJob(PlateFields):
    """Carry a fix painted on one frame or a few to the frames round them."""

    fix: str
    """Keyframes you painted, such as fix.%04d.exr with gaps, or fix.1017.exr; their alpha may say where."""
    output: str
    """Frames to write, such as fixed.%04d.exr."""
    swapped: str | None = None
    """Frames that the fix was painted on, such as swap.%04d.exr; the plate's own when left out."""
    matte: str | None = None
    """Matte of what has to go on each frame, such as roto.%04d.exr: nothing that it hides is looked at."""
    matte_grow_px: Annotated[int, Field(ge=0, le=200, json_schema_extra=unit("pixels"))] = 3
    """Border round the matte that is not looked at either, for motion blur and soft edges."""
    track: Path | None = None
    """Track of the face in the plate: the fix then stays on the skin of a turning head."""
    preview: bool = False
    """Only move the keyframe along by flow, at once: to look at while you paint."""
    method: Literal["hybrid", "synthesis"] = "hybrid"
    """Synthesise patches only where flow cannot be trusted (hybrid), or all of the fix."""
    patch: Annotated[int, Field(ge=3, le=9, json_schema_extra=unit("pixels"))] = 5
    """Edge of a patch, an odd number; small ones follow finer detail, large ones keep more texture."""
    plate_weight: Annotated[float, Field(ge=0, le=100)] = 6.0
    """How much the plate guides the search for patches; the painting itself counts 1."""
    swapped_weight: Annotated[float, Field(ge=0, le=100)] = 2.0
    """How much the frames that the fix was painted on guide it, where they are not the plate."""
    edge_weight: Annotated[float, Field(ge=0, le=100)] = 1.0
    """How much the plate's edges guide it."""
    position_weight: Annotated[float, Field(ge=0, le=100)] = 2.0
    """How much the place guides it that flow leads to."""
    temporal_weight: Annotated[float, Field(ge=0, le=100)] = 0.5
    """How much the last frame's result guides it; more is steadier."""
    uniformity: Annotated[float, Field(ge=0, le=100_000)] = 3500.0
    """What using one part of the painting again and again costs; 0 leaves it free."""
    wanted_confidence: Percent = 60.0
    """Frames that are less sure than this are named, with the frame to paint next first."""
    exr_compression: Compression = "zips"
    """How EXR frames are packed: in lines (zips), in blocks (zip), by wavelets (piz), or not, for speed."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """Seed of the search for patches; the same seed gives the same frames."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where patches are searched; auto takes the GPU where numba finds one."""

    @field_validator("patch")
    @classmethod
    def _check_patch(cls, edge: int) -> int:
        if edge % 2 == 0:
            raise ValueError("a patch has an odd edge: 3, 5, 7 or 9")
        return edge


class ScoreJob(PlateFields):
    """Score a swap against the true swap, where the performers were rendered and it is known."""

    truth: str
    """The plate's frames with the other identity rendered into them: what a perfect swap gives."""
    swapped: str
    """Frames that a swap wrote, such as swap.%04d.exr."""
    sheet: Path | None = None
    """Contact sheet of plate, swap and truth to write, a .png; none when left out."""


class BundleJob(Job):
    """Write a swap job as an Open Job Description bundle, for a farm to split into chunks of frames."""

    document: Path
    """Swap job document, a JSON file with full paths, as a node writes it."""
    folder: Path
    """Folder of the bundle to write."""
    frames: str | None = None
    """Frames to make, such as 1001-1100 or 1001-1100x2; the document's own when left out."""
    chunk_frames: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=unit("frames"))] = 20
    """Frames in one task."""
    name: str = ""
    """Name of the job on the farm; the folder's when left out."""
    program: str = "understudy"
    """The engine's program on the farm's machines."""


class ModelsJob(Job):
    """List, fetch or verify the detector and landmark models."""

    action: Literal["list", "fetch", "verify"] = "list"
    """What to do."""
    name: str | None = None
    """One model by name; all the needed ones when left out."""
    offline_folder: Path | None = None
    """Folder to take the files from in place of the network."""


class DemoJob(Job):
    """Render the demo shot, train on it, swap it and score it against the truth."""

    output: Path = Path("demo-out")
    """Folder to write everything to."""
    minutes: Annotated[float, Field(gt=0, le=600, json_schema_extra=unit("minutes"))] = 3.0
    """Training time."""
    size: Annotated[int, Field(ge=32, le=512, multiple_of=16, json_schema_extra=unit("pixels"))] = 80
    """Edge of the face the network makes."""
    training_frames: Annotated[int, Field(ge=8, le=5000)] = 200
    """Frames rendered of each performer to train on."""
    shot_frames: Annotated[int, Field(ge=2, le=2000)] = 48
    """Frames of the shot that is swapped."""
    detector: Detector = "yunet"
    """Face detector; `known` uses the renderer's own landmarks where no detector can be had."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 7
    """Seed of the performers and the performance."""


JOBS: Mapping[str, type[Job]] = {
    "extract": ExtractJob,
    "track": TrackJob,
    "points": PointsJob,
    "train": TrainJob,
    "refine": RefineJob,
    "adapt": AdaptJob,
    "export": ExportJob,
    "swap": SwapJob,
    "propagate": PropagateJob,
    "score": ScoreJob,
    "bundle": BundleJob,
    "models": ModelsJob,
    "demo": DemoJob,
}


def parse_job(verb: str, values: Mapping[str, Any]) -> Job:
    """Build a verb's job from plain values.

    Raises:
        JobError: the verb is unknown, or a field is missing, unknown, of the wrong type or out of range.
    """
    if verb not in JOBS:
        raise JobError(f"There is no verb {verb!r}.", fix=f"use one of {', '.join(JOBS)}")
    try:
        return JOBS[verb].model_validate(dict(values))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=True)[0]
        field = ".".join(str(part) for part in first["loc"]) or verb
        raise JobError(
            f"{field} of the {verb} job: {first['msg']}.",
            where=f"{field} = {str(first['input'])[:200]!r}",
            fix=f"see `understudy {verb} --help`",
        ) from exc
