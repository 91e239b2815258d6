"""Every error says what, where and what to do, and keeps its exit code."""

from __future__ import annotations

import pytest

from understudy.core import errors
from understudy.core.errors import PlateError, UnderstudyError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


def test_an_error_reads_as_its_three_lines() -> None:
    error = PlateError(
        "Frame 1017 of the plate is missing.",
        where="sh010/plate.1017.exr",
        fix="render frame 1017 again, or set the range to 1001-1016",
    )
    assert str(error).splitlines() == [
        "PlateError: Frame 1017 of the plate is missing.",
        "  at: sh010/plate.1017.exr",
        "  try: render frame 1017 again, or set the range to 1001-1016",
    ]


def test_a_line_without_content_is_left_out() -> None:
    assert str(UnderstudyError("It broke.")) == "UnderstudyError: It broke."


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_gives_its_plain_values(kind: type[UnderstudyError]) -> None:
    values = kind("What.", where="here", fix="do this").as_dict()
    assert values == {
        "type": kind.__name__,
        "what": "What.",
        "where": "here",
        "fix": "do this",
        "exit_code": kind.exit_code,
    }


def test_no_two_kinds_share_an_exit_code() -> None:
    codes = [kind.exit_code for kind in KINDS]
    assert len(KINDS) == 9
    assert sorted(codes) == list(range(1, 10))
