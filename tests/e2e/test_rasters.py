"""Plates that mean something else, by alpha, parts, views, shape or size: the right face comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from exr_parts import CRYPTO_HEADER, Made, assert_same_structure, cryptomatte, parts_of, write_parts
from rendered import SETTINGS, Shot
from understudy.core.progress import Event, Failed, Warned, silent
from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.detect.known import write_table
from understudy.face.track.smooth import TrackedFace
from understudy.face.track.store import Track
from understudy.image import colour
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Box, FloatImage, Frame
from understudy.image.raster import Raster
from understudy.jobs.shots import ExtractJob, TrackJob
from understudy.shots import extract, track
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob

AP1_LUMINANCE = np.float32([0.2722287, 0.6740818, 0.0536895])
NOTHING_TOLD: list[str] = []


@pytest.fixture(scope="module")
def usual(shot: Shot, tmp_path_factory: pytest.TempPathFactory) -> FloatImage:
    """The first frame's colours with the face, from the plate as it is, without its neighbours."""
    return swapped(shot, tmp_path_factory.mktemp("usual"), shot.plate())[0].rgb()


def run(job: SwapJob) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    return swap_run.run(job, report=events.append, settings=SETTINGS), events


def warned(events: Sequence[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned)]


def failures(events: Sequence[Event]) -> dict[int | None, str]:
    return {event.frame: event.error["what"] for event in events if isinstance(event, Failed)}


def swapped(
    shot: Shot, folder: Path, frames: Frame | Sequence[Frame] = (), **changes: Any
) -> tuple[Frame, list[str]]:
    """A plate of one's own with the face of the shot's track, its first frame; and what was warned of."""
    for number, frame in enumerate([frames] if isinstance(frames, Frame) else frames, start=1):
        write_image(folder / f"p.{number:04d}.exr", frame)
    values = {"plate": str(folder / "p.%04d.exr"), "frames": "1"} | changes
    result, events = run(shot.job(folder, **values))
    assert result["failed_frames"] == [], failures(events)
    return read_image(folder / "out.0001.exr"), warned(events)


def track_of(shot: Shot, path: Path, raster: Raster | None, matrix: align.Matrix | None = None) -> Path:
    """The shot's track, said to be made on a raster, its points moved by a matrix."""
    found = Track.open(shot.root / "plate.track")
    faces = list(found.face().faces.values())
    if matrix is not None:
        faces = [_moved(face, matrix) for face in faces]
    Track.create(path, plate=found.plate, faces={"face": faces}, detector=found.detector, raster=raster)
    return path


def _moved(face: TrackedFace, matrix: align.Matrix) -> TrackedFace:
    left, top, right, bottom = face.box
    corners = align.transform([[left, top], [right, bottom]], matrix).ravel()
    box = (float(corners[0]), float(corners[1]), float(corners[2]), float(corners[3]))
    return replace(face, landmarks=align.transform(face.landmarks, matrix).astype(np.float32), box=box)


def resized(frame: Frame, width: int, height: int, aspect: float = 1.0) -> Frame:
    """The whole frame in another size."""
    smaller = width * height < frame.data_window.width * frame.data_window.height
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    pixels = np.ascontiguousarray(cv2.resize(frame.pixels, (width, height), interpolation=how))
    box = Box(0, 0, width, height)
    return replace(frame, pixels=pixels, data_window=box, display_window=box, pixel_aspect=aspect)


HALF = np.zeros((256, 256), np.float32)
HALF[:, :120] = 1


@pytest.mark.parametrize(
    ("alpha", "told"),
    [(1.0, ""), (0.0, "it is 0 everywhere"), (HALF, "goes on where it is 0"), (255.0, "from 255 to 255")],
    ids=["1", "0", "another actor's roto", "255"],
)
def test_the_face_is_as_on_the_plate_without_alpha(
    tmp_path: Path, shot: Shot, usual: FloatImage, alpha: FloatImage | float, told: str
) -> None:
    plate = shot.plate()
    plane = np.broadcast_to(np.float32(alpha), plate.pixels.shape[:2])
    rgba = replace(plate, pixels=np.dstack([plate.pixels, plane]), channels=("R", "G", "B", "A"))
    made, said = swapped(shot, tmp_path, rgba)
    np.testing.assert_array_equal(made.rgb(), usual)
    np.testing.assert_array_equal(made.pixels[..., made.channels.index("A")], plane)
    assert [told in message for message in said] == ([True] if told else [])
    swapped(shot, tmp_path / "pass", rgba, write="face_pass")
    written = read_image(tmp_path / "pass" / "out.0001.exr").metadata["understudy:plate_alpha"]
    assert written == int(not told), "the host is told whether to multiply"


