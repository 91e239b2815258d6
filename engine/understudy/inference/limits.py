"""What a model from outside may take: which operators it may hold, how long a run lasts, how much memory.

A graph without loops ends, but a single operator can still ask for a terabyte or for a day. So a model that
holds a loop is refused when it is opened, memory comes from one arena that ends below what is free, and a run
that takes longer than its limit is given up.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from understudy.core.errors import ModelError
from understudy.image.memory import free_bytes

Result = TypeVar("Result")
# The share of what is free that models may take together.
_SHARE = 0.8
# How long a run that was told to stop may take to come back; it looks between two operators.
_SECONDS_TO_STOP = 10.0


def refuse_control_flow(model: Any, path: Path) -> None:
    """Refuse a graph that can loop or multiply: what Understudy exports is one flat graph.

    Args:
        model: An onnx.ModelProto.
        path: Its file, for the message.

    Raises:
        ModelError: a node holds a graph of its own (Loop, Scan, If), or the file defines functions.
    """
    nested = next((node.op_type for node in model.graph.node if _holds_graph(node)), None)
    if nested is None and not model.functions:
        return
    what = f"the operator {nested[:40]!r}" if nested else "functions of its own"
    raise ModelError(
        f"The model holds {what}, which could run without end and is refused.",
        where=path,
        fix="export the model again with Understudy, or use one whose graph is flat",
    )


def _holds_graph(node: Any) -> bool:
    return any(one.HasField("g") or one.graphs for one in node.attribute)


def within(seconds: float, work: Callable[[], Result], path: Path, *, stop: Callable[[], None]) -> Result:
    """Do work that has to end in time, in a thread of its own.

    What does not come back even after `stop` is left behind: its thread ends with the process.

    Args:
        seconds: Limit.
        work: Its result or its exception is handed on.
        path: The model's file, for the message.
        stop: Asks the work to end.

    Raises:
        ModelError: the time is over.
    """
    results: list[Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # it belongs to the caller, in whose thread it is raised
            failures.append(error)

    thread = threading.Thread(target=run, name="understudy-model", daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    except KeyboardInterrupt:
        stop()
        raise
    if thread.is_alive():
        stop()
        thread.join(_SECONDS_TO_STOP)
        raise ModelError(
            f"The model did not finish within {seconds:g} seconds.",
            where=path,
            fix="use the model of another export, or raise UNDERSTUDY_PREDICTION_SECONDS",
        )
    if failures:
        raise failures[0]
    return results[0]


@cache
def limit_memory(runtime: Any) -> bool:
    """Give all sessions of this process one arena on the CPU that ends below what is free now.

    Args:
        runtime: The onnxruntime module.

    Returns:
        Whether there is such an arena: sessions then ask for it by `session.use_env_allocators`.
    """
    free = free_bytes()
    if free is None:
        return False
    with contextlib.suppress(Exception):  # an onnxruntime without shared arenas: its own have no end
        where = runtime.OrtMemoryInfo(
            "Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
        )
        runtime.create_and_register_allocator(where, runtime.OrtArenaCfg(_arena(free)))
        return True
    return False


def _arena(free: int) -> dict[str, int]:
    # -1 leaves what the runtime chooses.
    rest = ("arena_extend_strategy", "initial_chunk_size_bytes", "max_dead_bytes_per_chunk")
    return {"max_mem": int(free * _SHARE), **dict.fromkeys(rest, -1)}
