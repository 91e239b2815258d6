"""Image files and videos."""

from __future__ import annotations

import json
import random
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import OpenImageIO as oiio

from fuzz.mutate import damaged
from fuzz.reader import Reader, Undetected
from understudy.core.errors import PlateError
from understudy.image.exr import read_image, read_metadata, write_image
from understudy.image.frame import Box, Frame
from understudy.image.integrity import DIGEST, pixels_digest, place_of
from understudy.image.video import Video
from understudy.provenance.finished import FinishedFrames
from understudy.provenance.stamp import provenance_of

WIDTH, HEIGHT = 24, 16
WANTED = "a" * 64


def picture(channels: int = 3) -> np.ndarray:
    """(HEIGHT, WIDTH, channels) float32 noise in 0..1, always the same."""
    return np.random.default_rng(7).random((HEIGHT, WIDTH, channels), np.float32)


def make_exr(folder: Path) -> None:
    plain = Frame.from_rgb(picture(), colour_space="ACEScg")
    told = {"understudy:provenance": '[{"model": "a", "source": "ann"}]', "framesPerSecond": 24.0}
    for compression in ("none", "zips", "zip", "piz"):
        write_image(folder / f"{compression}.exr", plain, compression=compression)
    deep = Frame(
        picture(6),
        ("R", "G", "B", "A", "depth.Z", "diffuse.R"),
        Box(-4, -3, WIDTH - 4, HEIGHT - 3),
        Box(0, 0, 40, 30),
        "ACEScg",
        metadata=told,
        channel_storage={"depth.Z": "float"},
    )
    write_image(folder / "layers.exr", deep)
    _write_raw(folder / "tiled.exr", [_spec(3, tile=8)])
    _write_raw(folder / "parts.exr", [_spec(3, name="beauty"), _spec(4, name="matte")])
    _write_raw(folder / "numbers.exr", [_spec(1, kind="uint32", name="id")])
    for kind in ("rle", "pxr24", "b44", "dwaa"):
        _write_raw(folder / f"{kind}.exr", [_spec(3, compression=kind)])


def _spec(
    channels: int, *, kind: str = "half", tile: int = 0, name: str = "", compression: str = "zip"
) -> oiio.ImageSpec:
    spec = oiio.ImageSpec(WIDTH, HEIGHT, channels, kind)
    spec.tile_width = spec.tile_height = tile
    spec.attribute("compression", compression)
    if name:
        spec.attribute("oiio:subimagename", name)
    return spec


def _write_raw(path: Path, specs: list[oiio.ImageSpec]) -> None:
    """What Understudy reads and does not write."""
    output = oiio.ImageOutput.create(str(path))
    opened = output.open(str(path), tuple(specs)) if len(specs) > 1 else output.open(str(path), specs[0])
    assert opened, output.geterror()
    for index, spec in enumerate(specs):
        if index:
            assert output.open(str(path), spec, "AppendSubimage")
        assert output.write_image(picture(spec.nchannels)), output.geterror()
    output.close()


def make_stills(folder: Path) -> None:
    kinds = [(".png", "uint8"), (".png", "uint16"), (".tif", "uint8"), (".tif", "uint16"), (".jpg", "uint8")]
    kinds += [(".dpx", "uint10"), (".dpx", "uint16")]
    for suffix, storage in kinds:
        frame = Frame.from_rgb(picture(), colour_space="sRGB - Texture", storage=storage)
        write_image(folder / f"{storage}{suffix}", frame)
    with_alpha = Frame.from_rgb(picture(4), colour_space="sRGB - Texture", storage="uint8")
    write_image(folder / "alpha.png", with_alpha)
    write_image(folder / "alpha.tif", with_alpha)
    _write_raw(folder / "float.tif", [_spec(3, kind="float")])
    _write_raw(folder / "tiled.tif", [_spec(3, kind="uint8", tile=16)])


