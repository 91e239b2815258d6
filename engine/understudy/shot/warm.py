"""What a process that runs many jobs keeps between them: the model that is open, and the frames read last."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from understudy.image.frame import Frame
from understudy.image.plate import Plate
from understudy.runtime.model import Model

# Some twenty frames of 4K RGB, or eighty of HD: a knob is turned on one frame, or on a few.
FRAME_BYTES = 2 * 2**30

Stamp = tuple[str, int, int]


class Warm:
    """One open model and the last frames, up to a number of bytes.

    A changed file is read again: everything is kept under its file's size and time. Kept frames cannot be
    written to, as every later run sees them.
    """

    def __init__(self, frame_bytes: int = FRAME_BYTES) -> None:
        self._frame_bytes = frame_bytes
        self._model: tuple[Stamp, str, Model] | None = None
        self._frames: OrderedDict[tuple[Stamp, int, str | None], Frame] = OrderedDict()

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
        key = (stamp_of(plate.file(number)), number, colour_space)
        if key in self._frames:
            self._frames.move_to_end(key)
            return self._frames[key]
        frame = plate.read(number)
        frame.pixels.flags.writeable = False
        self._frames[key] = frame
        while len(self._frames) > 1 and self.frame_bytes > self._frame_bytes:
            self._frames.popitem(last=False)
        return frame

    @property
    def frame_bytes(self) -> int:
        """Size of the kept frames' pixels."""
        return sum(frame.pixels.nbytes for frame in self._frames.values())


def stamp_of(path: Path) -> Stamp:
    """A file's name, size and time of change; zeros for a file that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return (str(path.absolute()), 0, 0)
    return (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
