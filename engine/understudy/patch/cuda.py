"""The search and the vote on an NVIDIA GPU, by numba.cuda. Only `backends` and the doctor import it.

The functions of one pixel are those of `kernels`, compiled for the GPU. Products are rounded before they are
added, as on the CPU, and no pixel reads what another writes in one pass: the result has the same bits. The
tests confirm it in numba's simulator. The code that numba 0.68 and numba-cuda 0.30 make for compute
capability 8.0 has no fused multiply-add in it and rounds its divisions to nearest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import cuda as numba_cuda
from numba.cuda import libdevice
from numba.cuda.cudadrv.driver import CudaAPIError, LinkerError
from numba.cuda.cudadrv.error import CudaSupportError
from numba.extending import overload

from understudy.core.errors import JobError
from understudy.image.frame import FloatImage
from understudy.patch import kernels
from understudy.patch.kernels import Nnf
from understudy.patch.task import Pixels, SearchPass, SynthesisTask

cuda: Any = numba_cuda  # its types leave out what only kernels may call
_THREADS = 128  # of a block


@overload(kernels.product, target="cuda")
def _product(first: Any, second: Any) -> Callable[[Any, Any], Any]:
    """`kernels.product` that NVVM does not fuse with a sum; numba has no option for it."""

    # Numba ignores a lambda here without a warning, and takes the plain product.
    def rounded(first: Any, second: Any) -> Any:
        return libdevice.fmul_rn(first, second)  # type: ignore[no-untyped-call]

    return rounded


def found() -> bool:
    """Whether numba finds a GPU, its driver, and the compiler for it."""
    return bool(cuda.is_available())


def device_name() -> str:
    """The GPU's name.

    Raises:
        JobError: the GPU cannot be reached.
    """
    with _gpu_errors():
        name = getattr(cuda.current_context().device, "name", "simulator")
    return name.decode() if isinstance(name, bytes) else str(name)


class CudaBackend:
    """The loops of one pyramid level on the GPU, which holds all arrays of the level."""

    def __init__(self, task: SynthesisTask, nnf: Nnf) -> None:
        guides, blank = task.guides, np.zeros(task.mask.shape, np.float32)
        self._widths = kernels.widths_of(guides.groups, guides.source.shape[2])
        with _gpu_errors():
            self._nnf, self._spare_nnf = cuda.to_device(nnf), cuda.to_device(nnf)
            self._costs, self._spare_costs = cuda.to_device(blank), cuda.to_device(blank)
            self._picture, self._target = _sent(task.initial), _sent(guides.target)
            self._source, self._validity = _sent(guides.source), _sent(guides.validity)
            self._occurrence = cuda.to_device(np.zeros(task.style.shape[:2], np.float32))
            self._shown = [_sent(one) for one in (task.style, task.key_base, task.gain, task.frame_base)]

    def compare(self, target: FloatImage, occurrence: FloatImage) -> None:
        """See `SearchBackend`."""
        with _gpu_errors():
            self._target.copy_to_device(target)
            self._occurrence.copy_to_device(occurrence)

    def measure(self, pixels: Pixels, radius: int) -> None:
        """See `SearchBackend`."""
        with _gpu_errors():
            _launch(_measure, _sent(pixels), self._nnf, self._costs, *self._compared(), radius)

    def search(self, pixels: Pixels, radius: int, passes: Iterable[SearchPass]) -> None:
        """See `SearchBackend`."""
        with _gpu_errors():
            sent = _sent(pixels)
            self._spare_nnf.copy_to_device(self._nnf)
            self._spare_costs.copy_to_device(self._costs)
            for one in passes:
                before, after = (self._nnf, self._costs), (self._spare_nnf, self._spare_costs)
                _launch(_improve, sent, *before, *after, *self._compared(), radius, *one)
                (self._nnf, self._costs), (self._spare_nnf, self._spare_costs) = after, before

    def vote(self, pixels: Pixels, radius: int, scale: float) -> None:
        """See `SearchBackend`."""
        with _gpu_errors():
            written = self._picture, self._nnf, self._costs
            _launch(_vote, _sent(pixels), *written, *self._shown, radius, scale)

    def picture(self) -> FloatImage:
        """See `SearchBackend`."""
        return _fetched(self._picture)

    def nnf(self) -> Nnf:
        """See `SearchBackend`."""
        with _gpu_errors():
            return np.asarray(self._nnf.copy_to_host(), np.int32)

    def costs(self) -> FloatImage:
        """See `SearchBackend`."""
        return _fetched(self._costs)

    def _compared(self) -> tuple[Any, ...]:
        return self._target, self._source, self._validity, self._occurrence, self._widths


@cuda.jit
def _measure(
    pixels: Any,
    nnf: Any,
    costs: Any,
    target: Any,
    source: Any,
    validity: Any,
    occurrence: Any,
    widths: Any,
    radius: Any,
) -> None:
    index = cuda.grid(1)
    if index < pixels.shape[0]:
        y, x = pixels[index, 0], pixels[index, 1]
        kernels.measure(nnf, costs, target, source, validity, occurrence, widths, radius, y, x)


@cuda.jit
def _improve(
    pixels: Any,
    before: Any,
    costs_before: Any,
    nnf: Any,
    costs: Any,
    target: Any,
    source: Any,
    validity: Any,
    occurrence: Any,
    widths: Any,
    radius: Any,
    step: Any,
    reach: Any,
    seed: Any,
) -> None:
    index = cuda.grid(1)
    if index < pixels.shape[0]:
        kernels.improve(
            before,
            costs_before,
            nnf,
            costs,
            target,
            source,
            validity,
            occurrence,
            widths,
            radius,
            step,
            reach,
            seed,
            pixels[index, 0],
            pixels[index, 1],
        )


@cuda.jit
def _vote(
    pixels: Any,
    picture: Any,
    nnf: Any,
    costs: Any,
    style: Any,
    key_base: Any,
    gain: Any,
    frame_base: Any,
    radius: Any,
    scale: Any,
) -> None:
    index = cuda.grid(1)
    if index < pixels.shape[0]:
        y, x = pixels[index, 0], pixels[index, 1]
        kernels.vote(picture, nnf, costs, style, key_base, gain, frame_base, radius, scale, y, x)


def _launch(kernel: Any, pixels: Any, *arguments: Any) -> None:
    """One thread for each pixel of the list."""
    blocks = -(-pixels.shape[0] // _THREADS)
    with warnings.catch_warnings():
        # A small region is not an error.
        warnings.filterwarnings("ignore", message="Grid size .* GPU under-utilization")
        kernel[blocks, _THREADS](pixels, *arguments)


def _sent(values: Any) -> Any:
    return cuda.to_device(np.ascontiguousarray(values))


def _fetched(values: Any) -> FloatImage:
    with _gpu_errors():
        return np.asarray(values.copy_to_host(), np.float32)


@contextmanager
def _gpu_errors() -> Iterator[None]:
    """Turn the GPU's errors into a `JobError`."""
    try:
        yield
    except (CudaAPIError, CudaSupportError, LinkerError) as exc:
        raise JobError(
            f"The GPU failed in the patch search: {exc}", where="device", fix="set device to cpu"
        ) from exc
