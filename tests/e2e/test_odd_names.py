"""Files whose names are not UTF-8 (Linux names are bytes), from the track to the finished frame."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rendered import Shot, render

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
ODD = "caf\udce9"


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return render(tmp_path_factory.mktemp("shot"))


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    values = {**os.environ, "UNDERSTUDY_MODELS": str(folder / "none"), "UNDERSTUDY_DEVICE": "cpu"}
    line = [sys.executable, "-m", "understudy", *words]
    return subprocess.run(line, cwd=folder, env=values, capture_output=True, timeout=200)


def test_a_shot_in_a_folder_of_odd_bytes_is_tracked_bundled_and_swapped(shot: Shot, tmp_path: Path) -> None:
    plain = shot.job(tmp_path, frames="1-2")
    folder = tmp_path / ODD
    folder.mkdir()
    for number in (1, 2):
        shutil.copy(plain.plate % number, folder / f"pl{ODD}.{number:04d}.exr")
    table = Path(plain.plate).parent / "landmarks.json"
    shutil.copy(table, folder)
    shutil.copytree(plain.model.parent, folder / "model")
    model = folder / "model" / plain.model.name
    pattern = str(folder / f"pl{ODD}.%04d.exr")

    done = command(
        tmp_path, "track", "--plate", pattern, "--track", str(folder / "x.track"), "--detector", "known"
    )
    assert done.returncode == 0, done.stderr
    job = {"plate": pattern, "track": str(folder / "x.track"), "model": str(model), "frames": "1-2"}
    job |= {"output": str(folder / f"out{ODD}.%04d.exr")}
    (folder / "job.json").write_text(json.dumps(job))
    done = command(tmp_path, "bundle", "--document", str(folder / "job.json"), "--folder", str(folder / "b"))
    assert done.returncode == 0, done.stderr
    done = command(tmp_path, "swap", "--job", str(folder / "b" / "job.json"), "--frames", "1-2", "--json")
    assert done.returncode == 0, done.stdout
    result = json.loads(done.stdout.splitlines()[-1])["result"]
    assert result["output"] == job["output"] and result["written"] == 2  # JSON gives the very name back
    done = command(folder, "swap", "--job", "job.json")
    assert done.returncode == 0 and b"unchanged: 2" in done.stdout, done.stderr
    assert b"out" + b"caf\\xe9" in done.stdout  # a person reads the bytes as escapes
    copy = tmp_path / "plain.%04d.exr"
    words = ["--plate", pattern, "--track", job["track"], "--model", str(model), "--output", str(copy)]
    assert command(tmp_path, "swap", *words).returncode == 0
    assert (folder / f"out{ODD}.0001.exr").read_bytes() == (tmp_path / "plain.0001.exr").read_bytes()


def test_an_error_names_the_odd_file(shot: Shot, tmp_path: Path) -> None:
    plain = shot.job(tmp_path)
    words = [
        "--track",
        str(plain.track),
        "--model",
        str(plain.model),
        "--output",
        str(tmp_path / "a.%04d.exr"),
    ]
    (tmp_path / ODD).mkdir()
    missing = str(tmp_path / ODD / "none.%04d.exr")
    done = command(tmp_path, "swap", "--plate", missing, *words, "--json")
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert done.returncode == 3 and error["where"] == missing
    done = command(tmp_path, "swap", "--plate", missing, *words)
    assert done.returncode == 3 and b"caf\\xe9" in done.stderr
