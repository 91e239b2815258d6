"""Pictures without numbers as a plate: in natural order, upright, and told what is not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from understudy.core.errors import PlateError
from understudy.core.progress import Event, Warned
from understudy.image.exr import read_image
from understudy.image.plate import open_plate

NAMES = ("photo1.jpg", "photo2.JPG", "Photo10.jpg", "portrait.jpg")
# EXIF's number, and how the stored picture is made of the upright one.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def write(path: Path, pixels: np.ndarray, orientation: int = 1) -> Path:
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 3, "uint8")
    spec.attribute("Orientation", orientation)
    spec.attribute("CompressionQuality", 100)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec) and out.write_image(np.ascontiguousarray(pixels)), oiio.geterror()
    out.close()
    return path


def grey(level: int) -> np.ndarray:
    return np.full((24, 32, 3), level, np.uint8)


@pytest.mark.parametrize("plate", ["", "*.jpg", "*"], ids=["folder", "wildcard", "everything"])
def test_pictures_without_numbers_come_in_the_order_a_person_counts(tmp_path: Path, plate: str) -> None:
    for index, name in enumerate(NAMES):
        write(tmp_path / name, grey(40 * (index + 1)))
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    opened = open_plate(str(tmp_path / plate))
    assert str(opened.frames) == "1-4"
    levels = [round(float(opened.read(number).pixels.mean()) * 255) for number in opened.frames]
    assert levels == [40, 80, 120, 160]
    assert [opened.file(number).name for number in opened.frames] == list(NAMES)
    opened.close()


def test_pictures_of_a_kind_that_is_not_read_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", grey(50))
    (tmp_path / "b.heic").write_bytes(b"?")
    events: list[Event] = []
    open_plate(str(tmp_path), report=events.append).close()
    assert any(isinstance(one, Warned) and "b.heic" in one.message for one in events)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(PlateError, match=r"b\.heic is of a kind that is not read"):
        open_plate(str(tmp_path))


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_still_is_upright_however_it_is_stored(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24], upright[:16, 24:], upright[16:, :24] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    path = write(tmp_path / f"a{suffix}", STORED[orientation](upright), orientation)
    read = read_image(path)
    assert read.pixels.shape[:2] == (32, 48)
    for row, column in ((8, 12), (8, 36), (24, 12), (24, 36)):
        assert read.pixels[row, column] * 255 == pytest.approx(upright[row, column], abs=4)
