"""Who is who in filmed plates, with the real networks: what is tracked, what is refused, what is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from understudy.core.errors import FaceError
from understudy.core.progress import Event, Warned
from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.detect.protocol import DetectedFace, box_round
from understudy.face.track.store import Track
from understudy.face.track.stretches import Stretch
from understudy.face.track.verdicts import Association, Verdict
from understudy.image.sequence import FrameRange
from understudy.jobs.shots import TrackJob
from understudy.shots import track, who

A, B = "real/performer_a.mp4", "real/performer_b.mp4"


def frames_of(clip: Path, *numbers: int) -> list[np.ndarray]:
    """Frames of a clip, counted from 0, a quarter of its size."""
    video, found = cv2.VideoCapture(str(clip)), []
    for number in range(max(numbers) + 1):
        _, picture = video.read()
        if number in numbers:
            found.append(cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    return found


@pytest.fixture(scope="module")
def plate(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1-3 one performer, 4-6 another in the same place, 7-8 the first elsewhere; their pictures beside."""
    folder = tmp_path_factory.mktemp("who")
    first = frames_of(shared / "footage" / A, 0, 1, 2, 12, 13, 40)
    second = frames_of(shared / "footage" / B, 0, 1, 2, 40)
    elsewhere = [np.roll(picture, 60, axis=0) for picture in first[3:5]]
    for number, picture in enumerate([*first[:3], *second[:3], *elsewhere], 1):
        cv2.imwrite(str(folder / f"plate.{number:04d}.png"), picture)
    cv2.imwrite(str(folder / "first.png"), first[5])
    cv2.imwrite(str(folder / "second.png"), second[3])
    return folder


def tracked(
    plate: Path, settings: Settings, name: str, **fields: object
) -> tuple[list[str], dict, list[str]]:
    """The frames of each face, the result, and the warnings."""
    events: list[Event] = []
    output = plate / f"{name}.track"
    job = TrackJob(plate=str(plate / "plate.%04d.png"), track=output, detector="yunet", **fields)
    result = track.run(job, report=events.append, settings=settings)
    frames = [str(FrameRange(tuple(face))) for face in Track.open(output).faces.values()]
    return frames, result, [one.message for one in events if isinstance(one, Warned)]


@pytest.fixture
def settings(shared: Path, tmp_path: Path) -> Settings:
    return Settings(models=shared / "models", cache=tmp_path / "cache")


def test_after_a_cut_another_performer_is_not_the_chosen_one(plate: Path, settings: Settings) -> None:
    frames, result, warnings = tracked(plate, settings, "largest")
    assert frames == ["1-3,7-8"]
    assert [(row["frames"], row["face"], row["sure"]) for row in result["stretches"]] == [
        ("1-3", "face", True),
        ("4-6", None, True),
        ("7-8", "face", True),
    ]
    assert result["frames_of_others"] == "4-6" and "frames_without_face" not in result
    assert any("4-6" in one and "another performer" in one for one in warnings)


def test_the_reference_says_who_is_meant(plate: Path, settings: Settings) -> None:
    frames, result, _ = tracked(plate, settings, "second", reference=plate / "second.png")
    assert frames == ["4-6"] and result["frames_of_others"] == "1-3,7-8"
    with pytest.raises(FaceError, match="not recognised in these frames") as refused:
        tracked(plate, settings, "nobody", reference=plate / "second.png", frames="1-3")
    assert refused.value.exit_code != 0 and not (plate / "nobody.track").exists()


def test_two_who_never_meet_are_two(plate: Path, settings: Settings) -> None:
    frames, result, warnings = tracked(plate, settings, "both", faces=2)
    assert sorted(frames) == ["1-3,7-8", "4-6"] and warnings == []
    assert "frames_of_others" not in result


def test_without_the_network_no_join_is_silent(shared: Path, plate: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for name in ("face_detection_yunet_2023mar.onnx", "face_landmarks_detector.tflite"):
        shutil.copy(shared / "models" / name, models)
    settings = Settings(models=models, cache=tmp_path / "cache")
    _, result, warnings = tracked(plate, settings, "without")
    assert any(who.NETWORK in one and str(models) in one for one in warnings)
    joined = [row for row in result["stretches"] if row["face"] and row["why"] != "largest"]
    assert joined and not any(row["sure"] for row in joined)
    assert all(any(row["frames"] in one and "oubtful" in one for one in warnings) for row in joined)
    # A face alone, with nobody to join it to, says nothing of it.
    assert tracked(plate, settings, "alone", frames="1-3")[2] == []


def stretch(first: int, last: int, size: float = 100) -> Stretch:
    points = ((align.TEMPLATE - 0.5) * size + 200).astype(np.float32)
    face = DetectedFace(box_round(points), 0.9, points, 0.9)
    return Stretch(dict.fromkeys(range(first, last + 1), face))


def test_what_is_told_says_which_frames_and_what_to_do() -> None:
    parts = [stretch(1, 20), stretch(30, 30), stretch(40, 45), stretch(1, 9)]
    verdicts = [
        Verdict(parts[0], 0, "largest of its performer"),
        Verdict(parts[1], 0, "perhaps the same performer, by proportions", 0.55, False),
        Verdict(parts[2], None, "another performer", 0.7123),
        Verdict(parts[3], None, "another performer: both are in one frame", 0.8),
    ]
    result = Association([parts[:2]], verdicts, rival=0.9)
    job = TrackJob(plate="plate.%04d.exr", track=Path("a.track"))

    def told(job: TrackJob, count: int = 1) -> list[tuple[str, int | None]]:
        events: list[Event] = []
        who.tell(result, job, count, report=events.append)
        return [(one.message, one.frame) for one in events if isinstance(one, Warned)]

    doubtful, left_out, rival = told(job)
    assert doubtful[1] == 30 and "Doubtful" in doubtful[0] and "--reference" in doubtful[0]
    assert left_out == ("Frames 40-45: not this performer: another performer, distance 0.71.", None)
    assert "as large" in rival[0]
    # Where a reference was given, it is no advice to give one.
    doubtful, _ = told(job.model_copy(update={"reference": Path("her.jpg")}))
    assert "--reference" not in doubtful[0] and "--frames" in doubtful[0]
    assert told(job, 2)[0] == ("1 of 2 faces were found.", None)
    assert who.rows(result, ["hero"])[2] == {
        "frames": "40-45",
        "face": None,
        "why": "another performer",
        "distance": 0.712,
        "sure": True,
    }
