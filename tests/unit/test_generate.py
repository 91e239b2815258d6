"""What is generated agrees with the job table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from understudy.app import generate
from understudy.jobs.table import VERBS, job_class


def test_the_generated_files_in_the_repository_are_current() -> None:
    assert generate.drifted() == [], "run `make generate`"


def test_writing_heals_what_is_missing_or_stale(tmp_path: Path) -> None:
    first = generate.write(tmp_path)
    assert set(first) == set(generate.generated_files())
    (tmp_path / first[0]).write_text("an edit by hand")
    assert generate.drifted(tmp_path) == [first[0]]
    assert generate.write(tmp_path) == [first[0]]
    assert generate.write(tmp_path) == []


def test_a_file_that_is_no_text_counts_as_stale(tmp_path: Path) -> None:
    changed = generate.write(tmp_path)
    (tmp_path / changed[0]).write_bytes(b"\xff\xfe\x00")
    assert generate.drifted(tmp_path) == [changed[0]]


def test_check_fails_on_drift(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0
    monkeypatch.setattr(generate, "generated_files", lambda: {Path("docs/jobs.md"): "another page"})
    assert generate.main(["--check"]) == 1
    assert "docs/jobs.md" in capsys.readouterr().out


def test_the_page_and_the_schema_name_every_field() -> None:
    page, schema = generate.page_text(), json.loads(generate.schema_text())
    for verb in VERBS:
        assert f"## {verb}" in page
        for name in job_class(verb).model_fields:
            assert f"| `{name}` |" in page
            assert schema["jobs"][verb]["properties"][name]["description"]
