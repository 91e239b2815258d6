"""What a written frame carries in its header: what it was made of, by which model, under which release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from understudy.errors import JobError, PlateError, UnderstudyError
from understudy.image.exr import read_metadata
from understudy.image.frame import Frame, MetadataValue
from understudy.image.plate import Plate
from understudy.job import SwapJob
from understudy.runtime.model import ModelCard
from understudy.shot import recipe
from understudy.shot.footage import Footage

DIGEST = "understudy:digest"
# What changes where or by whom a frame is made, but not the frame.
_NOT_OF_THE_FRAME = {"frames", "output", "device", "track", "model", "keyframes"}


def digest(footage: Footage, number: int) -> str:
    """Digest of what a frame depends on: pictures, landmarks, model, the job's values on it, the recipe."""
    values = footage.job.at(number).model_dump(mode="json", exclude=_NOT_OF_THE_FRAME)
    return digest_of({**footage.inputs(number), "job": values, "frame": number, "recipe": recipe.VERSION})


def digest_of(inputs: Mapping[str, Any]) -> str:
    """Digest of plain values."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def is_done(path: Path, wanted: str) -> bool:
    """Whether a file holds the frame of that digest."""
    return header_if_done(path, wanted) is not None


def header_if_done(path: Path, wanted: str) -> Mapping[str, MetadataValue] | None:
    """What the header of a file says that holds the frame of that digest; None where none does."""
    if not path.exists():
        return None
    try:
        said = read_metadata(path)
    except PlateError:
        return None  # half a file from elsewhere: it is written again
    return said if said.get(DIGEST) == wanted else None


def outcome(
    output: str, written: Sequence[int], kept: Sequence[int], failed: Mapping[int, UnderstudyError]
) -> dict[str, Any]:
    """What a run that writes frames tells at its end: how many it made, left and lost."""
    return {
        "output": output,
        "written": len(written),
        "unchanged": len(kept),
        "failed_frames": sorted(failed),
        "exit_code": max((exc.exit_code for exc in failed.values()), default=0),
    }


def refuse_overwriting(path: Path, inputs: Mapping[str, Plate | None], number: int) -> None:
    """Stop before a frame would be written over what it is made from.

    Args:
        inputs: What is read, by what the user calls it.

    Raises:
        JobError: the path is an input's own file.
    """
    for what, read in inputs.items():
        if read is not None and path.absolute() == read.file(number).absolute():
            raise JobError(f"The output would overwrite the {what}.", where=path, fix="choose another output")


def stamped(frame: Frame, job: SwapJob, card: ModelCard, wanted: str) -> Frame:
    """The frame with its provenance in the header: which model, which identity, under which release."""
    source = job.source or card.source
    stamp = {
        DIGEST: wanted,
        "understudy:model": card.sha256,
        "understudy:source": source,
        "understudy:release": card.releases.get(source, ""),
    }
    return with_stamp(frame, job.output, stamp)


def with_stamp(frame: Frame, output: str, stamp: Mapping[str, MetadataValue]) -> Frame:
    """The frame with more in its header, stored as finely as its values need in the output's kind of file."""
    storage = frame.storage
    if Path(output).suffix.lower() == ".exr" and storage not in ("half", "float"):
        storage = "float"  # half would round an 8-bit value
    return replace(frame, metadata={**frame.metadata, **stamp}, storage=storage)
