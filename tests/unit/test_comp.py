"""Cases of the compositing that have one right answer."""

import numpy as np
import pytest

from understudy.comp import kernels
from understudy.comp.colour import matrix, methods
from understudy.comp.detail import sharpness
from understudy.comp.mattes import matte
from understudy.comp.merge import paste
from understudy.core.errors import FaceError, JobError, PlateError, UnderstudyError
from understudy.image.frame import Box


def face_landmarks(centre=(100.0, 100.0), radius=60.0, angle=0.0):
    """68 points of an upright face: the chin at the lower end, the brows above the middle."""
    points = np.zeros((68, 2))
    jaw = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack([0.8 * np.cos(jaw), np.sin(jaw)], axis=1)
    points[17:27] = np.stack([np.linspace(-0.6, 0.6, 10), np.full(10, -0.35)], axis=1)
    points[27] = (0, -0.25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points * radius @ turn.T + centre).astype(np.float32)


def test_the_hull_covers_the_face_and_a_forehead_above_the_brows():
    cover = matte.hull(face_landmarks(), 200)
    assert cover.dtype == np.float32
    assert cover[100, 100] == 1 and cover[150, 100] == 1
    brow = 100 - 0.35 * 60
    rise = matte.FOREHEAD * 1.25 * 60
    assert cover[int(brow - 0.9 * rise), 100] == 1
    assert cover[int(brow - 1.3 * rise), 100] == 0
    assert matte.hull(face_landmarks(), 200, grow=0.0)[int(brow - 4), 100] == 0


@pytest.mark.parametrize("angle", [0.5, 1.57, 3.0])
def test_the_forehead_follows_a_rolled_head(angle):
    upright = matte.hull(face_landmarks(), 200)
    rolled = matte.hull(face_landmarks(angle=angle), 200)
    assert abs(float(upright.sum() - rolled.sum())) < 0.005 * upright.sum()


def test_the_hull_is_antialiased_and_moves_with_a_fraction_of_a_pixel():
    first = matte.hull(face_landmarks(), 200)
    second = matte.hull(face_landmarks((100.25, 100.0)), 200)
    assert ((first > 0) & (first < 1)).sum() > 100
    centres = [float((m * np.arange(200)).sum() / m.sum()) for m in (first, second)]
    assert centres[1] - centres[0] == pytest.approx(0.25, abs=0.02)


def test_the_hull_agrees_with_the_distance_to_every_edge_in_plain_numpy():
    triangle = np.array([[5.3, 4.1], [30.2, 12.7], [11.9, 33.3]])
    steps = np.roll(triangle, -1, axis=0) - triangle
    normals = np.stack([-steps[:, 1], steps[:, 0]], axis=1) / np.hypot(*steps.T)[:, None]
    edges = np.column_stack([normals, -(normals * triangle).sum(axis=1)])
    rows, columns = np.mgrid[0:40, 0:36]
    distances = [a * columns + b * rows + c for a, b, c in edges]
    out = np.zeros((40, 36), np.float32)
    kernels.fill_convex(edges, out)
    np.testing.assert_allclose(out, np.clip(np.min(distances, axis=0) + 0.5, 0, 1), atol=1e-6)


@pytest.mark.parametrize("centre", [(0.0, 0.0), (-500.0, 3.0), (1e6, 1e6)])
def test_a_hull_outside_the_raster_is_cut_or_empty(centre):
    cover = matte.hull(face_landmarks(centre), (40, 50))
    assert cover.shape == (40, 50)
    assert 0 <= cover.min() <= cover.max() <= 1


def test_a_hull_of_one_point_is_no_more_than_a_pixel():
    assert matte.hull(np.full((68, 2), 5.0, np.float32), 20).sum() <= 1


@pytest.mark.parametrize("landmarks", [np.zeros((5, 2)), np.full((68, 2), np.nan)])
def test_landmarks_that_are_none_are_an_error(landmarks):
    with pytest.raises(FaceError):
        matte.hull(landmarks.astype(np.float32), 64)


def test_erode_moves_a_straight_edge_by_the_pixels_asked_for():
    square = np.zeros((60, 60), np.float32)
    square[10:50, 10:50] = 1
    for px in (0.25, 1.0, 3.5, 7.75, -2.5, -6.0):
        row = matte.erode(square, px)[30]
        assert row.sum() == pytest.approx(40 - 2 * px, abs=1e-4)


def test_erode_is_round_within_a_tenth():
    grown = matte.erode(np.pad(np.ones((1, 1), np.float32), 60), -50)
    rows, columns = np.nonzero(grown == 1)
    reach = [np.max((rows - 60) * np.sin(a) + (columns - 60) * np.cos(a)) for a in np.linspace(0, np.pi, 32)]
    assert min(reach) > 48 and max(reach) < 55


