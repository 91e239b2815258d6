"""Two runs never train one model, and a crash locks nobody out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from small_training import SETTINGS, job, make_sets
from understudy.core.errors import JobError, TrainingError
from understudy.core.progress import Event, Progress, silent
from understudy.jobs.training import ExportJob
from understudy.train import run
from understudy.train.checkpoints import lock
from understudy.train.export import onnx

HOLDER = """
import sys, time
from pathlib import Path
from understudy.core.progress import silent
from understudy.train.checkpoints import lock
with lock.hold(Path(sys.argv[1]), report=silent):
    print("held", flush=True)
    time.sleep(120)
"""


def hold_elsewhere(model: Path) -> subprocess.Popen[str]:
    """Another process that holds the model's lock until it is killed."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(model)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    return holder


def test_a_second_run_is_refused_and_told_who_trains(tmp_path: Path) -> None:
    sets = make_sets(tmp_path)
    with hold_elsewhere(tmp_path / "m.model") as holder:
        try:
            with pytest.raises(TrainingError, match=f"Another run .* process {holder.pid} on"):
                run.run(job(tmp_path / "m.model", sets), report=silent, settings=SETTINGS)
        finally:
            holder.kill()
    assert not (tmp_path / "m.model" / "model.json").exists()


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    with hold_elsewhere(tmp_path / "m.model") as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert (tmp_path / "m.model" / lock.NAME).exists()
    with lock.hold(tmp_path / "m.model", report=silent):
        pass


def test_two_threads_of_one_process_are_two_runs(tmp_path: Path) -> None:
    refusals: list[str] = []

    def try_it() -> None:
        try:
            with lock.hold(tmp_path / "m.model", report=silent):
                pass
        except TrainingError as error:
            refusals.append(error.what)

    with lock.hold(tmp_path / "m.model", report=silent):
        other = threading.Thread(target=try_it)
        other.start()
        other.join()
    assert len(refusals) == 1
    try_it()
    assert len(refusals) == 1, "the lock outlived its holder"


def test_a_model_in_training_can_be_exported(tmp_path: Path) -> None:
    """From inside a run's own reporter, while the run holds the lock and has saved once."""
    train_job = job(tmp_path / "m.model", make_sets(tmp_path), iterations=40, save_minutes=1e-9)
    exported: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "train" and event.done == 20:
            export_job = ExportJob(model=train_job.model, format="torchscript")
            exported.append(onnx.run(export_job, report=silent, settings=SETTINGS)["iteration"])

    run.run(train_job, report=listen, settings=SETTINGS)
    assert exported == [19]


def test_a_refused_job_makes_no_model_folder(tmp_path: Path) -> None:
    sets = make_sets(tmp_path)
    with pytest.raises(JobError, match="Both face sets"):
        run.run(job(tmp_path / "m.model", (sets[0], sets[0])), report=silent, settings=SETTINGS)
    assert not (tmp_path / "m.model").exists()
