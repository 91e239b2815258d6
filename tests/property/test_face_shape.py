"""A performer's own shape is found whatever the performer happened to do in front of the camera."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.face.canonical import TEMPLATE
from understudy.face.shape import identity_shapes

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
    assert np.abs(shapes[0] - shapes[1]).max() < max(0.25 * by_means, 0.003)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_wider_face_stays_wider(seed):
    random = np.random.default_rng(seed)
    wider = TEMPLATE * [1.06, 1.0]
    one, first_poses = performance(random, TEMPLATE, opened=0.03)
    two, second_poses = performance(random, wider, opened=0.03)
    shapes = identity_shapes([one, two], [first_poses, second_poses])
    np.testing.assert_allclose(shapes[1] - shapes[0], wider - TEMPLATE, atol=0.006)


def test_one_performer_alone_is_as_seen_from_the_front():
    random = np.random.default_rng(0)
    landmarks, poses = performance(random, TEMPLATE, opened=0.0)
    assert identity_shapes([landmarks], [poses])[0] == pytest.approx(TEMPLATE, abs=0.002)
