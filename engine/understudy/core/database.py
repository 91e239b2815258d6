"""SQLite files: created, opened and upgraded. A file is treated as hostile until its schema is checked."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from understudy.core.errors import UnderstudyError

APPLICATION_ID = 0x55445354  # "UDST"
Schemas = Mapping[int, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Kind:
    """A kind of database: its name in messages, and the error class for one that cannot be used."""

    name: str
    error: type[UnderstudyError]


@contextmanager
def guarded(path: Path, kind: Kind) -> Iterator[None]:
    """Turn SQLite's errors about a file into the kind's error, which names it."""
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError) as exc:
        raise kind.error(
            f"The {kind.name} cannot be read or written: {exc}.",
            where=path,
            fix=f"check the disk, or make the {kind.name} again",
        ) from exc


def connect_new(path: Path, schema: str, version: int) -> sqlite3.Connection:
    """Create a database at a path where there is none; `schema` holds its CREATE statements."""
    connection = sqlite3.connect(path)
    connection.executescript(
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; {schema}"
    )
    return connection


def connect(path: Path, kind: Kind, schemas: Schemas) -> sqlite3.Connection:
    """Open a database that should be ours, of any version that we know.

    Args:
        path: The file.
        kind: Of the database.
        schemas: For each version its tables, and for each table the columns that it must have.

    Raises:
        UnderstudyError: of the kind: the file is missing, foreign, damaged, or from a newer version.
    """
    if not path.is_file():
        raise kind.error(f"The {kind.name} does not exist.", where=path, fix=f"make the {kind.name} first")
    with guarded(path, kind):
        # Not `mode=ro`: a killed writer leaves a journal, which SQLite must be let roll back. A file that we
        # may not write opens for reading all the same.
        connection = sqlite3.connect(f"file:{quote(os.fsencode(path.absolute()))}?mode=rw", uri=True)
    try:
        with guarded(path, kind):
            _check(connection, path, kind, schemas)
    except BaseException:
        connection.close()
        raise
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of an open database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def upgrade(connection: sqlite3.Connection, statements: Mapping[int, Sequence[str]]) -> None:
    """Bring an older database to the newest schema, within the transaction of what is written next.

    The caller commits. Until then, and where the process is killed, the file is of its old version.

    Args:
        statements: For each older version the SQL that leads to the next one.
    """
    if version_of(connection) not in statements:
        return
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")
    # Another process may have upgraded it while this one waited for the lock.
    while (version := version_of(connection)) in statements:
        for statement in statements[version]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version + 1}")


def _check(connection: sqlite3.Connection, path: Path, kind: Kind, schemas: Schemas) -> None:
    # Views, triggers and odd defaults of a crafted file may not call functions.
    connection.execute("PRAGMA trusted_schema = OFF")
    # Text that is not UTF-8 comes back with marks in it, in place of an error from deep inside.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    foreign = kind.error(
        f"The file is not a {kind.name} of Understudy.",
        where=path,
        fix=f"choose a {kind.name}, or make it again",
    )
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise foreign
    version, newest = version_of(connection), max(schemas)
    if version > newest:
        raise kind.error(
            f"The {kind.name} was written by a newer Understudy (schema {version}; this one reads {newest}).",
            where=path,
            fix="update Understudy",
        )
    entries = connection.execute(
        "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view', 'trigger')"
    )
    tables = schemas.get(version, {})
    if not tables or {(name, "table") for name in tables} != set(entries.fetchall()):
        raise foreign
    for table, columns in tables.items():
        rows = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
        if tuple((row[1], row[6]) for row in rows) != tuple((column, 0) for column in columns):
            raise foreign
