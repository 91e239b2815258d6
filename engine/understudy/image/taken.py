"""Plates whose channels are taken in one way: a view, a layer, and what alpha means."""

from __future__ import annotations

from pathlib import Path

from understudy.core.progress import Reporter, WarnedOnce, silent
from understudy.image.frame import Frame
from understudy.image.plate import Plate
from understudy.image.reading import Reading
from understudy.image.sequence import FrameRange


def taken(plate: Plate, reading: Reading, report: Reporter = silent) -> Plate:
    """The plate with its channels taken as a user says.

    Args:
        plate: Opened.
        reading: Its view, its layer and its alpha.
        report: Is told once of each thing that was decided and a user should know.
    """
    return _Taken(plate, reading, report)


class _Taken:
    def __init__(self, plate: Plate, reading: Reading, report: Reporter) -> None:
        self._plate, self._reading, self._warn = plate, reading, WarnedOnce(report)

    @property
    def name(self) -> str:
        return self._plate.name

    @property
    def frames(self) -> FrameRange:
        return self._plate.frames

    @property
    def meaning(self) -> str:
        return f"{self._plate.meaning}{self._reading.as_text()}"

    def read(self, frame: int) -> Frame:
        found = self._reading.of(self._plate.read(frame))
        self._warn(found.notes, frame)
        return found

    def where(self, frame: int) -> str:
        return self._plate.where(frame)

    def file(self, frame: int) -> Path:
        return self._plate.file(frame)

    def close(self) -> None:
        self._plate.close()
