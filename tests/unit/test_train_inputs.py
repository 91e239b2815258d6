"""What lies in a model folder or a face set and should not is told, and nothing is lost by it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import small_training
from small_training import SETTINGS, make_sets, resume
from understudy.core.errors import FaceError, JobError, TrainingError
from understudy.core.progress import Event, Progress, Warned, silent
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import TrainJob
from understudy.train import run
from understudy.train.checkpoints import store
from understudy.train.tasks import model_start
from understudy.train.validation import history

Table = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, sets: tuple[Path, Path]) -> Path:
    """A model with checkpoints of iterations 2 and 4."""
    model = tmp_path_factory.mktemp("trained") / "m.model"
    for iterations in (2, 4):
        run.run(job(model, sets, iterations=iterations), report=silent, settings=SETTINGS)
    return model


@pytest.fixture
def model(tmp_path: Path, trained: Path) -> Path:
    """A copy of it, to spoil."""
    return Path(shutil.copytree(trained, tmp_path / "m.model"))


def job(model: Path, sets: tuple[Path, Path], **changes: object) -> TrainJob:
    return small_training.job(model, sets, batch=1, **changes)


def newest(model: Path) -> Path:
    return store.find(model / "checkpoints")[-1].path


def heard(into: list[str]) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if isinstance(event, Warned) and "release" not in event.message:
            into.append(event.message)

    return listen


def put(folder: Path, name: str, change: Callable[[Table], Table | bytes]) -> None:
    """Change a file of a checkpoint, and its digest with it, as a tool that writes checkpoints would."""
    path = folder / f"{name}.safetensors"
    changed = change(load_file(path))
    path.write_bytes(changed) if isinstance(changed, bytes) else save_file(changed, path)
    state = json.loads((folder / "state.json").read_text())
    state["digests"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "state.json").write_text(json.dumps(state))


def half(table: Table) -> Table:
    return {name: value.half() for name, value in table.items()}


def with_nan(table: Table) -> Table:
    name = next(iter(table))
    return table | {name: torch.full_like(table[name], torch.nan)}


def of_one_number(table: Table) -> Table:
    return {name: torch.ones((1,) * value.dim()) for name, value in table.items()}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("weights", lambda table: {"unknown": torch.zeros(3)}, "of another network"),
        ("weights", lambda table: dict(list(table.items())[1:]), "of another network"),
        ("weights", half, "of another network"),
        ("weights", of_one_number, "of another network"),
        ("weights", with_nan, "not finite numbers"),
        ("average", with_nan, "not finite numbers"),
        ("average", lambda table: b"not safetensors at all", "unreadable"),
        ("optimiser", of_one_number, "of another network"),
        ("optimiser", lambda table: b"\xff" * 64, "unreadable"),
    ],
)
def test_a_foreign_file_gives_way_to_the_checkpoint_before_and_leaves_no_trace(
    model: Path,
    sets: tuple[Path, Path],
    name: str,
    change: Callable[[Table], Table | bytes],
    said: str,
) -> None:
    told: list[str] = []
    put(newest(model), name, change)
    found = resume(job(model, sets), heard(told))
    assert found.iteration == 2
    assert len(told) == 1 and said in told[0] and "The checkpoint before it is tried" in told[0]
    expected = load_file(store.find(model / "checkpoints")[0].path / "weights.safetensors")
    assert all(torch.equal(value, expected[key]) for key, value in found.network.state_dict().items())


def test_when_no_checkpoint_can_be_read_nothing_is_begun_anew(model: Path, sets: tuple[Path, Path]) -> None:
    for found in store.find(model / "checkpoints"):
        (found.path / "weights.safetensors").unlink()
    before = sorted(model.rglob("*"))
    with pytest.raises(TrainingError, match="None of the model's 2 checkpoints can be read") as caught:
        run.run(job(model, sets), report=silent, settings=SETTINGS)
    assert "move them away to begin anew" in caught.value.fix
    assert [path for path in before if not path.exists() and "history" not in path.name] == []


@pytest.mark.parametrize("more", [{}, {"digests": "elsewhere"}])
def test_a_checkpoint_of_a_later_version_is_refused(
    model: Path, sets: tuple[Path, Path], more: dict[str, str]
) -> None:
    path = newest(model) / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2} | more))
    with pytest.raises(TrainingError, match="written by a newer version"):
        run.run(job(model, sets), report=silent, settings=SETTINGS)


def test_a_checkpoint_from_before_the_first_step_brings_no_moments(
    tmp_path: Path, model: Path, sets: tuple[Path, Path]
) -> None:
    young, found = resume(job(tmp_path / "young.model", sets), silent), resume(job(model, sets), silent)
    tables = {"network": young.network, "ema": young.ema, "optimiser": young.optimiser}
    saved = store.save(model / "checkpoints", iteration=0, facts={}, **tables)
    assert found.optimiser.state
    model_start.load_checkpoint(found, saved)
    assert found.iteration == 0 and not found.optimiser.state


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"schema_version": "one"}'])
def test_an_unreadable_state_gives_way(model: Path, sets: tuple[Path, Path], text: str) -> None:
    (newest(model) / "state.json").write_text(text)
    assert resume(job(model, sets), silent).iteration == 2


def test_what_is_no_checkpoint_is_passed_over(model: Path, sets: tuple[Path, Path]) -> None:
    for name in ("best", "00000009", "²"):
        (model / "checkpoints" / name).mkdir()
    (model / "checkpoints" / "²" / "state.json").write_text("{}")
    assert resume(job(model, sets), silent).iteration == 4


def test_a_history_of_a_later_version_is_refused_and_left_alone(model: Path, sets: tuple[Path, Path]) -> None:
    connection = sqlite3.connect(model / "history.sqlite")
    connection.execute(f"PRAGMA user_version={history.SCHEMA_VERSION + 1}")
    connection.close()
    before = (model / "history.sqlite").read_bytes()
    with pytest.raises(TrainingError, match="history was written by a later version"):
        run.run(job(model, sets), report=silent, settings=SETTINGS)
    assert (model / "history.sqlite").read_bytes() == before


def test_a_history_that_is_none_is_an_error(model: Path, sets: tuple[Path, Path]) -> None:
    for path in model.glob("history.sqlite*"):
        path.unlink()
    (model / "history.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(JobError, match="was not written by Understudy") as caught:
        run.run(job(model, sets), report=silent, settings=SETTINGS)
    assert caught.value.where is not None and "history.sqlite" in str(caught.value.where)


def test_a_history_that_breaks_during_a_run_costs_its_figures_alone(
    model: Path, sets: tuple[Path, Path]
) -> None:
    told: list[str] = []

    def break_it(event: Event) -> None:
        heard(told)(event)
        if isinstance(event, Progress) and event.stage == "train" and event.done == 20:
            connection = sqlite3.connect(model / "history.sqlite")
            connection.execute("DROP TABLE figures")
            connection.close()

    run.run(job(model, sets, iterations=80), report=break_it, settings=SETTINGS)
    assert store.find(model / "checkpoints")[-1].iteration == 80
    assert len(told) == 1 and "no such table" in told[0]


def copied_sets(root: Path, sets: tuple[Path, Path]) -> tuple[Path, Path]:
    return Path(shutil.copytree(sets[0], root / sets[0].name)), sets[1]


def add_a_face(faceset: FaceSet) -> None:
    first = faceset.records()[0]
    values = {name: getattr(first, name) for name in first.__dataclass_fields__} | {"frame": 99}
    faceset.add(type(first)(**values), faceset.read_crop(first))


def replace_a_face(faceset: FaceSet) -> None:
    first, second = faceset.records()[:2]
    faceset.add(first, faceset.read_crop(second))


def remove_a_face(faceset: FaceSet) -> None:
    name = faceset.records()[0].crop
    connection = sqlite3.connect(faceset.path / "faces.sqlite")
    with connection:
        connection.execute("DELETE FROM faces WHERE crop = ?", (name,))
    connection.close()
    (faceset.path / "crops" / name).unlink()


@pytest.mark.parametrize("change", [add_a_face, replace_a_face, remove_a_face])
def test_a_face_set_that_changed_between_runs_is_told_and_trained_as_it_is(
    tmp_path: Path, model: Path, sets: tuple[Path, Path], change: Callable[[FaceSet], None]
) -> None:
    told: list[str] = []
    mine = copied_sets(tmp_path, sets)
    assert resume(job(model, mine), heard(told)).iteration == 4 and not told
    with FaceSet.open(mine[0]) as faceset:
        change(faceset)
        count = len(faceset)
    found = resume(job(model, mine), heard(told))
    assert told == [
        "The face set of anna has changed since the model was begun; training goes on with what is there."
    ]
    assert found.iteration == 4 and len(found.faces[0].faces) == count


def test_a_face_that_was_exchanged_is_not_trained(
    tmp_path: Path, model: Path, sets: tuple[Path, Path]
) -> None:
    """In the crop's own file, which no index tells; `adapt` is for faces that were painted on."""
    mine = copied_sets(tmp_path, sets)
    with FaceSet.open(mine[0]) as faceset:
        first, second = faceset.records()[:2]
    shutil.copy(mine[0] / "crops" / second.crop, mine[0] / "crops" / first.crop)
    with pytest.raises(FaceError, match="digest differs") as caught:
        resume(job(model, mine), silent)
    assert first.crop in str(caught.value)


def test_faces_that_vanish_during_a_run_do_not_concern_it_but_the_next(
    tmp_path: Path, model: Path, sets: tuple[Path, Path]
) -> None:
    mine = copied_sets(tmp_path, sets)

    def remove(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "train":
            shutil.rmtree(mine[0] / "crops", ignore_errors=True)

    run.run(job(model, mine, iterations=40), report=remove, settings=SETTINGS)
    assert not (mine[0] / "crops").exists()
    with pytest.raises(FaceError, match="12 of the face set's 12 crops are missing"):
        run.run(job(model, mine, iterations=80), report=silent, settings=SETTINGS)
