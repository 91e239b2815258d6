"""What the compositing must hold for any picture, matte and setting."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from understudy.comp.colour import grade, methods
from understudy.comp.colour import matrix as match
from understudy.comp.colour.robust_weights import robust_weights
from understudy.comp.colour.skin_mask import skin_mask
from understudy.comp.detail import sharpness
from understudy.comp.mattes import matte
from understudy.comp.merge import paste
from understudy.core.errors import JobError, PlateError
from understudy.face.align import TEMPLATE
from understudy.image import colour

TABLE_METHODS = [name for name, method in methods.BUILT_IN.items() if method.needs_samples]
METHODS = ["mean", "mean_std", "reinhard", "linear", "monge_kantorovich"]
any_float = st.floats(width=32, allow_nan=True, allow_infinity=True)
quick = settings(max_examples=30, deadline=None)
mattes = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24),
    elements=st.floats(0, 1, width=32),
)


def bits(array):
    return np.ascontiguousarray(array, np.float32).view(np.uint32)


def picture(seed, shape=(32, 28), spread=0.1):
    """A smooth random picture whose channels are correlated, in encoded values."""
    random = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(random.normal(size=(*shape, 3)), (0, 0), 2)
    mix = np.eye(3) + 0.3 * random.normal(size=(3, 3))
    return (0.4 + spread * noise @ mix.T / noise.std()).astype(np.float32)


def soft_matte(seed, shape=(32, 28)):
    random = np.random.default_rng(seed)
    blob = cv2.GaussianBlur(random.normal(size=shape), (0, 0), 4)
    return np.clip(blob / blob.std() + 0.5, 0, 1).astype(np.float32)


@quick
@given(
    hnp.arrays(np.float32, (5, 6, 3), elements=any_float),
    hnp.arrays(np.float32, (5, 6, 3), elements=any_float),
    hnp.arrays(np.bool_, (5, 6)),
)
def test_the_plate_comes_through_bit_for_bit_where_the_matte_is_zero(plate, face, covered):
    plate[0, 0, 0] = np.uint32(0x7FC12345).view(np.float32)  # a NaN that carries a payload
    covered[0, 0] = False
    out = paste.over(plate, face, covered.astype(np.float32))
    assert np.array_equal(bits(out)[~covered], bits(plate)[~covered])


@quick
@given(hnp.arrays(np.float32, (4, 5, 3), elements=any_float), st.floats(0, 1, width=32))
def test_a_finite_face_leaves_nothing_of_a_plate_that_is_not_finite(plate, opacity):
    face = picture(1, (4, 5))
    out = paste.over(plate, face, np.full((4, 5), opacity, np.float32))
    broken = ~np.isfinite(plate).all(axis=2)
    assert np.array_equal(bits(out)[broken], bits(face if opacity > 0 else plate)[broken])


@quick
@given(st.integers(0, 10_000))
def test_over_agrees_with_plain_numpy_and_keeps_highlights(seed):
    random = np.random.default_rng(seed)
    plate = (random.random((9, 8, 3)) * 40).astype(np.float32)
    face = random.random((9, 8, 3)).astype(np.float32)
    weight = random.random((9, 8)).astype(np.float32)
    expected = plate.astype(float) + weight[..., None].astype(float) * (face.astype(float) - plate)
    np.testing.assert_allclose(paste.over(plate, face, weight), expected, rtol=1e-5, atol=1e-5)


@quick
@given(st.integers(0, 10_000), st.sampled_from(METHODS))
def test_matching_a_picture_to_itself_is_the_identity(seed, method):
    image = picture(seed)
    solved = methods.solve(method, image, image, soft_matte(seed))
    np.testing.assert_allclose(solved.matrix, np.eye(3, 4), atol=1e-6)


@quick
@given(st.integers(0, 10_000), st.sampled_from(METHODS))
def test_a_match_undoes_a_known_change_of_its_own_kind(seed, method):
    random = np.random.default_rng(seed)
    gains = np.ones(3) if method == "mean" else random.uniform(0.5, 2, 3)
    if method == "mean_std":
        axes = np.eye(3)
    elif method == "reinhard":
        axes = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3], [6], [2]])
    elif method == "linear":  # along the picture's own principal axes
        axes = np.linalg.eigh(plain_moments(picture(seed), soft_matte(seed + 1))[1])[1].T
    else:
        axes = np.linalg.qr(random.normal(size=(3, 3)))[0]
    change = axes.T @ np.diag(gains) @ axes
    shift = random.uniform(-0.2, 0.2, 3)
    plate = picture(seed)
    face = ((plate - shift) @ np.linalg.inv(change).T).astype(np.float32)
    solved = methods.solve(method, face, plate, soft_matte(seed + 1))
    np.testing.assert_allclose(solved.apply(face), plate, atol=2e-3)


@quick
@given(st.integers(0, 10_000))
def test_monge_kantorovich_takes_on_the_mean_and_covariance_of_the_plate(seed):
    face, plate, weight = picture(seed), picture(seed + 1), soft_matte(seed)
    solved = methods.solve("monge_kantorovich", face, plate, weight)
    values = np.linalg.eigvalsh(solved.matrix[:, :3])
    if values.min() < 0.2501 or values.max() > 3.999:
        return  # bounded: the covariance cannot agree
    got, _ = match.measure(solved.apply(face), plate, weight)
    _, wanted = match.measure(face, plate, weight)
    np.testing.assert_allclose(got.mean, wanted.mean, atol=1e-5)
    np.testing.assert_allclose(got.covariance, wanted.covariance, atol=1e-5)


@quick
@given(st.integers(0, 10_000), st.sampled_from(METHODS), any_float)
def test_a_match_does_not_see_what_lies_outside_the_matte(seed, method, outside):
    face, plate, weight = picture(seed), picture(seed + 1), soft_matte(seed)
    before = methods.solve(method, face, plate, weight).matrix
    face[weight == 0] = outside
    plate[weight == 0] = 40.0
    assert np.array_equal(methods.solve(method, face, plate, weight).matrix, before)


@quick
@given(st.integers(0, 10_000), st.sampled_from(METHODS))
def test_a_match_ignores_pixels_that_are_not_finite(seed, method):
    face, plate, weight = picture(seed), picture(seed + 1), soft_matte(seed)
    holes = np.random.default_rng(seed).random(weight.shape) < 0.1
    without = methods.solve(method, face, plate, np.where(holes, 0, weight).astype(np.float32)).matrix
    plate[holes] = np.nan
    assert np.array_equal(methods.solve(method, face, plate, weight).matrix, without)


@quick
@given(
    st.sampled_from(METHODS),
    st.integers(1, 4),
    hnp.arrays(np.float32, (2, 3), elements=st.floats(0, 1, width=32)),
)
def test_a_face_of_a_few_flat_pixels_is_only_shifted(method, count, colours):
    face = np.tile(colours[0], (1, count, 1)).astype(np.float32)
    plate = np.tile(colours[1], (1, count, 1)).astype(np.float32)
    solved = methods.solve(method, face, plate, np.ones((1, count), np.float32))
    np.testing.assert_allclose(solved.apply(face), plate, atol=1e-5)
    np.testing.assert_allclose(solved.matrix[:, :3], np.eye(3), atol=1e-3)


@quick
@given(st.integers(0, 10_000), st.sampled_from(METHODS), st.floats(1e-6, 1e4))
def test_gains_stay_within_their_bounds_and_finite(seed, method, ratio):
    face, plate = picture(seed), picture(seed + 1)
    solved = methods.solve(method, (face * np.float32(ratio)).astype(np.float32), plate, soft_matte(seed))
    values = np.linalg.svd(solved.matrix[:, :3], compute_uv=False)
    assert values.min() >= 0.25 - 1e-9
    assert values.max() <= 4 + 1e-9


def plain_moments(image, weight):
    pixels, weights = image.reshape(-1, 3).astype(float), weight.reshape(-1).astype(float)
    mean = weights @ pixels / weights.sum()
    centred = pixels - mean
    return mean, (centred * weights[:, None]).T @ centred / weights.sum()


def plain_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.sqrt(values)) @ vectors.T


@quick
@given(st.integers(0, 10_000), st.sampled_from(METHODS))
def test_the_methods_agree_with_their_formulas_in_plain_numpy(seed, method):
    face, plate, weight = picture(seed, spread=0.1), picture(seed + 1, spread=0.12), soft_matte(seed)
    (mean_x, cov_x), (mean_r, cov_r) = plain_moments(face, weight), plain_moments(plate, weight)
    if method == "mean":
        linear = np.eye(3)
    elif method == "mean_std":
        linear = np.diag(np.sqrt(np.diag(cov_r) / np.diag(cov_x)))
    elif method == "reinhard":
        axes = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3], [6], [2]])
        gains = np.sqrt(np.diag(axes @ cov_r @ axes.T) / np.diag(axes @ cov_x @ axes.T))
        linear = axes.T @ np.diag(gains) @ axes
    elif method == "linear":
        linear = plain_root(cov_r) @ np.linalg.inv(plain_root(cov_x))
    else:
        root = plain_root(cov_x)
        linear = np.linalg.inv(root) @ plain_root(root @ cov_r @ root) @ np.linalg.inv(root)
    values = np.linalg.svd(linear, compute_uv=False)
    if values.min() < 0.26 or values.max() > 3.9:
        return
    expected = (face - mean_x) @ linear.T + mean_r
    np.testing.assert_allclose(methods.solve(method, face, plate, weight).apply(face), expected, atol=3e-4)


@quick
@given(mattes, st.floats(0, 30), st.floats(0, 30))
def test_eroding_more_never_leaves_more(weight, first, second):
    low, high = sorted((first, second))
    small, large = matte.erode(weight, high), matte.erode(weight, low)
    assert (small <= large + 1e-6).all()
    assert (large <= weight).all()
    assert (matte.erode(weight, -low) >= weight).all()
    assert (matte.erode(weight, -high) >= matte.erode(weight, -low) - 1e-6).all()


@quick
@given(mattes, st.floats(0, 40))
def test_a_feather_never_leaves_the_matte_and_ends_at_the_border(weight, px):
    out = matte.feather(weight, px)
    assert (out <= weight).all()
    assert (out >= 0).all()
    assert not out[0].any() and not out[-1].any() and not out[:, 0].any() and not out[:, -1].any()


@quick
@given(st.floats(0, 12), st.floats(0.001, 0.05), st.sampled_from([matte.erode, matte.feather]))
def test_a_keyframed_width_moves_the_edge_smoothly(px, step, operation):
    disc = np.hypot(*np.mgrid[-24:25, -24:25]) < 18
    before, after = (operation(disc.astype(np.float32), value) for value in (px, px + step))
    assert np.abs(after - before).max() <= 2 * step


@quick
@given(st.integers(0, 1000), st.floats(-100, 100), st.floats(0, 8))
def test_sharpening_keeps_flat_colours_and_highlights(seed, amount, radius):
    level = np.float32(np.random.default_rng(seed).uniform(0, 40))
    flat = np.full((12, 9, 3), level, np.float32)
    np.testing.assert_allclose(sharpness.sharpen(flat, amount, radius), flat, rtol=2e-5)


def test_results_do_not_depend_on_the_thread_count():
    face, plate, weight = picture(3, (300, 310)), picture(4, (300, 310)), soft_matte(5, (300, 310))
    placement = np.array([[0.8, 0.1, 3.2], [-0.1, 0.8, 40.7]])
    box = paste.paste_box(placement, paste.Box(0, 0, 300, 300), paste.Box(0, 0, 400, 400))
    results = []
    before = cv2.getNumThreads()
    try:
        for threads in (1, 2, 5):
            cv2.setNumThreads(threads)
            edge = matte.feather(matte.erode(weight, 3.3), 9.1)
            solved = methods.solve("monge_kantorovich", face, plate, edge)
            new = sharpness.sharpen(solved.apply(face), 40, 1.7)
            warped = paste.warp_to_box(new, placement, box)
            cover = paste.warp_to_box(edge, placement, box, "linear")
            results.append(bits(paste.over(np.full_like(warped, 40.0), warped, cover)))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_matte_is_an_error_that_says_so(method):
    with pytest.raises(PlateError, match="matte is empty"):
        methods.solve(method, picture(1), picture(2), np.zeros((32, 28), np.float32))


@quick
@given(st.integers(0, 10_000), st.sampled_from(TABLE_METHODS))
def test_moving_a_picture_onto_itself_is_the_identity(seed, method):
    image = picture(seed)
    solved = methods.solve(method, image, image, soft_matte(seed))
    np.testing.assert_allclose(solved.apply(image), image, atol=1e-5)


@quick
@given(st.integers(0, 10_000), st.sampled_from(TABLE_METHODS))
def test_transport_brings_the_distribution_closer_than_a_matrix(seed, method):
    """A tone curve and a twist of hue that no matrix makes; judged by the channels' quantiles."""
    face = picture(seed, (64, 64))
    plate = face + 0.06 * np.sin((face - 0.4) * 12) + 0.03 * np.roll(face - 0.4, 1, axis=2) ** 2 * 20
    weight = np.ones((64, 64), np.float32)

    def apart(matched):
        shares = np.linspace(0.02, 0.98, 49)
        return np.abs(
            np.quantile(matched, shares, axis=(0, 1)) - np.quantile(plate, shares, axis=(0, 1))
        ).mean()

    plate = plate.astype(np.float32)
    straight = methods.solve("monge_kantorovich", face, plate, weight).apply(face)
    assert apart(methods.solve(method, face, plate, weight).apply(face)) < 0.75 * apart(straight)


