"""However a path is spelt, an output that is an input is found, and one that is none is not refused."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.core import outputs
from understudy.core.errors import JobError
from understudy.core.outputs import Read, Written
from understudy.image.sequence import Pattern


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """Folders a and a/b, and links between them, with plates in a/b."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "a" / "b").mkdir(parents=True)
        (root / "c").mkdir()
        (root / "a" / "up").symlink_to("..")
        (root / "c" / "ab").symlink_to(root / "a" / "b")
        (root / "loop").symlink_to(".")
        for number in (1, 2):
            (root / "a" / "b" / f"p.{number:04d}.exr").write_bytes(b"plate")
        yield root


STEPS = st.lists(st.sampled_from(["a", "b", "c", "up", "ab", "loop", ".", "..", "gone"]), max_size=7)


@settings(deadline=None, max_examples=150)
@given(steps=STEPS, number=st.integers(1, 4), hashes=st.booleans())
def test_the_guard_agrees_with_the_file_system(
    tree: Path, steps: list[str], number: int, hashes: bool
) -> None:
    folder = "/".join([str(tree), *steps])
    pattern = Pattern.parse(f"{folder}/p.{'####' if hashes else '%04d'}.exr")
    plate = Pattern.parse(f"{tree}/a/b/p.%04d.exr")
    same = os.path.isdir(folder) and os.path.samefile(folder, tree / "a" / "b")
    reads = [Read("plate", plate.folder, plate.is_member)]
    writes = [Written("output", [pattern.path(number)], lambda path: True)]
    if same:
        with pytest.raises(JobError, match="would overwrite the plate"):
            outputs.guard(reads, writes, overwrite=True)
    else:
        outputs.guard(reads, writes, overwrite=True)


@settings(deadline=None, max_examples=100)
@given(
    prefix=st.sampled_from(["p.", "p", "", "-", "p.0."]),
    padding=st.integers(1, 5),
    number=st.integers(-50, 99_999),
    suffix=st.sampled_from([".exr", "_v2.exr", ""]),
)
def test_a_sequence_knows_its_own_names_and_no_others(
    prefix: str, padding: int, number: int, suffix: str
) -> None:
    pattern = Pattern(Path(), prefix, padding, suffix)
    name = pattern.path(number).name
    assert pattern.frame_of(name) == number
    assert pattern.frame_of(f"{name}x") is None and pattern.frame_of(f"x{name}") is None
