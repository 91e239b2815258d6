"""The model files that detectors need: what they are, where they come from, and whether they are whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from understudy.core.content import ContentHashes, sha256_of
from understudy.core.errors import FaceError
from understudy.core.settings import Settings


@dataclass(frozen=True)
class ModelFile:
    """One model file.

    Attributes:
        name: How `understudy models` calls it.
        file: Its name in the models folder.
        licence: Its licence's SPDX name.
        size: Bytes.
        sha256: Digest of the whole file, in hexadecimal.
        address: Where its makers publish it; empty where they publish no such file.
        member: Its path inside the wheel `mediapipe==0.10.21`; empty where the wheel lacks it.
        needed_by: Back ends that use it.
        purpose: One sentence.
    """

    name: str
    file: str
    licence: str
    size: int
    sha256: str
    address: str
    member: str
    needed_by: tuple[str, ...]
    purpose: str


MODELS: tuple[ModelFile, ...] = (
    ModelFile(
        "yunet",
        "face_detection_yunet_2023mar.onnx",
        "MIT",
        232_589,
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
        "face_detection_yunet_2023mar.onnx",
        "",
        ("yunet",),
        "YuNet face detector: finds small and turned faces.",
    ),
    ModelFile(
        "blazeface_short_range",
        "face_detection_short_range.tflite",
        "Apache-2.0",
        229_714,
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        "",
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        ("yunet",),
        "BlazeFace detector: stands in where YuNet cannot be had.",
    ),
    ModelFile(
        "face_mesh_478",
        "face_landmarks_detector.tflite",
        "Apache-2.0",
        2_553_590,
        "c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5",
        "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
        "face_landmarker.task#face_landmarks_detector.tflite",
        "",
        ("yunet",),
        "MediaPipe face mesh of 478 vertices, with irises.",
    ),
    ModelFile(
        "face_mesh_468",
        "face_landmark.tflite",
        "Apache-2.0",
        1_242_398,
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        "",
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        ("yunet",),
        "MediaPipe face mesh of 468 vertices: stands in where the one of 478 cannot be had.",
    ),
    ModelFile(
        "face_recognition",
        "face_recognition.onnx",
        "MIT",
        6_497_747,
        "631629b7932c297120f19e76e053fe452f5fe3d1c037e1101b3857bc2f5249eb",
        "",
        "",
        (),
        "dlib's face recognition network: tells performers apart across cuts, and scores identity.",
    ),
)

PREFERRED: tuple[tuple[str, ...], ...] = (
    ("yunet", "blazeface_short_range"),
    ("face_mesh_478", "face_mesh_468"),
)
"""What `understudy models fetch` gets: of each row the first that can be had."""

OPTIONAL: tuple[str, ...] = ("face_recognition",)
"""What `understudy models fetch` takes from a folder that has it, and does without elsewhere."""


@dataclass(frozen=True)
class ModelState:
    """Whether one model file is there.

    Attributes:
        model: The file.
        path: Where it lies, or would.
        state: `missing`, `present` (there and of the right size), `damaged` (wrong size or digest),
            `verified` (its digest was computed and is right).
    """

    model: ModelFile
    path: Path
    state: Literal["missing", "present", "damaged", "verified"]


def model(name: str) -> ModelFile:
    """The registry's entry of that name.

    Raises:
        FaceError: there is none.
    """
    for entry in MODELS:
        if entry.name == name:
            return entry
    raise FaceError(
        f"There is no model file called {name!r}.",
        fix="choose one of " + ", ".join(entry.name for entry in MODELS),
    )


def locate(name: str, settings: Settings) -> Path | None:
    """Where a model file lies on this machine; None where it is missing.

    Raises:
        FaceError: a file of its name is there and holds something else.
    """
    entry = model(name)
    path = settings.models / entry.file
    if not path.is_file():
        return None
    # Read once; until the file changes its digest is remembered.
    if ContentHashes(settings.cache).of(path) != entry.sha256:
        raise FaceError(
            f"The model file {entry.file} is not the one that is known under this name: its digest differs.",
            where=path,
            fix=f"remove it and run `understudy models fetch`, or put the right {entry.file} there",
        )
    return path


def first(*names: str, settings: Settings) -> Path:
    """The first of several model files that is there; any of them will do.

    Raises:
        FaceError: all are missing, or one is not what it should be.
    """
    for name in names:
        path = locate(name, settings)
        if path:
            return path
    files = " or ".join(model(name).file for name in names)
    raise FaceError(
        f"The model file {files} is missing.",
        where=settings.models,
        fix=f"run `understudy models fetch`, or put {files} into {settings.models}",
    )


def state(entry: ModelFile, settings: Settings, *, digest: bool = False) -> ModelState:
    """Whether one model file is there and whole; `digest` reads all of it."""
    path = settings.models / entry.file
    if not path.is_file():
        return ModelState(entry, path, "missing")
    if path.stat().st_size != entry.size:
        return ModelState(entry, path, "damaged")
    if not digest:
        return ModelState(entry, path, "present")
    whole = sha256_of(path) == entry.sha256
    return ModelState(entry, path, "verified" if whole else "damaged")


def states(settings: Settings) -> list[ModelState]:
    """Every model file with its state, by size alone."""
    return [state(entry, settings) for entry in MODELS]


def verify(settings: Settings, *, name: str | None = None) -> list[ModelState]:
    """Every model file, or one, with its state by digest.

    Raises:
        FaceError: no model file has that name.
    """
    chosen = MODELS if name is None else (model(name),)
    return [state(entry, settings, digest=True) for entry in chosen]
