"""kill -9 at random moments: a run always resumes, and loses no more than the save interval."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from small_training import job, make_sets, resume
from understudy.core.progress import Event, Warned
from understudy.train.checkpoints import store

# Tells the iteration it has reached and the time, so that what a kill cost can be said.
SCRIPT = """
import sys, time
from small_training import SETTINGS
from understudy.jobs.training import TrainJob
from understudy.core.progress import silent
from understudy.train import run, trainer

learn = trainer.train_step
def learn_and_tell(task, warn):
    figures = learn(task, warn)
    print(task.state.iteration, time.time(), flush=True)
    return figures
trainer.train_step = learn_and_tell
print("ready", flush=True)
run.run(TrainJob.model_validate_json(sys.argv[1]), report=silent, settings=SETTINGS)
"""
SAVE_SECONDS = 0.3
# What a save and an iteration may take more on a busy machine.
SLACK_SECONDS = 1.0


def kill_again_and_again(root: Path, times: int) -> None:
    sets, dice = make_sets(root), random.Random(times)
    endless = job(root / "m.model", sets, batch=1, iterations=10**8, save_minutes=SAVE_SECONDS / 60)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    reached = 0
    for _ in range(times):
        command = [sys.executable, "-c", SCRIPT, endless.model_dump_json()]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            first = next(line for line in child.stdout if line[0].isdigit())
            assert int(first.split()[0]) == reached + 1, "it does not go on from the last checkpoint"
            time.sleep(dice.uniform(0.0, 8 * SAVE_SECONDS))
            os.kill(child.pid, signal.SIGKILL)
            told = [first, *child.stdout]
        reached = check_after_a_kill(endless.model, told)
    warned: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Warned) and "release" not in event.message:
            warned.append(event.message)

    assert resume(job(root / "m.model", sets, batch=1), listen).iteration == reached
    assert not warned, "a checkpoint was half written"
    assert reached > 0


def check_after_a_kill(model: Path, told: list[str]) -> int:
    """The iteration of the newest checkpoint, which is whole and not too old."""
    found = store.find(model / "checkpoints")
    newest = found[-1].iteration if found else 0
    times = {int(line.split()[0]): float(line.split()[1]) for line in told if line.count(" ") == 1}
    died = max(times.values())
    # The first iteration that is lost was made no longer ago than an interval.
    lost = [when for iteration, when in times.items() if iteration > newest]
    assert not lost or died - min(lost) <= SAVE_SECONDS + SLACK_SECONDS
    return newest


def test_three_kills_cost_no_more_than_the_save_interval(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 3)


@pytest.mark.slow
def test_thirty_kills_cost_no_more_than_the_save_interval(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 30)
