"""What jobs read and write: every field says so, and every verb keeps its inputs and what others wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel

from understudy.app import cli, verbs
from understudy.core.errors import JobError
from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.jobs import files, marks
from understudy.jobs.fields import Job, facts, reads, words, writes
from understudy.jobs.table import VERBS, job_class

SETTINGS = Settings(models=Path("nowhere"), device="cpu", threads=1)
# Other values that a job needs before it runs at all.
MORE: dict[str, dict[str, Any]] = {
    "train": {"iterations": 1},
    "refine": {"iterations": 1},
    "adapt": {"iterations": 1},
}
FRAME = 1


def kinds_of(annotation: Any) -> set[Any]:
    """The types that a field's annotation is made of."""
    parts = get_args(annotation)
    return set().union(*map(kinds_of, parts)) if parts else {annotation}


def models_of(job: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A job and the models in its fields."""
    yield job
    for field in job.model_fields.values():
        for kind in kinds_of(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from models_of(kind)


def unclassified(job: type[BaseModel]) -> list[str]:
    """The fields that could hold a path and do not say whether they do."""
    return [
        f"{model.__name__}.{name}"
        for model in models_of(job)
        for name, field in model.model_fields.items()
        if may_hold_a_path(field)
        and "enum" not in facts(field)
        and not {"path", "words"} & facts(field).keys()
    ]


def may_hold_a_path(field: Any) -> bool:
    kinds = kinds_of(field.annotation)
    # A name of few characters has a pattern; keys of a mapping are names of fields.
    named = any("pattern=" in str(one) for one in (field.annotation, *field.metadata))
    return Path in kinds or (str in kinds and not named and "dict[" not in str(field.annotation))


@pytest.mark.parametrize("verb", VERBS)
def test_every_field_of_text_or_of_a_path_says_what_it_holds(verb: str) -> None:
    assert unclassified(job_class(verb)) == []


def test_a_field_that_says_nothing_is_found() -> None:
    class Inner(Job):
        extra: Path | None = None

    class New(Job):
        plate: Annotated[str, reads("sequence")]
        output: Annotated[Path, writes("sequence", "frames")]
        name: Annotated[str, words()] = ""
        lut: Path | None = None
        other: str = ""
        several: tuple[Inner, ...] = ()

    assert unclassified(New) == ["New.lut", "New.other", "Inner.extra"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_output_is_of_a_kind_that_is_known(verb: str) -> None:
    for field in job_class(verb).model_fields.values():
        if facts(field).get("access", "read") != "read":
            assert facts(field)["output"] in files.KINDS


def outputs() -> list[tuple[str, str]]:
    """Each output field of each verb that reads anything."""
    return [
        (verb, name)
        for verb in VERBS
        for name, field in job_class(verb).model_fields.items()
        if "output" in facts(field) and verb != "demo"
    ]


def values_for(verb: str, output: str, folder: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """Values of a job in which one field is written, and the file of each field that is read."""
    fields = {name: facts(field) for name, field in job_class(verb).model_fields.items()}
    values, inputs = dict(MORE.get(verb, {})), {}
    if when := fields[output].get("written_when"):
        values[when[0]] = when[1]
    for name, told in fields.items():
        if name == output or "path" not in told:
            continue
        folder.joinpath(name).mkdir(parents=True)
        sequence = told["path"] == "sequence"
        inputs[name] = folder / name / (f"in.{FRAME:04d}.exr" if sequence else "in.json")
        inputs[name].write_bytes(f"the artist's {name}".encode())
        values[name] = str(folder / name / "in.%04d.exr") if sequence else inputs[name]
    kind = fields[output]["output"]
    suffix = {"frames": "out.%04d.exr", "points": "out.json", "sheet": "out.png", "exported": "out.onnx"}
    values[output] = str(folder / "out" / suffix.get(kind, "out.thing"))
    return values, inputs


def written(verb: str, output: str, values: dict[str, Any]) -> Path:
    kind = files.KINDS[facts(job_class(verb).model_fields[output])["output"]]
    path = kind.paths(values[output], [FRAME])[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def attempt(verb: str, values: dict[str, Any]) -> None:
    verbs.run(job_class(verb).model_validate(values), report=silent, settings=SETTINGS)


@pytest.mark.parametrize(("verb", "output"), outputs())
def test_no_verb_writes_over_what_it_reads(tmp_path: Path, verb: str, output: str) -> None:
    values, inputs = values_for(verb, output, tmp_path)
    path = written(verb, output, values)
    if "overwrite" in job_class(verb).model_fields:
        values["overwrite"] = True  # not even then
    for what, read in inputs.items():
        path.unlink(missing_ok=True)
        os.link(read, path)
        with pytest.raises(JobError, match="would overwrite the") as caught:
            attempt(verb, values)
        assert str(path) in str(caught.value) and str(read) in str(caught.value), what
    assert all(read.read_bytes() == f"the artist's {what}".encode() for what, read in inputs.items())


@pytest.mark.parametrize(("verb", "output"), outputs())
@pytest.mark.parametrize("content", [b"mine", b"\x76\x2f\x31\x01 mine", b'{"mine": 1}', b"PK\x03\x04"])
def test_no_verb_replaces_what_it_did_not_write(
    tmp_path: Path, verb: str, output: str, content: bytes
) -> None:
    values, _ = values_for(verb, output, tmp_path)
    path = written(verb, output, values)
    path.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(JobError) as caught:
        attempt(verb, values)
    assert "not writ" in caught.value.what
    assert ("--overwrite" in caught.value.fix) == ("overwrite" in job_class(verb).model_fields)
    assert path.read_bytes() == content and sorted(tmp_path.rglob("*")) == before


def test_the_document_of_a_job_is_no_output_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "job.json"
    text = f'{{"track": "{tmp_path}/a.track", "document": "{tmp_path}/x/../link.json", "overwrite": true}}'
    document.write_text(text)
    (tmp_path / "x").mkdir()
    os.link(document, tmp_path / "link.json")
    assert cli.main(["points", "--job", str(document)]) == JobError.exit_code
    assert "would overwrite the job document" in capsys.readouterr().err
    assert document.read_text() == text


def test_the_demo_leaves_a_folder_of_others_alone(tmp_path: Path) -> None:
    for name in ("plate/plate.0001.exr", "contact_sheet.png", "notes.txt", "score.json"):
        folder = tmp_path / name.partition("/")[0].partition(".")[0]
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"mine")
        with pytest.raises(JobError, match="not writ"):
            attempt("demo", {"output": folder, "training_frames": 8, "shot_frames": 2, "minutes": 0.01})
        assert [one for one in folder.rglob("*") if one.is_file()] == [path]
        assert path.read_bytes() == b"mine"


def test_an_artists_job_document_is_not_taken_for_a_bundles(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"plate": "/a.%04d.exr", "track": "/a.track", "model": "/a.onnx"}))
    assert not marks.bundle(job)
    (tmp_path / "template.json").write_text('{"specificationVersion": "jobtemplate-2023-09", "steps": []}')
    assert not marks.bundle(job)


V1 = Path(__file__).parents[1] / "golden" / "v1"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("frames", "swap.0002.exr"),
        ("frames", "pass.0002.exr"),
        ("track", "face.track"),
        ("face_set", "face.faceset/faces.sqlite"),
        ("exported", "tiny.onnx"),
        ("exported", "tiny.card.json"),
        ("points", "points.json"),
    ],
)
def test_files_of_version_1_are_recognised(kind: str, name: str) -> None:
    assert files.KINDS[kind].is_ours(V1 / name)


def test_corrections_by_hand_are_not_taken_for_ours() -> None:
    assert not marks.points(V1 / "correction.json")


@pytest.mark.parametrize("kind", files.KINDS)
@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"{", b"[" * 9999, b"\xff\xfe", b"SQLite format 3\0"])
def test_a_mark_is_looked_for_in_anything(tmp_path: Path, kind: str, content: bytes) -> None:
    for name in ("a.json", "template.json", "a.sqlite", "steps.json", "model.json"):
        path = tmp_path / name
        path.write_bytes(content)
        assert not files.KINDS[kind].is_ours(path) or name.endswith("sqlite")
