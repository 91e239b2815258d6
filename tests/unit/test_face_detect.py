"""Model files, back ends, and detection on real pictures where the test material is there."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.core.errors import FaceError
from understudy.core.settings import Settings
from understudy.face import align, landmarks
from understudy.face.detect import detectors, fan, fetch, known
from understudy.face.detect import models as registry
from understudy.face.detect.mesh import BLENDSHAPE_VERTICES

SHARED = Path(__file__).parents[2].parent / "shared"
MODELS = SHARED / "models"
FOOTAGE = SHARED / "footage"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason="no ../shared/models: no detector to run")
needs_footage = pytest.mark.skipif(not FOOTAGE.is_dir(), reason="no ../shared/footage: no plate to look at")


def frames(name: str, count: int, step: int = 1) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(FOOTAGE / name))
    found = []
    for index in range(count * step):
        there, picture = video.read()
        if there and index % step == 0:
            found.append(np.ascontiguousarray(picture[..., ::-1]))
    return found


def test_a_missing_model_says_which_file_goes_where(tmp_path: Path) -> None:
    with pytest.raises(FaceError) as caught:
        detectors.open_finder("yunet", Settings(models=tmp_path))
    text = str(caught.value)
    assert "face_detection_short_range.tflite" in text and str(tmp_path) in text


def test_missing_fan_weights_say_which_file_goes_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(fan, "_installed", lambda: True)
    settings = Settings(models=tmp_path)
    assert not fan.is_ready(settings)
    with pytest.raises(FaceError, match=fan.DETECTOR_FILE) as caught:
        detectors.open_finder("fan", settings)
    assert str(tmp_path) in str(caught.value)


def test_fan_without_its_package_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan, "_installed", lambda: False)
    with pytest.raises(FaceError, match="not installed"):
        detectors.open_finder("fan", Settings(models=tmp_path))


def test_an_unknown_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="no detector"):
        detectors.open_finder("best", Settings(models=tmp_path))
    with pytest.raises(FaceError, match="no table"):
        detectors.open_finder("known", Settings(models=tmp_path))


def test_a_known_table_comes_back_and_answers_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    known.write_table(path, {7: (align.TEMPLATE * 100).astype(np.float32)})
    finder = detectors.open_finder("known", Settings(models=tmp_path), known=path)
    picture = np.zeros((8, 8, 3), np.uint8)
    assert len(finder.find(picture, frame=7)) == 1 and finder.find(picture, frame=8) == []
    path.write_text('{"schema_version": 2, "landmarks": {}}')
    with pytest.raises(FaceError):
        known.read_table(path)
    path.write_text("[" * 100_000)
    with pytest.raises(FaceError):
        known.read_table(path)


def test_a_file_with_flipped_bytes_is_not_fetched(tmp_path: Path) -> None:
    entry = registry.model("yunet")
    source, models = tmp_path / "from", tmp_path / "models"
    source.mkdir()
    (source / entry.file).write_bytes(b"\0" * entry.size)
    with pytest.raises(FaceError, match="not the file"):
        registry.fetch(Settings(models=models), name="yunet", offline_folder=source)
    assert not (models / entry.file).exists()


def test_an_empty_offline_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="does not hold it"):
        registry.fetch(Settings(models=tmp_path / "m"), offline_folder=tmp_path)


def test_a_foreign_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / fetch._WHEEL_FILES).write_bytes(b"PK")
    with pytest.raises(FaceError, match="not the one"):
        registry.fetch(Settings(models=tmp_path / "m"), name="blazeface_short_range", offline_folder=tmp_path)


@needs_models
def test_models_are_fetched_from_a_folder_and_verified(tmp_path: Path) -> None:
    settings = Settings(models=tmp_path)
    states = registry.fetch(settings, offline_folder=MODELS)
    assert [one.state for one in states] == ["verified"] * 3
    path = registry.find("yunet", settings)
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    assert registry.verify(settings, name="yunet")[0].state == "damaged"


def test_the_tables_of_points_are_whole() -> None:
    assert len(landmarks.MESH_INDEX) == 68 == len(set(landmarks.MESH_INDEX))
    assert sorted(landmarks.MIRROR) == list(range(68))
    assert len(set(BLENDSHAPE_VERTICES)) == 146
    mirrored = align.TEMPLATE[list(landmarks.MIRROR)] * [-1, 1] + [1, 0]
    assert np.allclose(mirrored, align.TEMPLATE, atol=1e-3)


def test_a_crop_fills_its_square_and_shrinks_by_area() -> None:
    picture = np.random.default_rng(0).random((900, 900, 3)).astype(np.float32)
    matrix = align.plate_to_aligned(align.TEMPLATE * 800 + 50, coverage="full", size=64)
    crop = align.warp(picture, matrix, 64)
    assert crop.shape == (64, 64, 3) and crop.dtype == np.float32
    # 800 px to 64 average 156 pixels into one: what is left of the noise is small.
    assert crop.std() < 0.04 < picture.std()
    far = align.warp(picture, np.array([[1.0, 0, 5000], [0, 1, 5000]]), 64)
    assert np.isfinite(far).all()


@needs_models
@pytest.mark.parametrize("shape", [(16, 16, 3), (1, 400, 3), (300, 300, 3)])
def test_pictures_without_a_face_give_none(shape: tuple[int, ...]) -> None:
    finder = detectors.open_finder("yunet", Settings(models=MODELS))
    assert finder.find(np.full(shape, 90, np.uint8)) == []


@needs_models
def test_what_is_no_picture_is_refused() -> None:
    finder = detectors.open_finder("yunet", Settings(models=MODELS))
    with pytest.raises(FaceError):
        finder.find(np.zeros((4, 4), np.uint8))


@pytest.fixture(params=["yunet", "blazeface"])
def finder(request: pytest.FixtureRequest, tmp_path: Path) -> detectors.FaceFinder:
    """Both ways through the back end `yunet`; BlazeFace is in the models' own bundle too."""
    if request.param == "yunet":
        return detectors.open_finder("yunet", Settings(models=MODELS))
    import zipfile

    with zipfile.ZipFile(MODELS / "face_landmarker.task") as bundle:
        data = bundle.read("face_detector.tflite")
    (tmp_path / "face_detection_short_range.tflite").write_bytes(data)
    os.symlink(MODELS / "face_landmark.tflite", tmp_path / "face_landmark.tflite")
    return detectors.open_finder("yunet", Settings(models=tmp_path))


