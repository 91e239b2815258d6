"""A model folder that the release before wrote is read, trained on, refined on and exported."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
import torch

from small_training import SETTINGS, job, make_faceset, make_sets, resume
from understudy.core.progress import Event, Warned, silent
from understudy.face.faceset.store import FaceSet
from understudy.inference.predictor import Predictor
from understudy.jobs.training import AdaptJob, ExportJob, RefineJob, TrainJob
from understudy.train import adapt, refine, run
from understudy.train.checkpoints import model_folder, refiners, store
from understudy.train.export import onnx
from understudy.train.tasks import refiner_state
from understudy.train.validation import history

FILE = Path(__file__).with_name("v1") / "tiny.model.zip"


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    """The face sets that the model was trained on."""
    make_faceset(tmp_path / "bert_old.faceset", "bert_old", seed=1).close()
    return make_sets(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    with zipfile.ZipFile(FILE) as file:
        file.extractall(tmp_path)
    return tmp_path / "tiny.model"


def constant(name: str, kind: str) -> float:
    """What every value of a tensor is in the file of a kind."""
    share = int.from_bytes(hashlib.sha256(f"{kind}/{name}".encode()).digest()[:4], "big") / 2**32
    return 0.002 + 0.01 * share


def with_critic(model: Path, sets: tuple[Path, Path], **changes: object) -> TrainJob:
    return job(model, sets, adversarial=100.0, adversarial_from=30, **changes)


def test_every_tensor_of_a_checkpoint_is_found_where_it_belongs(model: Path, sets: tuple[Path, Path]) -> None:
    newest = store.find(model_folder.checkpoints(model))[-1]
    edit = job(model, (sets[1], sets[1].with_name("bert_old.faceset")), batch=1, learning_rate=5e-4)
    state = resume(edit, silent)
    for name, value in state.ema.state_dict().items():
        assert torch.all(value == constant(name, "average")), name
    for name, value in state.network.named_parameters():
        # What is frozen for an edit is set to its average.
        kind = "weights" if value.requires_grad else "average"
        assert torch.all(value == constant(name, kind)), name
        moments = state.optimiser.state.get(value, {})
        assert all(
            torch.all(moment == constant(f"{key}/{name}", "optimiser"))
            for key, moment in moments.items()
            if key != "step"
        ), name
    assert (state.iteration, state.monitor.rollbacks) == (42, 1)
    assert state.joined_seconds.keys() == {"bert_old"} and state.trained_seconds > 0
    assert store.held_out_error(store.read_state(newest)) == pytest.approx(1.0039, abs=1e-4)


def test_its_critic_is_found(model: Path, sets: tuple[Path, Path]) -> None:
    older, newer = store.find(model_folder.checkpoints(model))
    state = resume(with_critic(model, sets), silent)
    assert state.critic is not None and state.iteration == newer.iteration
    store.load_critic(older, state.critic)
    for name, value in state.critic.network.state_dict().items():
        assert torch.all(value == constant(f"weights/{name}", "adversary")), name


def test_it_is_trained_on_and_exported(model: Path, sets: tuple[Path, Path]) -> None:
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Warned) and "release" not in event.message:
            told.append(event.message)

    known = model_folder.read(model)
    assert known is not None and known.edited == {"bert_old": "bert"} and known.joined == {"bert_old": 40}
    assert history.read(model)["held_out/error"].iterations.tolist() == [20, 40, 42]
    result = run.run(with_critic(model, sets, iterations=44), report=listen, settings=SETTINGS)
    assert result["iteration"] == 44
    assert len(told) == 1 and told[0].startswith("Without the faces of bert_old")
    faceset, of = sets[0].with_name("bert_old.faceset"), sets[1]
    edit = AdaptJob(model=model, faceset=faceset, of_faceset=of, iterations=6, batch=1)
    assert adapt.run(edit, report=listen, settings=SETTINGS)["iteration"] == 46
    assert len(told) == 1
    exported = onnx.run(ExportJob(model=model), report=silent, settings=SETTINGS)
    card = Predictor.open(Path(exported["model"])).card
    assert card.iterations == 46 and card.sources == ("bert_old",)


def test_its_refiner_is_refined_on_and_exported(model: Path, sets: tuple[Path, Path]) -> None:
    told: list[Event] = []
    again = RefineJob(model=model, faceset=sets[1], iterations=32, width=8, preview_iterations=1000)
    with FaceSet.open_for_training(sets[1]) as faceset:
        state = refiner_state.prepare(again, faceset, report=silent, settings=SETTINGS)
    assert state.iteration == 30
    for name, value in state.network.named_parameters():
        assert torch.all(value == constant(name, "weights")), name
    result = refine.run(again, report=told.append, settings=SETTINGS)
    assert result["iteration"] == 32 and not [event for event in told if isinstance(event, Warned)]
    found = store.find(refiners.checkpoints(model, "bert"))
    assert [one.iteration for one in found] == [30, 32]
    exported = onnx.run(ExportJob(model=model, refine=True), report=silent, settings=SETTINGS)
    assert Path(exported["model"]).name == "swap_refined_fp32.onnx"