def make_videos(folder: Path) -> None:
    kinds = [("ffv1", ".mkv", "yuv420p"), ("mpeg4", ".mp4", "yuv420p"), ("mjpeg", ".avi", "yuvj420p")]
    kinds += [("mpeg4", ".mov", "yuv420p"), ("gif", ".gif", "rgb8"), ("mpeg2video", ".ts", "yuv420p")]
    for codec, suffix, layout in kinds:
        with av.open(str(folder / f"{codec}{suffix}"), "w") as container:
            stream = container.add_stream(codec, rate=24)
            stream.width, stream.height, stream.pix_fmt = 64, 48, layout
            for number in range(4):
                pixels = np.full((48, 64, 3), 40 * number, np.uint8)
                pixels[8:24, 8 * number : 8 * number + 16] = 200
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))


def damage_file(generator: random.Random, valid: Path, case: Path) -> None:
    """Damage one of the valid files; half of the splices are with another of its kind."""
    files = sorted(valid.iterdir())
    chosen = generator.choice(files)
    alike = [path for path in files if path.suffix == chosen.suffix]
    data = damaged(generator, chosen.read_bytes(), generator.choice(alike).read_bytes())
    if chosen.suffix == ".png" and generator.random() < 0.7:
        data = with_checksums(data)
    (case / chosen.name).write_bytes(data)


def with_checksums(png: bytes) -> bytes:
    """A PNG whose chunks have the checksums that they should have: what damage leaves of it gets read."""
    parts, place = [png[:8]], 8
    while place + 12 <= len(png):
        length = int.from_bytes(png[place : place + 4])
        body = png[place + 4 : place + 8 + length]
        parts += [png[place : place + 4], body, zlib.crc32(body).to_bytes(4)]
        place += 12 + length
    return b"".join(parts)


def make_finished(folder: Path) -> None:
    """Frames with the digest of what they were made from, and of their pixels."""
    known = {}
    for name in ("zips.exr", "none.exr", "piz.exr", "frame.png", "frame.tif", "frame.dpx"):
        storage = "half" if name.endswith(".exr") else "uint16"
        frame = Frame.from_rgb(picture(), colour_space="ACEScg", storage=storage)
        path = folder / name
        compression = path.stem if storage == "half" else "zips"
        write_image(path, replace(frame, metadata={DIGEST: WANTED}), compression=compression)
        assert FinishedFrames(None).header(path, WANTED) is not None, name
        known[name] = _content(path)
    (folder / "known.json").write_text(json.dumps(known))


def _content(path: Path) -> str:
    frame = read_image(path)
    place = place_of(frame.data_window, frame.display_window)
    return f"{pixels_digest(frame.pixels, frame.channels, place)} {frame.data_window} {frame.display_window}"


def damage_finished(generator: random.Random, valid: Path, case: Path) -> None:
    shutil.copy(valid / "known.json", case)
    files = [path for path in sorted(valid.iterdir()) if path.suffix != ".json"]
    chosen = generator.choice(files)
    other = generator.choice([path for path in files if path.suffix == chosen.suffix])
    data = damaged(generator, chosen.read_bytes(), other.read_bytes())
    (case / chosen.name).write_bytes(with_checksums(data) if chosen.suffix == ".png" else data)


def read_finished(case: Path) -> None:
    (path,) = (one for one in case.iterdir() if one.suffix != ".json")
    known = json.loads((case / "known.json").read_text())
    if FinishedFrames(None).header(path, WANTED) is None:
        raise PlateError("The frame is made again.")
    if _content(path) != known[path.name]:
        raise Undetected("a finished frame has other pixels or windows than were written")


def read_picture(case: Path) -> None:
    (path,) = case.iterdir()
    provenance_of(read_metadata(path))
    frame = read_image(path)
    assert frame.pixels.dtype == np.float32


def read_video(case: Path) -> None:
    (path,) = case.iterdir()
    with Video(path) as video:
        for number in {video.frames.first, video.frames.last}:
            video.read(number)


READERS = (
    Reader("exr", make_exr, damage_file, read_picture),
    Reader("stills", make_stills, damage_file, read_picture),
    Reader("finished", make_finished, damage_finished, read_finished),
    Reader("video", make_videos, damage_file, read_video),
)
