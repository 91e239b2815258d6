"""Writes what is generated from the jobs: `python -m understudy.app.generate`, with --check to compare.

The files lie in the repository, so this runs in a checkout; an installed engine gives the same schema by
`understudy schema`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from understudy.app.options import Option, describe, groups
from understudy.core import atomic
from understudy.jobs import schema
from understudy.jobs.table import VERBS, job_class

ROOT = Path(__file__).resolve().parents[3]
SCHEMA_VERSION = 1

_HEADER = """# The jobs

<!-- Written by `make generate` from the jobs that engine/understudy/jobs/table.py names; edit them there. -->

Every option below is a flag of `understudy VERB`, a field of a job document (`--job FILE.json`) and a
parameter of the worker. Flags lie on top of the document.

## Exit codes

| code | meaning |
|---|---|
| 0 | every frame is there |
| 1 | an error of no kind below |
| 2 | a job, an option or a value is wrong; nothing was written |
| 3 | an image, a video or a sequence: frames that failed are listed, the others are written |
| 4 | a colour space or a conversion |
| 5 | detection, a face set or a track |
| 6 | a model file or inference |
| 7 | training could not start or go on |
| 8 | the performer's permission is missing or does not cover the use |
| 9 | the worker, or the program that hosts it |
| 10 | with `--strict`: some were skipped, guessed or doubtful, and are listed; what was written stays |
| 70 | a fault in Understudy |
| 130, 143 | stopped by Ctrl-C or by SIGTERM; what is finished stays |

Of several errors in one run the largest code counts. Without `--strict` doubtful frames are listed and
warned of, and the code is 0.
"""


def schema_document() -> dict[str, Any]:
    """The JSON schema of every verb's job, under the verb's name."""
    return {
        "schema_version": SCHEMA_VERSION,
        "jobs": {verb: job_class(verb).model_json_schema() for verb in VERBS},
    }


def schema_text() -> str:
    """The schema as the file holds it."""
    return schema.text_of(schema_document())


def page_text() -> str:
    """The page docs/jobs.md."""
    jobs = schema_document()["jobs"]
    return "\n".join([_HEADER, *(_section(verb, fields) for verb, fields in jobs.items())])


def generated_files() -> dict[Path, str]:
    """What each generated file must hold, by its path in the repository."""
    return {
        Path("docs/jobs.md"): page_text(),
        Path("engine/understudy/jobs/schema.json"): schema_text(),
        Path("plugin/understudy_host/job_schema.json"): schema_text(),
    }


def drifted(root: Path = ROOT) -> list[Path]:
    """The generated files that are missing or differ from the job table."""
    return [path for path, text in generated_files().items() if not _holds(root / path, text)]


def write(root: Path = ROOT) -> list[Path]:
    """Write the files that differ; returns them."""
    changed = drifted(root)
    for path in changed:
        atomic.write_text(root / path, generated_files()[path])
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Write the generated files, or with --check say which differ; 1 where some do."""
    parser = argparse.ArgumentParser(prog="python -m understudy.app.generate")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    if not parser.parse_args(arguments).check:
        for path in write():
            print(f"wrote {path}")
        return 0
    stale = drifted()
    for path in stale:
        print(f"{path} differs from the job table: run `make generate`")
    return 1 if stale else 0


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _section(verb: str, fields: Mapping[str, Any]) -> str:
    parts = [f"## {verb}", "", str(fields["description"]), ""]
    by_stage = "stages" in fields
    head = ["| option | what it does | values | default |", "|---|---|---|---|"]
    if not by_stage:
        return "\n".join([*parts, *head, *(_row(option) for option in describe(fields)), ""])
    for name, sentence, options in groups(fields):
        parts += [f"### {verb}: {name}", ""] + ([sentence, ""] if sentence else [])
        parts += [*head, *(_row(option) for option in options), ""]
    return "\n".join(parts)


def _row(option: Option) -> str:
    words = ", ".join(f"`{word}`" for word in option.choices) or option.kind
    if option.count > 1:
        words = f"{option.count} {words}"
    values = ", ".join(part for part in (words, option.unit, option.limits) if part)
    default = "needed" if option.required else f"`{option.default}`" if option.default else "–"
    also = f" Also `{option.also}`." if option.also else ""
    also += "".join(f" Formerly `{name}`." for name in option.formerly)
    return f"| `{option.name}` | {option.sentence}{also} | {values} | {default} |"


if __name__ == "__main__":
    raise SystemExit(main())
