"""Checkpoints: a folder an iteration, written whole or not at all, safetensors and JSON only.

    NAME.model/checkpoints/00001234/
        weights.safetensors     the network
        average.safetensors     its exponential moving average (EMA), which is what is exported
        optimiser.safetensors   Adam's two moments for every weight
        adversary.safetensors   the critic's weights and moments, where there is one
        state.json              schema version, iteration, digests of these files, when it was saved,
                                seconds of training, whether nothing was suspicious then, the error on unseen
                                faces where it was measured, since which iteration that compares (`era`),
                                whom the weights hold, and what the divergence monitor remembers (`watch`)

Random choices are a function of the seed and the iteration (seeds.py), so the iteration is all the random
state there is. Names of files, tensors and keys are those of version 1: old checkpoints are read, and new
ones by older releases.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from understudy.core import atomic, documents, unfinished
from understudy.core.errors import TrainingError
from understudy.train.losses.patch_critic import PatchCritic

SCHEMA_VERSION = 1
_STATE = documents.Kind(
    "checkpoint's state",
    TrainingError,
    "remove this checkpoint folder",
    largest_bytes=16_000_000,
    newest=SCHEMA_VERSION,
    finite=False,
)
_TABLES = ("weights", "average", "optimiser")
_CRITIC = "adversary"
FILES = frozenset({"state.json", *(f"{name}.safetensors" for name in (*_TABLES, _CRITIC))})
_PARTIAL = re.compile(r"\.\d+\.[0-9a-f]{8}\.partial")


class _State(BaseModel):
    """What a training is taken up by; whoever else wrote a fact into a state.json checks it itself."""

    model_config = ConfigDict(extra="allow")

    schema_version: Annotated[int, Field(ge=1)]
    iteration: Annotated[int, Field(ge=0, le=10**12)]
    digests: dict[str, Annotated[str, Field(max_length=64)]]


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
    ema: nn.Module,
    optimiser: torch.optim.Optimizer,
    facts: dict[str, Any],
    critic: PatchCritic | None = None,
) -> Checkpoint:
    """Write a checkpoint; a killed process leaves none rather than half of one.

    Raises:
        TrainingError: the disk is full or the folder cannot be written; older checkpoints stay.
    """
    target = folder / f"{iteration:08d}"
    partial = folder / partial_name(target.name)
    try:
        partial.mkdir(parents=True)
        tables = {
            "weights": _tensors(network),
            "average": _tensors(ema),
            "optimiser": moments(network, optimiser),
        }
        if critic is not None:
            tables[_CRITIC] = _critic_tensors(critic) | moments(critic.network, critic.optimiser)
        for name, table in tables.items():
            save_file(table, partial / f"{name}.safetensors")
        digests = {name: _digest(partial / f"{name}.safetensors") for name in tables}
        state = {"schema_version": SCHEMA_VERSION, "iteration": iteration, "digests": digests, **facts}
        (partial / "state.json").write_text(json.dumps(state, indent=1))
        _sync(partial)
        _put_in_place(partial, target, digests)
    except (OSError, SafetensorError) as exc:
        raise TrainingError(
            f"The checkpoint of iteration {iteration} could not be written: {exc}.",
            where=target,
            fix="make room on the disk; the checkpoints before it are whole, and the same command goes on",
        ) from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Checkpoint(target, iteration)


def amend(checkpoint: Checkpoint, facts: Mapping[str, Any]) -> None:
    """Change facts in a checkpoint's state.json; the weights stay.

    Raises:
        TrainingError: its state is unreadable, or the disk is full.
    """
    path = checkpoint.path / "state.json"
    state = read_state(checkpoint) | dict(facts)
    try:
        atomic.write_text(path, json.dumps(state, indent=1))
    except OSError as exc:
        raise TrainingError(
            f"The checkpoint's state could not be written: {exc}.", where=path, fix="make room on the disk"
        ) from exc


def partial_name(name: str) -> str:
    """A name for a checkpoint folder that is being written or removed; `find` passes it over."""
    return f".{name}.{uuid.uuid4().hex[:8]}.partial"


def tidy(folder: Path) -> None:
    """Remove what killed runs left half written; only for who holds the folder's lock."""
    if folder.is_dir():
        for path in folder.iterdir():
            if _PARTIAL.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.isdigit():
                unfinished.tidy_folder(path)  # of a state.json that was being amended


def find(folder: Path) -> list[Checkpoint]:
    """Finished checkpoints, oldest first; anything else in the folder is left alone."""
    if not folder.is_dir():
        return []
    found = [
        Checkpoint(path, int(path.name))
        for path in folder.iterdir()
        if path.name.isascii() and path.name.isdigit() and (path / "state.json").is_file()
    ]
    return sorted(found, key=lambda checkpoint: checkpoint.iteration)


def load(
    checkpoint: Checkpoint,
    *,
    network: nn.Module,
    ema: nn.Module,
    optimiser: torch.optim.Optimizer | None = None,
) -> int:
    """Load a checkpoint into the network and give its iteration.

    Raises:
        TrainingError: it is damaged, of another shape, holds NaN, or is from a later version; the network
            is as it was.
    """
    state = read_state(checkpoint)
    for name in (*_TABLES, _CRITIC) if _CRITIC in state["digests"] else _TABLES:
        if _digest(checkpoint.path / f"{name}.safetensors") != state["digests"].get(name):
            raise TrainingError(
                f"{name}.safetensors is not the file that was saved.",
                where=checkpoint.path,
                fix="remove this checkpoint folder; training goes on from the one before it",
            )
    expected = {"weights": _tensors(network), "average": _tensors(ema)}
    expected |= {} if optimiser is None else {"optimiser": _like_moments(network)}
    tables = {name: _read(checkpoint.path / f"{name}.safetensors") for name in expected}
    if optimiser is not None:  # what was never trained has no moments
        expected["optimiser"] = _only(expected["optimiser"], tables["optimiser"])
    for name, table in tables.items():
        _check(table, expected[name], checkpoint.path / f"{name}.safetensors")
    network.load_state_dict(tables["weights"])
    ema.load_state_dict(tables["average"])
    if optimiser is not None:
        optimiser.state.clear()
        put_moments(network, optimiser, tables["optimiser"])
    return int(state["iteration"])


