"""The job that propagates painted keyframes to the frames around them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from understudy.jobs.fields import (
    FaceName,
    Output,
    Overwrite,
    Packing,
    Percent,
    PlateFields,
    Seed,
    Verify,
    affects,
    reads,
    unit,
)


class PropagateJob(PlateFields):
    """Propagate a fix painted on one or a few frames to the frames around them."""

    fix: Annotated[str, reads("sequence")]
    """Painted keyframes, such as fix.%04d.exr with gaps, or fix.1017.exr; alpha may hold the fix's matte."""
    output: Output
    """Frames to write, such as fixed.%04d.exr."""
    overwrite: Overwrite = False
    """Replace files that Understudy did not write; they are refused otherwise."""
    swapped: Annotated[str | None, reads("sequence")] = None
    """Frames that the fix was painted on, such as swap.%04d.exr; the plate when left out."""
    matte: Annotated[str | None, reads("sequence")] = None
    """Matte of what to remove on each frame, such as roto.%04d.exr: no pixel under it is used."""
    matte_grow_px: Annotated[int, Field(ge=0, le=200, json_schema_extra=unit("pixels"))] = 3
    """Border that the matte is grown by, for motion blur and soft edges."""
    track: Annotated[Path | None, reads("file")] = None
    """Track of the face in the plate: it leads the optical flow, so that a fix stays on a turning face."""
    face: Annotated[FaceName | None, affects("name", knob=False)] = None
    """Face of the track that the fix is on; its only face when left out."""
    preview: bool = False
    """Warp the keyframe by optical flow only, which is fast: for a look while you paint."""
    method: Literal["hybrid", "synthesis"] = "hybrid"
    """Patch synthesis only where the flow's confidence is low (hybrid), or for the whole fix (synthesis)."""
    patch: Annotated[int, Field(ge=3, le=9, json_schema_extra=unit("pixels"))] = 5
    """Edge of a patch, an odd number; smaller patches follow finer detail, larger ones keep more texture."""
    plate_weight: Annotated[float, Field(ge=0, le=100)] = 6.0
    """Weight of the plate in the patch search; the painted picture itself has the weight 1."""
    swapped_weight: Annotated[float, Field(ge=0, le=100)] = 2.0
    """Weight of the frames that the fix was painted on, where those are not the plate."""
    edge_weight: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Weight of the plate's edges."""
    position_weight: Annotated[float, Field(ge=0, le=100)] = 2.0
    """Weight of the position that optical flow gives."""
    temporal_weight: Annotated[float, Field(ge=0, le=100)] = 0.5
    """Weight of the previous frame's result; a higher weight flickers less."""
    uniformity: Annotated[float, Field(ge=0, le=100_000)] = 3500.0
    """Penalty for using the same part of the painted picture repeatedly; 0 turns it off."""
    wanted_confidence: Percent = 60.0
    """Frames below this confidence are suggested as the next keyframes, the most useful first."""
    exr_compression: Packing = "zips"
    """EXR compression: zips (scanline), zip (16-line blocks), piz (wavelet) or none."""
    verify: Verify = False
    """Read finished frames in full and make damaged ones again; without it their size and structure count."""
    seed: Seed = 1
    """Seed of the patch search; the same seed gives the same frames."""
    device: Annotated[Literal["auto", "cpu", "cuda"], affects("run")] = "auto"
    """Device of the patch search; auto takes the GPU where numba finds one."""

    @field_validator("patch")
    @classmethod
    def _check_patch(cls, edge: int) -> int:
        if edge % 2 == 0:
            raise ValueError("a patch has an odd edge: 3, 5, 7 or 9")
        return edge
