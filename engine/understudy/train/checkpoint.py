"""Checkpoints: a folder an iteration, written whole or not at all, safetensors and JSON only.

    NAME.model/checkpoints/00001234/
        weights.safetensors     the network
        average.safetensors     its exponential moving average, which is what is exported
        optimiser.safetensors   Adam's two moments for every weight
        state.json              schema version, iteration, digests of the three files

Random choices are a function of the seed and the iteration number (samples.py), so the iteration is all
the random state there is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from understudy.errors import TrainingError

SCHEMA_VERSION = 1
_FILES = ("weights", "average", "optimiser")


@dataclass(frozen=True)
class Checkpoint:
    """A finished checkpoint on disk."""

    path: Path
    iteration: int


def save(
    folder: Path,
    *,
    iteration: int,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    facts: dict[str, Any],
) -> Checkpoint:
    """Write a checkpoint; a killed process leaves none rather than half of one.

    Raises:
        TrainingError: the disk is full or the folder cannot be written; older checkpoints stay.
    """
    target = folder / f"{iteration:08d}"
    partial = folder / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
        tables = {
            "weights": _tensors(network),
            "average": _tensors(average),
            "optimiser": _moments(network, optimiser),
        }
        for name, table in tables.items():
            save_file(table, partial / f"{name}.safetensors")
        state = {
            "schema_version": SCHEMA_VERSION,
            "iteration": iteration,
            "digests": {name: _digest(partial / f"{name}.safetensors") for name in _FILES},
            **facts,
        }
        (partial / "state.json").write_text(json.dumps(state, indent=1))
        _sync(partial)
        if target.exists():  # the same iteration again, after a resume that did nothing
            shutil.rmtree(target)
        os.replace(partial, target)
    except (OSError, SafetensorError) as exc:
        raise TrainingError(
            f"The checkpoint of iteration {iteration} could not be written: {exc}.",
            where=target,
            fix="make room on the disk; the checkpoints before it are whole, and the same command goes on",
        ) from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Checkpoint(target, iteration)


def find(folder: Path) -> list[Checkpoint]:
    """Finished checkpoints, oldest first; anything else in the folder is left alone."""
    if not folder.is_dir():
        return []
    found = [
        Checkpoint(path, int(path.name))
        for path in folder.iterdir()
        if path.name.isdigit() and (path / "state.json").is_file()
    ]
    return sorted(found, key=lambda checkpoint: checkpoint.iteration)


def load(
    checkpoint: Checkpoint,
    *,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer | None = None,
) -> int:
    """Load a checkpoint into the network and give its iteration.

    Raises:
        TrainingError: it is damaged, of another shape, or from a later version.
    """
    state = read_state(checkpoint)
    for name in _FILES:
        if _digest(checkpoint.path / f"{name}.safetensors") != state["digests"].get(name):
            raise TrainingError(
                f"{name}.safetensors is not the file that was saved.",
                where=checkpoint.path,
                fix="remove this checkpoint folder; training goes on from the one before it",
            )
    try:
        _put(network, load_file(checkpoint.path / "weights.safetensors"))
        _put(average, load_file(checkpoint.path / "average.safetensors"))
        if optimiser is not None:
            _put_moments(network, optimiser, load_file(checkpoint.path / "optimiser.safetensors"), state)
    except (SafetensorError, KeyError, RuntimeError) as exc:
        raise TrainingError(
            "The checkpoint does not fit this model.",
            where=checkpoint.path,
            fix="train with the size and width of model.json, or choose another model folder",
        ) from exc
    return int(state["iteration"])


def read_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint's state.json.

    Raises:
        TrainingError: it is unreadable or from a later version.
    """
    path = checkpoint.path / "state.json"
    try:
        state = json.loads(path.read_text())
        version, _, _ = int(state["schema_version"]), int(state["iteration"]), dict(state["digests"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise TrainingError(
            "The checkpoint's state is unreadable.", where=path, fix="remove this checkpoint folder"
        ) from exc
    if version > SCHEMA_VERSION:
        raise TrainingError(
            f"The checkpoint was written by a later version of Understudy (schema {version}).",
            where=path,
            fix="update Understudy",
        )
    return dict(state)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}


def _put(module: nn.Module, table: dict[str, Tensor]) -> None:
    module.load_state_dict(table, strict=True)


def _moments(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    table: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            table[f"{key}/{name}"] = value.detach().cpu().contiguous()
    return table


def _put_moments(
    network: nn.Module, optimiser: torch.optim.Optimizer, table: dict[str, Tensor], state: dict[str, Any]
) -> None:
    if not table:
        return
    for name, parameter in network.named_parameters():
        # empty_like keeps the parameter's memory layout, which the fused optimiser expects.
        moments = {
            key: torch.empty_like(parameter).copy_(table[f"{key}/{name}"])
            for key in ("exp_avg", "exp_avg_sq")
        }
        step = table[f"step/{name}"].to(torch.float32)
        optimiser.state[parameter] = {"step": step.to(parameter.device), **moments}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"


def _sync(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
