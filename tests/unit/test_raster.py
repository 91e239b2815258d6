"""Two rasters are never assumed equal: positions, mattes and tracks know theirs; scaled, or refused."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.core.errors import FaceError, PlateError
from understudy.face import align
from understudy.face.crop import cut, cut_matte
from understudy.face.track.on_raster import note_on, on_raster
from understudy.face.track.smooth import TrackedFace
from understudy.image.frame import Box, FloatImage, Frame
from understudy.image.raster import Raster, on_plate
from understudy.shots.true_shape import scaled

SIDES = st.integers(1, 9000)
RASTERS = st.builds(
    Raster,
    st.integers(-50, 50),
    st.integers(-50, 50),
    SIDES,
    SIDES,
    st.sampled_from([0.5, 1.0, 1.4587, 2.0]),
)


def face(points: np.ndarray, number: int = 1) -> TrackedFace:
    low, high = points.min(axis=0), points.max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return TrackedFace(number, points.astype(np.float32), 1.0, False, box)


def placed(left: float, top: float, edge: float) -> np.ndarray:
    return align.TEMPLATE * edge + [left, top]


@given(raster=RASTERS)
def test_a_raster_is_read_as_it_was_written(raster: Raster) -> None:
    assert Raster.parse(raster.as_text()) == raster


@pytest.mark.parametrize("text", ["", "0 0 0 5 1.0", "0 0 5 5", "0 0 5 5 0.0", "a b c d e", "0 0 5 5 1.0 x"])
def test_what_is_no_raster_is_none(text: str) -> None:
    assert Raster.parse(text) is None


@given(raster=RASTERS, factor=st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0, 3.0]))
def test_corners_of_one_picture_lie_on_corners_of_its_proxy(raster: Raster, factor: float) -> None:
    """By the display window's edges, half a pixel outside the first and last pixel's centres."""
    width, height = max(1, round(raster.width * factor)), max(1, round(raster.height * factor))
    proxy = replace(raster, left=3, top=-2, width=width, height=height)
    assert raster.same_shape(proxy) == proxy.same_shape(raster)
    if not raster.same_shape(proxy):
        # One that is a few pixels small rounds to another shape.
        assert min(width, height) < 16
        return
    edges = [
        [[one.left - 0.5, one.top - 0.5], [one.left + one.width - 0.5, one.top + one.height - 0.5]]
        for one in (raster, proxy)
    ]
    np.testing.assert_allclose(align.transform(edges[0], raster.to(proxy)), edges[1], atol=1e-6)
    back = align.compose(proxy.to(raster), raster.to(proxy))
    np.testing.assert_allclose(back, [[1, 0, 0], [0, 1, 0]], atol=1e-6)


@given(raster=RASTERS.filter(lambda one: min(one.width, one.height) > 100))
def test_a_picture_of_another_shape_is_refused(raster: Raster) -> None:
    with pytest.raises(PlateError, match="shapes differ"):
        raster.to(replace(raster, width=round(raster.width * 1.2)))


def test_a_squeezed_raster_has_the_shape_of_its_flat_twin() -> None:
    squeezed, flat = Raster(0, 0, 2048, 1716, 2.0), Raster(0, 0, 4096, 1716)
    assert squeezed.squared == flat
    assert squeezed.same_shape(flat) and flat.same_shape(squeezed)
    assert not Raster(0, 0, 2048, 1716).same_shape(flat)
    assert Raster(0, 0, 720, 576, 0.5).squared == Raster(0, 0, 720, 1152), "no pixel is lost"
    assert str(squeezed) == "2048×1716 with pixels 2 wide"


@given(
    aspect=st.sampled_from([1.0, 2.0]),
    factor=st.sampled_from([0.25, 0.5, 2.0]),
    corner=st.tuples(st.integers(-40, 40), st.integers(-40, 40)),
)
def test_a_proxys_track_lies_on_the_same_face_of_the_full_plate(
    aspect: float, factor: float, corner: tuple[int, int]
) -> None:
    full = Raster(*corner, 1920, 1080, aspect)
    proxy = Raster(0, 0, round(1920 * factor), round(1080 * factor), aspect)
    points = placed(100, 80, 60)
    moved = on_raster(face(points), proxy, full, "plate.0001.exr")
    share = (points + 0.5) / [proxy.width, proxy.height]
    now = (moved.landmarks - np.array(corner) + 0.5) / [full.width, full.height]
    np.testing.assert_allclose(now, share, atol=1e-4)
    low, high = moved.landmarks.min(axis=0), moved.landmarks.max(axis=0)
    np.testing.assert_allclose(moved.box, [*low, *high], atol=2e-3)


def test_a_track_on_another_raster_is_scaled_and_told_or_refused() -> None:
    proxy, full = Raster(0, 0, 960, 540), Raster(0, 0, 1920, 1080)
    faces = {1: face(placed(100, 80, 60))}
    assert note_on(faces, full, full) == ""
    assert note_on(faces, proxy, full) == (
        "The track was made on a plate of 960×540 and is scaled to this one of 1920×1080."
    )
    assert "whose pixels are 2 wide; this one says 1" in note_on(faces, replace(full, pixel_aspect=2.0), full)
    with pytest.raises(FaceError, match=r"960×540, this frame is 1024×1024: their shapes differ") as caught:
        on_raster(faces[1], proxy, Raster(0, 0, 1024, 1024), "plate.0001.exr")
    assert caught.value.where == "plate.0001.exr"


def test_a_track_that_does_not_say_its_raster_is_doubted_where_it_looks_wrong() -> None:
    full = Raster(0, 0, 1920, 1080)
    of_a_proxy = {number: face(placed(100 + number, 80, 60), number) for number in (1, 2, 3)}
    outside = {number: face(placed(2500, 80, 400), number) for number in (1, 2, 3)}
    right = {number: face(placed(900, 300, 400), number) for number in (1, 2, 3)}
    assert "upper left quarter of this plate of 1920×1080" in note_on(of_a_proxy, None, full)
    assert "lie outside this plate of 1920×1080" in note_on(outside, None, full)
    assert note_on(right, None, full) == "" == note_on({}, None, full)
    assert on_raster(right[1], None, full, "") is right[1]


def matte(box: Box, display: Box, value: float = 1.0) -> Frame:
    pixels = np.full((box.height, box.width, 1), value, np.float32)
    return Frame(pixels, ("A",), box, display, "raw", origin="roto.0001.exr")


def test_a_matte_of_another_size_than_the_plate_is_refused_and_a_shifted_window_is_not() -> None:
    plate = Raster(10, 20, 64, 48)
    with pytest.raises(PlateError, match="The roto is 128×96, the plate 64×48") as caught:
        on_plate(matte(Box(0, 0, 128, 96), Box(0, 0, 128, 96)), plate, "roto")
    assert (caught.value.where, "plate's size" in caught.value.fix) == ("roto.0001.exr", True)
    shifted = on_plate(matte(Box(5, 6, 9, 12), Box(0, 0, 64, 48)), plate, "roto")
    assert (shifted.data_window, shifted.display_window) == (Box(15, 26, 19, 32), Box(10, 20, 74, 68))
    same = matte(Box(15, 26, 19, 32), Box(10, 20, 74, 68))
    assert on_plate(same, plate, "roto") is same


@given(
    rectangle=st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30)),
    overscan=st.integers(0, 8),
    turn=st.floats(-3, 3),
)
def test_an_autocropped_matte_is_the_matte_that_it_was(
    rectangle: tuple[int, int, int, int], overscan: int, turn: float
) -> None:
    """Outside its data window a matte is 0, wherever the window ends: nothing is smeared outwards."""
    left, top, width, height = rectangle
    display, inside = Box(0, 0, 60, 60), Box(left, top, left + width, top + height)
    whole = np.zeros((60, 60, 1), np.float32)
    whole[inside.slices(display)] = 1
    full = Frame(whole, ("A",), display, display, "raw")
    cropped = matte(inside, display)
    place = np.array(cv2.getRotationMatrix2D((30.0, 30.0), turn * 60, 0.7))
    window = display.grow(overscan)
    made = [cut_matte(one, place, 48, window) for one in (full, cropped)]
    np.testing.assert_array_equal(*made)


def picture(width: int, height: int) -> FloatImage:
    """A smooth picture, by its place in shares of its edges, and so the same in every size."""
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width]).reshape(2, 1, 1)
    planes = [np.sin(7 * x + 2 * y), np.cos(5 * y - x), np.sin(4 * x * y + 1)]
    return np.asarray(0.5 + 0.3 * np.stack(planes, axis=-1), np.float32)


@pytest.mark.parametrize("aspect", [2.0, 0.5, 1.25])
def test_an_aligned_face_of_a_squeezed_plate_is_that_of_its_flat_twin(aspect: float) -> None:
    width, height = (160, 320) if aspect > 1 else (320, 160)
    squeezed = replace(Frame.from_rgb(picture(width, height), colour_space="ACEScg"), pixel_aspect=aspect)
    true = Raster.of(squeezed).squared
    flat = Frame.from_rgb(picture(true.width, true.height), colour_space="ACEScg")
    points = placed(60, 70, 120)
    on_squeezed = align.transform(points, true.to(Raster.of(squeezed)))
    size = 64
    one = cut(flat, align.plate_to_aligned(points, coverage="full", size=size), size)
    other = cut(
        squeezed,
        align.plate_to_aligned(on_squeezed, coverage="full", size=size, pixel_aspect=aspect),
        size,
    )
    np.testing.assert_allclose(other, one, atol=2e-3)


@given(
    crop=st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(30, 64), st.integers(30, 64)),
    overscan=st.integers(0, 12),
)
def test_true_shape_of_a_part_is_that_part_of_the_whole(
    crop: tuple[int, int, int, int], overscan: int
) -> None:
    """A data window smaller or larger than the display window moves nothing."""
    whole = picture(64, 128)
    window = Box(0, 0, 64, 128)
    inside = Box(crop[0], 2 * crop[1], crop[2], 2 * crop[3]).intersect(window)
    if inside.width < 8 or inside.height < 8:
        inside = window
    frame = Frame(
        np.ascontiguousarray(whole[inside.slices(window)]),
        ("R", "G", "B"),
        inside,
        Box(overscan, overscan, 64 - overscan, 128 - overscan),
        "ACEScg",
        pixel_aspect=2.0,
    )
    raster = Raster.of(frame)
    made = scaled(frame, raster.squared, raster.to(raster.squared))
    assert Raster.of(made) == raster.squared
    flat = picture(128, 128)
    # Centres of the true shape's pixels, as shares of the whole picture.
    back = raster.squared.to(raster)
    box = made.data_window
    ys, xs = np.mgrid[box.y0 + 4 : box.y1 - 4, box.x0 + 4 : box.x1 - 4]
    if xs.size == 0:
        return
    at = align.transform(np.stack([xs.ravel(), ys.ravel()], axis=1), back)
    shares = (at + 0.5) / [64, 128] * 128 - 0.5
    wanted = cv2.remap(
        flat, shares[:, :1].astype(np.float32), shares[:, 1:].astype(np.float32), cv2.INTER_LINEAR
    )
    got = made.pixels[4:-4, 4:-4].reshape(-1, 3)
    np.testing.assert_allclose(got, wanted[:, 0], atol=6e-3)