def load_critic(checkpoint: Checkpoint, critic: PatchCritic) -> None:
    """Load the critic saved with a checkpoint, which `load` has found whole; a new one where there is none.

    Raises:
        TrainingError: it is unreadable, of another shape, or holds NaN; the critic is as it was.
    """
    path = checkpoint.path / f"{_CRITIC}.safetensors"
    if _CRITIC not in read_state(checkpoint)["digests"]:
        critic.reset()
        return
    table = _read(path)
    expected = _critic_tensors(critic)
    if len(table) > len(expected):  # before its first step there are no moments
        expected |= _like_moments(critic.network)
    _check(table, expected, path)
    names = critic.network.state_dict()
    critic.network.load_state_dict({name: table[f"weights/{name}"] for name in names})
    critic.optimiser.state.clear()
    if any(name.startswith("step/") for name in table):
        put_moments(critic.network, critic.optimiser, table)


def read_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint's state.json.

    Raises:
        TrainingError: it is unreadable or from a later version.
    """
    path = checkpoint.path / "state.json"
    state = documents.read(path, _STATE)
    documents.validated(state, _State, path, _STATE)
    return state


def held_out_error(state: Mapping[str, Any]) -> float:
    """The error on unseen faces that a state.json holds, infinite where it was not measured."""
    error = state.get("held_out_error")
    return float(error) if isinstance(error, int | float) and error >= 0 else math.inf


def era(state: Mapping[str, Any]) -> int:
    """The iteration since which validations compare with that of a state.json."""
    told = state.get("era")
    return told if isinstance(told, int) else 0


def is_later(checkpoint: Checkpoint) -> bool:
    """Whether a later version of Understudy wrote it, so far as its state can be read at all."""
    try:
        state = documents.read(checkpoint.path / "state.json", replace(_STATE, newest=0))
    except TrainingError:
        return False
    version = state.get("schema_version")
    return isinstance(version, int) and version > SCHEMA_VERSION


def is_finite(module: nn.Module) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(torch.isfinite(value).all()) for value in module.state_dict().values())


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as exc:
        raise TrainingError(
            f"The checkpoint is unreadable: {exc}.", where=path.parent, fix="remove this checkpoint folder"
        ) from exc


def _check(table: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
    fits = table.keys() == expected.keys() and all(
        (value.shape, value.dtype) == (expected[name].shape, expected[name].dtype)
        for name, value in table.items()
    )
    if not fits:
        raise TrainingError(
            "The checkpoint does not fit this model: its weights are of another network.",
            where=path,
            fix="remove this checkpoint folder; it was not written by this model's training",
        )
    if not all(bool(torch.isfinite(value).all()) for value in table.values()):
        raise TrainingError(
            "The checkpoint holds weights that are not finite numbers.",
            where=path,
            fix="remove this checkpoint folder; training goes on from the one before it",
        )


def _put_in_place(partial: Path, target: Path, digests: dict[str, str]) -> None:
    """Make `partial` the checkpoint `target`; there is one at every moment, unless the old one is damaged."""
    if target.exists():  # the same iteration again, after a resume that did nothing
        if all(_digest(target / f"{name}.safetensors") == digest for name, digest in digests.items()):
            os.replace(partial / "state.json", target / "state.json")
            return
        ours = {entry.name for entry in target.iterdir()} <= FILES
        aside = target.with_name(
            partial_name(target.name) if ours else f"{target.name}.{uuid.uuid4().hex[:8]}"
        )
        target.rename(aside)
        os.replace(partial, target)
        if ours:
            shutil.rmtree(aside, ignore_errors=True)
    else:
        os.replace(partial, target)
    _sync_folder(target.parent)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}


def _critic_tensors(critic: PatchCritic) -> dict[str, Tensor]:
    return {f"weights/{name}": value for name, value in _tensors(critic.network).items()}


def moments(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers of each weight that it has moved, on the CPU, by the weight's name."""
    table: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            table[f"{key}/{name}"] = value.detach().cpu().contiguous()
    return table


def _like_moments(network: nn.Module) -> dict[str, Tensor]:
    table: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        table |= {f"{key}/{name}": parameter for key in ("exp_avg", "exp_avg_sq")}
        table[f"step/{name}"] = torch.zeros(())
    return table


def _only(moments: dict[str, Tensor], found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The moments of those weights that any are found of."""
    trained = {name.partition("/")[2] for name in found}
    return {name: value for name, value in moments.items() if name.partition("/")[2] in trained}


def put_moments(network: nn.Module, optimiser: torch.optim.Optimizer, table: dict[str, Tensor]) -> None:
    """Give an optimiser its moments back; those of weights that the table does not name stay."""
    for name, parameter in network.named_parameters():
        if f"step/{name}" not in table:
            continue
        # empty_like keeps the parameter's memory layout, which the fused optimiser expects.
        moments = {
            key: torch.empty_like(parameter).copy_(table[f"{key}/{name}"])
            for key in ("exp_avg", "exp_avg_sq")
        }
        step = table[f"step/{name}"]
        optimiser.state[parameter] = {"step": step.to(parameter.device), **moments}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        # For writing, because Windows flushes no file that is open for reading only.
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # which opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
