"""Knobs and jobs: what the job table says is what a host shows and what the engine accepts."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.image.exr import write_image
from understudy.image.frame import Box, Frame
from understudy.jobs import keyframes
from understudy.jobs.table import VERBS, parse_job
from understudy.swap.job import SwapJob
from understudy_host import exr_header, file_facts, jobs, knobs
from understudy_host.errors import HostError

PLUGIN = Path(__file__).parents[2] / "plugin"
PLACE = {"plate": "a.%04d.exr", "output": "b.%04d.exr", "frames": "1001-1010"}
NEEDED = {"track": "a.track", "model": "m.onnx"}


def test_every_field_is_a_knob_or_the_hosts_business():
    shown = {knob.name for knob in knobs.knobs("swap")}
    assert {field.name for field in knobs.fields("swap")} == set(SwapJob.model_fields)
    decided = {"plate", "output", "overwrite", "verify", "write", "frames", "keyframes"}
    decided |= {"exr_compression", "face", "faces"}
    assert set(SwapJob.model_fields) - shown == decided
    for knob in knobs.knobs("swap"):
        field = SwapJob.model_fields[knob.name]
        assert knob.tooltip.startswith(field.description) and knob.tab in knobs.TABS
        assert knob.animated == keyframes.animated(field)
        assert knob.needed == field.is_required()


def test_every_live_knob_can_move_and_its_neutral_value_is_in_range():
    for name, value in knobs.LIVE.items():
        assert keyframes.animated(SwapJob.model_fields[name])
        parse_job("swap", {**PLACE, **NEEDED, name: value})


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_knobs(verb):
    assert knobs.knobs(verb)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_knobs_make_a_job_that_the_engine_accepts(data):
    values, keys = dict(NEEDED), {}
    for knob in knobs.knobs("swap"):
        if knob.kind in ("double", "int") and data.draw(st.booleans()):
            values[knob.name] = (
                data.draw(st.floats(knob.low, knob.high)) if knob.kind == "double" else int(knob.low)
            )
            if knob.animated and data.draw(st.booleans()):
                keys[knob.name] = {1005: knob.low, 1001: knob.high}
        elif knob.kind == "choice":
            values[knob.name] = data.draw(st.sampled_from(knob.items))
        elif knob.kind == "bool":
            values[knob.name] = data.draw(st.booleans())
    finished = parse_job("swap", jobs.swap_document(values, keys, **PLACE))
    assert isinstance(finished, SwapJob)
    for name, value in values.items():
        assert getattr(finished, name) == pytest.approx(value) if isinstance(value, float) else True
    face_pass = parse_job("swap", jobs.face_pass_document(values, keys, **PLACE))
    assert isinstance(face_pass, SwapJob) and face_pass.write == "face_pass"
    for name, neutral in knobs.LIVE.items():
        assert getattr(face_pass.at(1003), name) == neutral


def test_only_what_is_baked_makes_a_bake_stale():
    first = jobs.face_pass_document({**NEEDED, "opacity": 50.0, "erode": 3.0}, {}, **PLACE)
    live = jobs.face_pass_document({**NEEDED, "opacity": 10.0, "erode": 3.0, "grade_gamma": 2.0}, {}, **PLACE)
    baked = jobs.face_pass_document({**NEEDED, "opacity": 50.0, "erode": 4.0}, {}, **PLACE)
    keyed = jobs.face_pass_document({**NEEDED, "erode": 3.0}, {"erode": {1: 3.0}}, **PLACE)
    assert jobs.digest(first) == jobs.digest(live)
    assert len({jobs.digest(one) for one in (first, baked, keyed)}) == 3
    assert jobs.digest({**first, "frames": "7"}) == jobs.digest(first)


def input_fields(verb):
    return [field for field in knobs.fields(verb) if field.access in ("read", "update")]


INPUTS = [(verb, field.name) for verb in ("swap", "propagate") for field in input_fields(verb)]


def test_the_inputs_of_a_bake_are_those_that_the_engine_reads():
    assert {name for verb, name in INPUTS if verb == "swap"} == {"plate", "track", "model", "matte_roto"}
    assert {name for verb, name in INPUTS if verb == "propagate"} == {
        *("plate", "fix", "swapped", "matte", "track")
    }


@pytest.mark.parametrize(("verb", "changed"), INPUTS)
def test_an_input_written_anew_under_its_name_makes_a_bake_stale(tmp_path, verb, changed):
    files = {}
    for field in input_fields(verb):
        numbered = field.path == "sequence"
        files[field.name] = str(tmp_path / f"{field.name}{'.%04d' if numbered else ''}.file")
        for number in (1001, 1002):
            Path(files[field.name] % number if numbered else files[field.name]).write_text("x")
    job = {"output": str(tmp_path / "out.%04d.exr"), **files}
    if verb == "swap":
        job["write"] = "face_pass"
    seen = [jobs.digest(job)]
    assert seen[0] == jobs.digest(job)
    path = Path(files[changed] % 1002 if "%" in files[changed] else files[changed])
    path.write_text("of another size")
    seen.append(digest_soon(job, seen[-1]))
    os.utime(path, ns=(1, 1))
    seen.append(digest_soon(job, seen[-1]))
    path.unlink()
    seen.append(digest_soon(job, seen[-1]))
    assert len(set(seen)) == 4
    own = jobs.digest(job, own={changed})
    path.write_text("what the host writes itself counts by its name")
    assert digest_soon(job, seen[-1]) != seen[-1] and jobs.digest(job, own={changed}) == own


def digest_soon(job, before):
    """The digest as soon as the facts of the files are looked at again."""
    ends = time.monotonic() + 5
    while jobs.digest(job) == before and time.monotonic() < ends:
        time.sleep(0.001)
    return jobs.digest(job)


def test_a_slow_server_is_asked_for_one_part_of_the_time_alone(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(file_facts.time, "monotonic", lambda: clock[0])
    asked = []

    def slow(path, kind):
        clock[0] += 0.5
        asked.append(path)
        return [[0, len(asked), 0]]

    monkeypatch.setattr(file_facts, "_look", slow)
    name = str(tmp_path / "a.track")
    for _ in range(1000):
        file_facts.of(name, "file")
        clock[0] += 0.1
    assert 0.5 * len(asked) <= clock[0] / file_facts.SHARE + 0.5
    assert file_facts.of(name, "file") == [[0, len(asked), 0]]


def test_a_face_pass_header_reads_without_a_library(tmp_path):
    facts = {"understudy:colour_match": "1 0 0 0.5", "understudy:opacity": 0.5, "understudy:aligned_size": 96}
    pixels = np.zeros((4, 6, 3), np.float32)
    frame = Frame.from_rgb(pixels, colour_space="ACEScg")
    moved = Frame(pixels, frame.channels, Box(10, 20, 16, 24), Box(0, 0, 64, 48), "ACEScg", metadata=facts)
    write_image(tmp_path / "a.exr", moved, compression="none")
    header = exr_header.read_header(tmp_path / "a.exr")
    assert header["understudy:colour_match"] == "1 0 0 0.5"
    assert (header["understudy:opacity"], header["understudy:aligned_size"]) == (0.5, 96)
    assert (header["dataWindow"], header["displayWindow"]) == ((10, 20, 15, 23), (0, 0, 63, 47))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_header_reader(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hostile.exr"
    path.write_bytes(b"\x76\x2f\x31\x01\x02\0\0\0" + content)
    try:
        exr_header.read_header(path)
    except HostError as error:
        assert error.fix


def test_a_missing_face_pass_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(HostError, match="cannot be read"):
        exr_header.read_header(tmp_path / "none.exr")


def oldest_python() -> str:
    """A Python 3.9 where there is one, as Nuke 14 carries it."""
    found = [
        shutil.which("python3.9"),
        *sorted(map(str, Path.home().glob(".pyenv/versions/3.9*/bin/python"))),
    ]
    for program in filter(None, found):
        if subprocess.run([program, "--version"], capture_output=True).returncode == 0:
            return program
    return sys.executable


def test_the_plugin_is_written_in_the_oldest_hosts_python():
    sources = sorted(PLUGIN.rglob("*.py"))
    assert sources
    for path in sources:
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


def test_the_hosts_half_needs_the_standard_library_alone():
    names = ["client", "errors", "exr_header", "file_facts", "jobs", "knobs", "sequence"]
    code = (
        f"import sys; sys.path.insert(0, {str(PLUGIN)!r}); before = set(sys.modules)\n"
        f"import {', '.join('understudy_host.' + name for name in names)}\n"
        "from understudy_host.knobs import knobs; assert knobs('swap')\n"
        "print(*sorted({n.split('.')[0] for n in set(sys.modules) - before} - {'understudy_host'}))"
    )
    program = oldest_python()
    told = subprocess.run([program, "-I", "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert set(told.stdout.split()) <= set(sys.stdlib_module_names)
