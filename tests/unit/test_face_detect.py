"""Model files, back ends, and detection on real pictures where the test material is there."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.core.errors import FaceError
from understudy.core.settings import Settings
from understudy.face import align, landmarks
from understudy.face.detect import detectors, fan, fetch, known
from understudy.face.detect import models as registry

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
        detectors.open_detector("yunet", Settings(models=tmp_path))
    text = str(caught.value)
    assert "face_detection_short_range.tflite" in text and str(tmp_path) in text


@pytest.mark.parametrize("name", ["yunet", "blazeface_short_range"])
def test_a_model_file_that_holds_something_else_is_not_opened(tmp_path: Path, name: str) -> None:
    entry = registry.model(name)
    (tmp_path / entry.file).write_bytes(b"\0" * entry.size)
    with pytest.raises(FaceError, match="digest differs") as caught:
        detectors.open_detector("yunet", Settings(models=tmp_path))
    assert entry.file in str(caught.value)


def test_missing_fan_weights_say_which_file_goes_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(fan, "_installed", lambda: True)
    settings = Settings(models=tmp_path)
    assert not fan.is_ready(settings)
    with pytest.raises(FaceError, match=fan.DETECTOR_FILE) as caught:
        detectors.open_detector("fan", settings)
    assert str(tmp_path) in str(caught.value)


def test_fan_without_its_package_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan, "_installed", lambda: False)
    with pytest.raises(FaceError, match="not installed"):
        detectors.open_detector("fan", Settings(models=tmp_path))


def test_an_unknown_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="no detector"):
        detectors.open_detector("best", Settings(models=tmp_path))
    with pytest.raises(FaceError, match="no table"):
        detectors.open_detector("known", Settings(models=tmp_path))


def test_a_known_table_comes_back_and_answers_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    known.write_table(path, {7: (align.TEMPLATE * 100).astype(np.float32)})
    detector = detectors.open_detector("known", Settings(models=tmp_path), known=path)
    picture = np.zeros((8, 8, 3), np.uint8)
    assert len(detector.detect(picture, frame=7)) == 1 and detector.detect(picture, frame=8) == []
    path.write_text('{"schema_version": 3, "landmarks": {}}')
    with pytest.raises(FaceError):
        known.read_table(path)
    path.write_text("[" * 100_000)
    with pytest.raises(FaceError):
        known.read_table(path)


def test_a_known_table_holds_several_faces_of_a_frame_and_version_1_one(tmp_path: Path) -> None:
    face = (align.TEMPLATE * 100).astype(np.float32).round(3)
    path = tmp_path / "faces.json"
    known.write_table(path, {7: np.stack([face, 2 * face])})
    assert known.read_table(path)[7].shape == (2, 68, 2)
    detector = detectors.open_detector("known", Settings(models=tmp_path), known=path)
    found = detector.detect(np.zeros((8, 8, 3), np.uint8), frame=7)
    assert [one.size_px for one in found] == sorted((one.size_px for one in found), reverse=True)
    path.write_text(json.dumps({"schema_version": 1, "landmarks": {"7": face.tolist()}}))
    assert np.array_equal(known.read_table(path)[7], face[None])


STUDIO = """
import numpy as np
from understudy.face import align
from understudy.face.detect.protocol import DetectedFace

class Corner:
    name = "corner"

    def __init__(self, settings):
        self.shift = float(settings.threads)

    def detect(self, image, *, frame=None):
        if frame == 13:
            raise KeyError("no 13")
        if frame == 14:
            return ["a face"]
        points = (align.TEMPLATE * 50 + self.shift).astype(np.float32)
        small = DetectedFace((0.0, 0.0, 9.0, 9.0), 1.0, points, 1.0)
        return [small, DetectedFace((0.0, 0.0, 60.0, 60.0), 1.0, points, 0.5)]

def broken(settings):
    raise OSError("no licence server")
"""


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that a studio might install, with entry points as pip writes them."""
    (tmp_path / "corner_detector.py").write_text(STUDIO)
    folder = tmp_path / "corner_detector-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: corner-detector\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[understudy.detectors]\n"
        "corner = corner_detector:Corner\n"
        "broken = corner_detector:broken\n"
        "gone = no_such_module:open\n"
        "yunet = corner_detector:Corner\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("studio")
def test_a_studios_own_detector_is_opened_by_its_entry_points_name(tmp_path: Path) -> None:
    assert detectors.names()[-3:] == ("broken", "corner", "gone")
    detector = detectors.open_detector("corner", Settings(models=tmp_path, threads=3))
    picture = np.zeros((80, 80, 3), np.uint8)
    found = detector.detect(picture, frame=1)
    assert detector.name == "corner" and [face.size_px for face in found] == [60.0, 9.0]
    assert np.array_equal(found[0].landmarks, (align.TEMPLATE * 50 + 3).astype(np.float32))


@pytest.mark.usefixtures("studio")
def test_a_studios_detector_that_fails_is_one_clear_error(tmp_path: Path) -> None:
    settings, picture = Settings(models=tmp_path), np.zeros((80, 80, 3), np.uint8)
    for name, said in (("broken", "no licence server"), ("gone", "no_such_module")):
        with pytest.raises(FaceError, match=said) as caught:
            detectors.open_detector(name, settings)
        assert name in caught.value.what and "understudy.detectors" in caught.value.where
    detector = detectors.open_detector("corner", settings)
    with pytest.raises(FaceError, match="no 13"):
        detector.detect(picture, frame=13)
    with pytest.raises(FaceError, match="something else than faces"):
        detector.detect(picture, frame=14)
    with pytest.raises(FaceError, match="is missing"):  # ours, whatever is installed under its name
        detectors.open_detector("yunet", settings)


