"""The list of swaps in a frame's header."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.provenance.stamp import LARGEST_ENTRIES, PROVENANCE, Entry, provenance_of, with_entries

FIRST = Entry("a" * 64, "ann", "r" * 64, recipe="2", engine="0.1.0", face="face")
SECOND = Entry("b" * 64, "ben", recipe="2", engine="0.1.0", face="villain")


def test_a_second_swap_adds_its_own_and_keeps_the_first() -> None:
    header = with_entries({}, [FIRST])
    header = {**header, **with_entries(header, [SECOND])}
    assert provenance_of(header) == (FIRST, SECOND)
    assert (header["understudy:model"], header["understudy:source"]) == ("b" * 64, "ben")
    assert header["understudy:release"] == ""
    assert json.loads(str(header[PROVENANCE]))[1] == {
        "model": "b" * 64,
        "source": "ben",
        "recipe": "2",
        "engine": "0.1.0",
        "face": "villain",
    }


def test_a_header_of_version_1_is_the_lists_first_entry() -> None:
    flat = {"understudy:model": "a" * 64, "understudy:source": "ann", "understudy:release": "r" * 64}
    assert provenance_of(flat) == (Entry("a" * 64, "ann", "r" * 64),)
    assert provenance_of(with_entries(flat, [SECOND])) == (Entry("a" * 64, "ann", "r" * 64), SECOND)


def test_nothing_is_said_where_nothing_was_done() -> None:
    assert provenance_of({}) == () and with_entries({}, []) == {}


def test_a_list_beyond_its_bound_keeps_the_first_and_the_newest() -> None:
    header: dict[str, Any] = with_entries({}, [FIRST])
    for number in range(100):
        header = {**header, **with_entries(header, [Entry(f"{number}")])}
    entries = provenance_of(header)
    assert len(entries) == LARGEST_ENTRIES and entries[0] == FIRST and entries[-1] == Entry("99")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[" * 100_000,
        "{}",
        "[]",
        "[1]",
        "[{}]",
        '[{"model": 1}]',
        '[{"model": "a", "source": null}]',
        json.dumps([{"model": "a" * 501}]),
        json.dumps([{"model": "a"}] * (LARGEST_ENTRIES + 1)),
        " " * 300_000 + "[]",
    ],
)
def test_a_hostile_list_is_not_taken_in(text: str) -> None:
    assert provenance_of({PROVENANCE: text}) == ()
    assert provenance_of({PROVENANCE: text, "understudy:model": "c"}) == (Entry("c"),)


@given(st.dictionaries(st.sampled_from([PROVENANCE, "understudy:model"]), st.integers() | st.text()))
def test_any_header_can_be_read(header: dict[str, Any]) -> None:
    grown = {**header, **with_entries(header, [SECOND])}
    assert provenance_of(grown)[-1] == SECOND


def test_what_a_later_release_adds_is_left_out() -> None:
    assert provenance_of({PROVENANCE: '[{"model": "a", "place": "Rome"}]'}) == (Entry("a"),)
