"""A bundle as a farm takes it: checked and run by Open Job Description's own program."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openjd.model import IntRangeExpr, decode_job_template
from pydantic import ValidationError

from rendered import FRAMES, SETTINGS, Shot, render
from understudy.core.errors import JobError
from understudy.core.progress import silent
from understudy.farm import bundle
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Frame
from understudy.jobs.machine import BundleJob

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return render(tmp_path_factory.mktemp("shot"))


def write(shot: Shot, folder: Path, **changes: Any) -> BundleJob:
    """A bundle of the shot's swap."""
    document = folder / "asked.json"
    folder.mkdir(exist_ok=True)
    job = shot.job(folder, frames=f"1-{FRAMES}").model_dump(mode="json", exclude_defaults=True)
    document.write_text(json.dumps({**job, **changes.pop("job", {})}))
    values = {
        "document": document,
        "folder": folder / "bundle",
        "chunk_frames": 2,
        "program": str(BIN / "understudy"),
    }
    made = BundleJob.model_validate({**values, **changes})
    bundle.run(made, report=silent, settings=SETTINGS)
    return made


def openjd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / "openjd"), *arguments], capture_output=True, text=True, timeout=120)


def test_a_bundle_is_valid_and_runs_in_chunks(shot: Shot, tmp_path: Path) -> None:
    made = write(shot, tmp_path)
    template = str(made.folder / "template.json")
    checked = openjd("check", template, "--extensions", "TASK_CHUNKING")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ran = openjd("run", template, "--step", "Swap", "--extensions", "TASK_CHUNKING")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert sorted(path.name for path in tmp_path.glob("out.*.exr")) == [f"out.000{n}.exr" for n in (1, 2, 3)]
    assert "1-2" in ran.stdout and "3-3" in ran.stdout


def test_a_failing_task_fails_on_the_farm(shot: Shot, tmp_path: Path) -> None:
    made = write(shot, tmp_path, job={"frames": "1-1"})
    shutil.copy(made.folder / "job.json", made.folder / "kept.json")
    document = json.loads((made.folder / "job.json").read_text())
    (made.folder / "job.json").write_text(json.dumps({**document, "model": str(tmp_path / "none.onnx")}))
    ran = openjd("run", str(made.folder / "template.json"), "--step", "Swap", "--extensions", "TASK_CHUNKING")
    assert ran.returncode != 0 and "has no card" in ran.stdout


def test_a_document_of_an_earlier_release_is_bundled_and_a_bundle_of_one_still_runs(
    shot: Shot, tmp_path: Path
) -> None:
    roto = str(tmp_path / "roto.%04d.exr")
    write_image(
        Path(roto % 1), Frame.from_rgb(np.full((256, 256, 3), 0.5, np.float32), colour_space="ACEScg")
    )
    made = write(shot, tmp_path, job={"matte_external": roto})
    document = json.loads((made.folder / "job.json").read_text())
    assert document.pop("matte_roto") == roto and "matte_external" not in document
    frames = []
    for name in ("matte_roto", "matte_external"):
        output = str(tmp_path / f"{name}.%04d.exr")
        (made.folder / "job.json").write_text(json.dumps({**document, name: roto, "output": output}))
        swap = [str(BIN / "understudy"), "swap", "--job", str(made.folder / "job.json"), "--frames", "1"]
        ran = subprocess.run(swap, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        frames.append(read_image(Path(output % 1)).pixels)
    assert frames[0].tobytes() == frames[1].tobytes()


def test_steps_in_a_range_are_written_the_farms_way(shot: Shot, tmp_path: Path) -> None:
    made = write(shot, tmp_path, frames="1-9x2,20")
    document = json.loads((made.folder / "template.json").read_text())
    defaults = {one["name"]: one["default"] for one in document["parameterDefinitions"]}
    assert defaults["Frames"] == "1-9:2,20" and document["name"] == "Understudy bundle"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"plate": "here/plate.%04d.exr"}, "not a full path"),
        ({"faces": [{"face": "hero", "model": "here/a.onnx"}]}, r"faces\[0\].model is not a full path"),
        ({"frames": None}, "names no frames"),
        ({"nose": 1}, "nose"),
    ],
)
def test_a_job_that_a_farm_cannot_run_is_refused(shot: Shot, tmp_path: Path, change: Any, words: str) -> None:
    with pytest.raises(JobError, match=words):
        write(shot, tmp_path, job=change)


def test_a_document_that_is_none_is_refused(tmp_path: Path) -> None:
    for content in ("[]", "{", ""):
        (tmp_path / "a.json").write_text(content)
        job = BundleJob(document=tmp_path / "a.json", folder=tmp_path / "bundle")
        with pytest.raises(JobError, match="job document"):
            bundle.run(job, report=silent, settings=SETTINGS)


@given(
    name=st.text(max_size=90) | st.sampled_from(["{{Param.Nope}}", "{{{{", "}}", "\x1b[31m", "a\nb", "  "]),
    folder=st.text(st.characters(exclude_characters="/\0", codec=None), min_size=1, max_size=30),
    frames=st.lists(st.integers(-999, 99_999), min_size=1, max_size=60),
    chunk=st.integers(1, 10_000),
    program=st.text(min_size=1, max_size=90),
)
def test_whatever_name_and_frames_are_typed_the_template_is_valid(
    name: str, folder: str, frames: list[int], chunk: int, program: str
) -> None:
    typed = ",".join(str(number) for number in frames)
    try:
        job = BundleJob(
            document=Path("a.json"), folder=Path(folder), name=name, chunk_frames=chunk, program=program
        )
    except ValidationError:
        return  # no path or text of ours
    checked = decode_job_template(
        template=bundle.template(job, typed), supported_extensions=["TASK_CHUNKING"]
    )
    (frame,) = checked.steps[0].parameterSpace.taskParameterDefinitions
    assert frame.name == "Frame" and len(checked.name) <= 64
    told = next(one.default for one in checked.parameterDefinitions if one.name == "Frames")
    assert sorted(IntRangeExpr.from_str(told)) == sorted(set(frames))


@pytest.mark.parametrize("frames", ["1-3;x{{Param.Program}}", "", "5-1", "1,,2", "one", "1-3 4"])
def test_frames_that_are_no_range_are_refused_before_anything_is_written(
    shot: Shot, tmp_path: Path, frames: str
) -> None:
    with pytest.raises(JobError, match=r"frame range|names no frames"):
        write(shot, tmp_path, frames=frames, job={"frames": None})
    assert not (tmp_path / "bundle").exists()


def test_more_frames_than_a_farm_takes_are_refused(shot: Shot, tmp_path: Path) -> None:
    scattered = ",".join(str(number * number) for number in range(1, 400))
    with pytest.raises(JobError, match="1024 characters"):
        write(shot, tmp_path, frames=scattered)
    assert not (tmp_path / "bundle").exists()
