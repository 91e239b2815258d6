#!/usr/bin/env python3
"""What `understudy extract` and `track` lose when they are killed.

    bench/kills.py --kills 30 --frames 1-40

Runs each verb once without interruption. Then it starts it again and again over the same frames, and ends it
by SIGKILL at random moments, from the first line of progress to the time of the whole run. A result that was
killed one to five times is finished by one more run and compared with the one that was never interrupted:
all rows of its table, all files in its folder, nothing else beside it. Then the next begins.

Prints one JSON line for each verb; the exit code is 1 where a result differs or anything lies beside it.
`at_stages` says where the kills fell, `kept` how many frames the runs after a kill found in the journal.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.shots.journal import journal_path

VERBS = ("extract", "track")
# In one of these results there are so many kills at most before it is finished.
MOST_KILLS = 5


@dataclass
class Outcome:
    """What a verb's kills came to.

    Attributes:
        kills: Runs that were ended by SIGKILL.
        results: Results that were killed at least once, finished, and compared.
        differ: What differed, in words.
        kept: Frames that a run after a kill found in the journal.
        leftovers: Files beside the results that are no part of them.
        at_stages: Kills by what the run was doing.
    """

    kills: int = 0
    results: int = 0
    differ: list[str] = field(default_factory=list)
    kept: int = 0
    leftovers: list[str] = field(default_factory=list)
    at_stages: Counter[str] = field(default_factory=Counter)


def command(verb: str, demo: Path, output: Path, frames: str) -> list[str]:
    """The command line of one run."""
    own = {
        "extract": ["--plate", str(demo / "actor/actor.%04d.exr"), "--faceset", str(output)],
        "track": ["--plate", str(demo / "plate/plate.%04d.exr"), "--track", str(output)],
    }
    identity = ["--identity", "actor"] if verb == "extract" else []
    words = [*own[verb], *identity, "--frames", frames, "--json"]
    return [sys.executable, "-m", "understudy", verb, *words]


def start(words: list[str]) -> subprocess.Popen[str]:
    """Start a run in a process group of its own."""
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)


def until_progress(running: subprocess.Popen[str]) -> None:
    """Wait for the run's first line."""
    assert running.stdout is not None
    running.stdout.readline()


def finish(words: list[str]) -> float:
    """Run to the end; the seconds from its first line on.

    Raises:
        SystemExit: the run failed.
    """
    running = start(words)
    until_progress(running)
    begun = time.monotonic()
    told, _ = running.communicate()
    if running.returncode:
        raise SystemExit(f"{' '.join(words)}\n{told}\nended with {running.returncode}")
    return time.monotonic() - begun


def kill_at(words: list[str], seconds: float) -> str | None:
    """Start a run and end it by SIGKILL that long after its first line.

    Returns:
        The stage it was in; None where it ended before.
    """
    running = start(words)
    until_progress(running)
    try:
        running.wait(seconds)
        ended = True
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        ended = False
    told, _ = running.communicate()
    if ended:
        if running.returncode:
            raise SystemExit(f"{' '.join(words)}\n{told}\nended with {running.returncode}")
        return None
    stages = [line["stage"] for line in map(_parsed, told.splitlines()) if "stage" in line]
    return str(stages[-1]) if stages else "detect faces"


def content(output: Path) -> dict[str, Any]:
    """Everything a track or a face set holds: rows of every table in order, digest of every other file."""
    found: dict[str, Any] = {}
    files = sorted(path for path in output.rglob("*") if path.is_file()) if output.is_dir() else [output]
    for path in files:
        name = path.name if path == output else str(path.relative_to(output))
        if path == output or path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as connection:
                tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
                for (table,) in tables.fetchall():
                    rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
                    found[f"{name}:{table}"] = sorted(rows, key=repr)
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def kept_frames(output: Path) -> int:
    """How many frames the journal holds."""
    path = journal_path(output)
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM found").fetchone()[0])


def measure(verb: str, options: argparse.Namespace, chance: random.Random) -> Outcome:
    """Kill a verb as often as asked, and compare what comes of it."""
    suffix = ".faceset" if verb == "extract" else ".track"
    whole = options.work / f"{verb}-whole" / f"result{suffix}"
    whole.parent.mkdir(parents=True)
    seconds = finish(command(verb, options.demo, whole, options.frames))
    wanted, outcome = content(whole), Outcome()
    while outcome.kills < options.kills:
        output = options.work / f"{verb}-{outcome.results}" / f"result{suffix}"
        output.parent.mkdir()
        words = command(verb, options.demo, output, options.frames)
        before, most = outcome.kills, min(chance.randint(1, MOST_KILLS), options.kills - outcome.kills)
        while outcome.kills < before + most:
            stage = kill_at(words, chance.uniform(0, seconds))
            if stage is None:
                break
            outcome.kills += 1
            outcome.at_stages[stage] += 1
            outcome.kept += kept_frames(output)
        if outcome.kills > before:
            finish(words)
            compare(output, wanted, outcome)
        shutil.rmtree(output.parent)
    return outcome


def compare(output: Path, wanted: dict[str, Any], outcome: Outcome) -> None:
    """Note in which parts a finished result is not the uninterrupted one, and what lies beside it."""
    outcome.results += 1
    found = content(output)
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            outcome.differ.append(f"result {outcome.results}: {name}")
    outcome.leftovers += [path.name for path in output.parent.iterdir() if path != output]


def _parsed(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:  # the line that the kill cut off
        return {}


def main() -> int:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demo", type=Path, default=Path("demo-out"))
    parser.add_argument("--work", type=Path, default=Path("bench-out/kills"))
    parser.add_argument("--frames", default="1-40")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=16)
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    bad = False
    for verb in VERBS:
        begun = time.monotonic()
        outcome = measure(verb, options, random.Random(f"{options.seed} {verb}"))
        took = round(time.monotonic() - begun)
        print(json.dumps({"verb": verb, **vars(outcome), "seconds": took}), flush=True)
        bad |= bool(outcome.differ or outcome.leftovers)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
