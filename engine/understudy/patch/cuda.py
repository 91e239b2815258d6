"""The search and the vote on an NVIDIA GPU, by numba.cuda; nothing else here knows of it.

What is done at a pixel is `kernels`, compiled once more for the GPU. Products are rounded before they are
added, as on the CPU, and no pixel reads what another writes in one pass, so the same bits are to come out.
No GPU was at hand to run it: it was held to the CPU in numba's simulator, and what numba 0.68 and numba-cuda
0.30 make of it for compute capability 8.0 has no fused product in it and rounds its divisions to nearest.
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
from understudy.patch.kernels import Places
from understudy.patch.synthesis import Pass, Pixels, Task

cuda: Any = numba_cuda  # its types leave out what only kernels may call
_THREADS = 128  # of a block


@overload(kernels.product, target="cuda")
def _product(first: Any, second: Any) -> Callable[[Any, Any], Any]:
    """`kernels.product` as NVVM does not join it with a sum, which numba has no other way to ask of it."""

    # Numba passes over a lambda here without a word, and takes the plain product.
    def rounded(first: Any, second: Any) -> Any:
        return libdevice.fmul_rn(first, second)  # type: ignore[no-untyped-call]

    return rounded


def found() -> bool:
    """Whether numba finds a GPU, its driver, and the compiler for it."""
    return bool(cuda.is_available())


def device_name() -> str:
    """What the GPU calls itself.

    Raises:
        JobError: it cannot be reached.
    """
    with _told():
        name = getattr(cuda.current_context().device, "name", "simulator")
    return name.decode() if isinstance(name, bytes) else str(name)


class CudaLoops:
    """The loops of one level on the GPU; what they read stays there as long as the level lasts."""

    def __init__(self, task: Task, places: Places) -> None:
        guides, blank = task.guides, np.zeros(task.todo.shape, np.float32)
        self._widths = kernels.widths_of(guides.groups, guides.source.shape[2])
        with _told():
            self._places, self._spare_places = cuda.to_device(places), cuda.to_device(places)
            self._costs, self._spare_costs = cuda.to_device(blank), cuda.to_device(blank)
            self._picture, self._target = _sent(task.first), _sent(guides.target)
            self._source, self._counts = _sent(guides.source), _sent(guides.counts)
            self._occurrence = cuda.to_device(np.zeros(task.style.shape[:2], np.float32))
            self._shown = [_sent(one) for one in (task.style, task.plate, task.gain, task.here)]

    def compare(self, target: FloatImage, occurrence: FloatImage) -> None:
        """See `Loops`."""
        with _told():
            self._target.copy_to_device(target)
            self._occurrence.copy_to_device(occurrence)

    def measure(self, pixels: Pixels, radius: int) -> None:
        """See `Loops`."""
        with _told():
            _launch(_measure, _sent(pixels), self._places, self._costs, *self._compared(), radius)

    def search(self, pixels: Pixels, radius: int, passes: Iterable[Pass]) -> None:
        """See `Loops`."""
        with _told():
            sent = _sent(pixels)
            self._spare_places.copy_to_device(self._places)
            self._spare_costs.copy_to_device(self._costs)
            for one in passes:
                before, after = (self._places, self._costs), (self._spare_places, self._spare_costs)
                _launch(_improve, sent, *before, *after, *self._compared(), radius, *one)
                (self._places, self._costs), (self._spare_places, self._spare_costs) = after, before

    def vote(self, pixels: Pixels, radius: int, scale: float) -> None:
        """See `Loops`."""
        with _told():
            written = self._picture, self._places, self._costs
            _launch(_vote, _sent(pixels), *written, *self._shown, radius, scale)

    def picture(self) -> FloatImage:
        """See `Loops`."""
        return _fetched(self._picture)

    def places(self) -> Places:
        """See `Loops`."""
        with _told():
            return np.asarray(self._places.copy_to_host(), np.int32)

    def costs(self) -> FloatImage:
        """See `Loops`."""
        return _fetched(self._costs)

    def _compared(self) -> tuple[Any, ...]:
        return self._target, self._source, self._counts, self._occurrence, self._widths


@cuda.jit
def _measure(
    pixels: Any,
    places: Any,
    costs: Any,
    target: Any,
    source: Any,
    counts: Any,
    occurrence: Any,
    widths: Any,
    radius: Any,
) -> None:
    index = cuda.grid(1)
    if index < pixels.shape[0]:
        y, x = pixels[index, 0], pixels[index, 1]
        kernels.measure(places, costs, target, source, counts, occurrence, widths, radius, y, x)


@cuda.jit
def _improve(
    pixels: Any,
    before: Any,
    costs_before: Any,
    places: Any,
    costs: Any,
    target: Any,
    source: Any,
    counts: Any,
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
            places,
            costs,
            target,
            source,
            counts,
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
    places: Any,
    costs: Any,
    style: Any,
    plate: Any,
    gain: Any,
    here: Any,
    radius: Any,
    scale: Any,
) -> None:
    index = cuda.grid(1)
    if index < pixels.shape[0]:
        y, x = pixels[index, 0], pixels[index, 1]
        kernels.vote(picture, places, costs, style, plate, gain, here, radius, scale, y, x)


def _launch(kernel: Any, pixels: Any, *arguments: Any) -> None:
    """One thread for each pixel of the list."""
    blocks = -(-pixels.shape[0] // _THREADS)
    with warnings.catch_warnings():
        # A small region is no mistake.
        warnings.filterwarnings("ignore", message="Grid size .* GPU under-utilization")
        kernel[blocks, _THREADS](pixels, *arguments)


def _sent(values: Any) -> Any:
    return cuda.to_device(np.ascontiguousarray(values))


def _fetched(values: Any) -> FloatImage:
    with _told():
        return np.asarray(values.copy_to_host(), np.float32)


@contextmanager
def _told() -> Iterator[None]:
    """Say in this program's words what the GPU could not do."""
    try:
        yield
    except (CudaAPIError, CudaSupportError, LinkerError) as exc:
        raise JobError(
            f"The GPU failed in the search for patches: {exc}", where="device", fix="set device to cpu"
        ) from exc
