"""Which detector found a face: its name, and what its model files hold."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import entry_points
from pathlib import Path

from understudy.core.content import ContentHashes
from understudy.core.settings import Settings
from understudy.face.detect import fan, models
from understudy.face.detect.detectors import ENTRY_POINTS


def detector_digest(name: str, settings: Settings, *, known: Path, contents: ContentHashes) -> str:
    """SHA-256 in hexadecimal that changes when a detector may find something else.

    Args:
        name: An opened detector's name.
        settings: Where the model files lie.
        known: The table of the detector `known`.
        contents: Digests of files.
    """
    files = [settings.models / entry.file for entry in models.MODELS if entry.needed_by]
    if name == "fan":
        files += [path for file in fan.FILES if (path := fan.locate(file, settings))]
    if name == "known":
        files = [known]
    held = sorted((path.name, found) for path in files if (found := contents.of(path)))
    studio = [
        (entry.value, entry.dist.version if entry.dist else "")
        for entry in entry_points(group=ENTRY_POINTS)
        if entry.name == name
    ]
    return hashlib.sha256(json.dumps([name, held, studio]).encode()).hexdigest()
