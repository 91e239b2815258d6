"""What a process that runs many jobs keeps between them: the open model, the last frames, the last faces."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar

from understudy.image.frame import Frame
from understudy.image.plate import Plate
from understudy.job import SwapJob
from understudy.runtime.model import Model
from understudy.shot.evidence import Evidence
from understudy.shot.newface import Drawn, Shape

# Some twenty frames of 4K RGB, or eighty of HD, and some hundred faces of 512 pixels: a knob is turned on one
# frame, or on a few.
FRAME_BYTES = 2 * 2**30
DRAWN_BYTES = 2**30
EVIDENCE_BYTES = 2**27

Stamp = tuple[str, int, int]
Kept = TypeVar("Kept")


class Shelf(Generic[Kept]):
    """The last things made, up to a number of bytes; the last one is always kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._things: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Kept], size: Callable[[Kept], int]) -> Kept:
        """The thing of that key, made where it is not kept."""
        if key not in self._things:
            thing = make()
            self._things[key] = (thing, size(thing))
            while len(self._things) > 1 and self.nbytes > self._limit:
                self._things.popitem(last=False)
        self._things.move_to_end(key)
        return self._things[key][0]

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept."""
        return sum(size for _, size in self._things.values())


class Warm:
    """One open model, the last frames, what the network last drew, and what was last measured on it.

    A changed file is read again: everything is kept under its file's size and time. Kept frames cannot be
    written to, as every later run sees them.
    """

    def __init__(self, frame_bytes: int = FRAME_BYTES, drawn_bytes: int = DRAWN_BYTES) -> None:
        self._model: tuple[Stamp, str, Model] | None = None
        self.frames: Shelf[Frame] = Shelf(frame_bytes)
        self.drawn: Shelf[Drawn | None] = Shelf(drawn_bytes)
        self.shapes: Shelf[Shape] = Shelf(drawn_bytes)
        self.evidence: Shelf[Evidence | None] = Shelf(EVIDENCE_BYTES)

    @classmethod
    def for_one_run(cls, job: SwapJob) -> Warm:
        """What a run keeps that nobody comes after: nothing, but for frames that look at their neighbours."""
        if job.temporal_window == 0:
            return cls(frame_bytes=0, drawn_bytes=0)
        return cls(frame_bytes=FRAME_BYTES // 2, drawn_bytes=DRAWN_BYTES // 2)

    def model(self, path: Path, device: str, threads: int) -> Model:
        """The model of an .onnx file, opened where it is not open yet.

        Raises:
            ModelError: it cannot be opened.
        """
        stamp = stamp_of(path)
        if self._model is not None and self._model[:2] == (stamp, device):
            return self._model[2]
        self._model = None  # models are large: the old one goes before the new one comes
        opened = Model.open(path, device=device, threads=threads)
        self._model = (stamp, device, opened)
        return opened

    def frame(self, plate: Plate, number: int, colour_space: str | None) -> Frame:
        """A plate's frame, read where it is not kept.

        Args:
            colour_space: What the plate was opened with.

        Raises:
            PlateError: it cannot be read.
        """

        def read() -> Frame:
            frame = plate.read(number)
            frame.pixels.flags.writeable = False
            return frame

        key = (stamp_of(plate.file(number)), number, colour_space)
        return self.frames.get(key, read, lambda frame: frame.pixels.nbytes)


def stamp_of(path: Path) -> Stamp:
    """A file's name, size and time of change; zeros for a file that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return (str(path.absolute()), 0, 0)
    return (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
