"""The GPU's loops agree with the CPU's: in numba's simulator, and on a GPU where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from patch_tasks import random_task
from understudy.core.errors import JobError
from understudy.patch import cuda
from understudy.patch.synthesis import synthesise
from understudy.patch.task import SynthesisOptions, SynthesisResult

SIZE = (16, 20)
OPTIONS = SynthesisOptions(search_votes=2, searches=1, levels=2, patch=3, stop=1.0)
# The simulator cannot hand its arrays to compiled functions, and Python's own integers warn where they wrap.
PROGRAM = """
import sys, warnings
import numpy as np
from patch_tasks import random_task
from understudy.patch.synthesis import synthesise
from understudy.patch.task import SynthesisOptions
warnings.filterwarnings("ignore", message=".*overflow encountered in scalar")
made = synthesise(random_task({size[0]}, {size[1]}, {seed}), {options})
np.savez(sys.argv[1], picture=made.picture, error=made.error)
"""


def simulated(folder: Path, seed: int, options: SynthesisOptions) -> dict[str, np.ndarray]:
    here = Path(__file__).resolve().parent
    search = os.pathsep.join([str(here.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": search, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    file = folder / "made.npz"
    program = PROGRAM.format(size=SIZE, seed=seed, options=options)
    subprocess.run([sys.executable, "-c", program, str(file)], check=True, env=environment, timeout=200)
    with np.load(file) as saved:
        return dict(saved)


def assert_alike(made: SynthesisResult, other: dict[str, np.ndarray]) -> None:
    assert made.picture.tobytes() == other["picture"].tobytes()
    assert made.error.tobytes() == other["error"].tobytes()


def test_the_simulated_gpu_makes_the_same_bits(tmp_path: Path) -> None:
    on_cpu = synthesise(random_task(*SIZE, 3), replace(OPTIONS, device="cpu"))
    assert_alike(on_cpu, simulated(tmp_path, 3, replace(OPTIONS, device="cuda")))


@pytest.mark.skipif(not cuda.found(), reason="there is no GPU")
def test_a_gpu_makes_the_same_bits() -> None:
    work = random_task(160, 200, 4)
    made = synthesise(work, SynthesisOptions(device="cuda"))
    assert_alike(
        synthesise(work, SynthesisOptions(device="cpu")), {"picture": made.picture, "error": made.error}
    )


@pytest.mark.skipif(cuda.found(), reason="there is a GPU")
def test_a_gpu_that_cannot_be_reached_is_told_of() -> None:
    with pytest.raises(JobError, match="The GPU failed") as told:
        cuda.device_name()
    assert "device to cpu" in told.value.fix