@quick
@given(st.integers(0, 10_000), st.sampled_from(TABLE_METHODS), any_float)
def test_transport_is_repeatable_deaf_to_the_outside_and_finite(seed, method, outside):
    face, plate, weight = picture(seed), picture(seed + 1), soft_matte(seed)
    before = methods.solve(method, face, plate, weight).apply(face)
    loud, bright = face.copy(), plate.copy()
    loud[weight == 0] = outside
    bright[weight == 0] = 40.0
    again = methods.solve(method, loud, bright, weight)
    assert np.array_equal(again.apply(face), before)
    assert np.isfinite(before).all()
    assert np.array_equal(methods.solve(method, face, plate, weight, strength=0).apply(face), face)


@quick
@given(st.integers(0, 10_000), st.sampled_from(TABLE_METHODS))
def test_transport_tears_no_neighbours_apart(seed, method):
    face, plate, weight = picture(seed), picture(seed + 1), soft_matte(seed)
    solved = methods.solve(method, face, plate, weight)
    step = np.float32(1e-3)
    # The matrix may quadruple a contrast, and what the table adds may do as much again.
    most = 5 * np.abs(solved.matrix[:, :3]).sum(axis=1).max() * step
    assert np.abs(solved.apply(face + step) - solved.apply(face)).max() < most


