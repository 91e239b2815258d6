"""Whose face a picture shows, by a recognition network that nothing of ours was trained with.

Put `face_recognition.onnx` beside YuNet into the models folder to have identity measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from understudy.core.errors import ModelError
from understudy.core.paths import reachable
from understudy.core.settings import Settings
from understudy.face.detect import models
from understudy.face.recognition import NETWORK, Recogniser, chip_matrix, cut
from understudy.image.frame import FloatImage

__all__ = ["NETWORK", "Recognition", "available"]

LEAST_SCORE = 0.6


def available(settings: Settings) -> bool:
    """Whether the recognition network and YuNet are in the models folder."""
    return (settings.models / NETWORK).is_file() and models.locate("yunet", settings) is not None


class Recognition:
    """Describes the faces of pictures that show one place."""

    def __init__(self, network: Path, detector: Path, *, threads: int = 0) -> None:
        """Open both networks.

        Raises:
            ModelError: a file is damaged, or is another network.
        """
        self._network = Recogniser(network, threads=threads)
        try:
            with reachable(detector) as name:
                self._detector: Any = cv2.FaceDetectorYN.create(name, "", (320, 320), LEAST_SCORE)
        except cv2.error as exc:
            fix = "run `understudy models verify`"
            raise ModelError("The face detector cannot be read.", where=detector, fix=fix) from exc

    @classmethod
    def open(cls, settings: Settings) -> Recognition | None:
        """The networks of the models folder; None where one of them is missing."""
        network, detector = settings.models / NETWORK, models.locate("yunet", settings)
        if detector is None or not available(settings):
            return None
        return cls(network, detector, threads=settings.threads)

    def distances(self, truth: FloatImage, *others: FloatImage) -> tuple[float, ...] | None:
        """Distance of each picture's face from the truth's; below 0.6 two pass for one person.

        Args:
            truth: (H, W, 3) float32 display values; its largest face is where all are looked at.
            others: Pictures of the same size.

        Returns:
            A distance each; None where the truth shows no face.
        """
        chip = self._chip(truth)
        if chip is None:
            return None
        first, *rest = self._network.describe([cut(one, chip) for one in (truth, *others)])
        return tuple(float(np.linalg.norm(one - first)) for one in rest)

    def _chip(self, picture: FloatImage) -> np.ndarray | None:
        """(2, 3) matrix from the picture to the upright chip of its largest face."""
        height, width = picture.shape[:2]
        self._detector.setInputSize((width, height))
        bgr = np.ascontiguousarray((picture[..., ::-1] * 255).clip(0, 255).astype(np.uint8))
        _, faces = self._detector.detect(bgr)
        if faces is None:
            return None
        face = max(faces, key=lambda one: one[2] * one[3])
        right_eye, left_eye, _, right_corner, left_corner = face[4:14].reshape(5, 2)
        return chip_matrix(right_eye, left_eye, (right_corner + left_corner) / 2)