def test_a_feather_is_a_ramp_of_the_width_asked_for():
    square = np.zeros((80, 80), np.float32)
    square[10:70, 10:70] = 1
    row = matte.feather(square, 16)[40]
    assert row[9] == 0 and 0 < row[11] < 0.1
    assert row[17] == pytest.approx(0.5, abs=0.1)
    assert row[26] == pytest.approx(1, abs=1e-3)
    assert (np.diff(row[9:27]) >= 0).all()


def test_a_matte_that_is_not_a_number_counts_as_nothing():
    broken = np.array([[np.nan, np.inf, -np.inf, 0.5]], np.float32)
    assert matte.erode(broken, 0).tolist() == [[0, 1, 0, 0.5]]


def test_mattes_combine_by_mode():
    one, two = np.full((2, 2), 0.5, np.float32), np.full((2, 2), 0.6, np.float32)
    modes = ("product", "minimum", "maximum", "difference")
    got = {mode: float(matte.combine(mode, [one, two])[0, 0]) for mode in modes}
    assert got == pytest.approx({"product": 0.3, "minimum": 0.5, "maximum": 0.6, "difference": 0.2})
    assert matte.combine("product", [one]) is not one


def test_combining_says_what_is_wrong():
    one = np.ones((2, 2), np.float32)
    with pytest.raises(JobError):
        matte.combine("sum", [one, one])
    with pytest.raises(JobError):
        matte.combine("product", [])
    with pytest.raises(PlateError):
        matte.combine("product", [one, np.ones((3, 2), np.float32)])


@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
@pytest.mark.parametrize("px", [3.0, 2.5, -3.0, -2.5])
def test_a_trimmed_side_moves_alone_and_by_as_much(side, px):
    square = np.zeros((40, 40), np.float32)
    square[10:30, 10:30] = 1
    out = matte.trim(
        square, **{name: px if name == side else 0.0 for name in ("top", "bottom", "left", "right")}
    )
    profile = {
        "top": out[:20, 20],
        "bottom": out[20:, 20][::-1],
        "left": out[20, :20],
        "right": out[20, 20:][::-1],
    }
    for name, edge in profile.items():
        assert edge.sum() == pytest.approx(10 - (px if name == side else 0), abs=1e-4), name


@pytest.mark.parametrize(
    "call",
    [
        lambda: matte.erode(np.ones((2, 2, 2), np.float32), 1),
        lambda: matte.erode(np.ones((2, 2), np.float32), float("nan")),
        lambda: matte.feather(np.ones((2, 2), np.float32), -1),
        lambda: methods.solve("magic", *[np.ones((2, 2, 3), np.float32)] * 2, np.ones((2, 2), np.float32)),
        lambda: methods.solve("reinhard", *[np.ones((2, 2, 3), np.float32)] * 2, np.ones((3, 2), np.float32)),
        lambda: matrix.ColourMatch.identity().at_strength(1.5),
        lambda: sharpness.sharpen(np.ones((2, 2, 3), np.float32), 101, 1),
        lambda: sharpness.sharpen(np.ones((2, 2, 3), np.float32), 10, -1),
        lambda: paste.over(*[np.ones((2, 2, 3), np.float32)] * 2, np.ones((3, 2), np.float32)),
        lambda: paste.warp_to_box(np.ones((2, 2), np.float32), np.eye(2, 3), Box(0, 0, 2, 2), "best"),
        lambda: paste.warp_to_box(np.ones((2, 2), np.float32), np.zeros((2, 3)), Box(0, 0, 2, 2)),
        lambda: paste.paste_box(np.full((2, 3), np.nan), Box(0, 0, 8, 8), Box(0, 0, 2, 2)),
    ],
)
def test_values_out_of_range_are_errors_with_a_name(call):
    with pytest.raises(UnderstudyError):
        call()


def test_a_match_blends_with_the_identity_and_survives_metadata():
    full = matrix.ColourMatch(np.arange(12.0).reshape(3, 4))
    np.testing.assert_allclose(full.at_strength(0.5).matrix, (np.eye(3, 4) + full.matrix) / 2)
    read = matrix.ColourMatch(np.array(full.as_text().split(), float).reshape(3, 4))
    assert np.array_equal(read.matrix.astype(np.float32), full.matrix.astype(np.float32))
    pixel = np.array([1.0, 2.0, 40.0], np.float32)
    np.testing.assert_allclose(full.apply(pixel), full.matrix[:, :3] @ pixel + full.matrix[:, 3], rtol=1e-6)


def test_no_match_keeps_every_bit():
    image = np.random.default_rng(1).normal(size=(4, 4, 3)).astype(np.float32)
    solved = methods.solve("none", image, image * 2, np.zeros((4, 4), np.float32))
    assert np.array_equal(solved.apply(image), image)
    assert np.array_equal(matrix.ColourMatch(np.ones((3, 4))).at_strength(0.0).apply(image), image)


