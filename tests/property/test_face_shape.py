"""A performer's own shape is found whatever the performer happened to do in front of the camera."""

from __future__ import annotations

import numpy as np
import pytest
import shapes as bench
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.face import anatomy
from understudy.face.align import TEMPLATE, similarity, transform
from understudy.face.identity_shape import identity_shapes
from understudy.face.landmarks import MIRROR

LOWER_LIP_AND_JAW = [*range(5, 12), *range(55, 60), *range(65, 68)]


def performance(random, shape, *, opened, count=200):
    """Landmarks that open the mouth by `opened` of the crop on average, turn, and tremble; and the poses."""
    yaw = random.normal(0, 0.4, count)
    landmarks = np.repeat(shape[None], count, axis=0)
    landmarks[:, LOWER_LIP_AND_JAW, 1] += random.gamma(2.0, opened / 2, (count, 1))
    landmarks[:, :, 0] += yaw[:, None] * 0.1
    landmarks += random.normal(0, 0.001, landmarks.shape)
    return landmarks, np.stack([yaw, np.zeros(count)], axis=1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), talks=st.floats(0.02, 0.08), rests=st.floats(0.001, 0.01))
def test_one_who_talks_and_one_who_rests_have_the_same_mouth(seed, talks, rests):
    random = np.random.default_rng(seed)
    one, first_poses = performance(random, TEMPLATE, opened=talks)
    two, second_poses = performance(random, TEMPLATE, opened=rests)
    shapes = identity_shapes([one, two], [first_poses, second_poses])
    by_means = np.abs(one.mean(0) - two.mean(0)).max()
    assert np.abs(shapes[0] - shapes[1]).max() < max(0.4 * by_means, 0.003)


def unplaced(face, other):
    """A face moved onto another as near as a similarity transform brings it."""
    return transform(face, similarity(face, other))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_wider_face_stays_wider(seed):
    random = np.random.default_rng(seed)
    wider = TEMPLATE * [1.06, 1.0]
    one, first_poses = performance(random, TEMPLATE, opened=0.03)
    two, second_poses = performance(random, wider, opened=0.03)
    shapes = identity_shapes([one, two], [first_poses, second_poses])
    carried = TEMPLATE + shapes[1] - shapes[0]
    far = np.linalg.norm(unplaced(carried, wider) - wider, axis=1).mean()
    assert far < 0.6 * np.linalg.norm(unplaced(TEMPLATE, wider) - wider, axis=1).mean()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), squints=st.floats(0.005, 0.02))
def test_one_who_squints_all_the_time_has_no_narrower_eyes(seed, squints):
    """Nothing in either performance says that lids move; that they do is known of people."""
    random = np.random.default_rng(seed)
    narrow = TEMPLATE.copy()
    narrow[[37, 38, 43, 44], 1] += 0.7 * squints
    narrow[[40, 41, 46, 47], 1] -= 0.3 * squints
    one, first_poses = performance(random, TEMPLATE, opened=0.02)
    two, second_poses = performance(random, narrow, opened=0.02)
    shapes = identity_shapes([one, two], [first_poses, second_poses])
    apart = shapes[0] - shapes[1]
    narrower = (apart[[41, 40, 47, 46], 1] - apart[[37, 38, 43, 44], 1]).mean()
    assert abs(narrower) < 0.5 * squints


def test_nobody_is_born_with_an_open_mouth():
    opening = np.zeros((68, 2))
    opening[[61, 62, 63], 1], opening[[65, 66, 67], 1] = -1.0, 1.0
    among_people = opening.ravel() @ anatomy.PEOPLE @ opening.ravel()
    in_acting = opening.ravel() @ anatomy.ACTING @ opening.ravel()
    assert among_people < 1e-6 * in_acting


@pytest.mark.parametrize("known", [anatomy.PEOPLE, anatomy.ACTING, anatomy.PLACING])
def test_what_is_known_is_a_covariance_and_the_same_on_both_sides_of_the_face(known):
    order = np.stack([2 * np.array(MIRROR), 2 * np.array(MIRROR) + 1], axis=1).ravel()
    sign = np.tile([-1.0, 1.0], 68)
    mirrored = sign[:, None] * known[order][:, order] * sign
    assert np.linalg.eigvalsh(known).min() > -1e-6 * np.linalg.eigvalsh(known).max()
    np.testing.assert_allclose(mirrored, known, atol=0.02 * np.abs(known).max())


def test_digital_performers_are_carried_over_and_their_habits_are_not(monkeypatch):
    monkeypatch.setattr(bench, "FRAMES", 50)
    monkeypatch.setattr(bench, "SHOT_FRAMES", 6)
    pairs = [bench.Pair.from_seed(seed) for seed in range(6)]
    by_shape, unchanged, by_means = (
        bench.errors(pairs, estimate) for estimate in (identity_shapes, bench.nothing, bench.means)
    )
    for name in ("jaw", "eyes", "mouth", "all", "all, but for size"):
        assert by_shape[name] < min(unchanged[name], by_means[name]), name
    assert by_shape["mouth open"] < 0.25 < by_means["mouth open"]


def test_one_performer_alone_is_as_seen_from_the_front():
    random = np.random.default_rng(0)
    landmarks, poses = performance(random, TEMPLATE, opened=0.0)
    assert identity_shapes([landmarks], [poses])[0] == pytest.approx(TEMPLATE, abs=0.002)
