"""Who is who: what motion, cuts and the recognition network's numbers make of a shot's faces."""

from __future__ import annotations

import numpy as np
import pytest

from understudy.face import align
from understudy.face.detect.protocol import DetectedFace, box_round
from understudy.face.pose import MEAN
from understudy.face.track import likeness
from understudy.face.track.associate import associate
from understudy.face.track.cuts import cuts, thumbnail
from understudy.face.track.described import (
    DESCRIBED_FACES,
    OTHER,
    SAME,
    Described,
    Descriptors,
    apart,
    best_frames,
    is_clear,
    parted,
)
from understudy.face.track.persons import Distances, persons
from understudy.face.track.stretches import Stretch, stretches
from understudy.face.track.verdicts import Association, Wanted

RANDOM = np.random.default_rng(26)


def person() -> np.ndarray:
    """The middle of one performer's descriptors: two such are 1.4 apart and more."""
    direction = RANDOM.normal(size=128)
    return direction / np.linalg.norm(direction) * 1.4


def described(
    who: np.ndarray, count: int = DESCRIBED_FACES, spread: float = 0.2, *, clear: bool = True
) -> Described:
    """Faces of one performer, their descriptors about 1.4 times `spread` from each other."""
    noise = RANDOM.normal(size=(count, 128))
    rows = who + spread * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return Described(rows.astype(np.float32), clear)


def row(who: np.ndarray) -> Descriptors:
    return described(who, 1).rows[0]


def towards(who: np.ndarray, distance: float) -> np.ndarray:
    """Another middle, this far away."""
    direction = RANDOM.normal(size=128)
    return who + distance * direction / np.linalg.norm(direction)


def face(x: float, size: float = 100, *, confidence: float = 0.9, wide: float = 1.0) -> DetectedFace:
    points = ((align.TEMPLATE - 0.5) * [wide, 1] * size + [x, 200]).astype(np.float32)
    return DetectedFace(box_round(points), 0.9, points, confidence)


def stretch(first: int, last: int, x: float = 100, size: float = 100, wide: float = 1.0) -> Stretch:
    return Stretch({n: face(x, size, wide=wide) for n in range(first, last + 1)})


def said(found: Association) -> list[tuple[int, int | None, bool]]:
    return [(one.stretch.first, one.performer, one.sure) for one in found.verdicts]


ANNA, BEN, CLEO = person(), person(), person()


def test_what_comes_back_after_a_cut_is_joined_and_who_comes_between_is_left_out() -> None:
    shot = [stretch(1, 8), stretch(9, 16), stretch(17, 24, x=300), stretch(51, 54)]
    rows = [described(who) for who in (ANNA, BEN, ANNA, ANNA)]
    found = associate(shot, None, rows)
    assert said(found) == [(1, 0, True), (9, None, True), (17, 0, True), (51, 0, True)]
    (tracked,) = found.faces()
    assert sorted(tracked) == [*range(1, 9), *range(17, 25), *range(51, 55)]
    assert found.verdicts[1].distance is not None and found.verdicts[1].distance > OTHER
    assert "another performer" in found.verdicts[1].why and found.rival == pytest.approx(8 / 20)


def test_a_reference_or_a_box_says_who_is_meant_though_another_is_larger() -> None:
    shot = [stretch(1, 8, x=300), stretch(9, 40, size=200), stretch(41, 44)]
    rows = [described(who) for who in (ANNA, BEN, ANNA)]
    for wanted in (
        Wanted(described=described(ANNA, 1)),
        Wanted(box=(250, 150, 350, 250)),
        Wanted(described=described(BEN, 1), box=(250, 150, 350, 250)),
    ):
        (tracked,) = associate(shot, wanted, rows).faces()
        assert sorted(tracked) == [*range(1, 9), *range(41, 45)]
    (largest,) = associate(shot, None, rows).faces()
    assert sorted(largest) == list(range(9, 41))


def test_where_the_references_performer_is_not_there_nobody_is_taken() -> None:
    found = associate([stretch(1, 8)], Wanted(described=described(BEN, 1)), [described(ANNA)])
    assert found.performers == [] and found.faces() == []
    assert found.verdicts[0].performer is None and "not the reference" in found.verdicts[0].why


def test_a_box_with_nobody_under_it_is_told() -> None:
    shot = [stretch(1, 8)]
    for rows in (None, [described(ANNA)]):
        (judged,) = associate(shot, Wanted(box=(800, 800, 900, 900)), rows).verdicts
        assert judged.performer == 0 and not judged.sure and judged.why == likeness.BOX_MISSED


