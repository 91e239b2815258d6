"""Likeness releases: what they cover, and what is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from understudy.core.errors import ReleaseError
from understudy.provenance import releases

DOCUMENT: dict[str, Any] = {
    "schema_version": 1,
    "performer": "Ada Example",
    "granted_to": "Example Pictures",
    "production": "The Example",
    "valid_from": "2026-01-01",
    "valid_until": "2026-12-31",
    "uses": ["train", "swap"],
    "signed": {"by": "Ada Example", "on": "2025-12-01"},
}


def written(folder: Path, change: dict[str, Any] | None = None) -> Path:
    path = folder / "release.json"
    path.write_text(json.dumps({**DOCUMENT, **(change or {})}))
    return path


def test_a_release_covers_its_uses_within_its_days(tmp_path: Path) -> None:
    loaded = releases.load(written(tmp_path))
    assert loaded.covers("train", date(2026, 1, 1)) and loaded.covers("swap", date(2026, 12, 31))
    assert not loaded.covers("publish", date(2026, 6, 1))
    assert not loaded.covers("train", date(2025, 12, 31))
    assert not loaded.covers("train", date(2027, 1, 1))


def test_what_is_not_covered_is_said(tmp_path: Path) -> None:
    loaded = releases.load(written(tmp_path))
    loaded.require("train", date(2026, 6, 1))
    with pytest.raises(ReleaseError, match="allows train, swap, not publish"):
        loaded.require("publish", date(2026, 6, 1))
    with pytest.raises(ReleaseError, match="not on 2027-06-01"):
        loaded.require("swap", date(2027, 6, 1))


def test_the_digest_is_of_the_meaning_not_of_the_layout(tmp_path: Path) -> None:
    first = releases.load(written(tmp_path)).digest
    path = tmp_path / "other.json"
    path.write_text(json.dumps(dict(reversed(DOCUMENT.items())), indent=8))
    assert releases.load(path).digest == first
    assert len(first) == 64 and set(first) <= set("0123456789abcdef")


def test_another_term_gives_another_digest(tmp_path: Path) -> None:
    first = releases.load(written(tmp_path)).digest
    assert releases.load(written(tmp_path, {"valid_until": "2027-12-31"})).digest != first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "newer version: schema 2"),
        ({"performer": ""}, "performer"),
        ({"uses": []}, "uses"),
        ({"uses": ["anything"]}, "uses"),
        ({"valid_until": "2025-01-01"}, "valid_until lies before valid_from"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"signed": None}, "signed"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_document_is_refused_by_its_field(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ReleaseError, match=message) as caught:
        releases.load(written(tmp_path, change))
    assert caught.value.where.endswith("release.json")


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"[]", b"3", b"[" * 100_000, b" " * 2_000_000])
def test_a_file_that_is_no_release_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "release.json"
    path.write_bytes(data)
    with pytest.raises(ReleaseError):
        releases.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="No such file"):
        releases.load(tmp_path / "none.json")
