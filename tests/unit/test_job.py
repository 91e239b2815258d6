"""The job table: every field is documented, and wrong values are refused with the field's name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from understudy.app.options import describe
from understudy.core.errors import JobError
from understudy.jobs import schema
from understudy.jobs.fields import Job, facts
from understudy.jobs.paths import named_paths
from understudy.jobs.table import VERBS, job_class, load, parse_job, verb_of
from understudy.jobs.training import TrainJob
from understudy.swap.job import SwapJob
from understudy.swap.recipe import STAGES

SWAP: dict[str, Any] = {"plate": "a.%04d.exr", "track": "a.track", "model": "m.onnx", "output": "o.%04d.exr"}
TRAIN: dict[str, Any] = {
    "model": "m.model",
    "source_faceset": "a.faceset",
    "destination_faceset": "b.faceset",
}
FIELDS = [(verb, name) for verb in VERBS for name in job_class(verb).model_fields]


@pytest.mark.parametrize(("verb", "name"), FIELDS, ids=[f"{verb}.{name}" for verb, name in FIELDS])
def test_every_field_has_one_sentence(verb: str, name: str) -> None:
    sentence = job_class(verb).model_fields[name].description or ""
    assert sentence[:1].isupper() and sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(("verb", "name"), FIELDS, ids=[f"{verb}.{name}" for verb, name in FIELDS])
def test_every_number_has_a_range(verb: str, name: str) -> None:
    option = next(option for option in describe(schema.job(verb)) if option.name == name)
    if option.kind in ("number", "whole number"):
        assert option.limits


@pytest.mark.parametrize("verb", VERBS)
def test_every_job_has_a_sentence(verb: str) -> None:
    assert (job_class(verb).__doc__ or "").endswith(".")


def test_values_may_come_as_the_text_of_a_command_line() -> None:
    job = parse_job("swap", {**SWAP, "opacity": "50", "write": "face_pass"})
    assert isinstance(job, SwapJob)
    assert (job.opacity, job.write) == (50.0, "face_pass")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("2h", 120.0), ("1h30m", 90.0), ("45 min", 45.0), ("90s", 1.5), ("1.5H", 90.0), ("7.5", 7.5), (3, 3.0)],
)
def test_a_run_may_be_so_long_in_words(text: Any, minutes: float) -> None:
    job = parse_job("train", {**TRAIN, "minutes": text})
    assert isinstance(job, TrainJob) and job.minutes == pytest.approx(minutes)


@pytest.mark.parametrize("text", ["", "h", "2 days", "-2h", "2h2h", "h30m", "9" * 40 + "h", "nan"])
def test_a_length_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(JobError, match="minutes"):
        parse_job("train", {**TRAIN, "minutes": text})


def test_a_job_survives_its_own_json() -> None:
    job = parse_job("swap", {**SWAP, "erode": -3.5})
    assert SwapJob.model_validate_json(job.model_dump_json()) == job


def test_a_job_is_frozen() -> None:
    job = parse_job("swap", SWAP)
    with pytest.raises(ValidationError, match="frozen"):
        job.opacity = 3.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"opacity": 101}, "opacity"),
        ({"opacity": "nan"}, "opacity"),
        ({"erode": float("inf")}, "erode"),
        ({"matte_combine": "everything"}, "matte_combine"),
        ({"oppacity": 3}, "oppacity"),
        ({"plate": None}, "plate"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(JobError, match=f"{field} of the swap job"):
        parse_job("swap", {**SWAP, **change})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(JobError, match="source_faceset of the train job"):
        parse_job("train", {"model": "a.model", "destination_faceset": "b.faceset"})


def test_a_size_the_network_cannot_halve_is_refused() -> None:
    with pytest.raises(JobError, match="multiple of 16"):
        parse_job("train", {"model": "a", "source_faceset": "b", "destination_faceset": "c", "size": 100})


def test_an_unknown_verb_lists_the_known_ones() -> None:
    with pytest.raises(JobError) as caught:
        parse_job("deepfake", {})
    assert all(verb in caught.value.fix for verb in VERBS)


@given(
    values=st.dictionaries(
        st.sampled_from([*TrainJob.model_fields, "extra"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.none()),
    )
)
def test_any_values_give_a_job_or_a_job_error(values: dict[str, Any]) -> None:
    try:
        parse_job("train", values)
    except JobError as error:
        assert error.fix


KEYED = {"opacity": {1009: 100.0, 1001: 0.0}, "sharpness": {1005: -20.0}}


@pytest.mark.parametrize(
    ("frame", "opacity"), [(900, 0.0), (1001, 0.0), (1003, 25.0), (1009, 100.0), (2000, 100.0)]
)
def test_keyframes_move_in_straight_lines_and_hold_at_both_ends(frame: int, opacity: float) -> None:
    job = SwapJob.model_validate({**SWAP, "keyframes": KEYED}).at(frame)
    assert (job.opacity, job.sharpness) == (opacity, -20.0)


def test_switches_and_choices_hold_a_key_until_the_next() -> None:
    keyed = {
        "merge": {10: "multiband", 20: "over"},
        "matte_hull": {10: True, 20: False},
        "opacity": {10: 1, 20: 2},
    }
    job = SwapJob.model_validate({**SWAP, "keyframes": keyed})
    found = [(job.at(n).merge, job.at(n).matte_hull, job.at(n).opacity) for n in (1, 19, 20, 30)]
    assert found == [
        ("multiband", True, 1.0), ("multiband", True, 1.9), ("over", False, 2.0), ("over", False, 2.0)
    ]  # fmt: skip
    assert SwapJob.model_validate_json(job.model_dump_json()) == job


def test_keyframes_may_come_as_the_json_of_a_command_line() -> None:
    job = parse_job("swap", {**SWAP, "keyframes": '{"opacity": {"1": 10}}'})
    assert isinstance(job, SwapJob)
    assert job.at(7).opacity == 10.0
    assert SwapJob.model_validate_json(job.model_dump_json()) == job


def test_a_job_without_keyframes_is_the_same_on_every_frame() -> None:
    job = SwapJob.model_validate(SWAP)
    assert job.at(5) is job


@pytest.mark.parametrize(
    "keyframes",
    [
        {"opacity": {1: 101}},
        {"opacity": {}},
        {"merge": {1: 0}},
        {"nose": {1: 1}},
        {"matte_hull": {1: 0.5}},
        {"plate": {1: "a.mov"}},
        "{",
        {"opacity": {"x": 1}},
    ],
)
def test_keyframes_that_cannot_be_are_refused(keyframes: Any) -> None:
    with pytest.raises(JobError, match="keyframes"):
        parse_job("swap", {**SWAP, "keyframes": keyframes})


def test_a_keyframe_out_of_range_is_named() -> None:
    with pytest.raises(JobError, match="opacity at frame 5: Input should be less than or equal to 100"):
        parse_job("swap", {**SWAP, "keyframes": {"opacity": {1: 0, 5: 200}}})


def test_a_former_name_is_read_as_the_present_one_and_told() -> None:
    told: list[str] = []
    job = parse_job("swap", {**SWAP, "matte_external": "roto.%04d.exr"}, warn=told.append)
    assert isinstance(job, SwapJob) and job.matte_roto == "roto.%04d.exr"
    assert told == ["matte_external is now called matte_roto; the former name is still read."]
    with pytest.raises(JobError, match="matte_external is the former name of matte_roto"):
        parse_job("swap", {**SWAP, "matte_external": "a.exr", "matte_roto": "b.exr"})


def test_every_verb_of_the_table_has_its_parts() -> None:
    for verb, entry in VERBS.items():
        assert issubclass(load(entry.job), Job) and callable(load(entry.run)), verb
        assert verb_of(load(entry.job).model_construct()) == verb
        assert not entry.kept or load(entry.kept)() is not None


def test_a_stage_sees_its_own_parameters_and_nothing_else_of_the_job() -> None:
    job = SwapJob.model_validate({**SWAP, "sharpness": 12.0})
    for stage in STAGES:
        seen = job.of(stage.parameters)
        assert type(seen) is stage.parameters
        assert set(dict(seen)) == set(stage.parameters.model_fields)
        assert not hasattr(seen, "output")


@pytest.mark.parametrize(("verb", "name"), FIELDS, ids=[f"{verb}.{name}" for verb, name in FIELDS])
def test_every_path_says_what_it_names_and_whether_it_is_written(verb: str, name: str) -> None:
    field = job_class(verb).model_fields[name]
    told = facts(field)
    assert ("path" in told) == ("access" in told)
    if "Path" in str(field.annotation) or "%04d" in str(field.description):
        assert told["path"] in ("file", "sequence", "folder")
        assert told["access"] in ("read", "write", "update")


def test_a_job_names_its_paths_those_of_each_face_included() -> None:
    faces = [{"face": "hero"}, {"face": "ann", "model": "b.onnx"}]
    job = parse_job("swap", {**SWAP, "faces": faces, "matte_roto": "r.%04d.exr"})
    found = {path.field: (path.value, path.kind, path.access) for path in named_paths(job)}
    assert found == {
        "plate": ("a.%04d.exr", "sequence", "read"),
        "matte_roto": ("r.%04d.exr", "sequence", "read"),
        "track": ("a.track", "file", "read"),
        "model": ("m.onnx", "file", "read"),
        "faces[1].model": ("b.onnx", "file", "read"),
        "output": ("o.%04d.exr", "sequence", "write"),
    }