def test_transport_with_nothing_under_the_matte_is_an_error():
    with pytest.raises(PlateError, match="empty"):
        methods.solve("sliced", picture(1), picture(2), np.zeros((32, 28), np.float32))


NEUTRAL = {"gain_stops": 0.0, "gamma": 1.0, "lift": 0.0, "saturation": 1.0, "hue_degrees": 0.0}


def test_a_neutral_grade_is_the_identity_to_the_bit():
    assert np.array_equal(grade.matrix(**NEUTRAL), np.eye(3, 4))


@quick
@given(st.floats(-3, 3), st.floats(0.03, 4))
def test_a_stop_of_gain_is_twice_the_light(stops, value):
    encoded = colour.encode(np.full((1, 1, 3), value, np.float32), "ACEScg")
    graded = (
        match.ColourMatch.identity().then(grade.matrix(**{**NEUTRAL, "gain_stops": stops})).apply(encoded)
    )
    wanted = value * 2**stops
    if wanted > 0.02:  # below lies the straight foot of ACEScct
        seen = colour.decode(np.asarray(graded, np.float32), "ACEScg")
        np.testing.assert_allclose(seen, wanted, rtol=2e-3)


@quick
@given(st.floats(0.3, 3), st.floats(-0.4, 0.4), st.floats(0, 2), st.floats(-180, 180))
def test_a_grade_keeps_its_pivots_and_greys(gamma, lift, saturation, hue):
    def graded(grey, **change):
        out = grade.matrix(**{**NEUTRAL, **change}) @ [grey, grey, grey, 1]
        assert np.ptp(out) < 1e-12
        return float(out[0])

    turned = {"saturation": saturation, "hue_degrees": hue}
    assert graded(grade.MID_GREY, gamma=gamma, **turned) == pytest.approx(grade.MID_GREY)
    assert graded(grade.WHITE, lift=lift, **turned) == pytest.approx(grade.WHITE)
    assert graded(0.3, **turned) == pytest.approx(0.3)


