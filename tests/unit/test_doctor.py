"""The doctor finds what is amiss and says what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from understudy.app import cli, doctor
from understudy.app.doctor import Check
from understudy.core.settings import Settings
from understudy.face.detect import models as registry


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(models=tmp_path / "not" / "made" / "yet")


def test_this_machine_can_run_the_engine(settings: Settings) -> None:
    checks = {check.name: check for check in doctor.examine(settings)}
    for name in ("python", "openimageio", "opencolorio", "opencv", "inference", "patches"):
        assert checks[name].status == "ok", checks[name]
    assert checks["models"].status == "warn" and "models fetch" in checks["models"].fix
    assert all(check.fix for check in checks.values() if check.status != "ok")


def test_a_damaged_model_is_a_failure(settings: Settings) -> None:
    settings.models.mkdir(parents=True)
    (settings.models / "face_detection_yunet_2023mar.onnx").write_bytes(b"half")
    check = doctor._models(settings)
    assert check.status == "fail" and "face_detection_yunet_2023mar.onnx" in check.found


def test_a_stand_in_is_as_good_as_the_first_choice(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"blazeface_short_range", "face_mesh_468"}

    def verify(settings: Settings) -> list[registry.ModelState]:
        return [
            registry.ModelState(entry, settings.models, "verified" if entry.name in there else "missing")
            for entry in registry.MODELS
        ]

    monkeypatch.setattr(registry, "verify", verify)
    assert doctor._models(settings).status == "ok"
    there.remove("face_mesh_468")
    check = doctor._models(settings)
    assert check.status == "warn" and "face_mesh_478 or face_mesh_468" in check.found


def test_two_opencv_wheels_are_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: "4.14.0")
    check = doctor._opencv(settings)
    assert check.status == "fail" and "pip uninstall opencv-python" in check.fix


def test_both_inference_wheels_are_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: "1.20")
    check = doctor._inference(settings)
    assert check.status == "fail" and "understudy[gpu]" in check.fix


def test_a_full_disk_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    for free, status in ((100_000_000, "fail"), (2_000_000_000, "warn"), (50_000_000_000, "ok")):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path, free=free: usage(0, 0, free))
        assert doctor._cache_disk(settings).status == status


def test_too_many_threads_are_found(tmp_path: Path) -> None:
    many = (os.cpu_count() or 1) + 1
    assert doctor._threads(Settings(models=tmp_path, threads=many)).status == "warn"
    assert doctor._threads(Settings(models=tmp_path)).status == "ok"


def test_a_gpu_that_is_asked_for_and_absent_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_tried", lambda *words: Check("training", "ok", "2.13.0 on cpu"))
    assert doctor._training(Settings(models=tmp_path, device="cuda")).status == "fail"
    assert doctor._training(Settings(models=tmp_path)).status == "warn"


def test_a_library_that_crashes_costs_its_line_alone() -> None:
    check = doctor._tried("native", "import os; os.abort()", "install it again")
    assert check == Check("native", "fail", "ended with -6", "install it again")


def test_a_library_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*words: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(doctor.subprocess, "run", hang)
    assert doctor._tried("native", "", "wait").status == "fail"


def test_a_check_that_breaks_does_not_stop_the_others(settings: Settings) -> None:
    def _broken(settings: Settings) -> Check:
        raise ValueError("oh")

    assert doctor._guarded(_broken, settings).status == "fail"


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_only_a_failure_makes_the_exit_code(
    status: doctor.Status, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda settings: (Check("disk", status, "1 GB", "free some"),))
    assert cli.main(["doctor"]) == code
    assert "disk: 1 GB\n      try: free some" in capsys.readouterr().out
    assert cli.main(["doctor", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["checks"][0]["status"] == status
