"""Fixtures and settings that every test shares."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Several test processes share a few cores; these are read when the libraries are imported.
for _name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_name, "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

# What a run remembers of files is no business of who runs the tests.
os.environ["UNDERSTUDY_CACHE"] = str(Path(tempfile.gettempdir()) / "understudy-tests-cache")

import pytest  # noqa: E402 - after the variables above
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), max_examples=30, derandomize=True)
settings.load_profile("ci" if os.environ.get("UNDERSTUDY_CI") else "local")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The footage and models that lie beside the repository; the test is skipped where they are absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: it holds the development footage and models")
    return folder
