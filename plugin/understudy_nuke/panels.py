"""Small panels of the job table: what Train, Extract and Track ask before they start."""

from __future__ import annotations

from typing import Any

from understudy_host import knobs
from understudy_host.knobs import Knob

# What an artist decides; the rest has good defaults and stands in the docs.
_ASKED = {
    "track": ("plate", "track", "frames", "detector", "reference"),
    "extract": ("plate", "faceset", "identity", "frames", "detector", "coverage", "crop_size", "release"),
    "train": ("model", "source_faceset", "destination_faceset", "size", "minutes", "batch", "device"),
    "export": ("model", "precision"),
    "bundle": ("folder", "frames", "chunk_frames", "name", "program"),
}


def ask(nuke: Any, verb: str, known: dict[str, Any]) -> dict[str, Any] | None:
    """Show a verb's panel; gives the job's values, or None where the artist closed it.

    Args:
        nuke: The host's module.
        known: Values to begin with, by field name.
    """
    panel = nuke.Panel(f"Understudy: {verb}")
    asked = fields(verb)
    for knob in asked:
        _add(panel, knob, known.get(knob.name, knob.default))
    if not panel.show():
        return None
    told = {knob.name: _read(panel.value(knob.label), knob) for knob in asked}
    return {name: value for name, value in {**known, **told}.items() if value not in ("", None)}


def fields(verb: str) -> list[Knob]:
    """What a verb's panel asks for, in order; each is a field of the job table."""
    table = {field.name: field for field in knobs.fields(verb)}
    return [table[name] for name in _ASKED[verb]]


def _add(panel: Any, knob: Knob, value: Any) -> None:
    if knob.kind == "bool":
        panel.addBooleanCheckBox(knob.label, bool(value))
    elif knob.kind == "choice":
        # The panel starts at its first word.
        words = sorted(knob.items, key=lambda word: word != value)
        panel.addEnumerationPulldown(knob.label, " ".join(words))
    elif knob.kind == "file":
        panel.addFilenameSearch(knob.label, str(value or ""))
    else:
        panel.addSingleLineInput(knob.label, "" if value is None else f"{value}")


def _read(value: Any, knob: Knob) -> Any:
    if knob.kind == "int":
        return int(float(value)) if str(value).strip() else None
    if knob.kind == "double":
        return float(value) if str(value).strip() else None
    return bool(value) if knob.kind == "bool" else str(value or "").strip()
