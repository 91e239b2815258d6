"""Rolling training back to where nothing was wrong with it."""

from __future__ import annotations

from understudy.core.errors import TrainingError
from understudy.train.checkpoints import retention, store
from understudy.train.divergence import MAX_ROLLBACKS
from understudy.train.hardware.process_group import Command
from understudy.train.tasks.protocol import Task


def roll_back(task: Task, diverged: str) -> str:
    """Return to the newest good checkpoint, or to the beginning, at half the learning rate.

    Args:
        task: To roll back, in all processes.
        diverged: Why, as the beginning of a sentence.

    Returns:
        What was done, as a sentence.

    Raises:
        TrainingError: it was done too often already, or no checkpoint can be read.
    """
    state, where = task.state, f"at iteration {task.state.iteration}"
    rollbacks = state.monitor.rollbacks + 1
    if rollbacks > MAX_ROLLBACKS:
        learning_rate = state.job.learning_rate * state.monitor.learning_rate_multiplier
        raise TrainingError(
            f"{diverged}, {where}; going back to a lower learning rate {MAX_ROLLBACKS} times did not help.",
            where=task.folder,
            fix="look at the last previews and the face sets for what is odd there, then train on with a "
            f"learning rate below {learning_rate:.1g}",
        )
    found = _load_good(task)
    if found is None:
        task.begin_anew()
    state.monitor.rollbacks = rollbacks
    state.processes.broadcast(Command.LOAD, state.iteration if found else -1, rollbacks)
    retention.forget_after(task.folder / "checkpoints", state.iteration)
    if found is not None:  # so that a run killed before the next checkpoint knows it too
        store.amend(found, {"watch": state.monitor.as_dict()})
    learning_rate = state.job.learning_rate * state.monitor.learning_rate_multiplier
    back = f"iteration {state.iteration}" if found else "the beginning"
    goes_on = f"Training goes back to {back} and on with a learning rate of {learning_rate:.2g}."
    return f"{diverged}, {where}. {goes_on}"


def load_iteration(task: Task, iteration: int) -> None:
    """Go on from the checkpoint of an iteration; from the beginning where it is negative.

    Raises:
        TrainingError: it is not there, or cannot be read.
    """
    if iteration < 0:
        task.begin_anew()
        return
    folder = task.folder / "checkpoints"
    for found in store.find(folder):
        if found.iteration == iteration:
            task.load_checkpoint(found)
            return
    raise TrainingError(
        f"There is no checkpoint of iteration {iteration}.",
        where=folder,
        fix="let all machines of a training see the same model folder",
    )


def _load_good(task: Task) -> store.Checkpoint | None:
    """Load the newest checkpoint that nothing was wrong with, None where there is none.

    Raises:
        TrainingError: there are some, and none of them can be read any more.
    """
    unreadable: TrainingError | None = None
    for found in reversed(store.find(task.folder / "checkpoints")):
        try:
            if store.read_state(found).get("sound", True):
                task.load_checkpoint(found)
                return found
        except TrainingError as exc:
            unreadable = exc
    if unreadable is not None:
        raise unreadable
    return None
