"""A batch that does not fit into memory is computed in parts, and teaches the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from small_training import SETTINGS, job, make_sets, resume
from understudy.core.errors import TrainingError
from understudy.core.progress import Event, Warned, silent
from understudy.train import gradients, run, step
from understudy.train.hardware import memory
from understudy.train.networks import autoencoder
from understudy.train.tasks import model as model_task
from understudy.train.tasks.model import ModelTask
from understudy.train.tasks.model_state import ModelState
from understudy.train.tasks.protocol import Batches
from understudy.train.validation import preview

TIGHT = """
import resource, sys
from small_training import SETTINGS
from understudy.jobs.training import TrainJob
from understudy.core.progress import Warned
from understudy.train import run

def tell(event):
    if isinstance(event, Warned):
        print(event.message, flush=True)

def data_bytes():
    return int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize()

train_job = TrainJob.model_validate_json(sys.argv[1])
prepare = run.prepare
def prepare_then_limit(*arguments, **named):
    prepared = prepare(*arguments, **named)
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + int(sys.argv[2]) * 2**20,) * 2)
    return prepared
run.prepare = prepare_then_limit
print(run.run(train_job, report=tell, settings=SETTINGS)["iteration"])
"""


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_sets(tmp_path_factory.mktemp("sets"))


def prepared(root: Path, sets: tuple[Path, Path], **changes: object) -> ModelState:
    return resume(job(root / "m.model", sets, **{"mixed_precision": False} | changes), silent)


def added_up(study: ModelState, parts: int) -> tuple[gradients.Figures, dict[str, torch.Tensor]]:
    study.parts = parts
    batches = [ModelTask(study)._draw(index) for index in range(2)]
    study.optimiser.zero_grad()
    figures = gradients.accumulate(ModelTask(study), Batches(batches))
    return figures, {n: p.grad.clone() for n, p in study.network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_the_parts_gradients_add_up_to_the_whole_batchs(
    tmp_path: Path, sets: tuple[Path, Path], parts: int
) -> None:
    """Also where the parts are not alike: three parts of five faces are of two, two and one."""
    study = prepared(tmp_path, sets, batch=5)
    for _ in range(3):  # away from the first weights, where the averages of the codes count all
        step._step(ModelTask(study))
    before = {name: value.clone() for name, value in study.network.state_dict().items()}
    figures, expected = added_up(study, 1)
    averages = study.network.normaliser.mean.clone()
    study.network.load_state_dict(before)
    summed, found = added_up(study, parts)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = float(gradient.abs().max()) + 1e-8
        assert float((found[name] - gradient).abs().max()) < 1e-4 * scale + 1e-7, name
    torch.testing.assert_close(study.network.normaliser.mean, averages)
    for name, value in (figures.losses | figures.contrasts).items():
        torch.testing.assert_close((summed.losses | summed.contrasts)[name], value, rtol=2e-3, atol=1e-4)
    for name, value in figures.losses.items():
        torch.testing.assert_close(summed.losses[name], value, rtol=1e-5, atol=1e-6)


def test_the_allocators_own_error_is_known_and_others_are_not() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert memory.is_shortage(caught.value)
    assert memory.is_shortage(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert memory.is_shortage(MemoryError())
    assert memory.is_shortage(RuntimeError("could not create a primitive"))
    assert not memory.is_shortage(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not memory.is_shortage(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not memory.is_shortage(ValueError("out of memory"))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its own address space")
def test_a_run_whose_memory_does_not_suffice_goes_on_in_parts(
    tmp_path: Path, sets: tuple[Path, Path]
) -> None:
    """A real shortage: the process may take 300 MiB more than the network and the faces do.

    The C library gives freed tensors back at once, as a GPU's allocator does; by itself it keeps splinters.
    """
    changes = {"size": 64, "batch": 128, "iterations": 2, "mixed_precision": False}
    train_job = job(tmp_path / "m.model", sets, **changes)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "MALLOC_TRIM_THRESHOLD_": "65536",
    }
    command = [sys.executable, "-c", TIGHT, train_job.model_dump_json(), "300"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    lines = [line for line in ended.stdout.splitlines() if "release" not in line]
    assert lines[0].startswith("Out of memory: a batch of 128 is now computed in 2 parts.")
    assert lines[-1] == "2"


def refuse(network: autoencoder.Comb, most: int) -> None:
    """Have memory run out for more than `most` faces at once, in the middle, as on a small device."""

    def check(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > most and torch.is_grad_enabled():
            raise torch.OutOfMemoryError(f"CUDA out of memory for {len(inputs[0])} faces.")

    network.shared.register_forward_pre_hook(check)


def test_a_failed_attempt_leaves_no_trace(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    told: list[str] = []
    roomy, tight = (prepared(tmp_path / name, sets) for name in ("a", "b"))
    for study in (roomy, tight):
        step.train_step(ModelTask(study), told.append)
    roomy.parts = 2
    refuse(tight.network, 4)
    for study in (roomy, tight):
        step.train_step(ModelTask(study), told.append)
    assert tight.parts == 2 and len(told) == 1
    for name, value in roomy.network.state_dict().items():
        assert torch.equal(value, tight.network.state_dict()[name]), name


def test_a_device_too_small_for_one_face_is_an_error(tmp_path: Path, sets: tuple[Path, Path]) -> None:
    told: list[str] = []
    study = prepared(tmp_path, sets)
    refuse(study.network, 1)
    with pytest.raises(TrainingError, match="Not even one face"):
        step.train_step(ModelTask(study), told.append)
    assert [message.partition(" parts")[0][-1] for message in told] == ["2", "4"]


@pytest.mark.parametrize(("module", "function"), [(preview, "write_sheet"), (model_task, "measure")])
def test_a_validation_that_does_not_fit_is_left_out(
    tmp_path: Path,
    sets: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    function: str,
) -> None:
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Warned) and "memory" in event.message:
            told.append(event.message)

    def fail(*arguments: object, **named: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(module, function, fail)
    train_job = job(tmp_path / "m.model", sets, iterations=4, preview_iterations=1)
    assert run.run(train_job, report=listen, settings=SETTINGS)["iteration"] == 4
    assert len(told) == 1, "told once, not for every preview"
