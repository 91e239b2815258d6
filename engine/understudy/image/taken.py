"""Plates read with the user's choice of view, layer and alpha."""

from __future__ import annotations

from understudy.core.progress import Reporter, WarnedOnce, silent
from understudy.image.frame import Frame
from understudy.image.plate import DerivedPlate, Plate
from understudy.image.reading import Reading


def taken(plate: Plate, reading: Reading, report: Reporter = silent) -> Plate:
    """The plate, read with the user's choices.

    Args:
        plate: Opened.
        reading: Its view, its layer and its alpha.
        report: Gets one event for each decision that the user should know.
    """
    return _Taken(plate, reading, report)


class _Taken(DerivedPlate):
    def __init__(self, plate: Plate, reading: Reading, report: Reporter) -> None:
        super().__init__(plate)
        self._reading, self._warn = reading, WarnedOnce(report)

    @property
    def meaning(self) -> str:
        return f"{self._plate.meaning}{self._reading.as_text()}"

    def read(self, frame: int) -> Frame:
        found = self._reading.of(self._plate.read(frame))
        self._warn(found.notes, frame)
        return found
