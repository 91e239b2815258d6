"""From a host's knobs to a job document, and whether a bake still shows what the knobs say."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from understudy_host.knobs import LIVE, Knob, knobs

_FILES = ("track", "model")
Keys = Mapping[str, Mapping[int, Any]]


def swap_document(
    values: Mapping[str, Any], keys: Keys, *, plate: str, output: str, frames: str, colour_space: str = ""
) -> dict[str, Any]:
    """The swap job of finished frames, with everything the knobs say.

    Args:
        values: Knob values by field name; empty texts are left out, and so are defaults.
        keys: Keyed values by field name and frame.
        plate, output: File patterns such as plate.%04d.exr.
        frames: Such as 1001-1100.
        colour_space: The plate's, by its OCIO name; what the file says where it is empty.
    """
    job: dict[str, Any] = {"plate": plate, "output": output, "frames": frames, "write": "frame"}
    if colour_space:
        job["colour_space"] = colour_space
    table = {knob.name: knob for knob in knobs("swap")}
    for name, value in values.items():
        knob = table.get(name)
        if knob is not None and value not in ("", None) and (knob.needed or _differs(value, knob)):
            job[name] = value
    moved = {
        name: {str(frame): value for frame, value in sorted(keyed.items())} for name, keyed in keys.items()
    }
    if moved:
        job["keyframes"] = moved
    return job


def face_pass_document(
    values: Mapping[str, Any], keys: Keys, *, plate: str, output: str, frames: str, colour_space: str = ""
) -> dict[str, Any]:
    """The same as a face pass: what the host does live is left to it."""
    baked = {name: value for name, value in values.items() if name not in LIVE}
    kept = {name: keyed for name, keyed in keys.items() if name not in LIVE}
    job = swap_document(baked, kept, plate=plate, output=output, frames=frames, colour_space=colour_space)
    table = {knob.name: knob for knob in knobs("swap")}
    job.update({name: value for name, value in LIVE.items() if _differs(value, table[name])})
    job["write"] = "face_pass"
    return job


def digest(job: Mapping[str, Any]) -> str:
    """Text that changes when a bake of this job would come out otherwise; frames do not count.

    A track or a model that was written anew counts as another one.
    """
    counted = {name: value for name, value in job.items() if name not in ("frames", "device")}
    counted["written"] = [_written(str(job.get(name, ""))) for name in _FILES]
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def _written(path: str) -> list[int]:
    """Size and time of a file; empty where there is none."""
    try:
        facts = os.stat(path)
    except OSError:
        return []
    return [facts.st_size, facts.st_mtime_ns]


def _differs(value: Any, knob: Knob) -> bool:
    if knob.kind == "double" and knob.default is not None:
        return float(value) != float(knob.default)
    return bool(value != knob.default)
