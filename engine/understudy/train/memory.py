"""What a device says when its memory is full."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from contextlib import suppress

import torch

# CPU and MPS raise a plain RuntimeError, and so do the libraries beneath; only the text tells.
_PHRASES = (
    "defaultcpuallocator",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)
# What oneDNN says when it finds no room for its code, its copies or its scratchpad. Seen with oneDNN in torch
# 2.13: once its code has found no room it goes on saying so in this process, however much is free again.
_ONEDNN = re.compile(r"could not (create|execute) a (primitive|memory object)")


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that an allocation failed, on whichever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error).lower().strip()
    known = any(phrase in said for phrase in _PHRASES) or _ONEDNN.fullmatch(said) is not None
    return isinstance(error, RuntimeError) and known


def release(device: torch.device) -> None:
    """Give what the allocator keeps for later back to the device."""
    gc.collect()  # a failed attempt's tensors may hang in cycles of its errors
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # not every C library has it
            ctypes.CDLL(None).malloc_trim(0)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
