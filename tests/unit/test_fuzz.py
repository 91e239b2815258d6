"""A few damaged inputs of each reader in the default run, and the harness's own verdicts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import harness, mutate
from fuzz.reader import Reader, Undetected
from understudy.core.errors import PlateError

TESTS = Path(__file__).parents[1]
READERS = [word for name in ("exr", "stills", "finished", "video", "onnx") for word in ("--reader", name)]
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and reads /proc")


@linux_only
def test_a_few_damaged_inputs_of_each_reader_end_in_an_error_or_a_right_result(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "fuzz", "--count", "240", "--keep", str(tmp_path / "kept"), *READERS],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not (tmp_path / "kept").exists()


# A reader that ends as its seed says.
PROBE = """
import os, sys, time
from pathlib import Path
from fuzz import harness
from fuzz.reader import Reader, Undetected
from understudy.core.errors import PlateError

def damage(generator, valid, case):
    (case / "input").write_text(str(case))

def read(case):
    kind = int(os.environ["KIND"])
    if kind == 0: raise PlateError("It is damaged.")
    if kind == 1: raise ZeroDivisionError
    if kind == 2: os.kill(os.getpid(), 11)
    if kind == 3: bytearray(2**40)
    if kind == 4: raise Undetected("other pixels")
    if kind == 5: time.sleep(60)
    if kind == 6: raise PlateError("No text \\udcff.")

harness.SECONDS = 1.0
reader = Reader("probe", lambda folder: None, damage, read)
outcome = harness.run([reader], [5, 6], Path(sys.argv[1]))
print(dict(outcome.counts["probe"]), sorted(path.name for path in Path(sys.argv[1]).glob("kept/*")))
"""


@linux_only
@pytest.mark.parametrize(
    ("kind", "verdict"),
    list(enumerate(["refused", "traceback", "crash", "memory", "undetected", "hang", "refused", "read"])),
)
def test_the_harness_tells_what_came_of_an_input_and_goes_on(tmp_path: Path, kind: int, verdict: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS), "KIND": str(kind)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    kept = [] if verdict in harness.FINE else ["probe-5", "probe-5.txt", "probe-6", "probe-6.txt"]
    assert ran.stdout.strip() == f"{ {verdict: 2} } {kept}", ran.stderr


def test_a_seed_gives_the_same_input_again(tmp_path: Path) -> None:
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid" / "a.bin").write_bytes(bytes(range(256)) * 4)

    def damage(generator: object, valid: Path, case: Path) -> None:
        data = (valid / "a.bin").read_bytes()
        (case / "a.bin").write_bytes(mutate.damaged(generator, data, data))  # type: ignore[arg-type]

    reader = Reader("bytes", lambda folder: None, damage, lambda case: None)
    inputs = []
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        harness.write_input(reader, seed, tmp_path / "valid", tmp_path / name)
        inputs.append((tmp_path / name / "a.bin").read_bytes())
    assert inputs[0] == inputs[1] != inputs[2]


def test_a_right_result_an_error_and_an_undetected_damage_are_told_apart(tmp_path: Path) -> None:
    def raising(error: Exception) -> Reader:
        def read(case: Path) -> None:
            raise error

        return Reader("r", lambda folder: None, lambda *_: None, read)

    assert harness.judge(raising(PlateError("Damaged.")), tmp_path)[0] == "refused"
    assert harness.judge(raising(Undetected("x")), tmp_path) == ("undetected", "x")
    assert harness.judge(raising(KeyError("x")), tmp_path)[0] == "traceback"
