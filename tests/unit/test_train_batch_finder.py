"""A batch is found by trying, trying changes nothing, and a batch may be raised along the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_training import SETTINGS, job, make_sets, resume
from understudy.core.errors import JobError, TrainingError
from understudy.core.progress import silent
from understudy.train import run as loop
from understudy.train import step
from understudy.train.checkpoints import model_folder, store
from understudy.train.hardware import batch_finder, process_group
from understudy.train.tasks.model import ModelTask


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    return make_sets(tmp_path)


def paced(monkeypatch: pytest.MonkeyPatch, *, start: float, each: float, most: int = 10**6) -> list[int]:
    """A device on which an iteration takes `start` seconds and `each` a face, and has room for `most`."""
    now, tried = [0.0], list[int]()

    def attempt(task: ModelTask) -> None:
        if task.state.batch > most:
            raise MemoryError
        tried.append(task.state.batch)
        now[0] += start + each * task.state.batch

    monkeypatch.setattr(batch_finder, "try_step", attempt)
    monkeypatch.setattr(batch_finder, "synchronised", lambda device: now[0])
    return tried


@pytest.mark.parametrize(
    ("start", "each", "most", "found"),
    [
        (0.0, 0.01, 10**6, 1),  # a device that one face keeps busy
        (0.08, 0.01, 10**6, 64),  # one that takes long to begin
        (0.08, 0.01, 8, 8),  # the same with little memory
        (0.0, 2.0, 10**6, 1),  # one that is slow in everything
        (1.0, 1e-6, 10**6, 256),
    ],
)
def test_the_batch_found_is_the_smallest_that_keeps_the_device_busy(
    tmp_path: Path,
    sets: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    start: float,
    each: float,
    most: int,
    found: int,
) -> None:
    study = resume(job(tmp_path / "m.model", sets, batch=0), silent)
    tried = paced(monkeypatch, start=start, each=each, most=most)
    assert batch_finder.find(ModelTask(study)) == study.batch == found
    assert max(tried) <= most


def test_where_not_one_face_fits_it_is_said(
    tmp_path: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = resume(job(tmp_path / "m.model", sets, batch=0), silent)
    paced(monkeypatch, start=0.1, each=0.1, most=0)
    with pytest.raises(TrainingError, match="Not even one face"):
        batch_finder.find(ModelTask(study))


@given(rates=st.dictionaries(st.sampled_from([1, 2, 4, 8, 16]), st.floats(0.1, 1e4), min_size=1))
def test_what_is_chosen_is_nearly_the_fastest_and_nothing_smaller_is(rates: dict[int, float]) -> None:
    chosen = batch_finder.choose(rates)
    assert rates[chosen] >= 0.85 * max(rates.values())
    assert all(rate < 0.85 * max(rates.values()) for batch, rate in rates.items() if batch < chosen)


def test_an_attempt_changes_nothing(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    study = resume(job(tmp_path / "m.model", sets), silent)
    before = {name: value.clone() for name, value in study.network.state_dict().items()}
    step.try_step(ModelTask(study))
    assert all(torch.equal(value, before[name]) for name, value in study.network.state_dict().items())
    assert all(value.grad is None for value in study.network.parameters()) and study.iteration == 0


def test_what_was_found_is_kept_by_a_resume(
    tmp_path: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "m.model"
    tried: list[int] = []

    def find(task: ModelTask) -> int:
        tried.append(task.state.iteration)
        task.state.first_batch = 3
        return 3

    monkeypatch.setattr(batch_finder, "find", find)
    first = loop.run(job(model, sets, batch=0, iterations=3), report=silent, settings=SETTINGS)
    again = loop.run(job(model, sets, batch=0, iterations=5), report=silent, settings=SETTINGS)
    assert (first["batch"], again["batch"], tried) == (3, 3, [0])
    assert store.read_state(store.find(model_folder.checkpoints(model))[-1])["batch"] == 3
    given_one = loop.run(job(model, sets, batch=2, iterations=6), report=silent, settings=SETTINGS)
    assert given_one["batch"] == 2


def test_a_batch_is_found_on_this_machine(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    run = job(tmp_path / "m.model", sets, batch=0, iterations=2)
    assert 1 <= loop.run(run, report=silent, settings=SETTINGS)["batch"] <= 256


def test_a_batch_that_is_raised_is_doubled_twice_at_most(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    study = resume(job(tmp_path / "m.model", sets, batch=2, raise_iterations=10), silent)
    raised = {}
    for study.iteration in (0, 9, 10, 19, 20, 1000):
        raised[study.iteration] = study.batch
    assert raised == {0: 2, 9: 2, 10: 4, 19: 4, 20: 8, 1000: 8}
    study.iteration = 10
    assert len(ModelTask(study)._draw(0).truth) == 4


def test_several_processes_need_a_batch_that_is_given(
    tmp_path: Path, sets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    from understudy.train.hardware.process_group import ProcessGroup

    monkeypatch.setattr(process_group, "connected", lambda device: nullcontext(ProcessGroup(0, 2)))
    with pytest.raises(JobError, match="A batch of 0 faces for 2 processes"):
        loop.run(job(tmp_path / "m.model", sets, batch=0), report=silent, settings=SETTINGS)
