"""A model that grows with a show: who joins learns alone first, and nobody else's face changes meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from small_training import SETTINGS, job, make_faceset, make_sets, resume
from understudy.core.errors import JobError, TrainingError
from understudy.core.progress import Event, Warned, silent
from understudy.inference.predictor import Predictor
from understudy.jobs.training import ExportJob, TrainJob
from understudy.train import run as loop
from understudy.train.checkpoints import model_folder, store
from understudy.train.export import onnx
from understudy.train.networks import joining
from understudy.train.validation.history import Curve

Table = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("sets")
    make_faceset(root / "carl.faceset", "carl", seed=7).close()
    return make_sets(root)


@pytest.fixture(params=["df", "liae"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def trained(model: Path, sets: tuple[Path, Path], **options: object) -> TrainJob:
    run = job(model, sets, **options)
    loop.run(run, report=silent, settings=SETTINGS)
    return run


def with_carl(model: Path, sets: tuple[Path, Path], **options: object) -> TrainJob:
    """Carl acts in the plate of a model that knows anna and bert."""
    return job(model, (sets[0].with_name("carl.faceset"), sets[1]), **options)


def weights(run: TrainJob) -> Table:
    return {name: value.clone() for name, value in resume(run, silent).ema.state_dict().items()}


def own(variant: str, index: int) -> str:
    return f"{'decoders' if variant == 'df' else 'inner'}.{index}."


def test_who_joins_learns_alone_and_what_the_others_are_drawn_with_stays(
    tmp_path: Path, sets: tuple[Path, Path], variant: str
) -> None:
    model = tmp_path / "show.model"
    before = weights(trained(model, sets, variant=variant))
    run = with_carl(model, sets, variant=variant, iterations=12, alone_iterations=100)
    loop.run(run, report=silent, settings=SETTINGS)
    after = weights(run)
    assert model_folder.read(model).architecture.identities == ("anna", "bert", "carl")  # type: ignore[union-attr]
    for name, value in before.items():
        found = after[name][: len(value)] if name in ("shapes",) or "normaliser" in name else after[name]
        assert torch.equal(found, value), name
    begun = [before[name] for name in before if name.startswith(own(variant, 0))]
    learnt = [after[name] for name in after if name.startswith(own(variant, 2))]
    assert len(begun) == len(learnt) > 0
    mean = {
        n: (before[n] + before[n.replace(own(variant, 0), own(variant, 1))]) / 2
        for n in before
        if n.startswith(own(variant, 0))
    }
    moved = [after[n.replace(own(variant, 0), own(variant, 2))] - value for n, value in mean.items()]
    assert max(float(change.abs().max()) for change in moved) > 1e-5


def test_all_learn_together_once_the_newcomer_has_learnt_alone_where_all_faces_are_there(
    tmp_path: Path, sets: tuple[Path, Path], variant: str
) -> None:
    model = tmp_path / "show.model"
    before = weights(trained(model, sets, variant=variant))
    options = {"variant": variant, "alone_iterations": 2, "other_facesets": sets[0].parent}
    run = with_carl(model, sets, iterations=12, **options)
    study = resume(run, silent)
    assert (study.newcomers, study.learning, study.shared_learns, study.schedule_start) == (
        [2],
        [2],
        False,
        6,
    )
    loop.run(run, report=silent, settings=SETTINGS)
    study = resume(run, silent)
    assert (study.newcomers, study.learning, study.shared_learns, study.schedule_start) == (
        [],
        [0, 1, 2],
        True,
        0,
    )
    after = study.ema.state_dict()
    for name in (
        "encoder.code.weight",
        f"{own(variant, 0)}{'output.weight' if variant == 'df' else 'weight'}",
    ):
        assert not torch.equal(after[name], before[name]), name


def test_a_run_that_a_performer_joins_is_the_same_whole_and_in_parts(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    whole, parts = tmp_path / "whole.model", tmp_path / "parts.model"
    options = {"alone_iterations": 3, "other_facesets": sets[0].parent}
    for model, stops in ((whole, (12,)), (parts, (7, 9, 10, 12))):
        trained(model, sets)
        for iterations in stops:
            run = with_carl(model, sets, iterations=iterations, **options)
            loop.run(run, report=silent, settings=SETTINGS)
    first, second = (
        resume(with_carl(model, sets, **options), silent).network.state_dict() for model in (whole, parts)
    )
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_without_the_others_faces_what_all_share_stands_still_and_it_is_said(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    model = tmp_path / "show.model"
    trained(model, sets)
    before = weights(with_carl(model, sets))
    said: list[Event] = []
    run = with_carl(model, sets, iterations=12, alone_iterations=2)
    loop.run(run, report=said.append, settings=SETTINGS)
    run = with_carl(model, sets, iterations=14, alone_iterations=2)
    loop.run(run, report=said.append, settings=SETTINGS)
    words = [event.message for event in said if isinstance(event, Warned)]
    assert any("carl joins" in message for message in words) is False  # he joined when the job was looked at
    assert any(message.startswith("Without the faces of anna") for message in words)
    after = weights(run)
    for name in ("encoder.code.weight", "expand.weight", "decoders.0.output.weight"):
        assert torch.equal(after[name], before[name]), name
    assert not torch.equal(after["decoders.1.output.weight"], before["decoders.1.output.weight"])


def test_any_two_who_are_known_can_be_exported_and_swapped(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    model = tmp_path / "show.model"
    trained(model, sets)
    loop.run(with_carl(model, sets, iterations=8), report=silent, settings=SETTINGS)
    newest = onnx.run(ExportJob(model=model), report=silent, settings=SETTINGS)
    card = Predictor.open(Path(newest["model"])).card
    assert (card.destination, card.source, card.sources) == ("carl", "bert", ("bert",))
    chosen = ExportJob(model=model, destination="bert", source="carl", output=tmp_path / "b.onnx")
    onnx.run(chosen, report=silent, settings=SETTINGS)
    opened = Predictor.open(tmp_path / "b.onnx")
    faces = np.full((1, 32, 32, 3), 0.4, np.float32)
    marks = np.full((1, 68, 2), 15.0, np.float32)
    swapped = opened.predict(faces, marks)
    network = resume(with_carl(model, sets), silent).ema
    network.destination = 1
    drawn = network(torch.from_numpy(faces).permute(0, 3, 1, 2), torch.from_numpy(marks + 0.5) / 32)
    np.testing.assert_allclose(swapped.face[0], drawn[6][0].permute(1, 2, 0).detach().numpy(), atol=1e-4)
    script = ExportJob(
        model=model, destination="bert", source="carl", format="torchscript", output=tmp_path / "c.pt"
    )
    assert onnx.run(script, report=silent, settings=SETTINGS)["parity"] < 1e-3
    with pytest.raises(JobError, match="does not know 'dora'"):
        onnx.run(ExportJob(model=model, source="dora"), report=silent, settings=SETTINGS)


@pytest.mark.parametrize("variant", ["df", "liae"])
@pytest.mark.parametrize("source", ["carl", "bert"])
def test_an_export_holds_its_pair_and_nobody_else(
    tmp_path: Path, sets: tuple[Path, Path], variant: str, source: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Inference must not compute every performer of a show, nor hand their faces round."""
    model, sizes = tmp_path / "show.model", []
    trained(model, sets, variant=variant)
    pair = ExportJob(model=model, source=source if source == "bert" else None, output=tmp_path / "two.onnx")
    sizes.append(Path(onnx.run(pair, report=silent, settings=SETTINGS)["model"]).stat().st_size)
    loop.run(with_carl(model, sets, variant=variant, iterations=8), report=silent, settings=SETTINGS)
    capfd.readouterr()
    of_three = ExportJob(model=model, source=source, destination="anna")
    path = Path(onnx.run(of_three, report=silent, settings=SETTINGS)["model"])
    assert capfd.readouterr() == ("", "")  # nor are the exporter's warnings anybody's business
    assert path.name == f"swap_{source}_for_anna_fp32.onnx"
    assert path.stat().st_size == pytest.approx(sizes[0], rel=0.01)
    card = Predictor.open(path).card
    assert (card.schema_version, card.sources, card.destination) == (2, (source,), "anna")


