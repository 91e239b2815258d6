"""docs/formats.md says what the files hold: its tables are compared with the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from understudy.core import content
from understudy.face.detect import known
from understudy.face.faceset import records
from understudy.face.faceset import store as faceset
from understudy.face.track import store as track
from understudy.inference import card
from understudy.provenance import releases
from understudy.provenance.stamp import LARGEST_ENTRIES
from understudy.shots import points

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "version"),
    [
        ("track", track.SCHEMA_VERSION),
        ("face-set", faceset.SCHEMA_VERSION),
        ("points-document", points.SCHEMA_VERSION),
        ("exported-model", card.SCHEMA_VERSION),
        ("likeness-release", releases.SCHEMA_VERSION),
        ("known-landmarks", known._SCHEMA_VERSION),
        ("content-cache", max(content._SCHEMAS)),
    ],
)
def test_the_versions_are_those_that_are_written(title: str, version: int) -> None:
    row = next(line for line in PAGE.splitlines() if f"](#{title})" in line)
    assert row.split("|")[3].strip() == str(version)


@pytest.mark.parametrize(
    ("title", "columns"),
    [("Track", track._SCHEMAS[2]["faces"]), ("Face set", records.COLUMNS)],
)
def test_the_columns_are_those_of_the_tables(title: str, columns: tuple[str, ...]) -> None:
    rows = [line.split("|") for line in section(title).splitlines() if line.startswith("|")]
    told = [name for row in rows[3:] for name in re.findall(r"`(\w+)`", row[2])]
    assert told == list(columns)


def test_the_bounds_are_the_codes() -> None:
    assert f"at most {LARGEST_ENTRIES}" in section("Finished frame")
    assert f"{content.LARGEST_ROWS:,} files" in section("Content cache")
    for name in content._SCHEMAS[1]["hashes"]:
        assert f"`{name}`" in section("Content cache")