def test_a_file_with_flipped_bytes_is_not_fetched(tmp_path: Path) -> None:
    entry = registry.model("yunet")
    source, models = tmp_path / "from", tmp_path / "models"
    source.mkdir()
    (source / entry.file).write_bytes(b"\0" * entry.size)
    with pytest.raises(FaceError, match="not the file"):
        fetch.fetch(Settings(models=models), name="yunet", offline_folder=source)
    assert not (models / entry.file).exists()


def test_an_empty_offline_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="does not hold it"):
        fetch.fetch(Settings(models=tmp_path / "m"), offline_folder=tmp_path)


def test_a_foreign_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / fetch._WHEEL_FILES).write_bytes(b"PK")
    with pytest.raises(FaceError, match="not the one"):
        fetch.fetch(Settings(models=tmp_path / "m"), name="blazeface_short_range", offline_folder=tmp_path)


@needs_models
def test_models_are_fetched_from_a_folder_and_verified(tmp_path: Path) -> None:
    settings = Settings(models=tmp_path)
    states = fetch.fetch(settings, offline_folder=MODELS)
    # The networks that are preferred, and the one that is taken where the folder has it.
    wanted = [name for row in registry.PREFERRED for name in row[:1]] + list(registry.OPTIONAL)
    assert [(one.model.name, one.state) for one in states] == [(name, "verified") for name in wanted]
    path = registry.first("yunet", settings=settings)
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    assert registry.verify(settings, name="yunet")[0].state == "damaged"


def test_the_tables_of_points_are_whole() -> None:
    assert len(landmarks.MESH_INDEX) == 68 == len(set(landmarks.MESH_INDEX))
    assert sorted(landmarks.MIRROR) == list(range(68))
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
    detector = detectors.open_detector("yunet", Settings(models=MODELS))
    assert detector.detect(np.full(shape, 90, np.uint8)) == []


@needs_models
def test_what_is_no_picture_is_refused() -> None:
    detector = detectors.open_detector("yunet", Settings(models=MODELS))
    with pytest.raises(FaceError):
        detector.detect(np.zeros((4, 4), np.uint8))


@pytest.fixture(params=["yunet", "blazeface"])
def detector(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> detectors.FaceDetector:
    """Both ways through the back end `yunet`; the models' own bundle has a BlazeFace of another digest."""
    if request.param == "yunet":
        return detectors.open_detector("yunet", Settings(models=MODELS))
    import zipfile

    with zipfile.ZipFile(MODELS / "face_landmarker.task") as bundle:
        data = bundle.read("face_detector.tflite")
    bundled = replace(registry.model("blazeface_short_range"), sha256=hashlib.sha256(data).hexdigest())
    others = [entry for entry in registry.MODELS if entry.name != bundled.name]
    monkeypatch.setattr(registry, "MODELS", (bundled, *others))
    (tmp_path / bundled.file).write_bytes(data)
    os.symlink(MODELS / "face_landmark.tflite", tmp_path / "face_landmark.tflite")
    return detectors.open_detector("yunet", Settings(models=tmp_path))


@needs_models
@needs_footage
@pytest.mark.parametrize("name", ["real/performer_a.mp4", "real/performer_b.mp4", "real/small_head.gif"])
def test_performers_are_found_in_every_frame(detector: detectors.FaceDetector, name: str) -> None:
    for picture in frames(name, 3, 10):
        faces = detector.detect(picture)
        assert len(faces) == 1 and faces[0].confidence > 0.9


@needs_models
@needs_footage
def test_landmarks_lie_where_the_render_has_them(detector: detectors.FaceDetector) -> None:
    truth = np.load(FOOTAGE / "performers/testA_gt468.npz")["gt"]
    # Brows, nose, the lower lip: the vertices that the render projects from the right places.
    good = [*range(17, 36), *range(54, 60)]
    for index, picture in enumerate(frames("performers/testA.mp4", 3, 30)):
        expected = landmarks.from_mesh(truth[30 * index])
        found = detector.detect(picture)[0].landmarks
        apart = np.hypot(*(found - expected)[good].T).mean()
        across = np.hypot(*(expected[36] - expected[45]))
        assert apart < 0.06 * across


@needs_models
@needs_footage
def test_a_face_cut_by_the_border_is_no_crash(detector: detectors.FaceDetector) -> None:
    whole = frames("performers/testA.mp4", 1)[0]
    for part in (whole[:, :200], whole[200:], whole[:150], whole[:, 260:]):
        for face in detector.detect(part):
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
        detectors.open_detector("fan", Settings(models=tmp_path, device="cpu"))
    assert not marker.exists()


def test_a_picture_of_square_pixels_is_averaged_alike_on_both_sides() -> None:
    picture = np.random.default_rng(3).random((300, 300)).astype(np.float32)
    matrix = np.array([[0.25, 0, 0], [0, 0.3, 0]])  # a mouth that is carried over is stretched like this
    crop = align.warp(picture, matrix, 90)
    factor = align.magnification(matrix)
    small = cv2.resize(picture, (round(300 * factor),) * 2, interpolation=cv2.INTER_AREA)
    back = align.compose(matrix, align.invert(align.resizing(small.shape[1] / 300, small.shape[0] / 300)))
    wanted = cv2.warpAffine(small, back, (90, 90), borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(crop, wanted, atol=1e-5)
    squeezed = align.warp(picture, matrix, 90, pixel_aspect=1.2)
    assert np.abs(squeezed - wanted).max() > 0.05
