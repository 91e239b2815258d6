"""`understudy doctor`: what this machine has, what it lacks, and what to do about each.

Native libraries are tried in a child process, so that a broken one costs one line of the report, and torch is
never loaded here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from understudy.core import processes
from understudy.core.settings import Settings
from understudy.face.detect import models

Status = Literal["ok", "warn", "fail"]
SECONDS_TO_TRY = 120
GIGABYTE = 1_000_000_000
LOW_DISK_BYTES = 5 * GIGABYTE
EMPTY_DISK_BYTES = GIGABYTE // 2


@dataclass(frozen=True)
class Check:
    """The result of one check: what was found and, where something is wrong, what to do."""

    name: str
    status: Status
    found: str
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """The check as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        line = f"{self.status:<5} {self.name}: {self.found}"
        return f"{line}\n      try: {self.fix}" if self.fix else line


def examine(settings: Settings) -> tuple[Check, ...]:
    """Run every check; a check that raises is reported as failed, and the others still run."""
    checks: list[Callable[[Settings], Check]] = [
        _python,
        _images,
        _colour,
        _opencv,
        _inference,
        _training,
        _patches,
        _models,
        _alignment,
        _cache_disk,
        _work_disk,
        _threads,
    ]
    return tuple(_guarded(check, settings) for check in checks)


def _guarded(check: Callable[[Settings], Check], settings: Settings) -> Check:
    try:
        return check(settings)
    except Exception as exc:  # one broken check must not hide the others
        name = check.__name__.strip("_").replace("_", " ")
        return Check(name, "fail", f"the check failed: {type(exc).__name__}: {exc}", "report this as a bug")


def _python(settings: Settings) -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if processes.loose_entries():
        found = f"{version}; PYTHONPATH has an empty or relative entry: modules of any folder may be run"
        return Check("python", "warn", found, "give full paths in PYTHONPATH, without a colon at either end")
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("python", "ok", version)
    return Check("python", "warn", f"{version}; tried with 3.11 to 3.13", "use Python 3.11")


def _images(settings: Settings) -> Check:
    code = "import OpenImageIO as o; print(o.VERSION_STRING)"
    return _tried("openimageio", code, "install OpenImageIO again")


def _colour(settings: Settings) -> Check:
    code = (
        "import PyOpenColorIO as o; from understudy.image import colour as c; "
        "o.Config.CreateFromBuiltinConfig(c.CONFIG_NAME); print(o.__version__, 'with', c.CONFIG_NAME)"
    )
    return _tried("opencolorio", code, "install opencolorio at the version of constraints.txt")


def _opencv(settings: Settings) -> Check:
    wheels = [name for name in _OPENCV_WHEELS if _version(name)]
    if len(wheels) > 1:
        found = f"{' and '.join(wheels)} share one folder"
        fix = f"pip uninstall {' '.join(wheels)}, then pip install opencv-python-headless"
        return Check("opencv", "fail", found, fix)
    code = "import cv2; print(cv2.__version__)"
    return _tried("opencv", code, "pip install opencv-python-headless (opencv-python needs libGL)")


_OPENCV_WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def _inference(settings: Settings) -> Check:
    plain, gpu = _version("onnxruntime"), _version("onnxruntime-gpu")
    if plain and gpu:
        fix = "pip uninstall onnxruntime onnxruntime-gpu, then install understudy[cpu] or understudy[gpu]"
        return Check("inference", "fail", "onnxruntime and onnxruntime-gpu share one folder", fix)
    code = "import onnxruntime as o; print(o.__version__, 'with', ', '.join(o.get_available_providers()))"
    return _tried("inference", code, "pip install understudy[cpu], or understudy[gpu] with an NVIDIA GPU")


def _training(settings: Settings) -> Check:
    code = (
        "import torch as t; d = t.cuda.get_device_name(0) if t.cuda.is_available() else "
        "'mps' if t.backends.mps.is_available() else ''; print(t.__version__, 'on', d or 'cpu')"
    )
    check = _tried("training", code, "install torch at the version of constraints.txt")
    if check.status != "ok":
        return check
    on_cpu = check.found.endswith("on cpu")
    if on_cpu and settings.device not in ("auto", "cpu"):
        fix = "install a torch build for this GPU, or set UNDERSTUDY_DEVICE=auto"
        return Check("training", "fail", f"{check.found}, and UNDERSTUDY_DEVICE is {settings.device}", fix)
    if on_cpu:
        fix = "train on a machine with a GPU where there is one; the demo needs none"
        return Check("training", "warn", check.found, fix)
    return check


def _patches(settings: Settings) -> Check:
    code = (
        "from understudy.patch import cuda as c; import numba as n; "
        "print(n.__version__, 'on', c.device_name() if c.found() else 'cpu')"
    )
    return _tried("patches", code, "pip install understudy[gpu] again, or propagate with --device cpu")


def _models(settings: Settings) -> Check:
    states = models.verify(settings)
    damaged = [state.model.file for state in states if state.state == "damaged"]
    if damaged:
        fix = "delete these files and run `understudy models fetch`"
        return Check("models", "fail", f"damaged in {settings.models}: {', '.join(damaged)}", fix)
    present = [state.model.name for state in states if state.state == "verified"]
    lacking = [" or ".join(names) for names in models.PREFERRED if not set(names).intersection(present)]
    found = f"{', '.join(present) or 'none'} verified in {settings.models}"
    if not lacking:
        return Check("models", "ok", found)
    return Check("models", "warn", f"{found}; missing {', '.join(lacking)}", "run `understudy models fetch`")


def _alignment(settings: Settings) -> Check:
    version = _version("face-alignment")
    if version:
        return Check("face-alignment", "ok", version)
    fix = "pip install --no-deps face-alignment==1.5.0 (with its dependencies it brings opencv-python)"
    return Check("face-alignment", "warn", "not installed; the detector `fan` is not there", fix)


def _cache_disk(settings: Settings) -> Check:
    return _disk("disk of the models", settings.models)


def _work_disk(settings: Settings) -> Check:
    return _disk("disk of this folder", Path.cwd())


def _disk(name: str, folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / GIGABYTE:.1f} GB free at {existing}"
    if not os.access(existing, os.W_OK):
        return Check(name, "fail", f"{existing} cannot be written", "work in a folder of your own")
    if free < EMPTY_DISK_BYTES:
        return Check(name, "fail", found, "free some space")
    if free < LOW_DISK_BYTES:
        return Check(name, "warn", found, "free some space: a shot in EXR takes gigabytes")
    return Check(name, "ok", found)


def _threads(settings: Settings) -> Check:
    cores = os.cpu_count() or 1
    used = settings.threads or cores
    if used > cores:
        fix = f"set UNDERSTUDY_THREADS to {cores} or less"
        return Check("threads", "warn", f"{used} asked for, {cores} cores", fix)
    return Check("threads", "ok", f"{used} of {cores} cores")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _tried(name: str, code: str, fix: str) -> Check:
    """Run a line of Python in a child process and report what it prints."""
    try:
        child = processes.run_python(["-c", code], timeout=SECONDS_TO_TRY)
    except subprocess.TimeoutExpired:
        return Check(name, "fail", f"no answer within {SECONDS_TO_TRY} seconds", fix)
    lines = (child.stdout if child.returncode == 0 else child.stderr).strip().splitlines()
    found = lines[-1] if lines else f"ended with {child.returncode}"
    return Check(name, "ok" if child.returncode == 0 else "fail", found, "" if child.returncode == 0 else fix)
