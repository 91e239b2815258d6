"""The propagate node without Nuke: its knobs, its job, and its pictures worked out with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nuke_pixels import Graph
from nuke_script import Reader

from understudy.jobs.propagation import PropagateJob
from understudy.jobs.table import parse_job
from understudy_host import jobs, sequence
from understudy_host.knobs import knobs
from understudy_nuke import propagate_gizmo
from understudy_nuke.propagating import NOT_KNOBS

RGB = ("red", "green", "blue")


def test_every_field_of_the_job_is_a_knob_an_input_or_the_hosts_business():
    (group,) = Reader().read(propagate_gizmo.PATH.read_text(encoding="utf-8")).children.values()
    shown = {words[1]: words for words in group.declarations}
    for knob in knobs("propagate"):
        assert (knob.name in shown) != (knob.name in NOT_KNOBS), knob.name
        if knob.name in shown:
            words = shown[knob.name]
            assert words[words.index("t") + 1].startswith(knob.tooltip)
            if knob.kind == "double":
                assert float(group.knobs[knob.name]) == knob.default
    host_business = {"plate", "output", "frames", "exr_compression", "face", "overwrite", "verify"}
    assert {knob.name for knob in knobs("propagate")} | host_business == set(PropagateJob.model_fields)
    inputs = [node.name for node in group.children.values() if node.kind == "Input"]
    assert inputs == list(propagate_gizmo.INPUTS)


def test_any_knobs_make_a_job_that_the_engine_accepts():
    inputs = {"plate": "a.%04d.exr", "fix": "f.%04d.exr"}
    for end in ("low", "high"):
        values: dict[str, Any] = {"track": "", "method": "synthesis"}
        for knob in knobs("propagate"):
            if knob.kind in ("double", "int") and getattr(knob, end) is not None:
                values[knob.name] = getattr(knob, end)
        job = jobs.propagate_document(values, inputs, output="b.%04d.exr", frames="1", preview=True)
        parsed = parse_job("propagate", job)
        assert isinstance(parsed, PropagateJob) and parsed.preview and parsed.method == "synthesis"
        assert "track" not in job


def test_files_of_a_sequence_are_found_by_their_frames(tmp_path):
    for name in ("a.0998.exr", "a.1001.exr", "a.10.exr", "a.x.exr", "b.1001.exr", "c.exr"):
        (tmp_path / name).touch()
    for pattern in ("a.%04d.exr", "a.####.exr", "a.@@@@.exr"):
        assert list(sequence.files(str(tmp_path / pattern))) == [10, 998, 1001]
    assert sequence.files(str(tmp_path / "b.1001.exr")) == {1001: str(tmp_path / "b.1001.exr")}
    assert list(sequence.files(str(tmp_path / "c.exr"))) == [1]
    assert sequence.files(str(tmp_path / "none.1001.exr")) == {}
    assert sequence.files("/none/at/all.%04d.exr") == {}


def _shown(show: str, *, frame: int = 5, there: bool = True, swapped: bool = False):
    """What the node puts out, and the pictures that come in."""
    reader = Reader()
    (group,) = reader.read(propagate_gizmo.PATH.read_text(encoding="utf-8")).children.values()
    rng = np.random.default_rng(3)
    pictures = {
        name: {one: rng.random((6, 8)) * 4 - 0.5 for one in (*RGB, "alpha")}
        for name in ("plate", "swapped", "Result")
    }
    pictures["Result"]["confidence.alpha"] = np.linspace(0, 1, 48).reshape(6, 8)
    if not there:
        pictures["Result"] = {name: np.zeros((6, 8)) for name in pictures["Result"]}
    metadata = {"exr/understudy:confidence": "0.7440"} if there else {}
    views = ("result", "confidence", "plate")
    values = {"show": float(views.index(show)), "first_frame": 2.0, "last_frame": 9.0}
    connected = (0, 1, 3) if swapped else (0, 1)
    return Graph(reader, group, values, pictures, metadata, connected, frame).output(), pictures


def test_a_result_is_shown_bit_for_bit_with_the_plates_alpha():
    out, pictures = _shown("result")
    assert all(np.array_equal(out[name], pictures["Result"][name]) for name in RGB)
    assert np.array_equal(out["alpha"], pictures["plate"]["alpha"])


def test_confidence_is_the_result_where_it_is_sure_and_red_where_it_is_not():
    out, pictures = _shown("confidence")
    made = pictures["Result"]
    sure = made["confidence.alpha"]
    for name, light in zip(RGB, (1.0, 0.0, 0.0), strict=True):
        np.testing.assert_allclose(out[name], made[name] * sure + light * (1 - sure))
    assert [out[name][0, 0] for name in RGB] == [1, 0, 0]
    assert all(out[name][-1, -1] == made[name][-1, -1] for name in RGB)


@pytest.mark.parametrize("show", ["result", "confidence"])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("there", "frame"), [(False, 5), (True, 1), (True, 10)])
def test_where_there_is_no_result_what_the_paint_is_for_goes_through_bit_for_bit(show, swapped, there, frame):
    out, pictures = _shown(show, there=there, frame=frame, swapped=swapped)
    below = pictures["swapped" if swapped else "plate"]
    assert all(np.array_equal(out[name], below[name]) for name in (*RGB, "alpha"))


def test_the_plate_can_be_shown():
    out, pictures = _shown("plate", swapped=True)
    assert all(np.array_equal(out[name], pictures["plate"][name]) for name in RGB)
