"""Two processes train what one would: real processes, gloo, and one of them killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from small_training import SCRIPT, SETTINGS, job, make_sets, resume
from understudy.core.errors import JobError
from understudy.core.progress import silent
from understudy.jobs.training import RefineJob, TrainJob
from understudy.train import refine
from understudy.train import run as loop
from understudy.train.checkpoints import model_folder, refiners, store
from understudy.train.hardware import process_group
from understudy.train.validation.history import read

TESTS = Path(__file__).resolve().parents[1]
PATIENCE = 120


def environment(place: int, port: int) -> Mapping[str, str]:
    """What torchrun sets for one of two processes on this machine."""
    told = {"RANK": str(place), "LOCAL_RANK": str(place), "WORLD_SIZE": "2"}
    told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return os.environ | told | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}


def started(train_job: TrainJob | RefineJob, script: str = SCRIPT) -> list[subprocess.Popen[str]]:
    """Two processes of one training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        subprocess.Popen(
            [sys.executable, "-c", script, train_job.model_dump_json()],
            env=environment(place, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in range(2)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Exit codes and complaints."""
    found = []
    for process in processes:
        _, complaint = process.communicate(timeout=PATIENCE)
        found.append((process.returncode, complaint))
    return found


def weights(train_job: TrainJob) -> dict[str, torch.Tensor]:
    return resume(train_job, silent).network.state_dict()


@pytest.mark.parametrize("batch", [4, 3])
def test_two_processes_learn_what_one_does(tmp_path: Path, batch: int) -> None:
    """Also where the faces cannot be shared out evenly."""
    sets = make_sets(tmp_path)
    options = {"batch": batch, "mixed_precision": False, "iterations": 40, "preview_iterations": 20}
    alone = job(tmp_path / "alone.model", sets, **options)
    together = job(tmp_path / "together.model", sets, **options)
    loop.run(alone, report=silent, settings=SETTINGS)
    for code, complaint in ended(started(together)):
        assert code == 0, complaint
    one, two = (read(run.model)["held_out/error"].values for run in (alone, together))
    assert len(one) == 2 and one == pytest.approx(two, rel=0.02)
    for name, value in weights(alone).items():
        torch.testing.assert_close(weights(together)[name], value, atol=5e-3, rtol=0.05, msg=name)


def test_what_two_processes_began_one_goes_on_with_and_the_other_way_round(tmp_path: Path) -> None:
    sets, model = make_sets(tmp_path), tmp_path / "m.model"
    for code, complaint in ended(started(job(model, sets, iterations=4))):
        assert code == 0, complaint
    assert loop.run(job(model, sets, iterations=6), report=silent, settings=SETTINGS)["iteration"] == 6
    for code, complaint in ended(started(job(model, sets, iterations=8))):
        assert code == 0, complaint
    assert [found.iteration for found in store.find(model_folder.checkpoints(model))] == [4, 6, 8]


GOES_WRONG = SCRIPT.replace(
    "run.run",
    """
from understudy.train import divergence
checked = divergence.DivergenceMonitor.check
def check(self, iteration, loss, contrasts):
    if iteration == 40 and not self.rollbacks:
        return "The loss is no longer a finite number"
    return checked(self, iteration, loss, contrasts)
divergence.DivergenceMonitor.check = check
run.run""",
    1,
)


def test_both_go_back_where_training_goes_wrong(tmp_path: Path) -> None:
    sets, model = make_sets(tmp_path), tmp_path / "m.model"
    run = job(model, sets, iterations=60, save_minutes=1e-9, preview_iterations=1000)
    for code, complaint in ended(started(run, GOES_WRONG)):
        assert code == 0, complaint
    study = resume(run, silent)
    assert (study.iteration, study.monitor.rollbacks) == (60, 1)


REFINES = SCRIPT.replace("TrainJob", "RefineJob").replace("import run", "import refine as run")


def test_two_processes_refine_as_one_does(tmp_path: Path) -> None:
    sets, models = make_sets(tmp_path), [tmp_path / f"{name}.model" for name in ("alone", "together")]
    for model in models:
        loop.run(job(model, sets), report=silent, settings=SETTINGS)
    alone, together = (
        RefineJob(model=model, faceset=sets[1], iterations=20, width=8, batch=3, mixed_precision=False)
        for model in models
    )
    refine.run(alone, report=silent, settings=SETTINGS)
    for code, complaint in ended(started(together, REFINES)):
        assert code == 0, complaint
    one, two = (refiners.load(model, "bert") for model in models)
    assert one[2] == two[2] == 20
    for name, value in one[0].state_dict().items():
        torch.testing.assert_close(two[0].state_dict()[name], value, atol=5e-3, rtol=0.05, msg=name)


def test_where_one_is_killed_the_other_ends_and_the_model_is_whole(tmp_path: Path) -> None:
    sets, model = make_sets(tmp_path), tmp_path / "m.model"
    endless = job(model, sets, iterations=10**6, save_minutes=1e-9)
    processes = started(endless)
    deadline = time.monotonic() + PATIENCE
    while not store.find(model_folder.checkpoints(model)) and time.monotonic() < deadline:
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGKILL)
    (code, complaint), _ = ended(processes)
    assert code not in (0, -signal.SIGKILL) and "Another process of this training has ended" in complaint
    before = store.find(model_folder.checkpoints(model))[-1].iteration
    again = job(model, sets, iterations=before + 1)
    assert loop.run(again, report=silent, settings=SETTINGS)["iteration"] == before + 1


def test_every_face_of_a_batch_is_one_processs() -> None:
    for size in range(1, 6):
        for count in range(size, 12):
            shares = process_group.ProcessGroup(0, size).shares(count)
            assert [face for share in shares for face in range(count)[share]] == list(range(count))
            lengths = [len(range(count)[share]) for share in shares]
            assert max(lengths) - min(lengths) <= 1 and max(lengths) == -(-count // size)


def test_fewer_faces_than_processes_are_refused(tmp_path: Path) -> None:
    run = job(tmp_path / "m.model", make_sets(tmp_path), batch=1)
    for code, complaint in ended(started(run)):
        assert code != 0 and "A batch of 1 faces for 2 processes" in complaint


def test_a_place_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(JobError, match="WORLD_SIZE"), process_group.connected(torch.device("cpu")):
        pass
