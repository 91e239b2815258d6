"""From a host's knobs to a job document, and whether a bake still shows what the knobs say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from understudy_host import file_facts
from understudy_host.knobs import LIVE, Knob, fields, knobs

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
    job.update(_told("swap", values))
    moved = {
        name: {str(frame): value for frame, value in sorted(keyed.items())} for name, keyed in keys.items()
    }
    if moved:
        job["keyframes"] = moved
    return job


def face_pass_document(
    values: Mapping[str, Any],
    keys: Keys,
    *,
    plate: str,
    output: str,
    frames: str,
    colour_space: str = "",
    live: Mapping[str, Any] = LIVE,
) -> dict[str, Any]:
    """The same as a face pass: what the host does live is left to it.

    Args:
        live: The knobs that the host applies itself, with the values that the face pass is baked at.
    """
    baked = {name: value for name, value in values.items() if name not in live}
    kept = {name: keyed for name, keyed in keys.items() if name not in live}
    job = swap_document(baked, kept, plate=plate, output=output, frames=frames, colour_space=colour_space)
    table = {knob.name: knob for knob in knobs("swap")}
    job.update({name: value for name, value in live.items() if _differs(value, table[name])})
    job["write"] = "face_pass"
    return job


def propagate_document(
    values: Mapping[str, Any], inputs: Mapping[str, str], *, output: str, frames: str, preview: bool = False
) -> dict[str, Any]:
    """The job that carries painted keyframes to the frames round them.

    Args:
        values: Knob values by field name; empty texts are left out, and so are defaults.
        inputs: File patterns by field name: plate and fix, and matte and swapped where there are any.
        output: File pattern such as fixed.%04d.exr.
        frames: Such as 1001-1100.
        preview: Only move the keyframes along.
    """
    job: dict[str, Any] = {**_told("propagate", values), **inputs, "output": output, "frames": frames}
    return {**job, "preview": True} if preview else job


def _told(verb: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a job has to be told of the knobs: what is needed, and what differs from its default."""
    table = {knob.name: knob for knob in knobs(verb)}
    return {
        name: value
        for name, value in values.items()
        if name in table and value not in ("", None) and (table[name].needed or _differs(value, table[name]))
    }


def digest(job: Mapping[str, Any], *, own: Collection[str] = ()) -> str:
    """Text that changes when a bake of this job would come out otherwise.

    What changes nothing of a frame does not count, such as the device, nor in a face pass what it does not
    hold. An input file that was written anew, under the same name too, counts as another one.

    Args:
        job: As `swap_document`, `face_pass_document` or `propagate_document` make it.
        own: Fields whose files the host writes itself for each run: those count by their names alone.
    """
    verb = "swap" if "write" in job else "propagate"
    aside = {
        field.name
        for field in fields(verb)
        if field.affects == "run" or (job.get("write") == "face_pass" and not field.in_face_pass)
    }
    counted = {name: value for name, value in job.items() if name not in aside}
    if "keyframes" in counted:
        counted["keyframes"] = {name: keys for name, keys in job["keyframes"].items() if name not in aside}
    counted["files"] = {
        field.name: file_facts.of(str(job[field.name]), field.path)
        for field in fields(verb)
        if field.access in ("read", "update") and job.get(field.name) and field.name not in own
    }
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def _differs(value: Any, knob: Knob) -> bool:
    if knob.kind == "double" and knob.default is not None:
        return float(value) != float(knob.default)
    return bool(value != knob.default)
