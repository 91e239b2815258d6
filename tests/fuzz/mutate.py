"""Damage: what is done to a valid file, a document or a database, all by one random generator."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Mutator = Callable[[random.Random, bytearray, bytes], bytearray]
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]


def damaged(generator: random.Random, data: bytes, other: bytes) -> bytes:
    """One to four mutations of a file's bytes; `other` is a second valid file of the kind."""
    found = bytearray(data)
    for _ in range(generator.choice([1, 1, 1, 2, 3, 4])):
        found = generator.choice(MUTATORS)(generator, found, other) or found
    return bytes(found)


def _place(generator: random.Random, data: bytearray) -> int:
    """A third of the places lie among the first bytes, where headers are; few in the mark of the format."""
    last = min(len(data), 512) if generator.random() < 0.35 else len(data)
    first = 0 if last < 5 or generator.random() < 0.1 else 4
    return generator.randrange(first, last)


def flip_bits(generator: random.Random, data: bytearray, other: bytes) -> bytearray:
    for _ in range(generator.choice([1, 1, 8, 64])):
        data[_place(generator, data)] ^= 1 << generator.randrange(8)
    return data


def truncate(generator: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data[: _place(generator, data)] or data[:1]


def zero(generator: random.Random, data: bytearray, other: bytes) -> bytearray:
    start, length = _place(generator, data), generator.choice([1, 4, 64, 4096])
    data[start : start + length] = bytes(len(data[start : start + length]))
    return data


def repeat(generator: random.Random, data: bytearray, other: bytes) -> bytearray:
    start, length = _place(generator, data), generator.choice([4, 32, 256])
    data[start:start] = data[start : start + length] * generator.choice([1, 3, 40])
    return data


def extreme(generator: random.Random, data: bytearray, other: bytes) -> bytearray:
    """An integer of the header becomes one at the edge of its type."""
    width = generator.choice([1, 2, 4, 4, 8])
    value = generator.choice(EXTREMES) % 256**width
    start = _place(generator, data)
    data[start : start + width] = value.to_bytes(width, generator.choice(["little", "big"]))
    return data


def splice(generator: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data[: _place(generator, data)] + other[generator.randrange(max(len(other), 1)) :]


def noise(generator: random.Random, data: bytearray, other: bytes) -> bytearray:
    start, length = _place(generator, data), generator.choice([2, 16, 128])
    data[start : start + length] = generator.randbytes(length)
    return data


MUTATORS: list[Mutator] = [flip_bits, flip_bits, truncate, zero, repeat, extreme, extreme, splice, noise]

_TEXTS = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "caf\udce9",
    "../../x",
    "/dev/zero",
    "%n%s",
    "%99999d",
    "\x1b[2J",
    "x" * 70_000,
]
_NUMBERS = [0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**30), 1e308, -1e308, 1e11, 5e-324, 0.5]
_OTHERS = [None, True, False, [], {}, [[]], {"": ""}, [None] * 3]
_SPECIAL = ["NaN", "Infinity", "-Infinity", "1e999", "-0", "0x10", "01", "'a'"]
_MARK = "understudy-fuzz-mark"


def hostile_value(generator: random.Random) -> Any:
    """A value that does not belong where it is put."""
    kind = generator.choice([_TEXTS, _NUMBERS, _OTHERS])
    return generator.choice(kind)  # type: ignore[arg-type]


def damaged_document(generator: random.Random, document: Any) -> bytes:
    """A JSON document with wrong types, huge numbers, deep nesting, NUL, surrogates, or damaged bytes."""
    copy = json.loads(json.dumps(document))
    if generator.random() < 0.15:
        return damaged(generator, json.dumps(copy).encode(), b'{"schema_version": 1}')
    raw = ""
    for _ in range(generator.choice([1, 1, 2, 3])):
        raw = _change(generator, copy) or raw
    data = json.dumps(copy).encode()
    return data.replace(json.dumps(_MARK).encode(), raw.encode()) if raw else data


def _change(generator: random.Random, document: Any) -> str:
    """Change one place; returns JSON text to stand for `_MARK` where no value can say it."""
    holder, key = generator.choice(_places(document))
    match generator.randrange(8):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[generator.choice(["new", *_TEXTS])] = holder.pop(key)
        case 2 if isinstance(holder, list):
            holder.extend([holder[key]] * generator.choice([1, 1000]))
        case 3:
            holder[key] = [holder[key]]
        case 4:
            holder[key] = str(holder[key])
        case 5:
            holder[key] = _MARK
            depth = generator.choice([100, 2_000, 100_000])
            opening, closing_ = generator.choice([("[", "]"), ('{"a":', "}")])
            return generator.choice([opening * depth + "1" + closing_ * depth, *_SPECIAL])
        case _:
            holder[key] = hostile_value(generator)
    return ""


def _places(document: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    pending = [document]
    while pending:
        one = pending.pop()
        keys = list(one) if isinstance(one, dict) else list(range(len(one)))
        # Long lists are alike within: a few of their places stand for all.
        for key in keys[:6]:
            found.append((one, key))
            if isinstance(one[key], dict | list) and one[key]:
                pending.append(one[key])
    return found


_CELLS = [None, "", "x", b"", b"\0" * 7, 0, -1, 2**62, 1e308, float("inf"), "\0", "../x.png", b"\xff" * 544]
_SCHEMA = [
    "CREATE VIEW v AS SELECT 1",
    "CREATE TRIGGER t AFTER INSERT ON about BEGIN DELETE FROM about; END",
    "PRAGMA user_version = 99",
    "PRAGMA user_version = 0",
    "PRAGMA application_id = 1",
    "DROP TABLE about",
    "DELETE FROM about",
    "ALTER TABLE about ADD COLUMN more",
]


def damage_database(generator: random.Random, path: Path) -> None:
    """Change cells, rows or the schema of a database, or its bytes."""
    if generator.random() < 0.4:
        path.write_bytes(damaged(generator, path.read_bytes(), path.read_bytes()))
        return
    with closing(sqlite3.connect(path)) as connection, connection:
        if generator.random() < 0.25:
            connection.execute(generator.choice(_SCHEMA))
            return
        for _ in range(generator.choice([1, 1, 3])):
            _damage_cell(generator, connection)


def _damage_cell(generator: random.Random, connection: sqlite3.Connection) -> None:
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    table = generator.choice(names)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    column = generator.choice(columns)
    rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
    if not rows:
        return
    row, value = generator.choice(rows)
    if isinstance(value, bytes) and value and generator.random() < 0.7:
        new: Any = bytes(flip_bits(generator, bytearray(value), b""))
    elif isinstance(value, float) and generator.random() < 0.5:
        new = value * 1.5 + 1
    else:
        new = generator.choice(_CELLS)
    try:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, row))
    except sqlite3.IntegrityError:
        return  # the schema does not take it: the row stays as it is