def test_a_performer_may_be_predicted_for_themselves(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    model = tmp_path / "show.model"
    trained(model, sets)
    job = ExportJob(model=model, source="anna", destination="anna", precision="fp16")
    opened = Predictor.open(Path(onnx.run(job, report=silent, settings=SETTINGS)["model"]))
    faces = opened.predict(np.full((1, 32, 32, 3), 0.4, np.float32), np.full((1, 68, 2), 15.0, np.float32))
    np.testing.assert_array_equal(faces.face, faces.reconstruction)
    np.testing.assert_array_equal(faces.matte, faces.destination_matte)


def test_who_joined_but_is_in_no_checkpoint_yet_cannot_be_exported(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    model = tmp_path / "show.model"
    trained(model, sets)
    resume(with_carl(model, sets), silent)
    with pytest.raises(TrainingError, match="joined the model last"):
        onnx.run(ExportJob(model=model), report=silent, settings=SETTINGS)
    known = ExportJob(model=model, destination="anna", source="bert")
    assert onnx.run(known, report=silent, settings=SETTINGS)["iteration"] == 6


def test_the_average_of_who_joins_an_old_model_is_young(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    """Or an export would have a face that hardly anything was learned of."""
    model = tmp_path / "show.model"
    trained(model, sets)
    (found,) = store.find(model_folder.checkpoints(model))
    store.amend(found, {"iteration": 20_000})
    found.path.rename(found.path.with_name("00020000"))
    run = with_carl(model, sets, iterations=20_100, alone_iterations=1000)
    begun = resume(run, silent).network.decoders[2].output.weight.detach().clone()
    loop.run(run, report=silent, settings=SETTINGS)
    study = resume(run, silent)
    fast, slow = (one.decoders[2].output.weight for one in (study.network, study.ema))
    assert (slow - fast).norm() < 0.35 * (fast - begun).norm()


def test_a_folder_without_face_sets_is_refused(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    with pytest.raises(JobError, match="holds no face set"):
        resume(job(tmp_path / "m.model", sets, other_facesets=tmp_path), silent)


def test_a_new_model_may_begin_with_more_than_two(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    run = trained(tmp_path / "m.model", sets, other_facesets=sets[0].parent, iterations=3)
    study = resume(run, silent)
    assert study.description.architecture.identities == ("anna", "bert", "carl") and study.shared_learns


def test_what_joining_saved_is_what_others_had_been_trained_for() -> None:
    def curve(*points: tuple[int, float, float]) -> Curve:
        iterations, seconds, values = zip(*points, strict=True)
        return Curve(np.array(iterations), np.array(seconds, float), np.array(values, float))

    curves = {
        "held_out/ssim/anna": curve((1, 60, 0.5), (3, 600, 0.9), (5, 700, 0.99)),
        "held_out/ssim/carl": curve((4, 660, 0.6), (5, 720, 0.845), (6, 900, 0.85), (7, 990, 0.848)),
    }
    told = joining.time_saved(curves, {"carl": 600.0, "dora": 900.0})
    assert told == {"carl": {"minutes": 2.0, "spared_minutes": 10.0}}


def test_a_checkpoint_tells_whom_it_holds(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    model = tmp_path / "m.model"
    trained(model, sets)
    (found,) = store.find(model_folder.checkpoints(model))
    assert joining.known_identities(found, ("anna", "bert", "carl")) == ("anna", "bert")
    store.amend(found, {"identities": ["somebody", "else"]})
    assert joining.known_identities(found, ("anna", "bert", "carl")) == ("anna", "bert", "carl")


def test_who_was_extracted_with_another_detector_cannot_join(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    model = tmp_path / "m.model"
    trained(model, sets)
    paths = [tmp_path / f"{name}.faceset" for name in ("dora", "emil")]
    for path in paths:
        make_faceset(path, path.stem, seed=3, detector="fan").close()
    with pytest.raises(JobError, match="landmarks of 'yunet'"):
        resume(job(model, (paths[0], paths[1])), silent)