def test_a_third_of_a_turn_makes_red_green_and_no_saturation_makes_grey():
    red = np.array([0.6, 0.3, 0.3, 1.0])
    np.testing.assert_allclose(
        grade.matrix(**{**NEUTRAL, "hue_degrees": 120.0}) @ red, [0.3, 0.6, 0.3], atol=1e-9
    )
    np.testing.assert_allclose(grade.matrix(**{**NEUTRAL, "saturation": 0.0}) @ red, [0.4] * 3, atol=1e-9)


@quick
@given(st.integers(0, 10_000), st.sampled_from(["mean", "sliced"]))
def test_a_match_and_a_grade_are_one_match(seed, method):
    face, plate, weight = picture(seed), picture(seed + 1), soft_matte(seed)
    solved = methods.solve(method, face, plate, weight)
    graded = grade.matrix(gain_stops=0.5, gamma=1.2, lift=0.1, saturation=1.3, hue_degrees=20.0)
    after = match.ColourMatch(graded).apply(solved.apply(face))
    np.testing.assert_allclose(solved.then(graded).apply(face), after, atol=1e-5)


def test_a_grade_out_of_range_is_refused():
    for change in ({"gamma": 0.0}, {"lift": 1.0}, {"saturation": -1.0}, {"hue_degrees": float("nan")}):
        with pytest.raises(JobError, match="grade"):
            grade.matrix(**{**NEUTRAL, **change})


