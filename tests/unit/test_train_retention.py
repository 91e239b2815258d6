"""Checkpoints are thinned like backups, and what others put there stays."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from understudy.core.errors import TrainingError
from understudy.train.checkpoints import retention, store
from understudy.train.checkpoints.retention import DAY, HOUR, Saved

NOW = 20_000 * DAY + 15 * HOUR  # three in the afternoon, so that a day has begun before the last 24 hours


def saved(*ages: float, sound: bool = True) -> list[Saved]:
    """Checkpoints by age in seconds, oldest first; iterations count up."""
    return [Saved(Path(f"{i:08d}"), i, NOW - age, sound) for i, age in enumerate(sorted(ages, reverse=True))]


def ages(kept: list[Saved]) -> list[float]:
    return [NOW - one.saved_at for one in kept]


def test_the_newest_are_kept_whatever_their_age() -> None:
    assert ages(retention.choose(saved(5, 10, 15, 20), newest=3, now=NOW)) == [15, 10, 5]
    assert len(retention.choose(saved(*[30 * DAY + second for second in range(9)]), newest=4, now=NOW)) == 4


def test_a_days_work_keeps_one_an_hour() -> None:
    every_five_minutes = saved(*[minute * 60.0 for minute in range(0, 24 * 60, 5)])
    kept = retention.choose(every_five_minutes, newest=3, now=NOW)
    hours = {int(one.saved_at // HOUR) for one in every_five_minutes}
    assert {int(one.saved_at // HOUR) for one in kept} == hours
    assert len(kept) == len(hours) + 1 == 26, "two of the newest three are the newest of their hours too"


def test_beyond_a_day_one_a_day_is_kept() -> None:
    hourly = saved(*[hour * HOUR + 60.0 for hour in range(24 * 10)])
    kept = retention.choose(hourly, newest=1, now=NOW)
    old = [one for one in kept if NOW - one.saved_at >= DAY]
    assert len(old) == len({int(one.saved_at // DAY) for one in old}) == 10
    assert len(kept) == 24 + 10


def test_thinning_as_a_run_goes_ends_like_thinning_once() -> None:
    """A run that saves each quarter of an hour for three days, thinned at every save."""
    there: list[Saved] = []
    for number in range(4 * 24 * 3):
        now = NOW + number * HOUR / 4
        there = retention.choose([*there, Saved(Path(str(number)), number, now, True)], newest=2, now=now)
    steps = [round((b.saved_at - a.saved_at) / HOUR, 2) for a, b in pairwise(there)]
    assert len(there) < 4 + 24 + 4
    assert max(steps) <= 24 and steps[-1] == 0.25 and sorted(steps, reverse=True)[:2] == steps[:2]


def test_the_newest_sound_one_is_kept() -> None:
    doubtful = [Saved(Path(str(i)), i, NOW - 60 + i, False) for i in range(10, 20)]
    kept = retention.choose([*saved(120, 90), *doubtful], newest=2, now=NOW)
    assert [one.iteration for one in kept] == [1, 18, 19]


def test_a_clock_that_was_ahead_is_no_reason_to_lose_anything_newer() -> None:
    assert len(retention.choose(saved(-5 * DAY, -5 * DAY - HOUR, 0, HOUR), newest=1, now=NOW)) == 4


def write(folder: Path, iteration: int, **facts: object) -> Path:
    network = torch.nn.Linear(2, 2)
    return store.save(
        folder,
        iteration=iteration,
        network=network,
        ema=network,
        optimiser=torch.optim.Adam(network.parameters()),
        facts={"saved_at": NOW - 1000 + iteration, "sound": True} | facts,
    ).path


def test_only_what_understudy_wrote_is_removed(tmp_path: Path) -> None:
    ours, pinned, foreign, older = (write(tmp_path, number) for number in (1, 2, 3, 4))
    newest = write(tmp_path, 5)
    (pinned / "the take the client liked.txt").write_text("keep")
    (foreign / "state.json").write_text("{}")
    state = json.loads((older / "state.json").read_text())
    del state["saved_at"]  # as of a version that promised to leave it
    (older / "state.json").write_text(json.dumps(state))
    by_hand = tmp_path / "00000001 good"
    ours.rename(by_hand)
    ours = write(tmp_path, 1)
    (tmp_path / "notes.txt").write_text("mine")
    assert retention.thin(tmp_path, newest=1, now=NOW) == [ours]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {p.name for p in (pinned, foreign, older, newest, by_hand)} | {"notes.txt"}


def test_going_back_removes_what_lies_ahead(tmp_path: Path) -> None:
    paths = [write(tmp_path, number) for number in (1, 2, 3)]
    retention.forget_after(tmp_path, 1)
    assert [path.exists() for path in paths] == [True, False, False]


def test_half_written_checkpoints_are_never_found_and_are_tidied_up(tmp_path: Path) -> None:
    whole = write(tmp_path, 1)
    half = tmp_path / store.partial_name("00000002")
    half.mkdir()
    (half / "state.json").write_bytes((whole / "state.json").read_bytes())
    (tmp_path / ".hidden").mkdir()
    assert [found.path for found in store.find(tmp_path)] == [whole]
    store.tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {whole.name, ".hidden"}


def test_saving_an_iteration_again_keeps_what_somebody_put_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    (path / "notes.txt").write_text("mine")
    again = write(tmp_path, 1)  # other random weights
    assert again == path and not (again / "notes.txt").exists()
    (aside,) = (other for other in tmp_path.iterdir() if other != path)
    assert (aside / "notes.txt").read_text() == "mine"
    assert [found.path for found in store.find(tmp_path)] == [path]


def test_a_full_disk_leaves_the_checkpoints_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(tmp_path, 1)

    def full(table: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "save_file", full)
    with pytest.raises(TrainingError, match="No space left"):
        write(tmp_path, 2)
    assert list(tmp_path.iterdir()) == [before]
