"""Whose face a picture shows: 128 numbers a face, near to each other where it is one person's.

The network is dlib's public-domain ResNet as an ONNX file, `face_recognition.onnx` in the models folder.
Nothing of ours was trained with it. Below a Euclidean distance of 0.6 its makers take two for one person.

Source:
    King 2017, dlib_face_recognition_resnet_model_v1; as `@vladmandic/face-api` 1.7.15 carries it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from understudy.core.errors import ModelError
from understudy.core.settings import Settings
from understudy.face.detect import models
from understudy.inference.session import Session

NETWORK = "face_recognition.onnx"
INPUT, OUTPUT, INPUT_PX = "rgb", "descriptor", 150
# Eyes to mouth corners fill this share of the chip, and their middle lies this far down.
EYES_TO_MOUTH = 0.45
CENTRE_PX = (75.0, 64.5)


class Recogniser:
    """Describes faces."""

    def __init__(self, network: Path, *, threads: int = 0) -> None:
        """Open the network.

        Raises:
            ModelError: the file is damaged, or is another network.
        """
        self._network = Session(network, "cpu", threads)
        if self._network.inputs.get(INPUT, ())[1:] != (INPUT_PX, INPUT_PX, 3):
            raise ModelError("The file is not the face recognition network.", where=network, fix="replace it")

    @classmethod
    def open(cls, settings: Settings) -> Recogniser | None:
        """The network of the models folder; None where it is missing."""
        network = models.locate("face_recognition", settings)
        return None if network is None else cls(network, threads=settings.threads)

    def describe(self, chips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(N, 128) of faces that `cut` gave; two of them are compared by their Euclidean distance."""
        return np.asarray(self._network.run(**{INPUT: np.stack(chips)})[OUTPUT], np.float32)


def cut(picture: NDArray[Any], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """A face as the network wants it.

    Args:
        picture: (H, W, 3) float32 display values.
        matrix: As `chip_matrix` gives it.

    Returns:
        (150, 150, 3) float32 RGB in 0..255.
    """
    size = (INPUT_PX, INPUT_PX)
    chip = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(chip.clip(0, 1) * 255, np.float32)


def chip_matrix(left_eye: ArrayLike, right_eye: ArrayLike, mouth: ArrayLike) -> NDArray[np.float64]:
    """(2, 3) from a picture's pixels to the upright chip of a face.

    Args:
        left_eye: The middle of the eye that lies left in an upright picture.
        right_eye: The middle of the other.
        mouth: The middle between the mouth's corners.
    """
    left, right, mouth = (np.asarray(one) for one in (left_eye, right_eye, mouth))
    across = right - left
    size = (np.linalg.norm(left - mouth) + np.linalg.norm(right - mouth)) / 2 / EYES_TO_MOUTH
    centre = (left + right + mouth) / 3
    angle = math.degrees(math.atan2(across[1], across[0]))
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, INPUT_PX / float(size))
    matrix[:, 2] += np.array(CENTRE_PX) - centre
    return np.asarray(matrix, np.float64)
