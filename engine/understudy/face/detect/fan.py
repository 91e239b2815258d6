"""The detector `fan`: the face-alignment package, SFD boxes and the 2D-FAN net of 68 landmarks."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.errors import FaceError
from understudy.core.settings import Settings
from understudy.face.detect.protocol import DetectedFace, Rgb8, box_round, check_picture

DETECTOR_FILE = "s3fd-619a316812.pth"
LANDMARK_FILE = "2DFAN4-11f355bf06.pth.tar"
FILES = (DETECTOR_FILE, LANDMARK_FILE)
_HOME = "https://www.adrianbulat.com/downloads/python-fan/"
_PACKAGE = "face-alignment==1.5.0"


def is_ready(settings: Settings) -> bool:
    """Whether the package is installed and both weight files are there."""
    return _installed() and all(locate(file, settings) for file in FILES)


class FanDetector:
    """Detects faces by SFD and their landmarks by 2D-FAN; never downloads anything.

    Raises:
        FaceError: the package or a weight file is missing, or a file does not hold such weights.
    """

    name = "fan"

    def __init__(self, settings: Settings) -> None:
        if not _installed():
            raise FaceError(
                "The package face-alignment is not installed.",
                fix=f"run `pip install --no-deps {_PACKAGE}`, or choose the detector yunet",
            )
        detector, landmarks = (_require(file, settings) for file in FILES)
        self._net = _open_net(detector, landmarks, _device(settings))

    def detect(self, image: Rgb8, *, frame: int | None = None) -> list[DetectedFace]:
        """As `FaceDetector.detect` says."""
        picture = check_picture(image)
        where = f"frame {frame}" if frame is not None else ""
        try:
            boxes = self._net.face_detector.detect_from_image(picture.copy())
            if len(boxes) == 0:
                return []
            points, scores, _ = self._net.get_landmarks_from_image(
                picture, detected_faces=boxes, return_landmark_score=True
            )
        except (RuntimeError, ValueError, IndexError) as exc:
            raise FaceError("face-alignment could not read the picture.", where=where) from exc
        faces = [_face(*each) for each in zip(boxes, points, scores, strict=True)]
        return sorted((face for face in faces if face), key=lambda one: -one.size_px)


def _face(box: Any, points: Any, scores: Any) -> DetectedFace | None:
    landmarks = np.ascontiguousarray(points, np.float32)[:, :2]
    # The package counts from the picture's corner, we from the first pixel's centre.
    landmarks = landmarks - np.float32(0.5)
    if landmarks.shape != (68, 2) or not np.isfinite(landmarks).all():
        return None
    # A point's score is its heat map's peak; flipped and plain passes are added, hence the half.
    confidence = float(np.clip(np.mean(scores) / 2, 0, 1))
    return DetectedFace(box_round(landmarks), float(np.clip(box[4], 0, 1)), landmarks, confidence)


def _installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("face_alignment", "torch", "skimage"))


def locate(file: str, settings: Settings) -> Path | None:
    """A weight file in the models folder, or where the package's own download puts it."""
    for folder in (settings.models, _hub_folder()):
        if (folder / file).is_file():
            return folder / file
    return None


def _hub_folder() -> Path:
    """The folder `torch.hub` keeps weights in, by its own rule, without importing torch."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    return home / "hub" / "checkpoints"


def _require(file: str, settings: Settings) -> Path:
    path = locate(file, settings)
    if path is None:
        raise FaceError(
            f"The detector fan lacks its weights {file}.",
            where=settings.models,
            fix=f"put {_HOME}{file} into {settings.models} or {_hub_folder()}, or choose the detector yunet",
        )
    return path


def _device(settings: Settings) -> str:
    if settings.device != "auto":
        return settings.device
    # torch is train's to import; the package brings its own along.
    from face_alignment import api

    return "cuda" if api.torch.cuda.is_available() else "cpu"


def _open_net(detector: Path, landmarks: Path, device: str) -> Any:
    """face-alignment's object, with weights from files we name.

    The package has a path for the detector's weights only and downloads the other; its loader is replaced by
    one that reads a file. Both read tensors alone (`weights_only`), so that a crafted file runs no code.
    """
    import pickle

    import face_alignment
    from face_alignment import api

    class Offline(face_alignment.FaceAlignment):  # type: ignore[misc]
        def _load_native(self, network_name: str, network_size: int, device: str, dtype: Any) -> Any:
            net = api.FAN(network_size)
            net.load_state_dict(api.torch.load(landmarks, map_location="cpu", weights_only=True))
            return net.to(device, dtype=dtype).eval()

    try:
        return Offline(
            face_alignment.LandmarksType.TWO_D,
            device=device,
            face_detector="sfd",
            face_detector_kwargs={"path_to_detector": str(detector)},
            # Compiling costs minutes at the first start and needs a C++ compiler.
            compile=False,
        )
    except (RuntimeError, ValueError, KeyError, EOFError, OSError, pickle.UnpicklingError) as exc:
        raise FaceError(
            "A weight file of the detector fan does not hold such weights.",
            where=f"{detector}, {landmarks}",
            fix="fetch the two files again, or choose the detector yunet",
        ) from exc
