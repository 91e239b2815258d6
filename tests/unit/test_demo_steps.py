"""The demo's record of finished steps: a damaged one repeats steps, and never ends the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.app.demo import Steps


def test_a_finished_step_is_remembered_with_its_facts(tmp_path: Path) -> None:
    output = tmp_path / "made"
    output.touch()
    Steps(tmp_path).finish("track", {"plate": str(tmp_path / "plate"), "frames": 8})
    known = Steps(tmp_path)
    assert known.finished("track", {"plate": str(tmp_path / "plate"), "frames": 8}, output)
    assert not known.finished("track", {"plate": str(tmp_path / "plate"), "frames": 9}, output)
    assert not known.finished("track", {"plate": str(tmp_path / "plate"), "frames": 8}, tmp_path / "gone")


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 200_000, b'{"a":1}' + b" " * 2**20]
)
def test_a_damaged_record_counts_as_none(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "steps.json").write_bytes(damaged)
    steps = Steps(tmp_path)
    assert not steps.finished("a", {}, tmp_path)
    steps.finish("a", {})
    assert Steps(tmp_path).finished("a", {}, tmp_path)
