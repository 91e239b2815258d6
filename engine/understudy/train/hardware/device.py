"""The device that a network trains on, and how it computes there."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from understudy.core.errors import JobError
from understudy.core.settings import Settings
from understudy.jobs.training import RunFields

Network = TypeVar("Network", bound=nn.Module)


def device_of(name: str, settings: Settings) -> torch.device:
    """The device that a job asks for; for auto what the machine's setting says, or the fastest there is.

    Raises:
        JobError: this machine does not have the device.
    """
    if name == "auto":
        name = settings.device
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[name]:
        raise JobError(f"This machine has no {name} device.", fix="set device to auto or cpu")
    return torch.device(name)


def on_device(network: Network, device: torch.device) -> Network:
    """The network, moved, in the memory layout that training wants."""
    # Channels last is the layout that matrix units and tensor cores want.
    for parameter in network.to(device).parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def precision(job: RunFields, device: torch.device) -> torch.autocast:
    """A context that computes in bfloat16 where the job allows it and the device is faster with it."""
    mixed = job.mixed_precision and device.type in ("cpu", "cuda")
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed)


def adam(network: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """The optimiser of a network that is on its device already."""
    fused = next(network.parameters()).device.type in ("cpu", "cuda")
    return torch.optim.Adam(network.parameters(), learning_rate, betas=(0.9, 0.99), fused=fused)
