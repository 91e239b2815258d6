"""Choose a face detector. The back ends lie beside this file: `yunet.py`, `fan.py`, `known.py`."""

from __future__ import annotations

from pathlib import Path

from understudy.core.errors import FaceError
from understudy.core.settings import Settings
from understudy.face.detect.protocol import DetectedFace, FaceFinder

__all__ = ["BACK_ENDS", "DetectedFace", "FaceFinder", "open_finder"]

BACK_ENDS = ("fan", "yunet", "known")


def open_finder(name: str, settings: Settings, *, known: Path | None = None) -> FaceFinder:
    """Open a back end.

    Args:
        name: `auto` (fan when its package and weights are there, else yunet), or a back end's name.
        settings: Where model files lie, and the device.
        known: The table for `known`, as `known.write_table` wrote it.

    Raises:
        FaceError: no back end has that name, or a file that it needs is missing or damaged.
    """
    if name == "auto":
        name = _best(settings)
    if name == "yunet":
        from understudy.face.detect.yunet import YuNetFinder

        return YuNetFinder(settings)
    if name == "fan":
        from understudy.face.detect.fan import FanFinder

        return FanFinder(settings)
    if name == "known":
        return _open_known(known)
    raise FaceError(f"There is no detector {name!r}.", fix="choose auto, " + ", ".join(BACK_ENDS))


def _best(settings: Settings) -> str:
    from understudy.face.detect import fan

    return "fan" if fan.is_ready(settings) else "yunet"


def _open_known(table: Path | None) -> FaceFinder:
    from understudy.face.detect.known import KnownFinder, read_table

    if table is None:
        raise FaceError(
            "The detector `known` has no table of landmarks.",
            fix="choose the detector auto; only renders that know their own landmarks have such a table",
        )
    return KnownFinder(read_table(table))