@pytest.mark.parametrize("merge", ["over", "multiband"])
def test_a_premultiplied_plate_gets_the_face_of_its_straight_twin_times_alpha(
    tmp_path: Path, shot: Shot, merge: str
) -> None:
    plate = shot.plate()
    plane = np.full((*plate.pixels.shape[:2], 1), 0.5, np.float32)
    made = {}
    for alpha, rgb in (("premultiplied", 0.5 * plate.pixels), ("straight", plate.pixels)):
        rgba = replace(
            plate,
            pixels=np.concatenate([rgb, plane], axis=2),
            channels=("R", "G", "B", "A"),
            storage="float",
        )
        frame, said = swapped(shot, tmp_path / alpha, rgba, alpha=alpha, merge=merge)
        assert said == NOTHING_TOLD
        np.testing.assert_array_equal(frame.pixels[..., frame.channels.index("A")], plane[..., 0])
        made[alpha] = frame.rgb()
    assert (made["straight"] != plate.pixels).any()
    np.testing.assert_allclose(made["premultiplied"], 0.5 * made["straight"], atol=1e-4)


def parts(shot: Shot) -> dict[str, list[Made]]:
    """The shot's first frame as other programs write it."""
    rgb = shot.plate().rgb().astype(np.float16)
    height, width = rgb.shape[:2]
    rgba = np.dstack([rgb, np.ones((height, width), np.float16)])
    depth = np.random.default_rng(1).uniform(0, 1e5, (height, width, 1)).astype(np.float32)
    numbers = Made(
        "crypto_object00",
        tuple(f"crypto_object00.{name}" for name in "RGBA"),
        cryptomatte(height, width),
        CRYPTO_HEADER,
    )
    main, z = Made("rgba", ("R", "G", "B", "A"), rgba), Made("depth", ("Z",), depth)
    eyes = [Made(name, ("R", "G", "B", "A"), rgba, {"view": name}) for name in ("left", "right")]
    views = ("R", "G", "B", "right.R", "right.G", "right.B")
    return {
        "cryptomatte": [main, z, numbers],
        "depth first": [z, main],
        "stereo": eyes,
        "stereo in one part": [Made("main", views, np.dstack([rgb, rgb]), {"multiView": ("left", "right")})],
        "blender": [Made("", tuple(f"ViewLayer.Combined.{name}" for name in "RGBA"), rgba)],
        "words": [Made("", tuple(f"rgba.{name}" for name in ("red", "green", "blue", "alpha")), rgba)],
    }


@pytest.mark.parametrize(
    ("kind", "colours", "changes"),
    [
        ("cryptomatte", "R G B", {}),
        ("depth first", "R G B", {}),
        ("stereo in one part", "R G B", {}),
        ("stereo in one part", "right.R right.G right.B", {"view": "right"}),
        ("blender", "ViewLayer.Combined.R ViewLayer.Combined.G ViewLayer.Combined.B", {}),
        ("words", "rgba.red rgba.green rgba.blue", {"layer": "rgba"}),
    ],
)
def test_a_swap_keeps_parts_headers_types_and_bits(
    tmp_path: Path, shot: Shot, usual: FloatImage, kind: str, colours: str, changes: dict[str, str]
) -> None:
    before, after = tmp_path / "p.0001.exr", tmp_path / "out.0001.exr"
    write_parts(before, parts(shot)[kind])
    swapped(shot, tmp_path, **changes, colour_space=shot.plate().colour_space)
    assert_same_structure(before, after, but=frozenset(colours.split()))
    planes = {name: plane for _, part, _ in parts_of(after) for name, plane in part.items()}
    for index, name in enumerate(colours.split()):
        assert planes[name] == ("half", usual[..., index].astype(np.float16).tobytes()), name