@quick
@given(st.integers(0, 10_000), st.floats(-0.3, 0.3))
def test_a_beard_in_the_plate_does_not_count_as_dark_skin(seed, shift):
    face = picture(seed, (48, 48), spread=0.02)
    plate = face + np.float32(shift)
    plate[32:] -= 0.25
    everywhere = np.ones((48, 48), np.float32)
    weight = robust_weights(face, plate, everywhere)
    assert (weight <= everywhere).all()
    assert weight[:32].min() > 0.99 and weight[32:].max() < 0.01
    solved = methods.solve("mean", face, plate, weight)
    np.testing.assert_allclose(solved.matrix[:, 3], [shift] * 3, atol=5e-3)


@quick
@given(st.integers(0, 10_000), st.floats(-0.2, 0.2), st.floats(-0.1, 0.1))
def test_a_beard_is_told_from_light_by_what_the_bare_skin_shows(seed, across, down):
    """The key light is two stops above the fill, and the beard reaches from ear to ear."""
    places = (2.0 * np.arange(64) + 1.0) / 64 - 1.0
    light = (across * places[None] + down * places[:, None]).astype(np.float32)
    face = picture(seed, (64, 64), spread=0.02)
    plate = face + (light + np.float32(0.05))[..., None]
    plate[32:] -= 0.15
    everywhere, skin = np.ones((64, 64), np.float32), np.zeros((64, 64), np.float32)
    skin[4:30, 6:58] = 1
    skin[10:14, 20:44] = 0.5
    weight = robust_weights(face, plate, everywhere, skin=skin)
    assert weight[:32].min() > 0.95 and weight[32:].max() < 0.05
    of_face, of_plate = match.measure(face, plate, weight)
    wanted = 0.05 + float(light[:32].mean())
    np.testing.assert_allclose(of_plate.mean - of_face.mean, [wanted] * 3, atol=0.01)


def test_something_before_the_bare_skin_does_not_bend_the_light():
    face = picture(3, (64, 64), spread=0.02)
    plate = face + np.float32(0.05)
    plate[4:16, 30:58] -= 0.3  # a fringe
    everywhere, skin = np.ones((64, 64), np.float32), np.zeros((64, 64), np.float32)
    skin[4:30, 6:58] = 1
    weight = robust_weights(face, plate, everywhere, skin=skin)
    assert weight[4:16, 30:58].max() < 0.01 and weight[32:].min() > 0.95


@quick
@given(st.integers(0, 10_000), any_float, st.booleans())
def test_what_is_trusted_is_finite_and_inside_the_matte(seed, value, known):
    face, plate, weight = picture(seed), picture(seed + 1), soft_matte(seed)
    skin = soft_matte(seed + 2) if known else None
    plate[::5, ::3] = value
    seen = robust_weights(face, plate, weight, skin=skin)
    assert np.isfinite(seen).all() and (seen <= weight).all() and (seen >= 0).all()
    assert not robust_weights(face, plate, np.zeros_like(weight), skin=skin).any()


def test_where_nothing_is_surely_skin_all_of_the_matte_says_what_is_common():
    face, plate, weight = picture(1), picture(2), soft_matte(1)
    hardly = np.zeros_like(weight)
    hardly[weight.argmax() // weight.shape[1], weight.argmax() % weight.shape[1]] = 1
    expected = robust_weights(face, plate, weight)
    for skin in (np.zeros_like(weight), hardly):
        assert np.array_equal(robust_weights(face, plate, weight, skin=skin), expected)


@pytest.mark.parametrize("size", [96, 256])
def test_bare_skin_is_forehead_nose_and_cheeks(size):
    points = TEMPLATE * size - 0.5
    skin = skin_mask(points.astype(np.float32), size)
    cheeks = [
        (points[2] + points[31]) / 2 - [0, 0.03 * size],
        (points[14] + points[35]) / 2 - [0, 0.03 * size],
    ]
    forehead = points[27] - (points[8] - points[27]) * 0.2
    for x, y in [*cheeks, forehead, points[28], points[29]]:
        assert skin[round(y), round(x)] == 1, (x, y)
    for x, y in [*points[[8, 19, 24, 37, 44, 48, 51, 54, 57, 5, 11]], *points[[36, 45]]]:
        assert skin[round(y), round(x)] == 0, (x, y)
    assert 0.1 < skin.mean() < 0.4
