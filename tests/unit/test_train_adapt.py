"""A few edited faces change how a performer looks, and not how the performer acts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from small_training import SETTINGS, job, make_faceset, make_sets, resume
from understudy.core.errors import JobError, ModelError
from understudy.core.progress import Event, Warned, silent
from understudy.face.faceset.store import FaceSet
from understudy.inference.predictor import Predictor
from understudy.jobs.training import AdaptJob, ExportJob, TrainJob
from understudy.train import adapt
from understudy.train import run as loop
from understudy.train.checkpoints import model_folder, store
from understudy.train.export import onnx
from understudy.train.losses.terms.rehearsal import structure_difference

EDITED = "bert_aged"


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("sets")
    made = make_sets(root)
    with FaceSet.open(made[1]) as bert:
        edited = FaceSet.create(
            root / "aged.faceset",
            identity=EDITED,
            coverage=bert.coverage,
            crop_size=bert.crop_size,
            detector=bert.detector,
        )
        with edited:
            for record in bert.records()[:9]:
                edited.add(record, bert.read_crop(record) * 0.7 + 0.02)
    return made


@pytest.fixture
def model(tmp_path: Path, sets: tuple[Path, Path]) -> Path:
    loop.run(job(tmp_path / "show.model", sets), report=silent, settings=SETTINGS)
    return tmp_path / "show.model"


def adaptation(model: Path, sets: tuple[Path, Path], **changes: object) -> AdaptJob:
    values = {"model": model, "faceset": sets[0].with_name("aged.faceset"), "of_faceset": sets[1]}
    options = {"iterations": 8, "batch": 4, "preview_iterations": 1000}
    return AdaptJob.model_validate(values | options | changes)


def run(adapt_job: AdaptJob) -> dict[str, object]:
    return adapt.run(adapt_job, report=silent, settings=SETTINGS)


def table(model: Path, sets: tuple[Path, Path]) -> dict[str, torch.Tensor]:
    """The averaged weights, as a training of the two who were there first finds them."""
    trained: TrainJob = job(model, sets)
    return {name: value.clone() for name, value in resume(trained, silent).ema.state_dict().items()}


def test_an_edit_is_a_performer_of_its_own_and_changes_nobody_else(
    model: Path, sets: tuple[Path, Path]
) -> None:
    before = table(model, sets)
    assert run(adaptation(model, sets))["iteration"] == 14
    described = model_folder.read(model)
    assert described is not None and described.edited == {EDITED: "bert"}
    names = described.architecture.identities
    assert names == ("anna", "bert", EDITED)
    assert (names[described.destination], names[described.source]) == ("anna", EDITED)
    after = table(model, sets)
    for name, value in before.items():
        assert torch.equal(after[name][: len(value)] if value.dim() else after[name], value), name
    for part in ("enter.0.weight", "mix.1.weight", "points.0.weight", "residual.1.first.weight"):
        assert torch.equal(after[f"decoders.2.{part}"], before[f"decoders.1.{part}"]), part
    for part in ("enter.3.weight", "mix.2.weight", "output.weight"):
        assert not torch.equal(after[f"decoders.2.{part}"], before[f"decoders.1.{part}"]), part
    assert torch.equal(after["shapes"][2], before["shapes"][1])
    assert torch.equal(after["normaliser.mean"][2], before["normaliser.mean"][1])


def test_an_adaptation_in_parts_is_that_in_one(tmp_path: Path, model: Path, sets: tuple[Path, Path]) -> None:
    other = tmp_path / "other.model"
    shutil.copytree(model, other)
    run(adaptation(model, sets))
    for iterations in (3, 8):
        run(adaptation(other, sets, iterations=iterations))
    one, two = ({k: v for k, v in table(path, sets).items() if "decoders.2" in k} for path in (model, other))
    assert one and all(torch.equal(value, two[name]) for name, value in one.items())


def test_an_edit_is_exported_beside_the_performer_it_is_of(model: Path, sets: tuple[Path, Path]) -> None:
    run(adaptation(model, sets))
    exported = onnx.run(ExportJob(model=model), report=silent, settings=SETTINGS)
    card = Predictor.open(Path(str(exported["model"]))).card
    assert (card.destination, card.source) == ("anna", EDITED)
    beside = onnx.run(ExportJob(model=model, source="bert"), report=silent, settings=SETTINGS)
    assert Path(beside["model"]).name == "swap_bert_fp32.onnx" and Path(exported["model"]).exists()
    with pytest.raises(ModelError, match="not 'bert'") as caught:
        Predictor.open(Path(exported["model"])).require_source("bert")
    assert caught.value.fix == f"set the model to {beside['model']}"


def test_faces_that_were_painted_on_are_told_and_trained_as_they_are(
    tmp_path: Path, model: Path, sets: tuple[Path, Path]
) -> None:
    painted = Path(shutil.copytree(sets[0].with_name("aged.faceset"), tmp_path / "painted.faceset"))
    with FaceSet.open(painted) as faceset:
        names = [record.crop for record in faceset.records()[:3]]
    for name in names[:2]:
        shutil.copy(painted / "crops" / names[2], painted / "crops" / name)
    told: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(event.message)

    adapt.run(adaptation(model, sets, faceset=painted, iterations=1), report=hear, settings=SETTINGS)
    assert any(one.startswith("2 of the 9 faces of bert_aged have changed") for one in told)


def test_what_does_not_fit_is_refused(tmp_path: Path, model: Path, sets: tuple[Path, Path]) -> None:
    with pytest.raises(JobError, match="no trained model"):
        run(adaptation(tmp_path / "none.model", sets))
    make_faceset(tmp_path / "carl.faceset", "carl", seed=5).close()
    with pytest.raises(JobError, match="does not know 'carl'"):
        run(adaptation(model, sets, of_faceset=tmp_path / "carl.faceset"))
    with pytest.raises(JobError, match="a performer of the model already"):
        run(adaptation(model, sets, faceset=sets[0]))
    with pytest.raises(JobError, match="an identity of its own"):
        run(adaptation(model, sets, faceset=sets[1]))
    assert len(store.find(model_folder.checkpoints(model))) == 1


def test_acting_alike_sees_where_light_and_dark_lie_and_not_how_light_or_strong() -> None:
    torch.manual_seed(2)
    face, weight = torch.rand(2, 3, 48, 48) * 2, torch.ones(2, 1, 48, 48)
    face = torch.nn.functional.avg_pool2d(face, 5, stride=1, padding=2)
    same = structure_difference(face * 0.8 + 0.3, face, weight)
    moved = structure_difference(face.roll(6, 2), face, weight)
    other = structure_difference(face.flip(3), face, weight)
    assert float(structure_difference(face, face, weight)) < 0.01
    assert float(same) < 0.1 < 0.5 * float(moved) and float(other) > 5 * float(same)
