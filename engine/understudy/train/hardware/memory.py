"""What a device says when its memory is full, and what is done about it."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable
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


def more_parts(parts: int, *, most: int, batch: int, smaller: str, warn: Callable[[str], None]) -> int:
    """Twice as many parts to compute a batch in, and the word of it.

    Args:
        parts: Now.
        most: At one face a part; there are fewer now.
        batch: Faces in all of them.
        smaller: What would have to be smaller for the batch to fit.
        warn: Told.
    """
    more = min(2 * parts, most)
    warn(
        f"Out of memory: a batch of {batch} is now computed in {more} parts. It learns the same, "
        f"more slowly; a smaller {smaller} would fit at once."
    )
    return more