@needs_models
@needs_footage
@pytest.mark.parametrize("name", ["real/performer_a.mp4", "real/performer_b.mp4", "real/small_head.gif"])
def test_performers_are_found_in_every_frame(finder: detectors.FaceFinder, name: str) -> None:
    for picture in frames(name, 3, 10):
        faces = finder.find(picture)
        assert len(faces) == 1 and faces[0].confidence > 0.9


@needs_models
@needs_footage
def test_landmarks_lie_where_the_render_has_them(finder: detectors.FaceFinder) -> None:
    truth = np.load(FOOTAGE / "performers/testA_gt468.npz")["gt"]
    # Brows, nose, the lower lip: the vertices that the render projects from the right places.
    good = [*range(17, 36), *range(54, 60)]
    for index, picture in enumerate(frames("performers/testA.mp4", 3, 30)):
        expected = landmarks.from_mesh(truth[30 * index])
        found = finder.find(picture)[0].landmarks
        apart = np.hypot(*(found - expected)[good].T).mean()
        across = np.hypot(*(expected[36] - expected[45]))
        assert apart < 0.06 * across


@needs_models
@needs_footage
def test_blendshapes_come_with_the_larger_mesh() -> None:
    face = detectors.open_finder("yunet", Settings(models=MODELS)).find(frames("real/performer_a.mp4", 1)[0])[
        0
    ]
    assert face.mesh is not None and face.mesh.shape == (478, 3)
    assert face.blendshapes is not None and face.blendshapes.shape == (52,)


@needs_models
@needs_footage
def test_a_face_cut_by_the_border_is_no_crash(finder: detectors.FaceFinder) -> None:
    whole = frames("performers/testA.mp4", 1)[0]
    for part in (whole[:, :200], whole[200:], whole[:150], whole[:, 260:]):
        for face in finder.find(part):
            assert np.isfinite(face.landmarks).all()


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("face_alignment", reason="face-alignment is not installed")
    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(marker),)

    for file in fan.FILES:
        (tmp_path / file).write_bytes(pickle.dumps({"weight": Hostile()}, protocol=2))
    with pytest.raises(FaceError, match="does not hold such weights"):
        detectors.open_finder("fan", Settings(models=tmp_path, device="cpu"))
    assert not marker.exists()
