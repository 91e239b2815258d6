"""The registry of face detectors: those that lie beside this file, and a studio's own by entry point.

A studio's package declares `[project.entry-points."understudy.detectors"]` with `name = "module:open"`, where
`open(settings)` gives a `FaceDetector`. `--detector name` then takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np

from understudy.core.errors import FaceError, UnderstudyError
from understudy.core.settings import Settings
from understudy.face.detect.protocol import DetectedFace, FaceDetector, Rgb8

__all__ = ["ENTRY_POINTS", "DetectedFace", "FaceDetector", "names", "open_detector"]

ENTRY_POINTS = "understudy.detectors"
Opener = Callable[[Settings, Path | None], FaceDetector]


def open_detector(name: str, settings: Settings, *, known: Path | None = None) -> FaceDetector:
    """Open a detector.

    Args:
        name: `auto` (fan when its package and weights are there, else yunet), or a detector's name.
        settings: Where model files lie, and the device.
        known: The table for `known`, as `known.write_table` wrote it.

    Raises:
        FaceError: no detector has that name, a file that it needs is missing or damaged, or a studio's own
            cannot be loaded.
    """
    if name == "auto":
        from understudy.face.detect import fan

        name = "fan" if fan.is_ready(settings) else "yunet"
    if name in _BUILT_IN:
        return _BUILT_IN[name](settings, known)
    found = [entry for entry in entry_points(group=ENTRY_POINTS) if entry.name == name]
    if not found:
        raise FaceError(f"There is no detector {name!r}.", fix=f"choose auto, {', '.join(names())}")
    return _StudioDetector(found[0], settings)


def names() -> tuple[str, ...]:
    """The detectors' names, ours first; whether their files are there is another question."""
    others = {entry.name for entry in entry_points(group=ENTRY_POINTS)}
    return (*_BUILT_IN, *sorted(others - set(_BUILT_IN)))


def _open_fan(settings: Settings, known: Path | None) -> FaceDetector:
    from understudy.face.detect.fan import FanDetector

    return FanDetector(settings)


def _open_yunet(settings: Settings, known: Path | None) -> FaceDetector:
    from understudy.face.detect.yunet import YuNetDetector

    return YuNetDetector(settings)


def _open_known(settings: Settings, known: Path | None) -> FaceDetector:
    from understudy.face.detect.known import KnownDetector, read_table

    if known is None:
        raise FaceError(
            "The detector `known` has no table of landmarks.",
            fix="choose the detector auto; only renders that know their own landmarks have such a table",
        )
    return KnownDetector(read_table(known))


_BUILT_IN: Mapping[str, Opener] = {"fan": _open_fan, "yunet": _open_yunet, "known": _open_known}


class _StudioDetector:
    """A studio's own detector, whose faces are checked and whose errors are ours to tell."""

    def __init__(self, entry: EntryPoint, settings: Settings) -> None:
        self.name = entry.name
        self._where = f"{entry.value}, entry point of {ENTRY_POINTS}"
        try:
            self._detector: FaceDetector = entry.load()(settings)
        except UnderstudyError:
            raise
        except Exception as exc:  # another house's code: whatever it raises
            raise self._error(f"cannot be opened: {type(exc).__name__}: {exc}") from exc

    def detect(self, image: Rgb8, *, frame: int | None = None) -> list[DetectedFace]:
        """As `FaceDetector.detect` says.

        Raises:
            FaceError: the detector fails, or gives something else than faces.
        """
        try:
            faces = list(self._detector.detect(image, frame=frame))
        except UnderstudyError:
            raise
        except Exception as exc:
            raise self._error(f"failed: {type(exc).__name__}: {exc}") from exc
        if not all(_is_face(face) for face in faces):
            raise self._error("gave something else than faces of 68 finite landmarks")
        return sorted(faces, key=lambda face: -face.size_px)

    def _error(self, what: str) -> FaceError:
        fix = "ask who maintains it, or choose the detector auto"
        return FaceError(f"The detector {self.name!r} {what}.", where=self._where, fix=fix)


def _is_face(face: object) -> bool:
    if not isinstance(face, DetectedFace):
        return False
    points = np.asarray(face.landmarks)
    numbers = np.array([*face.box, face.score, face.confidence], np.float64)
    shaped = points.shape == (68, 2) and points.dtype == np.float32 and numbers.shape == (6,)
    return shaped and bool(np.isfinite(points).all() and np.isfinite(numbers).all())