@pytest.mark.parametrize("view", ["", "right"])
def test_of_two_views_one_is_swapped_and_it_is_said(
    tmp_path: Path, shot: Shot, usual: FloatImage, view: str
) -> None:
    before, after = tmp_path / "p.0001.exr", tmp_path / "out.0001.exr"
    write_parts(before, parts(shot)["stereo"])
    _, said = swapped(shot, tmp_path, view=view or None, colour_space=shot.plate().colour_space)
    assert len(said) == (0 if view else 1)
    assert view or "Only the view left is worked on; right goes through" in said[0]
    planes = [[part[1] for part in parts_of(path)] for path in (before, after)]
    done = 1 if view else 0
    assert planes[0][1 - done] == planes[1][1 - done], "the other view is untouched"
    green = np.frombuffer(planes[1][done]["G"][1], np.float16).reshape(usual.shape[:2])
    np.testing.assert_array_equal(green.astype(np.float32), usual[..., 1])


def test_object_numbers_beside_the_colours_keep_all_their_bits(tmp_path: Path, shot: Shot) -> None:
    plate = shot.plate()
    numbers = np.random.default_rng(2).integers(0, 2**32, plate.pixels.shape[:2], dtype=np.uint32)
    both = replace(
        plate,
        pixels=np.dstack([plate.pixels, numbers.view(np.float32)]),
        channels=("R", "G", "B", "id.ID"),
        channel_storage={"id.ID": "uint"},
    )
    swapped(shot, tmp_path, both)
    assert parts_of(tmp_path / "out.0001.exr")[0][1]["id.ID"] == ("uint", numbers.tobytes())


@pytest.mark.parametrize("name", ["Y", "R"])
def test_a_plate_of_one_channel_gets_the_new_faces_luminance(tmp_path: Path, shot: Shot, name: str) -> None:
    plate = shot.plate()
    grey = (plate.rgb() @ AP1_LUMINANCE)[..., None].astype(np.float16).astype(np.float32)
    three = replace(plate, pixels=np.repeat(grey, 3, axis=2), storage="float", colour_space="ACEScg")
    one = replace(three, pixels=grey, channels=(name,))
    coloured, _ = swapped(shot, tmp_path / "rgb", three)
    made, _ = swapped(shot, tmp_path / "y", one)
    assert made.channels == (name,)
    changed = (made.pixels != grey)[..., 0]
    assert 0.02 < changed.mean() < 0.6, "there is a face, and nothing else changes"
    rgb = coloured.rgb()
    assert np.ptp(rgb, axis=2).max() < 1e-5, "a grey plate stays grey"
    np.testing.assert_allclose(made.pixels[..., 0], rgb @ AP1_LUMINANCE, atol=1e-3)


def test_an_anamorphic_plate_gets_the_face_of_its_flat_twin(tmp_path: Path, shot: Shot) -> None:
    flat = resized(shot.plate(), 512, 512)
    squeezed = resized(flat, 256, 512, aspect=2.0)
    track = track_of(shot, tmp_path / "flat.track", Raster.of(flat), align.resizing(2, 2))
    on_flat, _ = swapped(shot, tmp_path / "flat", flat, track=track)
    made, said = swapped(shot, tmp_path / "ana", squeezed, track=track)
    assert made.pixel_aspect == 2.0
    assert said == [
        "The track was made on a plate of 512×512 and is scaled to this one of 256×512 with pixels 2 wide."
    ]
    there, here = on_flat.rgb() - flat.rgb(), made.rgb() - squeezed.rgb()
    wanted = cv2.resize(there, (256, 512), interpolation=cv2.INTER_AREA)
    assert np.abs(here - wanted).mean() < 0.02 * np.abs(wanted).mean()
    assert not here[(cv2.dilate(np.abs(wanted).max(axis=2), np.ones((9, 9))) == 0)].any()