def test_sharpening_is_an_unsharp_mask_that_inverts_to_a_gaussian():
    step = np.zeros((21, 21, 3), np.float32)
    step[:, 10:] = 1
    sharp, soft = sharpness.sharpen(step, 100, 2), sharpness.sharpen(step, -100, 2)
    np.testing.assert_allclose(sharp + soft, 2 * step, atol=1e-5)
    assert sharp.max() > 1.2 and soft.max() <= 1 + 1e-6
    assert np.array_equal(sharpness.sharpen(step, 0, 2), step)


def test_a_broken_pixel_does_not_spread_when_sharpened():
    image = np.full((9, 9, 3), 0.5, np.float32)
    image[4, 4, 1] = np.nan
    out = sharpness.sharpen(image, 50, 2)
    assert np.isnan(out).sum() == 1
    np.testing.assert_allclose(out[np.isfinite(out)], 0.5, atol=1e-5)


def test_a_warp_by_whole_pixels_is_exact():
    image = np.random.default_rng(2).random((8, 8, 3)).astype(np.float32)
    shift = np.array([[1.0, 0, 5], [0, 1, 3]])
    box = Box(5, 3, 13, 11)
    assert np.array_equal(paste.warp_to_box(image, shift, box, "cubic"), image)
    cover = paste.warp_to_box(image[..., 0], shift, box.grow(2), "linear")
    assert np.array_equal(cover[2:-2, 2:-2], image[..., 0])
    assert not cover[0].any() and not cover[:, -1].any()


@pytest.mark.parametrize("interpolation", ["cubic", "linear"])
def test_a_warp_places_a_gradient_where_the_matrix_says(interpolation):
    rows, columns = np.mgrid[0:64, 0:64].astype(np.float32)
    image = np.stack([columns, rows], axis=2)
    placement = np.array([[1.3, 0.4, 20.3], [-0.4, 1.3, 50.9]])
    box = Box(70, 70, 80, 75)
    out = paste.warp_to_box(image, placement, box, interpolation)
    back = np.linalg.inv(np.vstack([placement, [0, 0, 1]]))
    expected = back @ [73, 72, 1]
    np.testing.assert_allclose(out[2, 3], expected[:2], atol=1e-3)


def test_a_smaller_copy_does_not_alias():
    checks = (np.indices((256, 256)).sum(axis=0) % 2).astype(np.float32)
    out = paste.warp_to_box(checks[..., None], np.array([[0.21, 0, 0], [0, 0.21, 0]]), Box(5, 5, 45, 45))
    np.testing.assert_allclose(out, 0.5, atol=0.01)


def test_the_box_holds_the_whole_face_and_ends_at_the_bounds():
    placement, whole = np.array([[2.0, 0, -3.2], [0, 2.0, 4.5]]), Box(0, 0, 10, 10)
    assert paste.paste_box(placement, whole, Box(-50, -50, 90, 90)) == Box(-5, 3, 17, 25)
    assert paste.paste_box(placement, whole, Box(0, 0, 8, 8)) == Box(0, 3, 8, 8)
    assert paste.paste_box(placement, whole, Box(500, 500, 600, 600)).empty
    assert paste.paste_box(placement * 1e30, whole, Box(0, 0, 8, 8)).height <= 8
    assert paste.paste_box(placement, Box(3, 4, 3, 9), Box(0, 0, 8, 8)).empty
    assert paste.paste_box(placement, Box(4, 2, 5, 3), Box(-50, -50, 90, 90)) == Box(3, 7, 7, 11)


def test_a_paste_changes_only_its_rectangle():
    plate = np.random.default_rng(3).random((12, 14, 3)).astype(np.float32)
    plate[0, 0] = np.nan
    window, box = Box(-2, -1, 12, 11), Box(3, 4, 6, 8)
    out = paste.paste(
        plate, np.full((4, 3, 3), 7, np.float32), np.ones((4, 3), np.float32), box=box, window=window
    )
    assert (out[5:9, 5:8] == 7).all()
    out[5:9, 5:8] = plate[5:9, 5:8]
    assert np.array_equal(out.view(np.uint32), plate.view(np.uint32))
    with pytest.raises(PlateError):
        paste.paste(plate, plate, plate[..., 0], box=Box(0, 0, 99, 99), window=window)


def test_a_face_that_is_not_finite_leaves_the_plate():
    plate, face = np.full((1, 2, 3), 40.0, np.float32), np.full((1, 2, 3), 0.5, np.float32)
    face[0, 0, 1] = np.inf
    out = paste.over(plate, face, np.full((1, 2), 0.5, np.float32))
    assert out[0, 0].tolist() == [40.0] * 3
    assert out[0, 1].tolist() == [20.25] * 3