@pytest.mark.parametrize(("wide", "joined"), [(1.0, True), (2.0, False)])
def test_between_the_two_distances_proportions_decide_and_say_that_they_are_not_sure(
    wide: float, joined: bool
) -> None:
    near = towards(ANNA, (SAME + OTHER) / 2)
    shot = [stretch(1, 30), stretch(40, 50, wide=wide)]
    found = associate(shot, None, [described(ANNA, spread=0.01), described(near, spread=0.01)])
    assert said(found) == [(1, 0, True), (40, 0 if joined else None, False)]
    assert SAME < (found.verdicts[1].distance or 0) < OTHER


def test_without_the_network_every_join_is_doubtful() -> None:
    found = associate([stretch(1, 30), stretch(40, 50), stretch(60, 70, wide=2.0)], None, None)
    assert said(found) == [(1, 0, True), (40, 0, False), (60, None, False)]


def test_two_performers_keep_their_names_through_a_cut_that_changes_their_sides() -> None:
    shot = [stretch(1, 20, 100), stretch(1, 20, 400), stretch(21, 40, 400), stretch(21, 40, 100)]
    shot += [stretch(41, 60, 250)]
    found = associate(shot, Wanted(2), [described(who) for who in (ANNA, BEN, ANNA, BEN, CLEO)])
    by_person = [[one.first for one in parts] for parts in found.performers]
    assert by_person == [[1, 21], [1, 21]]
    assert shot[0] in found.performers[0] and shot[2] in found.performers[0]
    assert said(found)[-1] == (41, None, True)


def test_two_performers_who_never_meet_are_two() -> None:
    shot = [stretch(1, 20), stretch(21, 30), stretch(31, 50)]
    found = associate(shot, Wanted(2), [described(who) for who in (ANNA, BEN, ANNA)])
    assert sorted(sorted(one.first for one in parts) for parts in found.performers) == [[1, 31], [21]]


def test_two_in_one_frame_are_never_one_person_however_alike() -> None:
    twins = [stretch(1, 20, 100), stretch(5, 20, 400), stretch(30, 40, 100)]
    groups = persons(twins, Distances.of([described(ANNA, spread=0.01) for _ in twins]))
    assert sorted(map(len, groups)) == [1, 2]
    assert not any({0, 1} <= set(group) for group in groups)


def test_a_chain_of_in_between_faces_does_not_join_two_persons() -> None:
    steps = [ANNA + (BEN - ANNA) / np.linalg.norm(BEN - ANNA) * 0.4 * n for n in range(5)]
    shot = [stretch(10 * n, 10 * n + 5) for n in range(5)]
    groups = persons(shot, Distances.of([described(one, spread=0.001) for one in steps]))
    assert not any({0, 4} <= set(group) for group in groups)


def test_distances_agree_with_apart_and_know_what_could_not_be_described() -> None:
    rows = [described(ANNA), described(BEN, 3), None]
    table = Distances.of(rows).apart
    assert np.isinf(table[2, :2]).all() and np.array_equal(table, table.T)
    # Three rows are repeated to five, so that all stretches weigh alike.
    again = rows[1].rows[[0, 1, 2, 0, 1]]
    assert table[0, 1] == pytest.approx(apart(rows[0].rows, again), rel=1e-5)
    assert associate([stretch(1, 20), stretch(40, 50)], None, [rows[0], None]).verdicts[1].sure is False


def test_large_sure_faces_spread_over_a_stretch_are_described() -> None:
    shown = Stretch({n: face(100, confidence=0.95 if n % 10 == 3 else 0.3) for n in range(50)})
    assert best_frames(shown) == [3, 13, 23, 33, 43]
    assert best_frames(stretch(7, 8)) == [7, 8]
    assert (len(best_frames(stretch(1, 100))), len(best_frames(stretch(1, 900)))) == (10, 30)


def turned(x: float = 100, yaw: float = 70, size: float = 100) -> DetectedFace:
    """The mean head, turned to the picture's right by degrees."""
    angle = np.radians(yaw)
    across = MEAN[:, 0] * np.cos(angle) - MEAN[:, 2] * np.sin(angle)
    points = (np.stack([across, MEAN[:, 1]], axis=1) * size / 1.6 + [x, 200]).astype(np.float32)
    return DetectedFace(box_round(points), 0.9, points, 0.9)


def test_a_face_is_clear_if_it_is_large_well_fitted_and_not_seen_from_the_side() -> None:
    assert is_clear(face(100)) and is_clear(turned(yaw=40)) and is_clear(turned(yaw=-40))
    assert not is_clear(turned(yaw=60)) and not is_clear(turned(yaw=-60))
    assert not is_clear(face(100, size=25)) and not is_clear(face(100, confidence=0.3))


def test_who_turns_to_the_side_is_described_from_the_front_and_stays_one_person() -> None:
    whole = Stretch({n: face(100) if n < 30 else turned() for n in range(1, 61)})
    assert max(best_frames(whole)) < 30
    aside = Stretch({n: turned() for n in range(1, 41)})
    rows = {n: row(ANNA if n < 20 else BEN) for n in best_frames(aside)}
    ((part, found),) = parted(aside, rows, lambda frame: None)
    assert part is aside and not found.clear


