"""How a file is recognised as one that Understudy wrote, of this version or an earlier one.

Each function opens a file that exists and answers for any content, however damaged; it raises OSError where
the file cannot be read. Nothing here decodes pixels or runs what a file holds.

    frames, sheets     `understudy:digest` or `understudy:kind` in the header
    tracks, face sets  SQLite's application id
    exported models    names of our modules, which PyTorch writes into ONNX and TorchScript; their card
    documents          the keys that our writers give them
"""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from understudy.core import documents
from understudy.core.database import APPLICATION_ID

LARGEST_DOCUMENT = 256_000_000
FRAME_MARKS = (b"understudy:digest", b"understudy:kind")
# What every file of ours and many a copy of it has, even one that an artist painted on: enough for a demo.
_ANY_MARK = (b"understudy:",)
_HEAD_BYTES, _TAIL_BYTES = 8 << 20, 1 << 16
_CHUNK = 1 << 18
_LONGEST_MARK = 32
# SQLite's file format: the header's string, and the application id as a big-endian number at byte 68.
_SQLITE, _ID_AT = b"SQLite format 3\0", 68
_MODULE = b"understudy.train."
_CARD = {"name", "size", "coverage", "sha256", "source", "destination"}
_POINTS = {"schema_version", "track", "plate", "detector", "faces"}
_MODEL = {"schema_version", "name", "architecture", "coverage", "facesets", "releases"}
_DEMO_STEPS = ("demo", "extract ", "track", "export", "score")
HISTORY_TABLES = {"figures", "notes", "validations"}


def frame(path: Path, any_of: tuple[bytes, ...] = FRAME_MARKS) -> bool:
    """An image with our words in its header; TIFF has its header at the end, the others at the beginning."""
    with path.open("rb") as file:
        before, read = b"", 0
        while read < _HEAD_BYTES and (part := file.read(_CHUNK)):
            if any(mark in before + part for mark in any_of):
                return True
            before, read = part[-_LONGEST_MARK:], read + len(part)
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
        return any(mark in tail for mark in any_of)


def rendered(path: Path) -> bool:
    """An image that this engine wrote, or one made from such; the demo's plates have no more than that."""
    return frame(path, _ANY_MARK)


def database(path: Path) -> bool:
    """A track or a face set's index; of which kind its own reader says."""
    with path.open("rb") as file:
        head = file.read(_ID_AT + 4)
    return head.startswith(_SQLITE) and head[_ID_AT:] == APPLICATION_ID.to_bytes(4, "big")


def history(path: Path) -> bool:
    """A model's history: a database of its tables and no others."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as table:
            rows = table.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    except sqlite3.Error:
        return False
    return {str(row[0]) for row in rows} <= HISTORY_TABLES


def exported(path: Path) -> bool:
    """An exported model, its card or its skin bank."""
    if path.suffix == ".skin":
        return database(path)
    if path.name.endswith(".card.json"):
        return _has_keys(path, _CARD)
    if zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return _archive_is_ours(file)
    with path.open("rb") as file:
        before = b""
        while part := file.read(_CHUNK):
            if _MODULE in before + part:
                return True
            before = part[-len(_MODULE) :]
    return False


def points(path: Path) -> bool:
    """What `understudy points` wrote: every face has its landmarks, and none only moved points."""
    values = _object(path)
    if values is None or not values.keys() >= _POINTS or not isinstance(values["faces"], Mapping):
        return False
    named = values["faces"].values() if values["schema_version"] != 1 else [values["faces"]]
    faces = [face for each in named if isinstance(each, Mapping) for face in each.values()]
    return all(isinstance(one, Mapping) and "landmarks" in one and "moved" not in one for one in faces)


def bundle(path: Path) -> bool:
    """A bundle's template, or the job beside one: by itself that could be anybody's."""
    values = _object(path.with_name("template.json"))
    if values is None or not str(values.get("specificationVersion", "")).startswith("jobtemplate-"):
        return False
    named = {one.get("name") for one in _mappings(values.get("parameterDefinitions"))}
    steps = {one.get("name") for one in _mappings(values.get("steps"))}
    return {"JobDocument", "Program"} <= named and "Swap" in steps


def model_description(path: Path) -> bool:
    """A model folder's model.json."""
    return _has_keys(path, _MODEL)


def demo_folder(folder: Path) -> bool:
    """A folder that the demo wrote: its record of steps, or the table or the track of its shot."""
    steps = _object(folder / "steps.json")
    if steps is not None and steps and all(str(name).startswith(_DEMO_STEPS) for name in steps):
        return True
    if _has_keys(folder / "plate" / "landmarks.json", {"schema_version", "landmarks"}):
        return True
    track, index = folder / "plate.track", folder / "actor.faceset" / "faces.sqlite"
    return track.is_file() and index.is_file() and database(track) and database(index)


def either(*marks: Callable[[Path], bool]) -> Callable[[Path], bool]:
    """Whether one of several marks is there."""
    return lambda path: any(mark(path) for mark in marks)


def _archive_is_ours(file: Any) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any("/__torch__/understudy/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError):
        return False


def _has_keys(path: Path, keys: set[str]) -> bool:
    values = _object(path)
    return values is not None and keys <= values.keys()


def _object(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        data = file.read(LARGEST_DOCUMENT + 1)
    if data.lstrip()[:1] != b"{":
        return None
    try:
        values = documents.parse(data, largest_bytes=LARGEST_DOCUMENT, finite=False)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _mappings(values: object) -> Sequence[Mapping[str, Any]]:
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []
