"""What killed runs leave is removed by the next run that owns it, and a live run's is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from understudy.core import atomic, outputs, unfinished
from understudy.core.outputs import Written

WRITER = """
import sys, time
from pathlib import Path
from understudy.core import atomic, unfinished
with unfinished.scratch_folder("test") as folder:
    (folder / "a.npy").write_bytes(b"half")
    with atomic.replacing(Path(sys.argv[1])) as partial:
        partial.write_bytes(b"half")
        print("writing", flush=True)
        time.sleep(60)
"""


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of writing a file."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        try:
            yield process
        finally:
            process.kill()


def guard(*paths: Path) -> None:
    outputs.guard([], [Written("output", paths, lambda path: True)], overwrite=False)


def partials(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".partial" in path.name)


def test_a_killed_runs_files_go_with_the_next_run_and_a_live_runs_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()
    one, other = tmp_path / "o.0001.exr", tmp_path / "o.0002.exr"
    with writing(one) as killed, writing(other) as living:
        assert len(partials(tmp_path)) == len(list((tmp_path / "scratch").iterdir())) == 2
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        guard(other)  # the killed run's file is another run's to remove
        assert len(partials(tmp_path)) == 2
        guard(one, other)
        (left,) = partials(tmp_path)
        assert left.startswith(".o.0002.") and left.endswith(".partial.exr")
        with unfinished.scratch_folder("test") as mine:
            others = [path for path in (tmp_path / "scratch").iterdir() if path != mine]
        assert len(others) == 1 and f"-{living.pid}-" in others[0].name
    guard(other)
    assert partials(tmp_path) == []


def aged(path: Path, seconds: float) -> Path:
    path.write_bytes(b"half")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


@pytest.mark.parametrize("owner", ["0123abcd-1-5f-00112233", "00112233"])
def test_of_another_machine_only_what_is_old_is_removed(tmp_path: Path, owner: str) -> None:
    """The second name is of a release that did not say whose a file is."""
    young = aged(tmp_path / f".o.0001.{owner}.partial.exr", unfinished.STALE_SECONDS - 600)
    guard(tmp_path / "o.0001.exr")
    assert young.exists()
    aged(young, unfinished.STALE_SECONDS + 600)
    guard(tmp_path / "o.0002.exr")
    assert young.exists()
    guard(tmp_path / "o.0001.exr")
    assert not young.exists()


def test_a_number_that_another_process_has_now_is_no_owner(tmp_path: Path) -> None:
    mine = unfinished.partial_path(tmp_path / "a.sqlite").name
    parts = mine.split("-")
    parts[2] = "1"  # it started at another time
    stale, live = tmp_path / "-".join(parts), tmp_path / mine
    for path in (stale, live, tmp_path / f"{stale.name}-journal"):
        path.write_bytes(b"half")
    guard(tmp_path / "a.sqlite")
    assert partials(tmp_path) == [mine]


def test_names_that_only_look_alike_stay(tmp_path: Path) -> None:
    stale = unfinished.STALE_SECONDS * 2
    names = [
        "o.0001.00112233.partial.exr",
        ".o.0001.partial.exr",
        ".o.0001.001122.partial.exr",
        ".o.0001.exr",
    ]
    for name in names:
        aged(tmp_path / name, stale)
    (tmp_path / ".o.0001.00112233.partial.exr").mkdir()
    (tmp_path / ".o.0001.44556677.partial.exr").symlink_to(tmp_path / names[0])
    guard(tmp_path / "o.0001.exr")
    assert len(list(tmp_path.iterdir())) == len(names) + 2


def test_a_name_of_any_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 120 + ".exr")
    atomic.write_bytes(path, b"whole")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
