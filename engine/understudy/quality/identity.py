"""Whose face a picture shows, by a recognition network that nothing of ours was trained with.

The network is dlib's public-domain ResNet of 128 numbers a face, as an ONNX file; Understudy does not ship or
fetch it. Put `face_recognition.onnx` beside YuNet into the models folder to have identity measured.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from understudy.core.errors import ModelError
from understudy.core.paths import reachable
from understudy.core.settings import Settings
from understudy.face.detect import models
from understudy.image.frame import FloatImage
from understudy.inference.session import Session

NETWORK = "face_recognition.onnx"
INPUT, OUTPUT, INPUT_PX = "rgb", "descriptor", 150
# Eyes to mouth corners fill this share of the chip, and their middle lies this far down.
EYES_TO_MOUTH = 0.45
CENTRE_PX = (75.0, 64.5)
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
        self._network = Session(network, "cpu", threads)
        if self._network.inputs.get(INPUT, ())[1:] != (INPUT_PX, INPUT_PX, 3):
            raise ModelError("The file is not the face recognition network.", where=network, fix="replace it")
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
        described = self._network.run(**{INPUT: np.stack([_cut(one, chip) for one in (truth, *others)])})
        first, *rest = described[OUTPUT]
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
        mouth = (right_corner + left_corner) / 2
        across = left_eye - right_eye
        size = (np.linalg.norm(right_eye - mouth) + np.linalg.norm(left_eye - mouth)) / 2 / EYES_TO_MOUTH
        centre = (right_eye + left_eye + mouth) / 3
        angle = math.degrees(math.atan2(across[1], across[0]))
        matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, INPUT_PX / float(size))
        matrix[:, 2] += np.array(CENTRE_PX) - centre
        return matrix


def _cut(picture: FloatImage, chip: np.ndarray) -> FloatImage:
    """(150, 150, 3) float32 RGB in 0..255."""
    size = (INPUT_PX, INPUT_PX)
    cut = cv2.warpAffine(picture, chip, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut.clip(0, 1) * 255, np.float32)
