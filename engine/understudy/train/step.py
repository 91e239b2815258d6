"""One optimiser step, whatever is trained: batches, gradients, learning rate, weights, moving average."""

from __future__ import annotations

from collections.abc import Callable

import torch

from understudy.core.errors import TrainingError
from understudy.train.gradients import CRITIC_LOSS, Figures, accumulate
from understudy.train.hardware import memory
from understudy.train.tasks.protocol import Task

CLIP_NORM = 1.0


def train_step(task: Task, warn: Callable[[str], None]) -> Figures:
    """Make one optimiser step, in more parts where memory does not suffice.

    Raises:
        TrainingError: not even one face of each identity fits into memory.
    """
    while True:
        undo = task.remember()
        try:
            return _step(task)
        except BaseException as exc:
            short = memory.is_shortage(exc)
            if task.state.between_steps or short:
                undo()
            if not short:
                raise
            said = str(exc).partition("\n")[0]
        # Only here, where nothing holds the failed attempt any more, is its memory free.
        _use_more_parts(task, said, warn)


def _step(task: Task) -> Figures:
    """Until the optimiser moves the weights, nothing changes that `task.remember` cannot undo."""
    state = task.state
    batches = task.draw_batches()
    state.clear_gradients()
    state.mark_time("data")

    figures = accumulate(task, batches)
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), CLIP_NORM)

    state.between_steps = False
    learning_rate = state.job.learning_rate * state.monitor.learning_rate_multiplier
    learning_rate *= task.learning_rate_multiplier()
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate
    state.optimiser.step()
    if state.critic is not None and CRITIC_LOSS in figures.losses:
        state.critic.update()
    task.regularise(learning_rate)
    task.update_ema()
    state.mark_time("optimiser")

    state.iteration += 1
    state.between_steps = True
    return figures


def try_step(task: Task) -> None:
    """All of a step but the optimiser's: it takes as long, and changes nothing."""
    undo = task.remember()
    try:
        accumulate(task, task.draw_batches())
    finally:
        task.state.clear_gradients()
        undo()


def _use_more_parts(task: Task, said: str, warn: Callable[[str], None]) -> None:
    state = task.state
    state.between_steps = True
    state.clear_gradients()
    memory.release(state.device)
    most = -(-state.batch // state.processes.size)
    if state.parts >= most:
        raise TrainingError(
            f"Not even one face of each identity fits into the memory of {state.device.type} ({said}).",
            where=task.folder,
            fix=f"start again with a smaller {task.fewer}, or on a device with more memory",
        )
    state.parts = memory.more_parts(state.parts, most=most, batch=state.batch, smaller=task.fewer, warn=warn)
