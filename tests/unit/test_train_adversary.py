"""The critic: off unless asked for, saved with the rest, and no part of the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from small_training import SETTINGS, job, make_sets, resume
from understudy.core.errors import TrainingError
from understudy.core.progress import Event, Warned, silent
from understudy.train import run
from understudy.train.checkpoints import model_folder, retention, store
from understudy.train.checkpoints.store import Checkpoint
from understudy.train.losses.patch_critic import PatchCritic

ON = {"adversarial": 100.0, "adversarial_from": 2, "learning_rate": 1e-4}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


def train(model: Path, sets: tuple[Path, Path], iterations: int, **changes: object) -> Checkpoint:
    run.run(job(model, sets, iterations=iterations, **changes), report=silent, settings=SETTINGS)
    return store.find(model_folder.checkpoints(model))[-1]


def tables(found: Checkpoint) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(found.path.glob("*.safetensors"))}


def test_a_resumed_run_goes_on_with_the_same_critic_bit_for_bit(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    once = tables(train(tmp_path / "once.model", sets, 20, **ON))
    for iterations in (1, 9):  # before the critic has learned anything, and after
        train(tmp_path / "twice.model", sets, iterations, **ON)
    twice = tables(train(tmp_path / "twice.model", sets, 20, **ON))
    assert "adversary.safetensors" in once
    assert once == twice


def test_it_is_off_unless_asked_for_and_can_be_turned_on_and_off(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    model = tmp_path / "m.model"
    assert "adversary.safetensors" not in tables(train(model, sets, 4))
    assert "adversary.safetensors" in tables(train(model, sets, 6, **ON))
    assert "adversary.safetensors" not in tables(train(model, sets, 8))
    assert len(retention.written_by_us(model_folder.checkpoints(model))) == 3


def test_it_changes_what_is_learned_once_it_begins(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    without = tables(train(tmp_path / "a.model", sets, 2, learning_rate=1e-4))
    before = tables(train(tmp_path / "b.model", sets, 2, **ON))
    assert before["weights.safetensors"] == without["weights.safetensors"]
    later = tables(train(tmp_path / "a.model", sets, 12, learning_rate=1e-4))
    assert (
        tables(train(tmp_path / "b.model", sets, 12, **ON))["weights.safetensors"]
        != later["weights.safetensors"]
    )


def test_a_damaged_critic_gives_way_to_the_checkpoint_before_it(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    model, warnings = tmp_path / "m.model", list[str]()
    train(model, sets, 4, **ON)
    damaged = train(model, sets, 6, **ON).path / "adversary.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x01")

    def listen(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(event.message)

    assert resume(job(model, sets, **ON), listen).iteration == 4
    assert any("not the file that was saved" in message for message in warnings)


def test_a_critic_that_is_no_number_is_refused(tmp_path: Path) -> None:
    network, adversary = torch.nn.Linear(2, 2), PatchCritic(1, torch.device("cpu"))
    optimiser = torch.optim.Adam(network.parameters())
    with torch.no_grad():
        adversary.network.layers[0].weight.fill_(torch.nan)  # type: ignore[operator, union-attr]
    both = {"network": network, "ema": network, "optimiser": optimiser}
    saved = store.save(tmp_path, iteration=1, facts={}, critic=adversary, **both)  # type: ignore[arg-type]
    adversary.reset()
    with pytest.raises(TrainingError, match="not finite numbers"):
        store.load_critic(saved, adversary)
    assert store.is_finite(adversary.network)


def test_it_learns_what_is_missing_and_asks_for_it() -> None:
    """True skin has grain, drawn skin none; only inside the hull."""
    random = torch.Generator().manual_seed(0)
    adversary = PatchCritic(1, torch.device("cpu"))
    matte = torch.zeros(8, 1, 48, 48)
    matte[:, :, 8:40, 8:40] = 1.0

    def faces() -> tuple[torch.Tensor, torch.Tensor]:
        truth = 0.5 * torch.randn((8, 3, 48, 48), generator=random)
        return functional.avg_pool2d(truth, 5, stride=1, padding=2), truth

    for iteration in range(150):
        adversary.clear_gradients()
        loss = adversary.discriminator_step(*faces(), matte, count=8, iteration=iteration)
        adversary.update()
    smooth, truth = faces()
    drawn = smooth.requires_grad_()
    asked = adversary.generator_loss(drawn, truth, matte, count=8)
    adversary.clear_gradients()
    asked.backward()
    assert float(loss) < 0.2 and float(asked.detach()) > 0.6
    assert all(weights.grad is None for weights in adversary.network.parameters())
    assert drawn.grad is not None and float(drawn.grad.abs().max()) > 0
    assert float((drawn.grad * (1 - matte)).abs().max()) == 0.0
    better = torch.lerp(smooth, truth, 0.8).detach()
    assert float(adversary.generator_loss(better, truth, matte, count=8).detach()) < 0.8 * float(
        asked.detach()
    )


def test_random_numbers_of_others_are_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = PatchCritic(7, torch.device("cpu"))
    assert torch.equal(torch.rand(2), expected)
    second = PatchCritic(7, torch.device("cpu"))
    pairs = zip(first.network.parameters(), second.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
