"""The recipe without its network: whatever the controls, wherever the face, whatever the plate holds."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_frame import NEEDED, inputs_of, make
from understudy.image.frame import Frame
from understudy.jobs import schema
from understudy.swap.frame_data import SwappedFace
from understudy.swap.job import SwapJob
from understudy.swap.stages import average

MATTES = ("learned", "destination", "hull", "occlusion", "box")
thorough = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _values(field: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Every value that the schema allows a field, its ends included."""
    if field["type"] == "boolean":
        return st.booleans()
    if "enum" in field:
        return st.sampled_from(field["enum"])
    low, high = float(field["minimum"]), float(field["maximum"])
    return st.one_of(st.sampled_from([low, high]), st.floats(low, high))


FIELDS = schema.job("swap")["properties"]
CONTROLS = {name: _values(field) for name, field in FIELDS.items() if field.get("animated")}
controls = st.fixed_dictionaries({}, optional=CONTROLS)


def final_matte(frame: Frame, made: SwappedFace) -> Any:
    """The matte over the whole frame."""
    matte = np.zeros(frame.pixels.shape[:2], np.float32)
    box = made.box(frame.data_window)
    if not box.empty:
        matte[box.slices(frame.data_window)] = made.warp_matte(made.mattes.final, box) * made.opacity
    return matte


@thorough
@given(
    controls,
    st.integers(0, 1000),
    st.sampled_from([0.4, 3.0, 25.0, 40.0, 300.0]),
    st.tuples(st.floats(-60, 140), st.floats(-60, 120)),
    st.sampled_from([0.2, np.nan, np.inf, -np.inf, 65504.0, -3.0]),
)
def test_no_control_breaks_a_frame_or_touches_the_plate_outside_the_matte(changes, seed, size, middle, value):
    job = SwapJob.model_validate({**NEEDED, **changes})
    if not (
        job.matte_learned or job.matte_destination or job.matte_hull or job.matte_box or job.matte_occlusion
    ):
        job = job.model_copy(update={"matte_hull": True})
    one = inputs_of(seed, job, size, middle, value)
    results = []
    before = cv2.getNumThreads()
    try:
        for threads in (1, 3):
            cv2.setNumThreads(threads)
            results.append(make(job, one))
    finally:
        cv2.setNumThreads(before)
    if results[0] is None or results[1] is None:
        assert results == [None, None]
        return
    frame, made = results[0]
    plate = one.frame.pixels
    assert frame.pixels.tobytes() == results[1][0].pixels.tobytes()
    outside = final_matte(frame, made) == 0
    assert frame.pixels[outside].tobytes() == plate[outside].tobytes()
    assert np.isfinite(frame.pixels[np.isfinite(plate).all(axis=2)]).all()
    if job.opacity == 0:
        assert frame.pixels.tobytes() == plate.tobytes()


@pytest.mark.parametrize("merge", ["over", "multiband", "gradient"])
def test_highlights_stay_what_they_are_beside_the_face_and_show_through_its_soft_edge(merge):
    job = SwapJob.model_validate({**NEEDED, "merge": merge, "feather": 20.0})
    one = inputs_of(1, job, 40.0, (40.0, 30.0), 0.2)
    result = make(job, one)
    assert result is not None
    frame, made = result
    matte, bright = final_matte(frame, made), (one.frame.pixels == 40.0).all(axis=2)
    assert bright[matte == 0].any() and (frame.pixels[bright & (matte == 0)] == 40.0).all()
    partial = bright & (matte > 0.05) & (matte < 0.5)
    assert partial.any()
    shown = frame.pixels[partial].mean(axis=1)
    assert (shown < 40.0).all() and (shown > 3.0).all()
    if merge != "multiband":  # which blends bands of a logarithm; these blend light, half of which is half
        assert (shown > 40.0 * (1 - matte[partial]) * 0.9).all()
    inside = matte > 0.999
    assert inside.any() and np.isfinite(frame.pixels[inside]).all()
    if merge == "over":
        assert frame.pixels[inside].max() < 10.0


def test_a_box_limits_the_matte_and_its_padding_moves_its_sides():
    areas = []
    for padding in (-20.0, 0.0, 20.0):
        changes = {
            "matte_box": True,
            "matte_hull": False,
            "matte_learned": False,
            "box_padding_percent": padding,
        }
        job = SwapJob.model_validate({**NEEDED, **changes, "erode": 0.0, "feather": 0.0})
        one = inputs_of(1, job, 25.0, (40.0, 30.0), 0.2)
        assert one.mattes is not None
        areas.append(float(one.mattes.final.mean()))
    assert areas == sorted(set(areas)) and areas[0] < 0.5 * areas[1]


def test_pixels_of_the_plate_are_pixels_of_the_plate_whatever_the_faces_size():
    for size in (15.0, 25.0):
        heights = []
        for erode in (0.0, 4.0):
            job = SwapJob.model_validate({**NEEDED, "matte_unit": "pixels", "erode": erode, "feather": 0.0})
            one = inputs_of(1, job, size, (40.0, 30.0), 0.2)
            result = make(job, one)
            assert result is not None
            heights.append(int((final_matte(one.frame, result[1]) > 0.5)[:, 40].sum()))
        assert 7 <= heights[0] - heights[1] <= 9


def test_neighbours_that_were_measured_otherwise_are_not_averaged():
    seen = []
    for radius in (5.0, 40.0):
        job = SwapJob.model_validate({**NEEDED, "light_radius_percent": radius})
        statistics = inputs_of(1, job, 25.0, (40.0, 30.0), 0.2).statistics
        assert statistics is not None
        seen.append(statistics)
    assert average.is_break(*seen) and not average.is_break(seen[0], seen[0])
