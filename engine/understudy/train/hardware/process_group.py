"""Several processes that train one network together, on the GPUs of one machine or of several.

Each makes the same whole batch from the same random numbers, computes its share, and sums its gradients with
the others': the step is the one that a single process would make with the whole batch, to the order of
additions. The first process, the lead, does all else: it checks, measures, saves and reports. The others do
what it broadcasts, one command for each iteration.

Started by `torchrun`, which tells every process its rank by environment variables. Numbers alone are sent,
never objects, so nothing that arrives is unpickled.

Source:
    Li et al. 2020, PyTorch Distributed: Experiences on Accelerating Data Parallel Training. Here gradients
    are summed after the last part of a batch rather than while parts are computed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import IntEnum
from itertools import pairwise

import torch
import torch.distributed as dist
from torch import Tensor

from understudy.core.errors import JobError, TrainingError
from understudy.train.hardware import memory

# The others wait while the lead validates, writes a preview and saves on a slow disk.
_PATIENCE = timedelta(minutes=60)
_AT_ONCE = 2**22  # numbers in one exchange


class Command(IntEnum):
    """What the lead broadcasts."""

    STEP = 0
    LOAD = 1
    END = 2


class ProcessGroup:
    """The processes of one training; a single one unless torchrun started more.

    Attributes:
        rank: This process among them, from 0.
        size: How many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.size = rank, size
        self._device = device or torch.device("cpu")

    @property
    def is_lead(self) -> bool:
        """Whether this process is the one that saves and reports."""
        return self.rank == 0

    @property
    def distributed(self) -> bool:
        """Whether there is more than one."""
        return self.size > 1

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.distributed:
            self._sum(torch.zeros(1))

    @contextmanager
    def lead_first(self) -> Iterator[None]:
        """A block that the lead runs before the others, so that they find what it writes."""
        if not self.is_lead:
            self.wait()
        yield
        if self.is_lead:
            self.wait()
        self.wait()

    def broadcast(self, command: Command, *numbers: int) -> None:
        """As the lead, tell the others what to do."""
        if self.distributed:
            self._from_lead([int(command), *numbers, 0, 0][:3])

    def receive(self) -> tuple[Command, int, int]:
        """The lead's next command, with its two numbers.

        Raises:
            TrainingError: it has gone.
        """
        command, first, second = self._from_lead([0, 0, 0])
        return Command(command), first, second

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """A block that fails in every process where memory does not suffice in one of them.

        Raises:
            MemoryError: another process ran out of memory.
        """
        short: BaseException | None = None
        try:
            yield
        except BaseException as exc:
            if not self.distributed or not memory.is_shortage(exc):
                raise
            short = exc
        failed = float(self._sum(torch.tensor([float(short is not None)]))) if self.distributed else 0.0
        if short is not None:
            raise short
        if failed:
            raise MemoryError("another process is out of memory")

    def shares(self, count: int) -> list[slice]:
        """Which of `count` faces each process computes."""
        least, more = divmod(count, self.size)
        ends = [0]
        for rank in range(self.size):
            ends.append(ends[-1] + least + (rank < more))
        return [slice(first, last) for first, last in pairwise(ends)]

    def gather(self, values: Tensor, count: int) -> Tensor:
        """(N, C) of this process's share to (count, C) of all, in their order."""
        if not self.distributed:
            return values
        whole = values.new_zeros((count, *values.shape[1:]), dtype=torch.float32)
        whole[self.shares(count)[self.rank]] = values.float()
        return self._sum(whole)

    def sum_in_place(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by the sum over all processes, which give theirs in the same order."""
        if not self.distributed:
            return
        for bucket in _buckets(list(tensors)):
            whole = self._sum(torch.cat([value.detach().reshape(-1).float() for value in bucket]))
            begin = 0
            for value in bucket:
                value.detach().copy_(whole[begin : begin + value.numel()].view_as(value))
                begin += value.numel()

    def _sum(self, values: Tensor) -> Tensor:
        moved = values.to(self._device)
        try:
            dist.all_reduce(moved)
        except RuntimeError as exc:
            raise _lost(exc) from exc
        return moved

    def _from_lead(self, numbers: Sequence[int]) -> list[int]:
        sent = torch.tensor(numbers, dtype=torch.int64, device=self._device)
        try:
            dist.broadcast(sent, 0)
        except RuntimeError as exc:
            raise _lost(exc) from exc
        return [int(number) for number in sent.tolist()]


@contextmanager
def connected(device: torch.device) -> Iterator[ProcessGroup]:
    """The processes that this one belongs to by its environment; without one, itself alone.

    Raises:
        JobError: the environment is not torchrun's, or the device cannot be shared.
        TrainingError: the others cannot be reached.
    """
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        yield ProcessGroup(device=device)
        return
    if device.type not in ("cpu", "cuda"):
        raise JobError(f"Several processes cannot train on {device.type}.", fix="train in one process")
    rank = _number("RANK", 0)
    backend = "nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        dist.init_process_group(backend, timeout=_PATIENCE)
    except (RuntimeError, ValueError) as exc:
        raise TrainingError(
            f"The {size} processes of this training cannot reach each other: {exc}.",
            where=os.environ.get("MASTER_ADDR", ""),
            fix="start them with torchrun, on machines that see each other",
        ) from exc
    try:
        yield ProcessGroup(rank, size, device)
    finally:
        dist.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """The device of this process: of several GPUs the one that torchrun names."""
    local = _number("LOCAL_RANK", 0)
    return torch.device("cuda", local) if device.type == "cuda" and local else device


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isascii() or not text.isdigit():
        raise JobError(f"{name} is {text[:50]!r}, which is not a number.", fix="start training with torchrun")
    return int(text)


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    held = 0
    for value in tensors:
        if bucket and held + value.numel() > _AT_ONCE:
            yield bucket
            bucket, held = [], 0
        bucket.append(value)
        held += value.numel()
    if bucket:
        yield bucket


def _lost(exc: RuntimeError) -> TrainingError:
    return TrainingError(
        f"Another process of this training has ended: {str(exc).partition(chr(10))[0]}.",
        fix="look at what it said; the same command goes on from the last checkpoint",
    )
