"""A rendered shot goes through every verb: faces, track, model, ONNX, frames. What must survive, survives."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from rendered import FRAMES, SETTINGS, Shot, released
from understudy.comp.colour.matrix import ColourMatch
from understudy.core.errors import FaceError, JobError, ModelError, PlateError, ReleaseError
from understudy.core.processor import instructions
from understudy.core.progress import Event, Failed, Warned, silent
from understudy.face.track.store import Track
from understudy.image import colour
from understudy.image.exr import read_image, read_metadata, write_image
from understudy.image.frame import Box, FloatImage, Frame
from understudy.image.raster import Raster
from understudy.inference.card import read_card, write_card
from understudy.jobs.shots import ExtractJob, TrackJob
from understudy.jobs.training import TrainJob
from understudy.provenance import releases
from understudy.shots import extract, track
from understudy.swap import recipe
from understudy.swap import run as swap_run
from understudy.swap.cache import RenderCache
from understudy.swap.job import SwapJob
from understudy.swap.stages import predict
from understudy.swap.stages.predict import PredictParameters
from understudy.train import run as loop


def final_matte(made: Frame, plate: Frame) -> FloatImage:
    """A face pass's final matte in the plate's raster."""
    matte = np.zeros(plate.pixels.shape[:2], np.float32)
    rows, columns = made.data_window.slices(plate.data_window)
    matte[rows, columns] = made.pixels[..., made.channels.index("matte_final.A")]
    return matte * np.float32(made.metadata["understudy:opacity"])


def run(job: SwapJob) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    return swap_run.run(job, report=events.append, settings=SETTINGS), events


def test_the_face_changes_and_everything_else_is_the_plate_bit_for_bit(tmp_path: Path, shot: Shot) -> None:
    result, _ = run(shot.job(tmp_path))
    assert (result["written"], result["failed_frames"]) == (FRAMES, [])
    plate, out = shot.plate(), read_image(tmp_path / "out.0001.exr")
    face_pass = SwapJob.model_validate(shot.job(tmp_path / "pass").model_dump() | {"write": "face_pass"})
    run(face_pass)
    made = read_image(tmp_path / "pass" / "out.0001.exr")
    matte = final_matte(made, plate)
    changed = (out.pixels != plate.pixels).any(axis=-1)
    assert 0.02 < changed.mean() < 0.6
    assert not changed[matte == 0].any()
    assert (out.data_window, out.display_window) == (plate.data_window, plate.display_window)
    assert (out.channels, out.storage) == (plate.channels, plate.storage)


@pytest.mark.parametrize(
    "change",
    [
        {"merge": "multiband"},
        {"merge": "gradient"},
        {"light_strength": 0.0},
        {"match_sharpness": 100.0},
        {"grain": 100.0},
        {"motion_blur": 100.0},
        {"degrade": 60.0, "denoise": 50.0},
        {"plate_mouth": 100.0},
        {"matte_destination": True, "matte_hull": True, "matte_combine": "minimum"},
        {"erode_top": 10.0},
        {"feather_left": 20.0},
        {"matte_unit": "pixels", "erode": 8.0},
        {"matte_box": True, "box_padding_percent": -10.0},
        {"matte_occlusion": True},
        {"identity_mix": 40.0},
        {"face_shape": 0.0},
        {"eyes_open": -60.0, "brows": 50.0, "mouth_open": 50.0, "matte_hull": True},
        {"temporal_window": 2},
        {"grade_gain_stops": 0.5, "grade_saturation_percent": 50.0, "grade_hue_degrees": 10.0},
        {"face_scale_percent": 80.0, "face_turn_degrees": 10.0, "face_shift_x_percent": 10.0},
        {"colour_method": "linear", "keyframes": {"sharpness": {1: 50}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_control_changes_the_face_and_nothing_else(
    tmp_path: Path, shot: Shot, change: dict[str, Any]
) -> None:
    run(shot.job(tmp_path / "plain", frames="1"))
    run(shot.job(tmp_path / "changed", frames="1", **change))
    run(shot.job(tmp_path / "pass", frames="1", **change, write="face_pass"))
    plain, out = (read_image(tmp_path / name / "out.0001.exr") for name in ("plain", "changed"))
    assert not np.array_equal(plain.pixels, out.pixels)
    made, plate = read_image(tmp_path / "pass" / "out.0001.exr"), shot.plate()
    matte = final_matte(made, plate)
    assert np.array_equal(out.pixels[matte == 0], plate.pixels[matte == 0])


@pytest.mark.parametrize("method", ["reinhard", "histogram"])
def test_a_face_pass_holds_what_the_host_needs_to_finish_it(tmp_path: Path, shot: Shot, method: str) -> None:
    change = {"light_strength": 70.0, "colour_method": method, "colour_strength": 80.0, "opacity": 60.0}
    change |= {"grade_gamma": 1.2, "grade_hue_degrees": 15.0, "frames": "1"}
    # A table is not linear: at its full strength alone the detail is exact.
    change |= {"skin": 60.0 if method == "reinhard" else 100.0}
    run(shot.job(tmp_path / "frame", **change))
    run(shot.job(tmp_path / "pass", **change, write="face_pass"))
    out, plate = read_image(tmp_path / "frame" / "out.0001.exr"), shot.plate()
    made = read_image(tmp_path / "pass" / "out.0001.exr")
    layer = {name: made.pixels[..., index] for index, name in enumerate(made.channels)}

    def number(name: str) -> float:
        return float(str(made.metadata[f"understudy:{name}"]))

    def picture(name: str) -> FloatImage:
        return np.stack([layer[f"{name}{channel}"] for channel in "RGB"], axis=-1)

    match, grade = (
        ColourMatch(np.array(str(made.metadata[f"understudy:{name}"]).split(), float).reshape(3, 4))
        for name in ("colour_match", "grade")
    )
    matched = match.at_strength(number("colour_strength"))
    lit = picture("light.") - matched.apply(picture("face_light."))
    encoded = colour.encode(picture(""), plate.colour_space) + number("skin") * picture("skin.")
    colours = matched.apply(encoded.astype(np.float32)) + number("light_strength") * lit
    if "whites.R" in layer:  # a match with a table is baked, and they with it
        whites = picture("whites.") + number("skin") * picture("skin_whites.")
        colours += number("colour_strength") * whites
    assert ("whites.R" in layer) == (method == "reinhard")
    face = colour.decode(grade.apply(colours.astype(np.float32)), plate.colour_space)
    rows, columns = made.data_window.slices(plate.data_window)
    below = plate.pixels[rows, columns][..., list(plate.rgb_index)]
    weight = layer["matte_final.A"][..., None] * np.float32(number("opacity"))
    finished = below + weight * (face - below)
    wanted = out.pixels[rows, columns][..., list(out.rgb_index)]
    inside = layer["A"] > 0.999
    np.testing.assert_allclose(finished[inside], wanted[inside], atol=2e-3)


def test_the_artists_own_matte_holds_the_face_out(tmp_path: Path, shot: Shot) -> None:
    plate = shot.plate()
    height, width = plate.pixels.shape[:2]
    roto = np.zeros((height, width, 3), np.float32)
    roto[:, : width // 2] = 1.0
    for number in range(1, FRAMES + 1):
        write_image(tmp_path / f"roto.{number:04d}.exr", Frame.from_rgb(roto, colour_space="Raw"))
    run(shot.job(tmp_path, matte_roto=str(tmp_path / "roto.%04d.exr"), matte_hull=False, frames="1"))
    changed = (read_image(tmp_path / "out.0001.exr").pixels != plate.pixels).any(axis=-1)
    assert changed[:, : width // 2 - 2].any()
    assert not changed[:, width // 2 + 2 :].any()


def test_a_missing_matte_frame_costs_only_itself(tmp_path: Path, shot: Shot) -> None:
    roto = np.ones((*shot.plate().pixels.shape[:2], 3), np.float32)
    write_image(tmp_path / "roto.0002.exr", Frame.from_rgb(roto, colour_space="Raw"))
    result, _ = run(shot.job(tmp_path, matte_roto=str(tmp_path / "roto.%04d.exr")))
    assert (result["written"], result["failed_frames"]) == (1, [1, 3])


def test_no_matte_at_all_is_an_error_and_not_a_plate(tmp_path: Path, shot: Shot) -> None:
    result, events = run(shot.job(tmp_path, matte_learned=False, matte_hull=False))
    assert result["failed_frames"] == [1, 2, 3]
    assert "no matte to combine" in next(e for e in events if isinstance(e, Failed)).error["what"]


def test_a_face_pass_with_no_matte_chosen_covers_the_square_and_holds_the_single_ones(
    tmp_path: Path, shot: Shot
) -> None:
    neither = {"matte_learned": False, "matte_hull": False, "write": "face_pass", "frames": "1"}
    both = {**neither, "matte_learned": True, "matte_hull": True, "output": str(tmp_path / "both.%04d.exr")}
    assert [run(shot.job(tmp_path, **one))[0]["written"] for one in (neither, both)] == [1, 1]
    made, other = read_image(tmp_path / "out.0001.exr"), read_image(tmp_path / "both.0001.exr")
    named = [one.metadata.get("understudy:mattes", "") for one in (made, other)]
    assert named == ["", "learned hull"]  # a file keeps no attribute without a text
    for name in ("matte_learned.A", "matte_hull.A", "A"):
        np.testing.assert_array_equal(
            made.pixels[..., made.channels.index(name)], other.pixels[..., other.channels.index(name)]
        )
    inside, final = (made.pixels[..., made.channels.index(name)] for name in ("A", "matte_final.A"))
    assert (final <= inside + 1e-6).all() and final.max() == 1 and final.sum() > 0.7 * inside.sum()


def test_a_keyframe_moved_remakes_only_the_frames_it_reaches(tmp_path: Path, shot: Shot) -> None:
    first = {"opacity": {1: 100, 2: 100, 3: 0}}
    assert run(shot.job(tmp_path, keyframes=first))[0]["written"] == FRAMES
    assert run(shot.job(tmp_path, keyframes={"opacity": {1: 100, 2: 100, 3: 50}}))[0]["written"] == 1
    out = read_image(tmp_path / "out.0003.exr")
    assert not np.array_equal(out.pixels, shot.plate(3).pixels)


def test_opacity_0_gives_the_plate_back_bit_for_bit(tmp_path: Path, shot: Shot) -> None:
    run(shot.job(tmp_path, opacity=0.0, frames="1"))
    out = read_image(tmp_path / "out.0001.exr")
    assert out.pixels.tobytes() == shot.plate().pixels.tobytes()


def test_a_second_run_does_nothing_again_and_another_job_does(tmp_path: Path, shot: Shot) -> None:
    assert run(shot.job(tmp_path))[0]["written"] == FRAMES
    before = (tmp_path / "out.0001.exr").stat().st_mtime_ns
    assert run(shot.job(tmp_path))[0] | {"provider": ""} == {
        "output": str(tmp_path / "out.%04d.exr"),
        "written": 0,
        "unchanged": FRAMES,
        "failed_frames": [],
        "exit_code": 0,
        "processor": instructions(),
        "other_processors": {},
        "provider": "",
    }
    assert (tmp_path / "out.0001.exr").stat().st_mtime_ns == before
    assert run(shot.job(tmp_path, sharpness=50.0))[0]["written"] == FRAMES


def test_frames_of_another_recipe_are_made_anew(
    tmp_path: Path, shot: Shot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "VERSION", recipe.VERSION - 1)
    run(shot.job(tmp_path, frames="1-2"))
    monkeypatch.undo()
    assert run(shot.job(tmp_path))[0]["written"] == FRAMES


def test_frames_carry_their_provenance(tmp_path: Path, shot: Shot) -> None:
    run(shot.job(tmp_path, frames="1"))
    metadata = read_metadata(tmp_path / "out.0001.exr")
    assert metadata["understudy:source"] == "actor"
    assert metadata["understudy:release"] == releases.load(released(tmp_path, "actor")).digest
    assert len(str(metadata["understudy:model"])) == 64


def test_a_release_that_has_run_out_is_refused_before_anything_is_written(tmp_path: Path, shot: Shot) -> None:
    job = ExtractJob(
        plate=shot.frames("plate"),
        faceset=tmp_path / "late.faceset",
        identity="late",
        detector="known",
        release=released(tmp_path, "late", until="2020-12-31"),
    )
    with pytest.raises(ReleaseError, match="holds from 2020-01-01 to 2020-12-31"):
        extract.run(job, report=silent, settings=SETTINGS)
    assert not job.faceset.exists()


def test_a_warm_process_makes_the_same_frames_and_reads_and_predicts_them_once(
    tmp_path: Path, shot: Shot, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, predictions, real = RenderCache(), [], predict.predict

    def counted(parameters: PredictParameters, frame: Frame, *rest: Any) -> Any:
        predictions.append(frame)
        return real(parameters, frame, *rest)

    monkeypatch.setattr(predict, "predict", counted)
    for feather in (5.0, 9.0):
        job = shot.job(tmp_path / f"{feather:g}", feather=feather)
        swap_run.run(job, report=silent, settings=SETTINGS, kept=cache)
    assert len(predictions) == FRAMES
    assert cache.frames.nbytes == FRAMES * shot.plate().pixels.nbytes
    run(shot.job(tmp_path / "cold", feather=9.0))
    kept, cold = (read_image(tmp_path / name / "out.0002.exr") for name in ("9", "cold"))
    assert np.array_equal(kept.pixels, cold.pixels)


def test_colour_smoothed_over_frames_is_the_same_on_a_farm_as_in_one_run(tmp_path: Path, shot: Shot) -> None:
    change = {"temporal_window": 2, "colour_method": "sliced"}
    run(shot.job(tmp_path / "whole", **change))
    run(shot.job(tmp_path / "alone", **change, frames="2"))
    run(shot.job(tmp_path / "unsmoothed", colour_method="sliced", frames="2"))
    whole, alone, unsmoothed = (
        read_image(tmp_path / name / "out.0002.exr").pixels for name in ("whole", "alone", "unsmoothed")
    )
    assert np.array_equal(whole, alone)
    assert not np.array_equal(whole, unsmoothed)


def test_colour_is_not_smoothed_across_a_cut_and_a_moved_neighbour_remakes_a_frame(
    tmp_path: Path, shot: Shot
) -> None:
    plate = str(tmp_path / "cut.%04d.exr")
    for number in (1, 2, 3):
        frame = shot.plate(number)
        write_image(Path(plate % number), replace(frame, pixels=frame.pixels * (8.0 if number == 3 else 1.0)))
    # Skin reads a frame's neighbours too, up to a cut of the track.
    change = {"plate": plate, "temporal_window": 2, "frames": "1-2", "skin": 0.0}
    run(shot.job(tmp_path / "all", **change))
    Path(plate % 3).unlink()
    run(shot.job(tmp_path / "without", **change))
    for number in (1, 2):
        kept, without = (
            read_image(tmp_path / name / f"out.{number:04d}.exr").pixels for name in ("all", "without")
        )
        assert np.array_equal(kept, without)
    found = Track.open(shot.root / "plate.track")
    faces = [
        replace(face, landmarks=face.landmarks + np.float32(face.frame == 1))
        for face in found.face().faces.values()
    ]
    Track.create(
        tmp_path / "moved.track",
        plate=found.plate,
        faces={"face": faces},
        detector=found.detector,
        raster=found.raster,
    )
    moved = {**change, "track": tmp_path / "moved.track"}
    assert run(shot.job(tmp_path / "without", **moved))[0]["written"] == 2
    run(shot.job(tmp_path / "unsmoothed", **{**change, "temporal_window": 0}))
    assert run(shot.job(tmp_path / "unsmoothed", **{**moved, "temporal_window": 0}))[0]["written"] == 1


def test_a_track_of_another_detector_is_warned_about(tmp_path: Path, shot: Shot) -> None:
    assert not [e for e in run(shot.job(tmp_path, frames="1"))[1] if isinstance(e, Warned)]
    found = Track.open(shot.root / "plate.track")
    other = tmp_path / "other.track"
    Track.create(other, plate=found.plate, faces={"face": list(found.face().faces.values())}, detector="fan")
    warned = [e.message for e in run(shot.job(tmp_path, frames="1", track=other))[1] if isinstance(e, Warned)]
    assert any("'fan'" in message and "'known'" in message for message in warned)


def test_a_missing_frame_costs_only_itself(tmp_path: Path, shot: Shot) -> None:
    result, events = run(shot.job(tmp_path, frames=f"1-{FRAMES + 1}"))
    assert (result["written"], result["failed_frames"]) == (FRAMES, [FRAMES + 1])
    assert result["exit_code"] == PlateError.exit_code
    failed = [event for event in events if isinstance(event, Failed)]
    assert [event.frame for event in failed] == [FRAMES + 1]


def test_a_frame_without_a_face_passes_the_plate_through_with_a_warning(tmp_path: Path, shot: Shot) -> None:
    for number in (1, 2, 3, 4):
        plate = replace(shot.plate(min(number, FRAMES)), metadata={})
        write_image(tmp_path / "plate" / f"p.{number:04d}.exr", plate)
    result, events = run(shot.job(tmp_path, plate=str(tmp_path / "plate" / "p.%04d.exr")))
    assert result["written"] == 4
    assert any(isinstance(event, Warned) and "no face" in event.message for event in events)
    out = read_image(tmp_path / "out.0004.exr")
    assert out.pixels.tobytes() == shot.plate(FRAMES).pixels.tobytes()


def test_nan_infinity_and_highlights_in_the_plate_survive_outside_the_face(
    tmp_path: Path, shot: Shot
) -> None:
    plate = shot.plate()
    pixels = plate.pixels.copy()
    pixels[0, :4, 0] = (np.nan, np.inf, -np.inf, 30.0)
    pixels[128, 128] = np.nan
    write_image(tmp_path / "plate" / "p.0001.exr", replace(plate, pixels=pixels))
    run(shot.job(tmp_path, plate=str(tmp_path / "plate" / "p.%04d.exr")))
    out = read_image(tmp_path / "out.0001.exr")
    assert out.pixels[0].tobytes() == pixels[0].tobytes()
    assert np.isfinite(out.pixels[1:]).all()


def test_overscan_and_extra_channels_survive(tmp_path: Path, shot: Shot) -> None:
    plate = shot.plate()
    depth = np.full((*plate.pixels.shape[:2], 1), 7.0, np.float32)
    wide = replace(
        plate,
        pixels=np.concatenate([plate.pixels, depth], axis=-1),
        channels=(*plate.channels, "depth.Z"),
        display_window=Box(16, 16, 240, 240),
        pixel_aspect=2.0,
    )
    write_image(tmp_path / "plate" / "p.0001.exr", wide)
    found, track = Track.open(shot.root / "plate.track"), tmp_path / "wide.track"
    faces = {"face": list(found.face().faces.values())}
    Track.create(track, plate=found.plate, faces=faces, detector=found.detector, raster=Raster.of(wide))
    run(shot.job(tmp_path, plate=str(tmp_path / "plate" / "p.%04d.exr"), track=track))
    out = read_image(tmp_path / "out.0001.exr")
    assert (out.channels, out.data_window, out.display_window) == (
        wide.channels,
        wide.data_window,
        wide.display_window,
    )
    assert out.pixel_aspect == 2.0
    assert (out.pixels[..., out.channels.index("depth.Z")] == 7.0).all()
    assert (out.pixels[..., :3] != plate.pixels[..., :3]).any()


def test_a_16_by_16_plate_gives_frames(tmp_path: Path, shot: Shot) -> None:
    small = Frame.from_rgb(np.full((16, 16, 3), 0.2, np.float32), colour_space="ACEScg")
    write_image(tmp_path / "plate" / "p.0001.exr", small)
    result, _ = run(shot.job(tmp_path, plate=str(tmp_path / "plate" / "p.%04d.exr")))
    assert result["written"] == 1
    assert read_image(tmp_path / "out.0001.exr").pixels.shape == (16, 16, 3)


def test_the_output_never_overwrites_the_plate(tmp_path: Path, shot: Shot) -> None:
    before = Path(shot.frames("plate") % 1).read_bytes()
    with pytest.raises(JobError, match="would overwrite the plate"):
        run(shot.job(tmp_path, output=shot.frames("plate")))
    assert Path(shot.frames("plate") % 1).read_bytes() == before


def test_a_model_with_one_byte_changed_is_refused(tmp_path: Path, shot: Shot) -> None:
    data = bytearray(shot.model.read_bytes())
    data[len(data) // 2] ^= 0xFF
    broken = tmp_path / shot.model.name
    broken.write_bytes(bytes(data))
    card = shot.model.with_suffix("").with_suffix(".card.json")
    (tmp_path / card.name).write_bytes(card.read_bytes())
    with pytest.raises(ModelError):
        run(shot.job(tmp_path, model=broken))


def test_a_face_set_that_lost_crops_is_refused_before_training(tmp_path: Path, shot: Shot) -> None:
    job = ExtractJob(
        plate=shot.frames("plate"),
        faceset=tmp_path / "x.faceset",
        identity="x",
        detector="known",
        crop_size=64,
    )
    extract.run(job, report=silent, settings=SETTINGS)
    next((tmp_path / "x.faceset" / "crops").glob("*.png")).unlink()
    train_job = TrainJob(
        model=tmp_path / "m.model",
        source_faceset=tmp_path / "x.faceset",
        destination_faceset=shot.root / "double.faceset",
        size=32,
        iterations=1,
    )
    with pytest.raises(FaceError):
        loop.run(train_job, report=silent, settings=SETTINGS)
    assert not (tmp_path / "m.model").exists()


def test_a_plate_without_a_face_says_so_and_writes_no_track(tmp_path: Path, shot: Shot) -> None:
    empty = Frame.from_rgb(np.full((64, 64, 3), 0.2, np.float32), colour_space="ACEScg")
    write_image(tmp_path / "plate" / "p.0001.exr", empty)
    (tmp_path / "plate" / "landmarks.json").write_text('{"schema_version": 1, "landmarks": {}}')
    job = TrackJob(plate=str(tmp_path / "plate" / "p.%04d.exr"), track=tmp_path / "t.track", detector="known")
    with pytest.raises(FaceError, match="No face was found"):
        track.run(job, report=silent, settings=SETTINGS)
    assert not (tmp_path / "t.track").exists()


@pytest.mark.parametrize("verify", [False, True])
def test_a_damaged_frame_is_made_again(tmp_path: Path, shot: Shot, verify: bool) -> None:
    cached = replace(SETTINGS, cache=tmp_path / "cache")
    job = shot.job(tmp_path, verify=verify)
    swap_run.run(job, report=silent, settings=cached)
    paths = [tmp_path / f"out.{number:04d}.exr" for number in (1, 2, 3)]
    whole = [path.read_bytes() for path in paths]
    paths[0].write_bytes(whole[0][:3000])
    hole = len(whole[1]) // 2
    paths[1].write_bytes(whole[1][:hole] + bytes(512) + whole[1][hole + 512 :])
    result = swap_run.run(job, report=silent, settings=cached)
    assert (result["written"], result["unchanged"]) == (2, 1)
    assert [path.read_bytes() for path in paths] == whole  # and the time of day is in none of them


def test_a_frame_that_an_artist_painted_on_is_kept_until_told(tmp_path: Path, shot: Shot) -> None:
    """The paint program keeps the header: digest and mark are ours, the pixels are not."""
    run(shot.job(tmp_path))
    painted = tmp_path / "out.0002.exr"
    picture = oiio.ImageBuf(str(painted))
    oiio.ImageBufAlgo.fill(picture, (0.8, 0.1, 0.1), roi=oiio.ROI(2, 6, 2, 6, 0, 1, 0, 3))
    picture.write(str(painted))
    mine = painted.read_bytes()
    result, events = run(shot.job(tmp_path, opacity=50.0))
    assert (result["written"], result["failed_frames"]) == (FRAMES - 1, [2])
    assert [event.error["what"] for event in events if isinstance(event, Failed)] == [
        "The frame was changed after Understudy wrote it, by hand or by another program."
    ]
    assert painted.read_bytes() == mine
    assert run(shot.job(tmp_path, opacity=50.0, overwrite=True))[0]["written"] == 1
    assert painted.read_bytes() != mine


@pytest.mark.parametrize(
    "change", [{"source": "nobody"}, {"releases": {"actor": "c" * 64}}, {"destination": "other"}]
)
def test_a_card_that_says_something_else_makes_the_frames_again(
    tmp_path: Path, shot: Shot, change: dict[str, Any]
) -> None:
    model = tmp_path / "swap.onnx"
    shutil.copy(shot.model, model)
    card = read_card(shot.model)
    write_card(model, card)
    kept = RenderCache()
    job = shot.job(tmp_path, model=model)
    swap_run.run(job, report=silent, settings=SETTINGS, kept=kept)
    if "releases" in change:
        change = {"releases": {card.source: "c" * 64}}
    write_card(model, card.model_copy(update=change))
    result = swap_run.run(job, report=silent, settings=SETTINGS, kept=kept)
    assert (result["written"], result["unchanged"]) == (FRAMES, 0)
    if "source" in change:
        assert read_metadata(tmp_path / "out.0001.exr")["understudy:source"] == "nobody"


def test_a_neighbours_keyframe_makes_the_frame_that_it_is_averaged_into_again(
    tmp_path: Path, shot: Shot
) -> None:
    def keyed(erode: float) -> SwapJob:
        keys = {"erode": {"1": 0.0, "2": 0.0, "3": erode}}
        return shot.job(tmp_path, temporal_window=1, keyframes=keys)

    run(keyed(0.0))
    result, _ = run(keyed(20.0))
    assert (result["written"], result["unchanged"]) == (2, 1)  # frame 2 sees frame 3, frame 1 does not
    before = read_image(tmp_path / "out.0002.exr")
    (tmp_path / "out.0002.exr").unlink()
    run(keyed(20.0))
    assert np.array_equal(before.pixels, read_image(tmp_path / "out.0002.exr").pixels)
