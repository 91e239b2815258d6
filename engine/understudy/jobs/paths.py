"""The paths that a job names, found by their declarations: what a verb reads, writes, or changes in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

from understudy.jobs.fields import Access, Job, PathKind, facts


class NamedPath(NamedTuple):
    """One path of a job.

    Attributes:
        field: The field's name; in a list of jobs with the list's name and the place, as `faces[0].model`.
        value: The path as the job has it; it may hold a frame number such as %04d.
        kind: `file`, `sequence` (one file a frame, or a video) or `folder`.
        access: `read`, `write`, or `update`: read and changed, or created.
        output: Of a path that is written: its kind, one of `KINDS` of files.py.
    """

    field: str
    value: str
    kind: PathKind
    access: Access
    output: str = ""


def named_paths(job: Job) -> Iterator[NamedPath]:
    """Every path that a job names, in the order of its fields; a field that is left out has none."""
    for name, field in type(job).model_fields.items():
        told, value = facts(field), getattr(job, name)
        if isinstance(value, tuple):
            for place, one in enumerate(value):
                if isinstance(one, Job):
                    inner = named_paths(one)
                    yield from (path._replace(field=f"{name}[{place}].{path.field}") for path in inner)
        elif "path" in told and value is not None:
            kind, access = cast(PathKind, told["path"]), cast(Access, told["access"])
            other, wanted = told.get("written_when", ("", ""))
            if other and getattr(job, other) != wanted:
                access = "read"
            output = "" if access == "read" else str(told["output"])
            yield NamedPath(name, str(value), kind, access, output)
