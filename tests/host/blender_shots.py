"""A shot for Blender: plate, track, a barely trained model, and what the engine makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blender_runs import REGISTER

from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.image.exr import read_image
from understudy.image.frame import Frame
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob

SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
FRAMES = 5
# The plate's frames; in the first and the last one nobody has tracked a face.
NUMBERS = range(0, FRAMES + 2)
EMPTY = (NUMBERS[0], NUMBERS[-1])
SPACE = "Linear Rec.709 (sRGB)"
START = [*REGISTER, ["frames", NUMBERS[0], NUMBERS[-1]]]


@dataclass(frozen=True)
class Shot:
    """A plate, the track of its face, and a barely trained model."""

    root: Path
    model: str
    plate: str
    track: str

    def swapped(self, folder: Path, **changes: Any) -> dict[int, Frame]:
        """The engine's own finished frames."""
        values = {"plate": self.plate, "track": self.track, "model": self.model}
        output = str(folder / "out.%04d.exr")
        job = SwapJob.model_validate({**values, "output": output, "colour_space": SPACE, **changes})
        assert swap_run.run(job, report=silent, settings=SETTINGS)["failed_frames"] == []
        made = sorted(folder.glob("out.*.exr"))
        return {int(path.suffixes[0][1:]): read_image(path) for path in made}

    def chosen(self, folder: Path) -> dict[str, str]:
        """What an artist chooses in the panel."""
        return {
            "plate": self.plate % 1,  # any of its files
            "face_pass": str(folder / "pass" / "pass.####.exr"),
            "swap.track": self.track,
            "swap.model": self.model,
            "swap.colour_space": SPACE,
        }
