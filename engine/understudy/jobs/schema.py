"""The packaged JSON schema of every job, written by `make generate`: what help and forms are built from.

Nothing here needs pydantic or a job's module. Of a field it tells more than JSON Schema does:

    unit            the number's unit
    animated        keyframes may move it
    stage, tab      of a swap: the stage that declares it, and the host's tab for its knob
    label           the knob's label, where it is not the field's name
    knob            false where the host decides the value: no knob
    live            the neutral value that a face pass is baked at when the host applies the knob live; absent
                    where a change needs a bake
    live_matte      a host may apply it live when it makes the matte itself from the mattes of a face pass
    in_face_pass    false where it only changes finished frames
    path            what a path names: a `file`, a `sequence` (one file a frame, or a video) or a `folder`
    access          of a path: `read`, where frames depend on the content; `write`; or `update`, where the
                    content is read and changed, or created
    output          of a path that is written: of what kind, which says how a file of ours is recognised
    written_when    the other field and its value with which a path is written; with others it is read
    words           true of a text that names no file
    affects         absent: the pixels, by the value, or by the content of a path that is read. `name`: a name
                    of what they depend on. `file`: how frames are stored. `run`: nothing of a frame
    also            another flag for the same
    formerly        names of earlier releases
    entry_points    an installed package may add words to the choice, in that group
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("schema.json")


@cache
def document() -> dict[str, Any]:
    """The whole document: `schema_version`, and `jobs` by verb."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def installed_document() -> dict[str, Any]:
    """The document with the words that installed packages add to choices (`entry_points`)."""
    from importlib.metadata import entry_points  # takes longer to import than a help text takes in all

    found = copy.deepcopy(document())
    for one in found["jobs"].values():
        for field in one["properties"].values():
            if group := field.get("entry_points"):
                names = (entry.name for entry in entry_points(group=group))
                field["enum"] = list(dict.fromkeys((*field["enum"], *names)))
    return found


def text_of(schema: Mapping[str, Any]) -> str:
    """The document as it is written."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def job(verb: str) -> Mapping[str, Any]:
    """The schema of a verb's job."""
    found: Mapping[str, Any] = document()["jobs"][verb]
    return found


def former_names(verb: str) -> Iterator[tuple[str, str]]:
    """Field names with a name that they had in an earlier release."""
    for name, field in job(verb)["properties"].items():
        for former in field.get("formerly", ()):
            yield name, former