def test_a_videos_sample_aspect_is_the_shape_of_its_pixels(tmp_path: Path, shot: Shot) -> None:
    """The squeezed video gets the face of its flat twin, and frames made of it say their pixel aspect."""
    flat = resized(shot.plate(), 512, 512)
    made = {}
    for name, width in (("flat", 512), ("squeezed", 256)):
        frame = resized(flat, width, 512)
        shown = np.clip(colour.to_display(frame.rgb(), frame.colour_space), 0, 255).astype(np.uint8)
        with av.open(str(tmp_path / f"{name}.mkv"), "w") as container:
            stream = container.add_stream("libx264", rate=24, options={"crf": "4"})
            stream.width, stream.height, stream.pix_fmt = width, 512, "yuv444p"
            stream.codec_context.sample_aspect_ratio = Fraction(512, width)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
            container.mux(stream.encode())
        raster = Raster(0, 0, width, 512, 512 / width)
        track = track_of(shot, tmp_path / f"{name}.track", raster, align.resizing(width / 256, 2))
        made[name], _ = swapped(shot, tmp_path / name, plate=str(tmp_path / f"{name}.mkv"), track=track)
    assert (made["flat"].pixel_aspect, made["squeezed"].pixel_aspect) == (1.0, 2.0)
    wanted = cv2.resize(made["flat"].rgb(), (256, 512), interpolation=cv2.INTER_AREA)
    assert np.abs(made["squeezed"].rgb() - wanted).mean() < 0.002


def test_faces_are_extracted_in_true_shape(tmp_path: Path, shot: Shot) -> None:
    flat = resized(shot.plate(), 512, 512)
    face = Track.open(shot.root / "plate.track").face().faces[1]
    crops = []
    for name, width in (("flat", 512), ("ana", 256)):
        frame = flat if width == 512 else resized(flat, 256, 512, aspect=2.0)
        write_image(tmp_path / name / "p.0001.exr", frame)
        points = align.transform(face.landmarks, align.resizing(width / 256, 2))
        write_table(tmp_path / name / "landmarks.json", {1: points})
        job = ExtractJob(
            plate=str(tmp_path / name / "p.%04d.exr"),
            faceset=tmp_path / f"{name}.faceset",
            identity=name,
            detector="known",
            crop_size=128,
        )
        extract.run(job, report=silent, settings=SETTINGS)
        crops.append(read_image(next((job.faceset / "crops").glob("*.png"))).rgb())
    assert np.abs(crops[0] - crops[1]).mean() < 0.003


@pytest.mark.parametrize("overscan", [24, -16])
def test_a_data_window_larger_or_smaller_than_the_display_window_moves_nothing(
    tmp_path: Path, shot: Shot, usual: FloatImage, overscan: int
) -> None:
    """The display window begins elsewhere, too: a track counts from where it did."""
    plate = shot.plate()
    window = plate.data_window
    inside = window.grow(overscan).intersect(window)
    if overscan > 0:
        display = window.grow(-overscan)
        other = replace(plate, display_window=display)
    else:
        display = window
        other = replace(
            plate, data_window=inside, pixels=np.ascontiguousarray(plate.pixels[inside.slices(window)])
        )
    track = track_of(shot, tmp_path / "own.track", Raster.of(other))
    made, said = swapped(shot, tmp_path, other, track=track)
    assert (made.data_window, made.display_window) == (inside, display)
    assert said == NOTHING_TOLD
    # The network sees less of the set, and a small one then draws the eyes, which are matched by themselves,
    # a little otherwise.
    apart = np.abs(made.rgb() - usual[inside.slices(window)])
    assert np.quantile(apart, 0.98) < 2e-3 and apart.max() < 1e-2


def matte(path: Path, pixels: FloatImage, left: int, top: int, edge: int) -> str:
    box = Box(left, top, left + pixels.shape[1], top + pixels.shape[0])
    write_image(path, Frame(pixels[..., None], ("A",), box, Box(0, 0, edge, edge), "raw"))
    return str(path).replace("0001", "%04d")


