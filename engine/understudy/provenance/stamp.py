"""What a frame's header records of how it was made.

The header's `understudy:provenance` is a list of swaps, the oldest first: a swap over another's output adds
its own entry and keeps those before. The flat keys `understudy:model`, `understudy:source` and
`understudy:release` say the newest; in version 1 they were all there was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from understudy.core import documents
from understudy.core.processor import instructions
from understudy.image.frame import Frame, MetadataValue

PROVENANCE = "understudy:provenance"
PROCESSOR = "understudy:processor"
LARGEST_BYTES = 256_000
LARGEST_ENTRIES = 64
_LONGEST_TEXT = 500


@dataclass(frozen=True)
class Entry:
    """One swap that a frame went through.

    Attributes:
        model: SHA-256 of the model, as its card says it.
        source: Identity that was put in.
        release: Digest of the source's likeness release; empty without one.
        recipe: Version of the recipe; empty where version 1 did not say.
        engine: Version of Understudy; empty like `recipe`.
        face: Name of the face in the plate.
    """

    model: str
    source: str = ""
    release: str = ""
    recipe: str = ""
    engine: str = ""
    face: str = ""


def digest_of(inputs: Mapping[str, Any]) -> str:
    """Digest of plain values."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def provenance_of(header: Mapping[str, MetadataValue]) -> tuple[Entry, ...]:
    """The swaps that a header tells of, the oldest first.

    Headers come from anywhere: a list that is too long, damaged or no list is not taken in, and what the flat
    keys say then stands alone.
    """
    text = header.get(PROVENANCE)
    if isinstance(text, str) and len(text) <= LARGEST_BYTES:
        try:
            rows = documents.parse(text, largest_bytes=LARGEST_BYTES)
        except ValueError:
            rows = None
        if isinstance(rows, list) and rows and len(rows) <= LARGEST_ENTRIES:
            entries = [_entry(row) for row in rows]
            if None not in entries:
                return tuple(entry for entry in entries if entry is not None)
    flat = {name: header.get(f"understudy:{name}", "") for name in ("model", "source", "release")}
    entry = _entry(flat)
    return () if entry is None or not entry.model else (entry,)


def with_entries(header: Mapping[str, MetadataValue], entries: Sequence[Entry]) -> dict[str, MetadataValue]:
    """What a header must say after more swaps, in their order: the list, and the newest in flat keys.

    A list that grows beyond its bound loses entries in its middle: the first and the newest stay.
    """
    if not entries:
        return {}
    grown = [*provenance_of(header), *entries]
    if len(grown) > LARGEST_ENTRIES:
        grown = [grown[0], *grown[1 - LARGEST_ENTRIES :]]
    rows = [{name: value for name, value in asdict(entry).items() if value} for entry in grown]
    newest = grown[-1]
    return {
        PROVENANCE: json.dumps(rows),
        "understudy:model": newest.model,
        "understudy:source": newest.source,
        "understudy:release": newest.release,
    }


def with_stamp(frame: Frame, output: str, stamp: Mapping[str, MetadataValue]) -> Frame:
    """The frame with more in its header, stored as finely as its values need in the output's kind of file."""
    storage = frame.storage
    if Path(output).suffix.lower() == ".exr" and storage not in ("half", "float"):
        storage = "float"  # half would round an 8-bit value
    made_by = {PROCESSOR: instructions()}
    return replace(frame, metadata={**frame.metadata, **made_by, **stamp}, storage=storage)


def _entry(row: Any) -> Entry | None:
    """An entry of plain values; None where it is none. What a later release adds is left out."""
    if not isinstance(row, Mapping) or not isinstance(row.get("model"), str):
        return None
    known = {field.name: row.get(field.name, "") for field in fields(Entry)}
    if not all(isinstance(value, str) and len(value) <= _LONGEST_TEXT for value in known.values()):
        return None
    return Entry(**known)
