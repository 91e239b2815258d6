"""Following and steadying a face."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.face import align
from understudy.face.detect.protocol import DetectedFace, box_round
from understudy.face.pose import MEAN, pose
from understudy.face.sharpness import sharpness
from understudy.face.track.associate import associate, without
from understudy.face.track.smooth import smooth
from understudy.face.track.store import TrackedFace
from understudy.face.track.stretches import stretches
from understudy.face.track.verdicts import Wanted


def face(x: float, y: float = 200, size: float = 100, wide: float = 1.0) -> DetectedFace:
    points = ((align.TEMPLATE - 0.5) * [wide, 1] * size + [x, y]).astype(np.float32)
    return DetectedFace(box_round(points), 0.9, points, 0.9)


def performers(
    detections: dict[int, list[DetectedFace]], wanted: Wanted | None = None
) -> list[dict[int, DetectedFace]]:
    """Told apart by motion and proportions alone."""
    return associate(stretches(detections), wanted).faces()


def test_the_larger_of_two_faces_is_followed_past_the_other() -> None:
    hero = {n: face(100 + 6 * n, size=120) for n in range(60)}
    other = {n: face(460 - 6 * n, y=330, size=90) for n in range(60)}
    (found,) = performers({n: [other[n], hero[n]] for n in range(60)})
    assert all(found[n] is hero[n] for n in range(60))


def test_a_box_picks_the_other_face() -> None:
    frames = {n: [face(100, size=120), face(400, size=80)] for n in range(1, 20)}
    (found,) = performers(frames, Wanted(box=(350, 150, 450, 250)))
    assert all(found[n] is frames[n][1] for n in frames)


def test_a_reference_picture_picks_by_shape() -> None:
    frames = {n: [face(100, size=120, wide=1.25), face(400, size=80)] for n in range(1, 20)}
    (found,) = performers(frames, Wanted(landmarks=face(30, 40, size=300).landmarks))
    assert all(found[n] is frames[n][1] for n in frames)


def test_a_gap_is_bridged_and_left_empty() -> None:
    frames = {n: [] if 10 <= n < 30 else [face(100 + n)] for n in range(40)}
    (found,) = performers(frames)
    assert sorted(found) == [*range(10), *range(30, 40)]


def test_another_performer_does_not_fill_the_gap() -> None:
    frames = {n: [face(100, size=260), face(400, size=80, wide=1.25)] for n in range(20)}
    frames |= {n: [face(400, size=80, wide=1.25)] for n in range(20, 40)}
    assert sorted(performers(frames)[0]) == list(range(20))


def test_two_performers_are_told_apart_at_once_and_named_from_left_to_right() -> None:
    left = {n: face(120 + 4 * n, size=90, wide=1.25) for n in range(60)}
    right = {n: face(420 - 4 * n, y=330, size=120) for n in range(60)}
    # They change sides; which of them a detector gives first says nothing.
    found = performers(
        {n: [right[n], left[n]] if n % 2 else [left[n], right[n]] for n in range(60)}, Wanted(2)
    )
    assert [len(one) for one in found] == [60, 60]
    assert all(found[0][n] is left[n] and found[1][n] is right[n] for n in range(60))


def test_neither_of_two_performers_gets_the_others_face_after_a_gap() -> None:
    wide, narrow = (lambda n, x: face(x + n, size=100, wide=1.25)), (lambda n, x: face(x - n, size=90))
    frames = {n: [wide(n, 100), narrow(n, 400)] for n in range(20)}
    # Behind a pillar for longer than a face is waited for; they come back on each other's side.
    frames |= {n: [] for n in range(20, 40)} | {n: [narrow(n, 150), wide(n, 380)] for n in range(40, 60)}
    first, second = sorted(performers(frames, Wanted(2)), key=lambda one: float(one[0].box[0]))
    assert all(first[n] is frames[n][0] and second[n] is frames[n][1] for n in range(20))
    assert all(first[n] is frames[n][1] and second[n] is frames[n][0] for n in range(40, 60))


def test_one_performer_in_two_tracklets_is_not_taken_for_two() -> None:
    frames = {n: [face(100 + n, size=120)] for n in range(30)} | {n: [] for n in range(30, 50)}
    frames |= {n: [face(400 + n, size=120), face(150, size=60, wide=1.25)] for n in range(50, 80)}
    small, large = sorted(performers(frames, Wanted(2)), key=len)
    assert sorted(large) == [*range(30), *range(50, 80)]
    assert all(small[n] is frames[n][1] for n in range(50, 80))


def test_fewer_performers_than_were_asked_for_are_all_there_are() -> None:
    assert len(performers({n: [face(100 + n)] for n in range(20)}, Wanted(3))) == 1


def test_a_face_that_is_tracked_already_is_not_looked_for() -> None:
    hero, other = face(100, size=120), face(400, size=80)
    left = without({1: [hero, other], 2: [hero]}, {1: [hero.landmarks + np.float32(2)]})
    assert left == {1: [other], 2: [hero]}


def test_no_face_is_no_track() -> None:
    assert performers({}) == [] and performers({1: [], 2: []}) == []


def tracked(n: int, x: float, *, by_hand: bool = False) -> TrackedFace:
    one = face(x)
    return TrackedFace(n, one.landmarks, 0.9, by_hand, one.box)


def middles(faces: list[TrackedFace]) -> np.ndarray:
    return np.array([one.landmarks[:, 0].mean() for one in faces])


def test_a_steady_move_is_not_changed_up_to_its_ends() -> None:
    faces = [tracked(n, 100 + 3 * n) for n in range(30)]
    assert np.allclose(middles(smooth(faces, frames=2)), middles(faces), atol=1e-3)


def test_jitter_is_smoothed_without_delay() -> None:
    noise = np.random.default_rng(1).normal(0, 1, 200)
    wave = 20 * np.sin(np.arange(200) / 12)
    clean = middles([tracked(n, 100 + wave[n]) for n in range(200)])
    steady = middles(smooth([tracked(n, 100 + wave[n] + noise[n]) for n in range(200)], frames=2))
    assert (steady - clean).std() < 0.55
    delays = [np.abs(np.roll(clean, k)[9:-9] - steady[9:-9]).mean() for k in (-1, 0, 1)]
    assert int(np.argmin(delays)) == 1


def test_nothing_is_carried_over_a_cut_or_a_gap() -> None:
    cut = [tracked(n, 100 if n < 10 else 500) for n in range(20)]
    assert np.allclose(middles(smooth(cut, frames=3)), middles(cut), atol=1e-3)
    gap = [tracked(n, 100 if n < 10 else 130) for n in (*range(10), *range(15, 25))]
    assert np.allclose(middles(smooth(gap, frames=3)), middles(gap), atol=1e-3)


def test_a_face_set_by_hand_is_untouched() -> None:
    faces = [tracked(n, 100, by_hand=n == 5) for n in range(5)] + [tracked(5, 112, by_hand=True)]
    assert smooth(faces, frames=3)[5] is faces[5]


def test_zero_frames_leaves_faces_as_they_are() -> None:
    faces = [tracked(2, 1), tracked(1, 2)]
    assert smooth(faces, frames=0) == [faces[1], faces[0]]


def test_pose_has_the_signs_it_promises() -> None:
    def turned(axis: int, degrees: float) -> np.ndarray:
        angle = np.radians(degrees)
        a, b = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        return MEAN @ turn.T

    for degrees in (-50, -20, 20, 50):
        for axis in (0, 1, 2):
            seen = turned(axis, degrees)
            angles = np.degrees(pose(seen[:, :2]))
            assert abs(abs(angles[(1, 0, 2)[axis]]) - abs(degrees)) < 1
    right = turned(1, 20)
    right = right if right[30, 0] > 0 else turned(1, -20)
    assert pose(right[:, :2])[0] > 0
    down = turned(0, 20)
    down = down if down[30, 1] > turned(0, -20)[30, 1] else turned(0, -20)
    assert pose(down[:, :2])[1] > 0
    assert pose(turned(2, 20)[:, :2])[2] > 0


def test_sharpness_falls_with_blur_and_not_with_contrast() -> None:
    crop = np.random.default_rng(0).random((256, 256, 3), np.float32)
    soft = cv2.GaussianBlur(crop, None, 6)
    assert sharpness(soft) < 0.5 * sharpness(crop)
    assert np.isclose(sharpness(crop * 0.3), sharpness(crop), rtol=0.02)
    assert sharpness(np.zeros((64, 64, 3), np.float32)) == 0
