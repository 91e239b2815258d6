"""The job that carries painted keyframes to the frames around them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from understudy.jobs.fields import FaceName, Output, Packing, Percent, PlateFields, Seed, affects, unit


class PropagateJob(PlateFields):
    """Carry a fix painted on one frame or a few to the frames around them."""

    fix: Annotated[str, affects("input")]
    """Keyframes you painted, such as fix.%04d.exr with gaps, or fix.1017.exr; their alpha may say where."""
    output: Output
    """Frames to write, such as fixed.%04d.exr."""
    swapped: Annotated[str | None, affects("input")] = None
    """Frames that the fix was painted on, such as swap.%04d.exr; the plate's own when left out."""
    matte: Annotated[str | None, affects("input")] = None
    """Matte of what has to be removed in each frame, such as roto.%04d.exr; flow and search leave it out."""
    matte_grow_px: Annotated[int, Field(ge=0, le=200, json_schema_extra=unit("pixels"))] = 3
    """Border around the matte that is left out too, for motion blur and soft edges."""
    track: Annotated[Path | None, affects("input")] = None
    """Track of the face in the plate: the fix then stays on the skin of a turning head."""
    face: Annotated[FaceName | None, affects("name", knob=False)] = None
    """Face of the track that the fix is on; its only face when left out."""
    preview: bool = False
    """Only move the keyframe along by flow, at once: to look at while you paint."""
    method: Literal["hybrid", "synthesis"] = "hybrid"
    """Synthesise patches only where flow is unreliable (hybrid), or everywhere in the fix."""
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
    exr_compression: Packing = "zips"
    """EXR compression: zips (scanline), zip (16-line blocks), piz (wavelet) or none."""
    seed: Seed = 1
    """Seed of the search for patches; the same seed gives the same frames."""
    device: Annotated[Literal["auto", "cpu", "cuda"], affects("run")] = "auto"
    """Where patches are searched; auto takes the GPU where numba finds one."""

    @field_validator("patch")
    @classmethod
    def _check_patch(cls, edge: int) -> int:
        if edge % 2 == 0:
            raise ValueError("a patch has an odd edge: 3, 5, 7 or 9")
        return edge
