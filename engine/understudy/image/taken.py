"""Plates whose channels are taken in one way: a view, a layer, and what alpha means."""

from __future__ import annotations

from understudy.core.progress import Reporter, WarnedOnce, silent
from understudy.image.frame import Frame
from understudy.image.plate import DerivedPlate, Plate
from understudy.image.reading import Reading


def taken(plate: Plate, reading: Reading, report: Reporter = silent) -> Plate:
    """The plate with its channels taken as a user says.

    Args:
        plate: Opened.
        reading: Its view, its layer and its alpha.
        report: Is told once of each thing that was decided and a user should know.
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