@pytest.mark.parametrize("like_the_front", [True, False])
def test_a_side_view_that_is_far_from_all_is_asked_about_and_one_that_is_near_is_joined(
    like_the_front: bool,
) -> None:
    shot = [stretch(1, 30), Stretch({n: turned() for n in range(40, 50)})]
    near = towards(ANNA, 0.3 if like_the_front else 0.7)
    found = associate(shot, None, [described(ANNA), described(near, spread=0.05, clear=False)])
    assert said(found) == [(1, 0, True), (40, 0 if like_the_front else None, like_the_front)]
    # It is no second performer either.
    assert len(associate(shot, Wanted(2), [described(ANNA), described(BEN, clear=False)]).performers) == 1


def test_a_reference_that_is_like_nobody_is_refused_and_says_if_that_is_not_sure() -> None:
    for clear in ((True, True), (True, False), (False, True)):
        wanted = Wanted(described=described(BEN, 1, clear=clear[0]))
        found = associate([stretch(1, 8)], wanted, [described(ANNA, clear=clear[1])])
        assert said(found) == [(1, None, all(clear))] and found.performers == []


def test_between_the_two_distances_a_reference_is_taken_and_doubted() -> None:
    near = towards(ANNA, (SAME + OTHER) / 2)
    wanted = Wanted(described=described(near, 1, spread=0.01))
    found = associate([stretch(1, 8)], wanted, [described(ANNA, spread=0.01)])
    assert said(found) == [(1, 0, False)] and "perhaps" in found.verdicts[0].why


def test_proportions_join_nothing_that_the_network_finds_far() -> None:
    shot = [stretch(1, 30), stretch(40, 50, size=25)]
    found = associate(shot, None, [described(ANNA), described(BEN, clear=False)])
    assert said(found) == [(1, 0, True), (40, None, False)]


def test_one_doubtful_stretch_of_another_performer_goes_with_its_own() -> None:
    between = ANNA + (BEN - ANNA) / np.linalg.norm(BEN - ANNA) * 0.55
    far = ANNA + (BEN - ANNA) / np.linalg.norm(BEN - ANNA) * 0.95
    shot = [stretch(1, 30), stretch(40, 45), stretch(50, 55), stretch(60, 65)]
    rows = [described(one, spread=0.01) for one in (ANNA, between, far, far)]
    assert said(associate(shot, None, rows))[1:] == [(40, None, True), (50, None, True), (60, None, True)]


def test_a_person_who_takes_the_place_of_another_in_one_stretch_is_parted_at_that_frame() -> None:
    whole = stretch(1, 60)
    truth = {n: row(ANNA if n < 38 else BEN) for n in whole.faces}
    looked: list[int] = []

    def look(frame: int) -> np.ndarray | None:
        looked.append(frame)
        return None if frame == 36 else truth[frame]

    rows = {n: truth[n] for n in (5, 17, 29, 41, 53)}
    parts = parted(whole, rows, look)
    assert [(one.first, one.last, len(found.rows)) for one, found in parts] == [(1, 37, 3), (38, 60, 2)]
    assert len(looked) <= 5
    truth |= {n: row(ANNA) for n in range(50, 61)}
    parts = parted(whole, {n: truth[n] for n in (5, 17, 29, 41, 53)}, look)
    assert [(one.first, one.last) for one, _ in parts] == [(1, 37), (38, 49), (50, 60)]
    again = {n: row(ANNA) for n in rows}
    assert [one for one, _ in parted(whole, again, look)] == [whole]


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8).repeat(20, 0).repeat(20, 1)


def test_cuts_are_told_and_moves_flashes_and_fades_are_not() -> None:
    small = {n: thumbnail(np.roll(picture(1), 2 * n, axis=1)) for n in range(12)}
    assert cuts(small) == set()
    assert cuts({n: (one * (0.5 + n / 24)).astype(np.uint8) for n, one in small.items()}) == set()
    other = {n: thumbnail(np.roll(picture(2), 2 * n, axis=1)) for n in range(12, 24)}
    assert cuts(small | other) == {12}
    assert cuts(small | {5: None}) == set()
    assert cuts(small | {5: np.zeros((16, 16, 3), np.uint8)}) >= {5}


def test_a_face_at_the_same_place_is_another_stretch_beyond_a_cut() -> None:
    def seen(n: int) -> DetectedFace:
        one = face(100)
        return DetectedFace(
            one.box, one.score, one.landmarks, one.confidence, thumbnail(picture(1 if n < 9 else 2))
        )

    found = stretches({n: [seen(n)] for n in range(1, 17)})
    assert [(one.first, one.last) for one in found] == [(1, 8), (9, 16)]