@pytest.mark.parametrize("combine", ["product", "difference"])
def test_an_autocropped_roto_gives_the_same_bits_and_one_of_another_size_is_refused(
    tmp_path: Path, shot: Shot, combine: str
) -> None:
    ellipse = np.zeros((256, 256), np.float32)
    cv2.ellipse(ellipse, (120, 120), (30, 44), 0, 0, 360, 1.0, -1)
    ys, xs = np.nonzero(ellipse)
    left, top = int(xs.min()), int(ys.min())
    part = np.ascontiguousarray(ellipse[top : ys.max() + 1, left : xs.max() + 1])
    rotos = {
        "full": matte(tmp_path / "full.0001.exr", ellipse, 0, 0, 256),
        "crop": matte(tmp_path / "crop.0001.exr", part, left, top, 256),
        "twice": matte(tmp_path / "twice.0001.exr", np.kron(ellipse, np.ones((2, 2), np.float32)), 0, 0, 512),
    }
    frames = {}
    for name in ("full", "crop"):
        job = shot.job(tmp_path / name, frames="1", matte_roto=rotos[name], matte_combine=combine)
        assert run(job)[0]["written"] == 1
        frames[name] = read_image(tmp_path / name / "out.0001.exr").pixels
    np.testing.assert_array_equal(frames["full"], frames["crop"])
    changed = (frames["full"] != shot.plate().pixels).any(axis=2)
    grown = cv2.dilate(ellipse, np.ones((5, 5))) > 0
    if combine == "product":
        assert changed.any() and not changed[~grown].any(), "only inside the roto"
    job = shot.job(tmp_path / "twice", frames="1", matte_roto=rotos["twice"], matte_combine=combine)
    result, events = run(job)
    assert (result["failed_frames"], result["exit_code"] != 0) == ([1], True)
    assert failures(events) == {1: "The roto is 512×512, the plate 256×256."}
    assert not (tmp_path / "twice" / "out.0001.exr").exists()


def test_a_frame_of_another_size_gets_the_face_in_its_place_and_another_shape_fails(
    tmp_path: Path, shot: Shot
) -> None:
    plates = [shot.plate(1), resized(shot.plate(2), 512, 512)]
    for number, frame in enumerate(plates, start=1):
        write_image(tmp_path / f"p.{number:04d}.exr", frame)
    change: dict[str, Any] = {"plate": str(tmp_path / "p.%04d.exr"), "frames": "1-2", "feather": 10.0}
    result, events = run(shot.job(tmp_path, **change))
    assert (result["written"], result["failed_frames"]) == (2, [])
    assert warned(events) == [
        "The track was made on a plate of 256×256 and is scaled to this one of 512×512."
    ]
    large = read_image(tmp_path / "out.0002.exr")
    assert large.data_window == Box(0, 0, 512, 512)
    run(shot.job(tmp_path / "small", frames="2", feather=10.0))
    small = read_image(tmp_path / "small" / "out.0002.exr").rgb() - shot.plate(2).rgb()
    here = cv2.resize(large.rgb() - plates[1].rgb(), (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(here - small).mean() < 0.05 * np.abs(small).mean()
    write_image(tmp_path / "p.0002.exr", resized(shot.plate(2), 512, 300))
    result, events = run(shot.job(tmp_path / "other", **change))
    assert (result["written"], result["failed_frames"]) == (1, [2])
    assert failures(events) == {
        2: "The track was made on a plate of 256×256, this frame is 512×300: their shapes differ."
    }


def test_landmarks_of_an_anamorphic_plate_are_those_of_its_flat_twin(
    tmp_path: Path, shot: Shot, shared: Path
) -> None:
    """The third frame is half the size: it is looked at and given back in the first one's pixels."""
    settings = Settings(models=shared / "models", device="cpu", threads=1)
    tracks = []
    for name, width in (("flat", 512), ("ana", 256)):
        for number in (1, 2, 3):
            frame = resized(resized(shot.plate(number), 512, 512), width, 512, 512 / width)
            half = resized(frame, width // 2, 256, 512 / width)
            write_image(tmp_path / name / f"p.{number:04d}.exr", half if number == 3 else frame)
        job = TrackJob(plate=str(tmp_path / name / "p.%04d.exr"), track=tmp_path / f"{name}.track")
        assert track.run(job, report=silent, settings=settings)["failed_frames"] == []
        tracks.append(Track.open(job.track))
    flat, squeezed = tracks
    assert squeezed.raster == Raster(0, 0, 256, 512, 2.0)
    for number, face in flat.face().faces.items():
        here = align.transform(squeezed.face().faces[number].landmarks, align.squaring(2.0))
        apart = np.linalg.norm(here - face.landmarks, axis=1).mean() / np.ptp(face.landmarks, axis=0).max()
        assert apart < 0.012, (number, apart)
