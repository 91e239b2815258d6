"""The knobs of a host's node, read off the job table's schema: none is written down twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = Path(__file__).with_name("job_schema.json")
TABS = ("Face", "Mask", "Colour", "Detail")
# Which fields go where, by how their names begin; what is not named is of the first tab.
_TAB_OF = {
    "Mask": ("matte_", "box_", "erode", "feather", "opacity"),
    "Colour": ("colour_method", "colour_strength", "temporal_", "light_", "grade_"),
    "Detail": ("sharpness", "match_sharpness", "degrade", "denoise", "grain", "motion_blur", "seed"),
}
# What the host's own nodes do with a face pass, at viewer speed: changing one of these needs no bake. The
# value is the one under which the engine leaves the work to the host.
LIVE: Mapping[str, Any] = {
    "opacity": 100.0,
    "colour_strength": 100.0,
    "light_strength": 100.0,
    "grade_gain_stops": 0.0,
    "grade_gamma": 1.0,
    "grade_lift_percent": 0.0,
    "grade_saturation_percent": 100.0,
    "grade_hue_degrees": 0.0,
    "sharpness": 0.0,
    "grain": 0.0,
}
# What looks at face and plate together is no part of a face pass.
NOT_IN_A_FACE_PASS = ("merge",)
# The host's business, or a file's: no knobs on the node's first tabs.
NOT_KNOBS = frozenset({"plate", "output", "write", "frames", "keyframes", "exr_compression"})
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
        live: Whether the host does it itself, without a bake.
        needed: Whether a job cannot do without it.
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


@cache
def schema(verb: str) -> dict[str, Any]:
    """The JSON schema of a verb's job; read once, since hosts ask at every move of a knob."""
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    found: dict[str, Any] = document["jobs"][verb]
    return found


@cache
def knobs(verb: str) -> tuple[Knob, ...]:
    """A verb's knobs in the order of the job table, without those that are the host's business."""
    document = schema(verb)
    needed = document.get("required", [])
    return tuple(
        _knob(name, field, name in needed)
        for name, field in document["properties"].items()
        if name not in NOT_KNOBS
    )


def tab_of(name: str) -> str:
    """The tab that a field's knob stands on."""
    for tab, beginnings in _TAB_OF.items():
        if name.startswith(beginnings):
            return tab
    return TABS[0]


def _knob(name: str, field: Mapping[str, Any], needed: bool) -> Knob:
    sole: Mapping[str, Any] = next((one for one in field.get("anyOf", []) if one.get("type") != "null"), {})
    merged = {**field, **sole}
    unit = str(merged.get("unit", ""))
    tooltip = str(merged.get("description", ""))
    return Knob(
        name=name,
        label=_label(name),
        tooltip=tooltip + (f" In {unit}." if unit else ""),
        kind=_kind(merged),
        default=merged.get("default"),
        low=merged.get("minimum", merged.get("exclusiveMinimum")),
        high=merged.get("maximum"),
        items=tuple(str(word) for word in merged.get("enum", ())),
        animated=bool(merged.get("animated")),
        tab=tab_of(name),
        live=name in LIVE,
        needed=needed,
    )


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return "choice"
    if field.get("type") == "string":
        return "file" if field.get("format") == "path" or _names_files(field) else "text"
    return {"boolean": "bool", "integer": "int", "number": "double", "array": "text"}[field["type"]]


def _names_files(field: Mapping[str, Any]) -> bool:
    return "%04d" in str(field.get("description", ""))


def _label(name: str) -> str:
    """`grade_lift_percent` as `grade lift %`."""
    words = name.split("_")
    return " ".join(_WORDS.get(word, word) for word in words)
