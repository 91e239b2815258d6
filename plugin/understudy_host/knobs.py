"""The knobs of a host's node, read off the jobs' schema: none is written down twice.

What a field of the schema tells beyond JSON Schema is listed in the engine's jobs/schema.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = Path(__file__).with_name("job_schema.json")
TABS = ("Face", "Mask", "Colour", "Detail")
_WORDS = {"percent": "%", "degrees": "°"}


class Knob(NamedTuple):
    """One field of a job as a host shows it.

    Attributes:
        name: The field's name.
        label: For the artist.
        tooltip: The field's sentence with its unit.
        kind: `double`, `int`, `bool`, `choice`, `file` or `text`.
        default: The field's default; None where it has none.
        low, high: The range of a number; None where it has none.
        items: A choice's words.
        animated: Whether keyframes may move it.
        tab: One of TABS.
        live: Whether a host may apply it itself to a face pass, without a bake.
        needed: Whether a job cannot do without it.
        neutral: Of a live knob: the value that the face pass is baked at.
        live_matte: Whether a host may apply it itself where it makes the matte from the face pass's mattes.
        in_face_pass: False where it changes finished frames only.
        affects: `picture`; `name`, a name of what the picture depends on; `file`, how a frame is stored;
            `run`, nothing of the frame.
        path: What a path names: `file`, `sequence` (one file a frame, or a video) or `folder`; empty for all
            else.
        access: Of a path: `read`, `write` or `update`.
        stage: Of a swap: the stage that declares it; empty for all else.
        formerly: Names of earlier releases, under which a saved script may hold its value.
    """

    name: str
    label: str
    tooltip: str
    kind: str
    default: Any
    low: float | None
    high: float | None
    items: tuple[str, ...]
    animated: bool
    tab: str
    live: bool
    needed: bool
    neutral: Any = None
    live_matte: bool = False
    in_face_pass: bool = True
    affects: str = "picture"
    path: str = ""
    access: str = ""
    stage: str = ""
    formerly: tuple[str, ...] = ()


@cache
def schema(verb: str) -> dict[str, Any]:
    """The JSON schema of a verb's job; read once, since hosts ask at every move of a knob."""
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    found: dict[str, Any] = document["jobs"][verb]
    return found


@cache
def fields(verb: str) -> tuple[Knob, ...]:
    """Every field of a verb's job in the schema's order, those included that no host shows."""
    document = schema(verb)
    needed = document.get("required", [])
    return tuple(_knob(name, field, name in needed) for name, field in document["properties"].items())


@cache
def knobs(verb: str) -> tuple[Knob, ...]:
    """A verb's knobs in the schema's order, without the fields whose value the host decides."""
    shown = schema(verb)["properties"]
    return tuple(knob for knob in fields(verb) if shown[knob.name].get("knob", True))


def _knob(name: str, field: Mapping[str, Any], needed: bool) -> Knob:
    sole: Mapping[str, Any] = next((one for one in field.get("anyOf", []) if one.get("type") != "null"), {})
    merged = {**field, **sole}
    unit = str(merged.get("unit", ""))
    tooltip = str(merged.get("description", ""))
    return Knob(
        name=name,
        label=str(merged.get("label", "")) or _label(name),
        tooltip=tooltip + (f" In {unit}." if unit else ""),
        kind=_kind(merged),
        default=merged.get("default"),
        low=merged.get("minimum", merged.get("exclusiveMinimum")),
        high=merged.get("maximum"),
        items=tuple(str(word) for word in merged.get("enum", ())),
        animated=bool(merged.get("animated")),
        tab=str(merged.get("tab", TABS[0])),
        live="live" in merged,
        needed=needed,
        neutral=merged.get("live"),
        live_matte=bool(merged.get("live_matte")),
        in_face_pass=bool(merged.get("in_face_pass", True)),
        affects=str(merged.get("affects", "picture")),
        path=str(merged.get("path", "")),
        access=str(merged.get("access", "")),
        stage=str(merged.get("stage", "")),
        formerly=tuple(merged.get("formerly", ())),
    )


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return "choice"
    if "path" in field:
        return "file"
    kinds = {"boolean": "bool", "integer": "int", "number": "double"}
    return kinds.get(field["type"], "text")


def _label(name: str) -> str:
    """`grade_lift_percent` as `grade lift %`."""
    words = name.split("_")
    return " ".join(_WORDS.get(word, word) for word in words)


# What a host applies live to a swap's face pass, each with the neutral value that the face pass is baked at.
LIVE: Mapping[str, Any] = {knob.name: knob.neutral for knob in knobs("swap") if knob.live}
