"""Several processes that train one model together, on the GPUs of one machine or of several.

Each draws the whole batch by the same random numbers, computes its share, and adds up its gradients with the
others': what is learned is what one process with the whole batch would learn, to the order of additions. The
first process, the lead, does all else: it looks at how it goes, measures, saves, tells. The others do what it
says, one word an iteration.

Started by `torchrun`, which tells every process its place by environment variables. Numbers alone are sent,
never objects, so nothing that arrives is unpickled.

Source:
    Li et al. 2020, PyTorch Distributed: Experiences on Accelerating Data Parallel Training. Here gradients
    are added up after the last part of a batch rather than while parts are computed.
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

# The others wait while the lead measures, draws a sheet and saves on a slow disk.
_PATIENCE = timedelta(minutes=60)
_AT_ONCE = 2**22  # numbers in one exchange


class Word(IntEnum):
    """What the lead says comes next."""

    LEARN = 0
    LOAD = 1
    END = 2


class Team:
    """The processes of one training.

    Attributes:
        place: This process among them, from 0.
        size: How many there are.
    """

    def __init__(self, place: int = 0, size: int = 1, device: torch.device | None = None) -> None:
        self.place, self.size = place, size
        self._device = device or torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this process is the one that saves and tells."""
        return self.place == 0

    @property
    def many(self) -> bool:
        """Whether there is more than one."""
        return self.size > 1

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.many:
            self._sum(torch.zeros(1))

    @contextmanager
    def lead_first(self) -> Iterator[None]:
        """What the lead does first and the others after it: what it writes they find."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()
        self.wait()

    def say(self, word: Word, *numbers: int) -> None:
        """As the lead, tell the others what comes next."""
        if self.many:
            self._from_lead([int(word), *numbers, 0, 0][:3])

    def heard(self) -> tuple[Word, int, int]:
        """What the lead says comes next, with its two numbers.

        Raises:
            TrainingError: it has gone.
        """
        word, first, second = self._from_lead([0, 0, 0])
        return Word(word), first, second

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """What is tried by all: where memory does not suffice for one, none has done it.

        Raises:
            MemoryError: another process ran out of memory.
        """
        short: BaseException | None = None
        try:
            yield
        except BaseException as exc:
            if not self.many or not memory.is_shortage(exc):
                raise
            short = exc
        failed = float(self._sum(torch.tensor([float(short is not None)]))) if self.many else 0.0
        if short is not None:
            raise short
        if failed:
            raise MemoryError("another process is out of memory")

    def shares(self, count: int) -> list[slice]:
        """Which of `count` faces each process computes."""
        least, more = divmod(count, self.size)
        ends = [0]
        for place in range(self.size):
            ends.append(ends[-1] + least + (place < more))
        return [slice(first, last) for first, last in pairwise(ends)]

    def gathered(self, values: Tensor, count: int) -> Tensor:
        """(N, C) of this process's share to (count, C) of all, in their order."""
        if not self.many:
            return values
        whole = values.new_zeros((count, *values.shape[1:]), dtype=torch.float32)
        whole[self.shares(count)[self.place]] = values.float()
        return self._sum(whole)

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by the sum of all processes' ones; the same ones in the same order in each."""
        if not self.many:
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
            raise _gone(exc) from exc
        return moved

    def _from_lead(self, numbers: Sequence[int]) -> list[int]:
        sent = torch.tensor(numbers, dtype=torch.int64, device=self._device)
        try:
            dist.broadcast(sent, 0)
        except RuntimeError as exc:
            raise _gone(exc) from exc
        return [int(number) for number in sent.tolist()]


@contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The team that this process belongs to by its environment; one of its own without.

    Raises:
        JobError: the environment is not torchrun's, or the device cannot be shared.
        TrainingError: the others cannot be reached.
    """
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        yield Team(device=device)
        return
    if device.type not in ("cpu", "cuda"):
        raise JobError(f"Several processes cannot train on {device.type}.", fix="train in one process")
    place = _number("RANK", 0)
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
        yield Team(place, size, device)
    finally:
        dist.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """The device of this process: of several GPUs, the one that torchrun names."""
    local = _number("LOCAL_RANK", 0)
    return torch.device("cuda", local) if device.type == "cuda" and local else device


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isascii() or not text.isdigit():
        raise JobError(f"{name} is {text[:50]!r}, which is no number.", fix="start training with torchrun")
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


def _gone(exc: RuntimeError) -> TrainingError:
    return TrainingError(
        f"Another process of this training has ended: {str(exc).partition(chr(10))[0]}.",
        fix="look at what it said; the same command goes on from the last checkpoint",
    )
