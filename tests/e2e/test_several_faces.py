"""Two actors of one shot in one swap job, and what a frame's digest and provenance say."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rendered import SETTINGS, Shot, render
from understudy.app import cli, verbs
from understudy.core.errors import FaceError, JobError
from understudy.core.progress import Event, Warned
from understudy.face.track.smooth import moved_box
from understudy.face.track.store import Track, TrackedFace
from understudy.image.exr import read_image, read_metadata, write_image
from understudy.image.frame import Frame
from understudy.jobs.table import parse_job
from understudy.provenance.stamp import provenance_of
from understudy.swap import recipe
from understudy.swap import run as swap
from understudy.swap.job import SwapJob

BOTH = [{"face": "hero"}, {"face": "villain"}]
FRAMES = 2


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return render(tmp_path_factory.mktemp("shot"), shot_frames=FRAMES)


@pytest.fixture(scope="module")
def pair(shot: Shot) -> Path:
    """A folder with a plate of the performer twice, side by side, and a track of both."""
    folder = shot.root / "pair"
    faces: dict[str, list[TrackedFace]] = {"hero": [], "villain": []}
    for number, face in Track.open(shot.root / "plate.track").face().faces.items():
        plate = shot.plate(number)
        width = plate.pixels.shape[1]
        wide = Frame.from_rgb(
            np.concatenate([plate.rgb(), plate.rgb()], axis=1),
            colour_space=plate.colour_space,
            storage="half",
        )
        write_image(folder / f"plate.{number:04d}.exr", wide)
        shifted = face.landmarks + np.float32([width, 0])
        faces["hero"].append(face)
        faces["villain"].append(replace(face, landmarks=shifted, box=moved_box(face, shifted)))
    Track.create(folder / "pair.track", plate="pair", faces=faces, detector="known")
    for path in folder.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return folder


def job(shot: Shot, pair: Path, output: Path, **changes: Any) -> SwapJob:
    values = {
        "plate": str(pair / "plate.%04d.exr"),
        "track": pair / "pair.track",
        "model": shot.model,
        "output": str(output / "out.%04d.exr"),
        "frames": "1",
    }
    return SwapJob.model_validate(values | changes)


def run(one: SwapJob) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    return swap.run(one, report=events.append, settings=SETTINGS), events


def made(shot: Shot, pair: Path, output: Path, **changes: Any) -> Frame:
    result, _ = run(job(shot, pair, output, **changes))
    assert result["failed_frames"] == []
    return read_image(output / "out.0001.exr")


def test_each_face_is_as_if_it_were_alone_and_the_rest_is_the_plate(
    shot: Shot, pair: Path, tmp_path: Path
) -> None:
    plate = read_image(pair / "plate.0001.exr").pixels
    both = made(shot, pair, tmp_path / "both", faces=BOTH).pixels
    hero = made(shot, pair, tmp_path / "hero", face="hero").pixels
    villain = made(shot, pair, tmp_path / "villain", face="villain").pixels
    changed = [(one != plate).any(axis=-1) for one in (hero, villain)]
    assert changed[0].any() and changed[1].any() and not (changed[0] & changed[1]).any()
    assert np.array_equal(both[changed[0]], hero[changed[0]])
    assert np.array_equal(both[changed[1]], villain[changed[1]])
    neither = ~(changed[0] | changed[1])
    assert np.array_equal(both[neither], plate[neither])


def test_where_two_mattes_overlap_the_later_face_is_in_front(shot: Shot, pair: Path, tmp_path: Path) -> None:
    faces = Track.open(pair / "pair.track").face("hero").faces.values()
    near = [replace(face, landmarks=face.landmarks + np.float32([30, 0])) for face in faces]
    track = tmp_path / "near.track"
    Track.create(track, plate="pair", faces={"hero": list(faces), "villain": near}, detector="known")
    over = {"matte_learned": False, "matte_hull": True, "track": track}
    first = made(shot, pair, tmp_path / "a", faces=BOTH, **over).pixels
    second = made(shot, pair, tmp_path / "b", faces=BOTH[::-1], **over).pixels
    villain = made(shot, pair, tmp_path / "c", face="villain", **over).pixels
    middle = near[0].landmarks[30].round().astype(int)
    at = (int(middle[1]), int(middle[0]))
    assert np.allclose(first[at], villain[at], atol=2e-3) and not np.array_equal(first, second)


def test_a_face_pass_has_layers_a_face(shot: Shot, pair: Path, tmp_path: Path) -> None:
    change = {"write": "face_pass", "matte_hull": True}
    both = made(shot, pair, tmp_path / "both", faces=BOTH, **change)
    assert both.metadata["understudy:faces"] == "hero villain"
    for name in ("hero", "villain"):
        alone = made(shot, pair, tmp_path / name, face=name, **change)
        rows, columns = alone.data_window.slices(both.data_window)
        for index, channel in enumerate(alone.channels):
            layer = both.pixels[..., both.channels.index(f"{name}.{channel}")]
            assert np.array_equal(layer[rows, columns], alone.pixels[..., index])
            assert np.count_nonzero(layer) == np.count_nonzero(alone.pixels[..., index])
        for key in ("colour_match", "opacity", "plate_to_aligned", "grain"):
            said = alone.metadata[f"understudy:{key}"]
            assert both.metadata[f"understudy:{name}.{key}"] == said
        assert "R" in alone.channels  # one face keeps its bare names
    assert both.metadata["understudy:encoding"] == "ACEScct"


def test_a_face_that_is_not_there_is_named_and_the_other_is_put_in(
    shot: Shot, pair: Path, tmp_path: Path
) -> None:
    track = Track.open(pair / "pair.track")
    gone = tmp_path / "gone.track"
    faces = {"hero": list(track.faces["hero"].values()), "villain": [track.faces["villain"][2]]}
    Track.create(gone, plate="pair", faces=faces, detector="known")
    result, events = run(job(shot, pair, tmp_path, faces=BOTH, track=gone))
    assert result["written"] == 1
    assert any(isinstance(one, Warned) and "no face 'villain'" in one.message for one in events)
    out = read_image(tmp_path / "out.0001.exr")
    assert np.array_equal(out.pixels, made(shot, pair, tmp_path / "hero", face="hero").pixels)
    assert [entry.face for entry in provenance_of(out.metadata)] == ["hero"]
    layers = made(shot, pair, tmp_path / "pass", faces=BOTH, track=gone, write="face_pass")
    assert not layers.pixels[..., layers.channels.index("villain.A")].any()
    assert layers.pixels[..., layers.channels.index("hero.A")].any()


def test_every_face_may_have_its_own_model_and_source(shot: Shot, pair: Path, tmp_path: Path) -> None:
    card = json.loads(shot.model.with_suffix(".card.json").read_text())
    sources = [card["source"], card["destination"]]
    other = tmp_path / "other.onnx"
    values = {"source": sources[1], "destination": sources[0], "output": str(other)}
    exporting = parse_job("export", {"model": str(shot.root / "m.model"), **values})
    verbs.run(exporting, report=lambda event: None, settings=SETTINGS)
    faces = [
        {"face": "villain", "model": str(other), "source": sources[1]},
        {"face": "hero", "source": sources[0]},
    ]
    out = made(shot, pair, tmp_path, faces=json.dumps(faces))
    told = [(entry.face, entry.source) for entry in provenance_of(out.metadata)]
    assert told == [("villain", sources[1]), ("hero", sources[0])]
    assert out.metadata["understudy:source"] == sources[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"faces": [{"face": "hero"}, {"face": "hero"}]},
        {"faces": [{"face": "hero"}], "face": "villain"},
        {"faces": [{"face": "a.b"}]},
        {"faces": [{"model": "a.onnx"}]},
        {"faces": "[" * 10_000},
        {"faces": "{}"},
        {"faces": [{"face": f"f{number}"} for number in range(33)]},
    ],
)
def test_a_list_that_is_none_is_refused(shot: Shot, pair: Path, changes: dict[str, Any]) -> None:
    values = job(shot, pair, pair).model_dump(mode="json", exclude_defaults=True)
    with pytest.raises(JobError):
        parse_job("swap", {**values, **changes})


def test_the_command_line_takes_the_list_as_json(
    shot: Shot, pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = job(shot, pair, tmp_path).model_dump(mode="json")
    words = [f"--{name}={one[name]}" for name in ("plate", "track", "model", "output", "frames")]
    assert cli.main(["swap", *words, f"--faces={json.dumps(BOTH)}"]) == 0
    assert "written: 1" in capsys.readouterr().out
    header = read_metadata(tmp_path / "out.0001.exr")
    assert [entry.face for entry in provenance_of(header)] == ["hero", "villain"]


def test_a_track_of_several_faces_asks_which(shot: Shot, pair: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="several faces") as caught:
        run(job(shot, pair, tmp_path))
    assert "hero, villain" in caught.value.fix


@pytest.mark.parametrize("faces", [{"face": "hero"}, {"faces": BOTH}], ids=["one", "two"])
def test_a_copy_of_the_shot_elsewhere_is_finished_and_a_changed_pixel_is_not(
    shot: Shot, pair: Path, tmp_path: Path, faces: dict[str, Any]
) -> None:
    here, there = tmp_path / "here", tmp_path / "another mount"
    shutil.copytree(pair, here)
    change = {"frames": f"1-{FRAMES}", "skin": 0.0, **faces}  # skin reads a frame's neighbours too
    assert run(job(shot, here, here, **change))[0]["written"] == FRAMES
    shutil.copytree(here, there)
    for path in there.iterdir():
        os.utime(path, (1_500_000_000, 1_500_000_000))
    result, _ = run(job(shot, there, there, **change))
    assert (result["written"], result["unchanged"]) == (0, FRAMES)
    plate = read_image(there / "plate.0002.exr")
    plate.pixels[0, 0, 0] += np.float32(0.25)
    write_image(there / "plate.0002.exr", plate)
    result, _ = run(job(shot, there, there, **change))
    assert (result["written"], result["unchanged"]) == (1, FRAMES - 1)
    assert run(job(shot, there, there, **{**change, "face": None, "faces": BOTH[:1]}))[0]["written"] == (
        0 if faces == {"face": "hero"} else FRAMES
    )


def test_a_second_swap_over_the_first_adds_its_own_provenance(shot: Shot, pair: Path, tmp_path: Path) -> None:
    run(job(shot, pair, tmp_path / "first", face="hero"))
    first = provenance_of(read_metadata(tmp_path / "first" / "out.0001.exr"))
    assert [(entry.face, entry.recipe, bool(entry.release)) for entry in first] == [
        ("hero", str(recipe.VERSION), True)
    ]
    over = {"plate": str(tmp_path / "first" / "out.%04d.exr"), "face": "villain"}
    for write in ("frame", "face_pass"):
        run(job(shot, pair, tmp_path / write, **over, write=write))
        entries = provenance_of(read_metadata(tmp_path / write / "out.0001.exr"))
        assert entries[:1] == first and [entry.face for entry in entries] == ["hero", "villain"]
