"""The registry of colour methods, and a studio's own one from an installed package."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from small_frame import NEEDED, inputs_of, make
from understudy.app import cli
from understudy.comp.colour import methods
from understudy.core.errors import JobError
from understudy.jobs.table import parse_job
from understudy.swap.job import SwapJob

PACKAGE = """
import numpy as np
from understudy.comp.colour.matrix import ColourMatch
from understudy.comp.colour.methods import ColourMethod

def solve(face, plate, samples, seed):
    return ColourMatch(np.column_stack([np.eye(3), [0.25, 0.0, 0.0]]))

RED = ColourMethod(solve)
WRONG = solve
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with methods of its own, installed as pip does it: a module and its metadata."""
    (tmp_path / "house_tools.py").write_text(PACKAGE)
    facts = tmp_path / "house_tools-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: house-tools\nVersion: 1.0\n")
    entries = ("red = house_tools:RED", "wrong = house_tools:WRONG", "gone = house_tools:GONE")
    mine = "mean = house_tools:RED"
    (facts / "entry_points.txt").write_text(f"[{methods.GROUP}]\n" + "\n".join((*entries, mine)) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    methods._installed.cache_clear()
    sys.modules.pop("house_tools", None)


def test_a_studios_method_is_a_value_of_the_option_and_makes_the_picture(installed: None) -> None:
    pixels = {}
    for name in ("none", "red"):
        job = parse_job("swap", {**NEEDED, "colour_method": name, "light_strength": 0.0})
        assert isinstance(job, SwapJob)
        made = make(job, inputs_of(1, job, 25.0, (40.0, 30.0), 0.2))
        assert made is not None
        pixels[name] = made[0].pixels[30, 35, :3]
    red, green, blue = pixels["red"] / pixels["none"]
    assert red > 2 * green and green == pytest.approx(blue, rel=0.2)


def test_a_studios_method_can_be_keyed_and_is_in_the_schema(
    installed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    job = SwapJob.model_validate({**NEEDED, "keyframes": {"colour_method": {1: "red", 5: "mean"}}})
    assert (job.at(3).colour_method, job.at(5).colour_method) == ("red", "mean")
    assert cli.main(["schema"]) == 0
    told = json.loads(capsys.readouterr().out)["jobs"]["swap"]["properties"]["colour_method"]["enum"]
    assert told == [*methods.BUILT_IN, "red", "wrong", "gone"]


def test_a_built_in_method_cannot_be_replaced(installed: None) -> None:
    assert methods.find("mean") is methods.BUILT_IN["mean"]
    assert methods.names().count("mean") == 1


@pytest.mark.parametrize(
    ("name", "words"), [("gone", "cannot be loaded"), ("wrong", "is not a ColourMethod")]
)
def test_a_method_that_is_none_is_told_with_its_place(installed: None, name: str, words: str) -> None:
    with pytest.raises(JobError, match=words) as caught:
        methods.find(name)
    assert "house_tools" in str(caught.value.where)


def test_an_unknown_method_is_refused_by_its_field() -> None:
    with pytest.raises(JobError, match=r"colour_method of the swap job.*there is no colour method 'magic'"):
        parse_job("swap", {**NEEDED, "colour_method": "magic"})
    with pytest.raises(JobError, match="colour_method at frame 1"):
        parse_job("swap", {**NEEDED, "keyframes": {"colour_method": {1: "magic"}}})


@pytest.mark.parametrize("name", methods.BUILT_IN)
def test_every_method_keeps_the_same_colours(name: str) -> None:
    picture = np.random.default_rng(2).random((24, 24, 3), np.float32)
    solved = methods.solve(name, picture, picture, np.ones((24, 24), np.float32))
    np.testing.assert_allclose(solved.apply(picture), picture, atol=2e-3)
