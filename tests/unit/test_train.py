"""Training can be stopped, killed, resumed and exported, and says what is wrong when it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from small_training import SIZE, job, make_faceset, make_sets, resume
from understudy.core.errors import JobError, TrainingError
from understudy.core.progress import Cancelled, Event, Progress, Warned, silent
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.face.landmarks import MIRROR
from understudy.inference.card import read_card
from understudy.inference.predictor import Predictor
from understudy.jobs.training import ExportJob
from understudy.train import run
from understudy.train.checkpoints import model_folder, store
from understudy.train.data import samples
from understudy.train.data.augmentation import Augmentation
from understudy.train.export import onnx
from understudy.train.losses import ssim
from understudy.train.losses.terms.structure import multiscale_dissimilarity
from understudy.train.networks import autoencoder
from understudy.train.tasks import model as model_task


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture
def settings() -> Settings:
    return Settings(models=Path("unused"), device="cpu", threads=1)


def weights(model: Path) -> dict[str, bytes]:
    newest = store.find(model_folder.checkpoints(model))[-1]
    return {path.name: path.read_bytes() for path in sorted(newest.path.glob("*.safetensors"))}


def test_a_run_of_2n_iterations_equals_n_then_a_resume_and_n_more_bit_for_bit(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings
) -> None:
    run.run(job(tmp_path / "once.model", sets, iterations=8), report=silent, settings=settings)
    run.run(job(tmp_path / "twice.model", sets, iterations=4), report=silent, settings=settings)
    run.run(job(tmp_path / "twice.model", sets, iterations=8), report=silent, settings=settings)
    once, twice = weights(tmp_path / "once.model"), weights(tmp_path / "twice.model")
    assert once.keys() == twice.keys()
    assert all(once[name] == twice[name] for name in once)


def test_training_lowers_the_loss_and_leaves_history_and_a_preview(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings
) -> None:
    model = tmp_path / "m.model"
    before = run.run(job(model, sets, iterations=1), report=silent, settings=settings)
    after = run.run(job(model, sets, iterations=120), report=silent, settings=settings)
    assert after["held_out/absolute"] < 0.8 * before["held_out/absolute"]
    assert (model / "history.sqlite").is_file()
    sheet = cv2.imread(str(model / "previews" / "00000120.png"))
    assert sheet.shape == (6 * SIZE, 8 * SIZE, 3)


def test_cancelling_saves_first(tmp_path: Path, sets: tuple[Path, Path], settings: Settings) -> None:
    def cancel(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "train" and event.done >= 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        run.run(job(tmp_path / "m.model", sets, iterations=500), report=cancel, settings=settings)
    assert [c.iteration for c in store.find(tmp_path / "m.model" / "checkpoints")] == [20]


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings
) -> None:
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=2), report=silent, settings=settings)
    run.run(job(model, sets, iterations=4), report=silent, settings=settings)
    damaged = store.find(model / "checkpoints")[-1].path / "weights.safetensors"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(bytes(data))
    warnings: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(event.message)

    assert resume(job(model, sets), listen).iteration == 2
    assert any("not the file that was saved" in message for message in warnings)


def test_a_model_description_from_a_later_version_is_refused(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings
) -> None:
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=1), report=silent, settings=settings)
    path = model / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(TrainingError, match="newer version"):
        run.run(job(model, sets, iterations=2), report=silent, settings=settings)


def test_one_identity_on_both_sides_is_refused(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings
) -> None:
    with pytest.raises(JobError, match="Both face sets"):
        run.run(job(tmp_path / "m.model", (sets[0], sets[0])), report=silent, settings=settings)


def test_landmarks_of_two_kinds_are_refused(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings
) -> None:
    make_faceset(tmp_path / "carl.faceset", "carl", seed=3, detector="fan").close()
    with pytest.raises(JobError, match="two kinds: 'yunet' and 'fan'"):
        run.run(
            job(tmp_path / "m.model", (sets[0], tmp_path / "carl.faceset")), report=silent, settings=settings
        )


def test_another_shape_does_not_touch_the_model_that_is_there(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings
) -> None:
    run.run(job(tmp_path / "m.model", sets, iterations=1), report=silent, settings=settings)
    before = weights(tmp_path / "m.model")
    with pytest.raises(JobError, match="another shape"):
        run.run(job(tmp_path / "m.model", sets, size=48), report=silent, settings=settings)
    assert weights(tmp_path / "m.model") == before


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_export_agrees_with_the_network_for_any_batch(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings, precision: str
) -> None:
    model = tmp_path / "m.model"
    run.run(job(model, sets, iterations=2), report=silent, settings=settings)
    result = onnx.run(
        ExportJob.model_validate({"model": model, "precision": precision}), report=silent, settings=settings
    )
    opened = Predictor.open(Path(result["model"]), device="cpu")
    faces = np.random.default_rng(0).uniform(0.1, 0.5, (5, SIZE, SIZE, 3)).astype(np.float32)
    points = np.random.default_rng(1).uniform(0, SIZE, (5, 68, 2)).astype(np.float32)
    drawn, matte, own, *_ = opened.predict(faces, points, source="bert")
    network = onnx.load(model)[1]
    with torch.no_grad():
        expected = network(
            torch.from_numpy(faces).permute(0, 3, 1, 2), torch.from_numpy((points + 0.5) / SIZE)
        )
    assert np.abs(own - expected[0].permute(0, 2, 3, 1).numpy()).max() < 1e-3
    assert np.abs(drawn - expected[3].permute(0, 2, 3, 1).numpy()).max() < 1e-3
    assert np.abs(matte - expected[4][:, 0].numpy()).max() < 1e-3
    card = read_card(Path(result["model"]))
    assert (card.source, card.destination, card.precision) == ("bert", "anna", precision)


def test_structural_loss_is_zero_for_equal_faces_and_agrees_with_pooling() -> None:
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn((2, 3, 24, 24), generator=random) for _ in range(2))
    weight = torch.rand((2, 1, 24, 24), generator=random)
    assert float(multiscale_dissimilarity(a, a, weight)) == pytest.approx(0.0, abs=1e-5)

    def pool(value: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(value, 7, stride=1)

    ma, mb = pool(a), pool(b)
    variance = pool(a * a) + pool(b * b) - ma**2 - mb**2
    similarity = ((2 * ma * mb + ssim.C1) * (2 * (pool(a * b) - ma * mb) + ssim.C2)) / (
        (ma**2 + mb**2 + ssim.C1) * (variance + ssim.C2)
    )
    expected = ((1 - similarity) * pool(weight)).sum() / (3 * pool(weight).sum())
    assert float(multiscale_dissimilarity(a, b, weight, scales=1)) == pytest.approx(float(expected), rel=1e-3)


def test_gradients_reach_every_weight() -> None:
    network = autoencoder.Comb(autoencoder.Architecture(SIZE, 8, ("a", "b")))
    outputs = network(torch.rand(2, 3, SIZE, SIZE), torch.rand(2, 68, 2))
    sum(output.sum() for output in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_dot_is_brightest_at_its_landmark() -> None:
    points = torch.rand((2, 68, 2), generator=torch.Generator().manual_seed(0))
    drawn = autoencoder.dots(points, 24)
    brightest = drawn.flatten(2).argmax(2)
    assert torch.equal(brightest % 24, (points[..., 0] * 24).long())
    assert torch.equal(brightest // 24, (points[..., 1] * 24).long())
    assert float(drawn.max()) <= 1.0


def test_several_decoders_at_once_draw_what_each_draws_alone() -> None:
    network = autoencoder.Comb(autoencoder.Architecture(SIZE, 8, ("a", "b"))).eval()
    code, points = torch.randn(4, network.architecture.latent), torch.rand(4, 68, 2)
    with torch.no_grad():
        together = network.decode(code, points, [0, 1])
        alone = [
            network.decode(code[part], points[part], [i])[0] for i, part in enumerate((slice(2), slice(2, 4)))
        ]
    for many, one in zip(together, alone, strict=True):
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(many, one, strict=True))


def test_decoders_are_drawn_together_by_a_share_and_their_mean_stays() -> None:
    decoders = autoencoder.Comb(autoencoder.Architecture(SIZE, 8, ("a", "b", "c"))).decoders
    before = [[value.detach().clone() for value in decoder.parameters()] for decoder in decoders]
    model_task.pull_to_mean(decoders, share=0.25, moved=range(3))
    for index, decoder in enumerate(decoders):
        for now, own, *others in zip(decoder.parameters(), before[index], *before, strict=True):
            middle = torch.stack(others).mean(0)
            assert torch.allclose(now - middle, 0.75 * (own - middle), atol=1e-6)


def test_decoders_begin_alike_become_different_and_stay_nearer_for_being_drawn_together(
    tmp_path: Path, sets: tuple[Path, Path], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apart(name: str) -> float:
        train_job = job(tmp_path / name, sets, iterations=20)
        run.run(train_job, report=silent, settings=settings)
        first, second = (list(d.parameters()) for d in resume(train_job, silent).network.decoders)
        return sum(float((a - b).detach().abs().sum()) for a, b in zip(first, second, strict=True))

    begun = resume(job(tmp_path / "new.model", sets), silent).network.decoders
    pairs = zip(begun[0].parameters(), begun[1].parameters(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)
    together = apart("together.model")
    monkeypatch.setattr(model_task, "PULL", 0.0)
    assert 0.0 < together < apart("apart.model")


def test_landmarks_of_a_batch_lie_on_what_they_mark(sets: tuple[Path, Path]) -> None:
    """Pictures whose red and green are their own coordinates tell where each landmark came from."""
    bank = samples.load_faces(FaceSet.open(sets[0]), size=SIZE)
    edge = bank.faces.shape[-1]
    ramp = (torch.arange(edge) + 0.5) / edge
    pictures = torch.stack(
        [ramp.expand(edge, edge), ramp[:, None].expand(edge, edge), torch.zeros(edge, edge)]
    )
    bank = replace(
        bank, faces=pictures.expand(len(bank.faces), -1, -1, -1), landmarks=bank.landmarks * 0.6 + 0.2
    )
    seen = []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        batch = samples.draw_batch(
            bank, count=4, size=SIZE, generator=generator, augmentation=Augmentation(warp=0.5, flip=0.5)
        )
        at = functional.grid_sample(batch.truth, 2 * batch.points[:, None] - 1, align_corners=False)
        came_from = at[:, :2, 0].transpose(1, 2)
        distance = torch.cdist(came_from.flatten(1)[:, None], bank.landmarks.flatten(1)[None])[:, 0]
        mirrored = bank.landmarks[:, list(MIRROR)]
        other = torch.cdist(came_from.flatten(1)[:, None], mirrored.flatten(1)[None])[:, 0]
        assert (torch.minimum(distance.min(1).values, other.min(1).values) < 0.02).all()
        seen += (distance.min(1).values < other.min(1).values).tolist()
    assert any(seen) and not all(seen)
