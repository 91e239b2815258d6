"""Steps done in Blender's own interpreter, and how what it renders is compared.

Blender and the engine need different versions of numpy, so Blender's part runs as a process of its own, by
the interpreter that UNDERSTUDY_BLENDER_PYTHON names, or `.venv-host/bin/python`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from understudy.image.frame import Box, FloatImage, Frame

ROOT = Path(__file__).parents[2]
BLENDER = os.environ.get("UNDERSTUDY_BLENDER_PYTHON") or str(ROOT / ".venv-host" / "bin" / "python")
ENGINE = str(Path(sys.executable).with_name("understudy"))
REGISTER = (["path", str(ROOT / "plugin")], ["register"])

needs_blender = pytest.mark.skipif(
    shutil.which(BLENDER) is None,
    reason="no Blender: `make test-host` installs it, or UNDERSTUDY_BLENDER_PYTHON",
)


def blender(folder: Path, *steps: list[Any], engine: str = ENGINE, **variables: str) -> list[Any]:
    """Do the steps in Blender's interpreter; what each of them gave."""
    folder.mkdir(parents=True, exist_ok=True)
    asked, told = folder / "steps.json", folder / "results.json"
    asked.write_text(json.dumps(steps))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [BLENDER, str(Path(__file__).with_name("blender_driver.py")), str(asked), str(told)],
        env={
            **kept,
            "UNDERSTUDY_ENGINE": engine,
            "BLENDER_USER_RESOURCES": str(folder / "home"),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    results: list[Any] = json.loads(told.read_text())
    return results


def shown(frame: Frame, display: Box, channels: tuple[str, ...]) -> FloatImage:
    """The display window's pixels, 0 where nothing is stored."""
    out = np.zeros((display.height, display.width, len(channels)), np.float32)
    window = frame.data_window
    x0, y0 = max(window.x0, display.x0), max(window.y0, display.y0)
    x1, y1 = min(window.x1, display.x1), min(window.y1, display.y1)
    picked = [frame.channels.index(name) for name in channels]
    stored = frame.pixels[y0 - window.y0 : y1 - window.y0, x0 - window.x0 : x1 - window.x0][..., picked]
    out[y0 - display.y0 : y1 - display.y0, x0 - display.x0 : x1 - display.x0] = stored
    return out


def differences(ours: FloatImage, theirs: FloatImage) -> FloatImage:
    """Relative to the value, and to 0.01 below it; 0 where both hold the same bits."""
    same = ours.view(np.uint32) == theirs.view(np.uint32)
    with np.errstate(invalid="ignore"):
        return np.where(same, 0, np.abs(ours - theirs) / np.maximum(np.abs(theirs), 0.01))
