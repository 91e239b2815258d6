"""A job as an Open Job Description bundle: a folder that any farm which speaks it can take and split.

    template.json   what to run, frame range and chunk size as parameters
    job.json        the swap job itself, without its frames

Source:
    https://github.com/OpenJobDescription/openjd-specifications/wiki, 2023-09 and its TASK_CHUNKING.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from understudy.core import atomic, documents
from understudy.core.errors import JobError, PlateError
from understudy.core.names import printable
from understudy.core.progress import Finished, Reporter, Warned
from understudy.core.settings import Settings
from understudy.image.sequence import FrameRange
from understudy.jobs import files
from understudy.jobs.machine import BundleJob
from understudy.jobs.paths import named_paths
from understudy.jobs.table import parse_job
from understudy.swap.job import SwapJob

_KIND = documents.Kind("job document", JobError, "write it again")
SPECIFICATION = "jobtemplate-2023-09"
# Farms let a name be this long, and show it.
_LONGEST_NAME = 64
# The specification's limit for the value of a parameter.
_LONGEST_TEXT = 1024


def run(job: BundleJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Write the bundle of a swap job document.

    Raises:
        JobError: the document is not a swap job or names no frames, its files are named relative to
            somewhere, or the bundle would overwrite it or a foreign file.
        PlateError: the folder cannot be written.
    """
    files.guard(job)
    swap = _read(job.document, report)
    frames = job.frames or swap.frames
    if not frames:
        raise JobError("The job names no frames.", where=job.document, fix="give frames, such as 1001-1100")
    document = swap.model_dump(mode="json", exclude_defaults=True, exclude={"frames"})
    written = {"job.json": document, "template.json": template(job, frames)}
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        for name, content in written.items():
            atomic.write_text(job.folder / name, documents.dump(content, indent=1) + "\n")
    except OSError as exc:
        raise PlateError(f"The bundle cannot be written: {exc.strerror}.", where=job.folder) from exc
    result = {"bundle": str(job.folder), "frames": frames, "chunk_frames": job.chunk_frames}
    report(Finished(result))
    return result


def template(job: BundleJob, frames: str) -> dict[str, Any]:
    """The Open Job Description template, as plain values.

    Args:
        frames: As Understudy writes them; the template has the specification's own form.
    """
    return {
        "specificationVersion": SPECIFICATION,
        "extensions": ["TASK_CHUNKING"],
        "name": _name(job),
        "parameterDefinitions": [
            {
                "name": "JobDocument",
                "type": "PATH",
                "objectType": "FILE",
                "dataFlow": "IN",
                "default": "job.json",
                "description": "The swap job.",
            },
            {
                "name": "Frames",
                "type": "STRING",
                "default": _text(_range(frames), "frames"),
                "description": "Frames to make.",
            },
            {
                "name": "Chunk",
                "type": "INT",
                "minValue": 1,
                "default": job.chunk_frames,
                "description": "Frames in one task; a model takes seconds to open.",
            },
            {
                "name": "Program",
                "type": "STRING",
                "default": _text(job.program, "program"),
                "description": "The engine's program on the farm's machines.",
            },
        ],
        "steps": [_step()],
    }


def _step() -> dict[str, Any]:
    """One task a chunk of frames; a task that is run again makes only what is missing."""
    arguments = ["swap", "--job", "{{Param.JobDocument}}", "--frames", "{{Task.Param.Frame}}"]
    chunks = {"defaultTaskCount": "{{Param.Chunk}}", "rangeConstraint": "CONTIGUOUS"}
    frame = {"name": "Frame", "type": "CHUNK[INT]", "range": "{{Param.Frames}}", "chunks": chunks}
    return {
        "name": "Swap",
        "parameterSpace": {"taskParameterDefinitions": [frame]},
        "script": {"actions": {"onRun": {"command": "{{Param.Program}}", "args": arguments}}},
    }


def _name(job: BundleJob) -> str:
    """What the farm shows: one line, in which two braces would be a reference."""
    for name in (job.name, f"Understudy {job.folder.name}"):
        shown = re.sub(r"([{}])(?=\1)", r"\1 ", printable(name.strip(), lines=False))[:_LONGEST_NAME]
        if shown:
            break
    return shown


def _range(frames: str) -> str:
    """1001-1100x2 as the specification writes it, 1001-1100:2: ascending, each frame once."""
    return re.sub(r"x(\d+)", r":\1", str(FrameRange.parse(frames)))


def _text(value: str, field: str) -> str:
    """A text that the specification allows as a parameter's default.

    Raises:
        JobError: it is too long.
    """
    if len(value) > _LONGEST_TEXT:
        raise JobError(
            f"The job's {field} is longer than the {_LONGEST_TEXT} characters that a farm takes.",
            fix="send fewer or more regular frames" if field == "frames" else "give a shorter one",
        )
    return value


def _read(path: Path, report: Reporter) -> SwapJob:
    document = documents.read(path, _KIND)
    job = parse_job("swap", document, warn=lambda message: report(Warned(message)))
    assert isinstance(job, SwapJob)
    for named in named_paths(job):
        if not Path(named.value).is_absolute():
            raise JobError(
                f"The job's {named.field} is not a full path, and a farm machine starts elsewhere.",
                where=f"{named.field} = {named.value}",
                fix="write the path from its root",
            )
    return job
