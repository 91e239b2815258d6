"""Content digests of files: the same on every machine, whatever a file's name, path and age.

A digest needs the whole file read, so it is remembered in a table of this machine's cache folder, by path,
size, time of change and inode. The table is a convenience: where it is missing, locked, damaged or read-only,
files are read again.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

from understudy.core import atomic, database
from understudy.core.errors import UnderstudyError
from understudy.core.paths import as_text

FILE_NAME = "content.sqlite"
LARGEST_ROWS = 100_000
# A file that changed this recently may change again within the same tick of its file system's clock.
_SETTLED_NS = 2_000_000_000
# Another process writes one row at a time: after waiting this long, the file is read instead.
_LONGEST_WAIT_MS = 500
_PRUNE_EVERY = 256

_KIND = database.Kind("cache of file contents", UnderstudyError)
_SCHEMAS = {1: {"hashes": ("path", "size", "modified_ns", "inode", "sha256")}}
_SCHEMA = """CREATE TABLE hashes (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    sha256 TEXT NOT NULL);"""
_SELECT = "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND modified_ns = ? AND inode = ?"
_PRUNE = """DELETE FROM hashes WHERE rowid <= (
    SELECT rowid FROM hashes ORDER BY rowid DESC LIMIT 1 OFFSET ?)"""

_Key = tuple[str, int, int, int]


class ContentHashes:
    """Digests of files' contents, for one run.

    A class that computes another digest of a file has a table and a `compute` of its own.

    Args:
        folder: Cache folder of this machine; None to remember nothing beyond the run.
    """

    file_name = FILE_NAME

    def __init__(self, folder: Path | None) -> None:
        self._table = None if folder is None else folder / self.file_name
        self._known: dict[_Key, str] = {}

    def of(self, path: Path) -> str:
        """SHA-256 of a file in hexadecimal; empty for one that is missing, not a regular file, or unreadable.

        The code that reads the file reports what is wrong with it.
        """
        key = _key(path)
        if key is None:
            return ""
        if key not in self._known:
            self._known[key] = self._remembered(key) or self._read(path, key)
        return self._known[key]

    def compute(self, path: Path) -> str:
        """The digest of a file.

        Raises:
            OSError: it cannot be read.
        """
        return sha256_of(path)

    def remember(self, path: Path, digest: str) -> None:
        """Record the digest of a file that this process has just written."""
        key = _key(path)
        if key is not None:
            self._known[key] = digest
            self._remember(key, digest)

    def _read(self, path: Path, key: _Key) -> str:
        try:
            found = self.compute(path)
        except OSError:
            return ""
        if _key(path) == key and time.time_ns() - key[2] > _SETTLED_NS:
            self._remember(key, found)
        return found

    def _remembered(self, key: _Key) -> str:
        if self._table is None or not self._table.exists():
            return ""
        try:
            with closing(_open(self._table)) as connection:
                row = connection.execute(_SELECT, key).fetchone()
        except (UnderstudyError, sqlite3.Error):
            return ""  # the table is no use: the file is read
        # The table may have been tampered with.
        return row[0] if row and re.fullmatch(r"[0-9a-f]{64}", str(row[0])) else ""

    def _remember(self, key: _Key, sha256: str) -> None:
        if self._table is None:
            return
        try:
            if not self._table.exists():
                _create(self._table)
            with closing(_open(self._table)) as connection, connection:
                insert = "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)"
                row = connection.execute(insert, (*key, sha256)).lastrowid or 0
                if row % _PRUNE_EVERY == 0:
                    connection.execute(_PRUNE, (LARGEST_ROWS,))
        except (UnderstudyError, sqlite3.Error, OSError):
            return  # a cache that cannot be written costs time, and nothing else


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _key(path: Path) -> _Key | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    # SQLite's integers are signed; some file systems count inodes beyond.
    inode = facts.st_ino - 2**64 if facts.st_ino >= 2**63 else facts.st_ino
    return (as_text(path.absolute()), facts.st_size, facts.st_mtime_ns, inode)


def _create(path: Path) -> None:
    with atomic.replacing(path) as partial:
        database.connect_new(partial, _SCHEMA, max(_SCHEMAS)).close()


def _open(path: Path) -> sqlite3.Connection:
    connection = database.connect(path, _KIND, _SCHEMAS)
    connection.execute(f"PRAGMA busy_timeout = {_LONGEST_WAIT_MS}")
    return connection
