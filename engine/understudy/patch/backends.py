"""The devices that a patch synthesis runs on: the CPU, here, and a GPU, in `cuda`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from understudy.core.errors import JobError
from understudy.image.frame import FloatImage
from understudy.image.strips import in_strips
from understudy.patch import kernels
from understudy.patch.kernels import Nnf
from understudy.patch.task import Device, Pixels, SearchBackend, SearchPass, SynthesisTask

_FEWEST_PIXELS = 512  # worth a thread of their own


def backend_for(device: Device) -> Callable[[SynthesisTask, Nnf], SearchBackend]:
    """The backend of a device.

    Raises:
        JobError: the GPU is asked for and there is none.
    """
    if device == "cpu":
        return CpuBackend
    from understudy.patch import cuda  # looks for a driver, which takes time that the CPU does not need

    if cuda.found():
        return cuda.CudaBackend
    if device == "auto":
        return CpuBackend
    raise JobError(
        "The patch search was to run on the GPU, and numba finds none.",
        where="device",
        fix="see `understudy doctor`, install understudy[gpu] with NVIDIA's driver, or set device to auto",
    )


class CpuBackend:
    """The loops on as many threads as OpenCV has been given."""

    def __init__(self, task: SynthesisTask, nnf: Nnf) -> None:
        self._task, self._nnf, self._picture = task, nnf, task.initial.copy()
        self._costs = np.zeros(task.mask.shape, np.float32)
        guides = task.guides
        self._widths = kernels.widths_of(guides.groups, guides.source.shape[2])
        self._target, self._occurrence = guides.target, np.zeros(task.style.shape[:2], np.float32)

    def compare(self, target: FloatImage, occurrence: FloatImage) -> None:
        """See `SearchBackend`."""
        self._target, self._occurrence = target, occurrence

    def measure(self, pixels: Pixels, radius: int) -> None:
        """See `SearchBackend`."""
        written = self._nnf, self._costs
        _in_strips(kernels.measure_rows, pixels, *written, *self._compared(), radius)

    def search(self, pixels: Pixels, radius: int, passes: Iterable[SearchPass]) -> None:
        """See `SearchBackend`."""
        after = self._nnf.copy(), self._costs.copy()
        for one in passes:
            before = self._nnf, self._costs
            _in_strips(kernels.improve_rows, pixels, *before, *after, *self._compared(), radius, *one)
            # Every pass writes the same pixels; all others are equal in both.
            (self._nnf, self._costs), after = after, before

    def vote(self, pixels: Pixels, radius: int, scale: float) -> None:
        """See `SearchBackend`."""
        task, written = self._task, (self._picture, self._nnf, self._costs)
        read = (task.style, task.key_base, task.gain, task.frame_base)
        _in_strips(kernels.vote_rows, pixels, *written, *read, radius, scale)

    def picture(self) -> FloatImage:
        """See `SearchBackend`."""
        return self._picture

    def nnf(self) -> Nnf:
        """See `SearchBackend`."""
        return self._nnf

    def costs(self) -> FloatImage:
        """See `SearchBackend`."""
        return self._costs

    def _compared(self) -> tuple[Any, ...]:
        guides = self._task.guides
        return self._target, guides.source, guides.validity, self._occurrence, self._widths


def _in_strips(rows: Any, pixels: Pixels, *arguments: Any) -> None:
    in_strips(partial(rows, pixels, *arguments), len(pixels), fewest=_FEWEST_PIXELS)
