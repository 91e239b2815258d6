"""Digests of what files hold, and the table that remembers them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from understudy.core import content
from understudy.core.content import ContentHashes
from understudy.core.settings import Settings

OLD = (1_600_000_000, 1_600_000_000)


def file(path: Path, data: bytes = b"pixels") -> Path:
    """A file that was written long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, OLD)
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read to the end."""
    seen: list[Path] = []
    real = content.sha256_of

    def counted(path: Path) -> str:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(content, "sha256_of", counted)
    return seen


def test_a_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    first, copy, other = file(tmp_path / "a.exr"), file(tmp_path / "b" / "c.exr"), tmp_path / "other"
    os.utime(copy, (1_700_000_000, 1_700_000_000))
    file(other, b"pixelz")
    hashes = ContentHashes(None)
    assert hashes.of(first) == hashes.of(copy) == hashlib.sha256(b"pixels").hexdigest()
    assert hashes.of(other) != hashes.of(first)


def test_a_file_is_read_once_by_all_runs_until_it_changes(tmp_path: Path, reads: list[Path]) -> None:
    cache, path = tmp_path / "cache", file(tmp_path / "a.exr")
    for _ in range(3):
        assert ContentHashes(cache).of(path) == hashlib.sha256(b"pixels").hexdigest()
    assert len(reads) == 1
    path.write_bytes(b"pixelz")
    assert ContentHashes(cache).of(path) == hashlib.sha256(b"pixelz").hexdigest()
    os.utime(path, OLD)  # the same size and time as at first
    replaced = file(tmp_path / "new", b"PIXELS")
    os.replace(replaced, path)  # but another inode
    assert ContentHashes(cache).of(path) == hashlib.sha256(b"PIXELS").hexdigest()


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path, reads: list[Path]) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(b"pixels")
    for _ in range(2):
        ContentHashes(tmp_path / "cache").of(path)
    assert len(reads) == 2


def test_what_is_no_readable_file_has_no_digest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    hashes = ContentHashes(tmp_path / "cache")
    assert [hashes.of(tmp_path / name) for name in ("absent", "pipe", "")] == ["", "", ""]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.write_bytes(b"not a database"),
        lambda table: table.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096),
        lambda table: execute(table, "PRAGMA user_version = 9"),
        lambda table: execute(table, "UPDATE hashes SET sha256 = 'f'"),
        lambda table: execute(table, "UPDATE hashes SET sha256 = x'ff'"),
        lambda table: execute(table, "CREATE TRIGGER t AFTER INSERT ON hashes BEGIN SELECT 1; END"),
        lambda table: (table.unlink(), table.mkdir()),
    ],
)
def test_a_spoilt_table_costs_time_and_nothing_else(tmp_path: Path, spoil, reads: list[Path]) -> None:
    cache, path = tmp_path / "cache", file(tmp_path / "a.exr")
    ContentHashes(cache).of(path)
    spoil(cache / content.FILE_NAME)
    assert ContentHashes(cache).of(path) == hashlib.sha256(b"pixels").hexdigest()
    assert len(reads) == 2


def execute(table: Path, statement: str) -> None:
    connection = sqlite3.connect(table)
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_cache_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    path = file(tmp_path / "a.exr")
    blocked = file(tmp_path / "blocked")
    assert ContentHashes(blocked / "cache").of(path) == hashlib.sha256(b"pixels").hexdigest()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_table_that_cannot_be_written_is_still_read(tmp_path: Path, reads: list[Path]) -> None:
    cache, path, other = tmp_path / "cache", file(tmp_path / "a.exr"), file(tmp_path / "b.exr", b"other")
    ContentHashes(cache).of(path)
    os.chmod(cache / content.FILE_NAME, stat.S_IRUSR)
    os.chmod(cache, stat.S_IRUSR | stat.S_IXUSR)
    try:
        hashes = ContentHashes(cache)
        assert hashes.of(path) and hashes.of(other) == hashlib.sha256(b"other").hexdigest()
        assert reads == [path, other]
    finally:
        os.chmod(cache, stat.S_IRWXU)


def test_the_table_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "LARGEST_ROWS", 10)
    monkeypatch.setattr(content, "_PRUNE_EVERY", 4)
    for number in range(40):
        ContentHashes(tmp_path / "cache").of(file(tmp_path / f"{number}.exr", b"%d" % number))
    connection = sqlite3.connect(tmp_path / "cache" / content.FILE_NAME)
    names = [row[0] for row in connection.execute("SELECT path FROM hashes ORDER BY rowid")]
    connection.close()
    assert len(names) <= 14 and names[-1].endswith("39.exr")


def test_processes_share_a_table(tmp_path: Path) -> None:
    for number in range(30):
        file(tmp_path / f"{number}.exr", b"%d" % number)
    script = (
        "import sys\nfrom pathlib import Path\nfrom understudy.core.content import ContentHashes\n"
        "root = Path(sys.argv[1])\nhashes = ContentHashes(root / 'cache')\n"
        "print([hashes.of(root / f'{n}.exr') for n in range(30)])\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = {run.communicate(timeout=60)[0] for run in runs}
    assert said == {str([hashlib.sha256(b"%d" % n).hexdigest() for n in range(30)]) + "\n"}


def test_the_settings_name_the_folder() -> None:
    assert Settings.from_environment({"XDG_CACHE_HOME": "/x"}).cache == Path("/x/understudy")
    assert Settings.from_environment({"UNDERSTUDY_CACHE": "/y"}).cache == Path("/y")
