"""A frame comes out as it did, or the recipe's version has gone up: or half a shot would be of either.

After a change that is meant, raise `recipe.VERSION` and write the golden anew:

    PYTHONPATH=tests python tests/golden/test_recipe_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from small_frame import NEEDED, inputs_of, make
from understudy.swap import recipe
from understudy.swap.job import SwapJob

GOLDEN = Path(__file__).with_name("recipe.json")
JOBS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "plate mouth": {"plate_mouth": 100.0},
    "hull, box, occlusion": {"matte_hull": True, "matte_box": True, "matte_occlusion": True},
    "sides": {"erode_bottom": 4.0, "feather_left": 20.0, "matte_combine": "maximum", "matte_hull": True},
    "monge_kantorovich": {"colour_method": "monge_kantorovich", "light_strength": 40.0},
    "sliced": {"colour_method": "sliced"},
    "grade": {"grade_gain_stops": 0.5, "grade_saturation_percent": 60.0, "grade_hue_degrees": 20.0},
    "detail": {"sharpness": 60.0, "denoise": 50.0, "degrade": 20.0},
    "grain and motion": {"grain": 100.0, "motion_blur": 50.0},
    "multiband": {"merge": "multiband"},
    "gradient": {"merge": "gradient"},
    "moved": {"face_scale_percent": 110.0, "face_turn_degrees": 10.0, "identity_mix": 60.0},
}


def small(changes: dict[str, Any]) -> list[list[float]]:
    """The finished frame of a job, ten pixels of three channels."""
    job = SwapJob.model_validate({**NEEDED, **changes})
    made = make(job, inputs_of(7, job, 25.0, (40.0, 30.0), 0.2))
    assert made is not None
    within = np.ascontiguousarray(made[0].pixels[12:48, 20:60, :3], np.float32)
    reduced = cv2.resize(np.log2(np.maximum(within, 1e-3)), (5, 2), interpolation=cv2.INTER_AREA)
    return [[round(float(value), 4) for value in pixel] for pixel in reduced.reshape(-1, 3)]


def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text())
    return found


def test_the_golden_is_of_this_recipe() -> None:
    assert golden()["version"] == recipe.VERSION, "write the golden anew"
    assert set(golden()["frames"]) == set(JOBS)


@pytest.mark.parametrize("name", JOBS)
def test_a_frame_comes_out_as_it_did(name: str) -> None:
    told = "the frame comes out otherwise: if that is meant, raise recipe.VERSION and write the golden anew"
    np.testing.assert_allclose(small(JOBS[name]), golden()["frames"][name], atol=2e-3, err_msg=told)


if __name__ == "__main__":
    frames = {name: small(changes) for name, changes in JOBS.items()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in frames.items())
    GOLDEN.write_text(f'{{"version": {recipe.VERSION}, "frames": {{\n{lines}\n}}}}\n')
