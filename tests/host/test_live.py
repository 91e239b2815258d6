"""The graph that finishes a face pass: in numpy it is the engine's finish, whatever the mattes."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest
from live_pixels import Finish

from rendered import SETTINGS
from understudy.core.progress import silent
from understudy.image.exr import read_image
from understudy.image.frame import FloatImage, Frame
from understudy.jobs.table import parse_job
from understudy.swap import run as swap_run
from understudy_host import expressions, jobs, live
from understudy_host.knobs import LIVE, knobs
from understudy_host.live_kinds import KINDS, MODES
from understudy_host.live_numbers import HEADER, MATTES, NUMBERS, SOURCE
from understudy_nuke.live_nodes import GRAPH, TABLE

UNEDGED = {"erode": 0.0, "feather": 0.0}
CHOICES = [
    names
    for count in range(1, len(MATTES) + 1)
    for names in itertools.combinations([one.name for one in MATTES], count)
]


def rgb(frame: Frame) -> FloatImage:
    return frame.pixels[..., [frame.channels.index(name) for name in "RGB"]]


def chosen(names: tuple[str, ...]) -> dict[str, Any]:
    return {f"matte_{one.name}": one.name in names for one in MATTES}


def finished(
    bake: Any, values: dict[str, Any], *, alpha: bool = False, **live_values: Any
) -> tuple[Finish, Frame, Frame]:
    """The graph's finish of a bake, with live values of its own; the engine's, and the plate."""
    face_pass, frame, plate = (read_image(path) for path in bake(values, alpha=alpha))
    return Finish(face_pass, plate, {**values, **live_values}), frame, plate


@pytest.mark.parametrize("alpha", [False, True], ids=["plain", "premultiplied"])
@pytest.mark.parametrize("mode", MODES)
def test_a_live_matte_is_the_engines_for_every_choice_and_mode(bake, mode, alpha):
    # Half of the choices with each kind of plate: all of them are seen in every mode.
    for names in CHOICES[alpha::2]:
        values = {**chosen(names), "matte_combine": mode, **UNEDGED}
        made, wanted, _ = finished(bake, values, alpha=alpha, **{SOURCE: "live"})
        np.testing.assert_allclose(made.result, rgb(wanted), atol=1e-4, rtol=1e-4, err_msg=f"{names}")


LOOKS = {
    "as baked": {},
    "colour and light": {"colour_strength": 40.0, "light_strength": 70.0},
    "no light": {"light_strength": 0.0},
    "some skin": {"skin": 40.0, "colour_strength": 70.0},
    "no skin": {"skin": 0.0},
    "bright": {"opacity": 35.0, "grade_gain_stops": 0.7, "grade_gamma": 1.3, "grade_lift_percent": 5.0},
    "turned": {"grade_saturation_percent": 60.0, "grade_hue_degrees": 25.0, "colour_strength": 0.0},
    "one side": {"erode_top": 6.0, "feather_left": 20.0, **UNEDGED, SOURCE: "live"},
}


@pytest.mark.parametrize("alpha", [False, True], ids=["plain", "premultiplied"])
@pytest.mark.parametrize("look", LOOKS)
def test_live_knobs_finish_a_face_pass_as_the_engine_does(bake, look, alpha):
    host = {SOURCE: LOOKS[look].get(SOURCE, "baked")}
    values = {name: value for name, value in LOOKS[look].items() if name != SOURCE}
    made, wanted, _ = finished(bake, values, alpha=alpha, **host)
    np.testing.assert_allclose(made.result, rgb(wanted), atol=1e-4, rtol=1e-4)


def test_every_live_knob_that_hosts_do_exactly_is_varied_by_a_look() -> None:
    varied = {name for look in LOOKS.values() for name in look}
    assert LIVE.keys() - live.filter_knobs(live.finish()) <= varied


@pytest.mark.parametrize(
    "values",
    [{"erode": -20.0, "feather": 0.0}, {"matte_learned": False, "matte_hull": False}],
    ids=["grown", "no matte"],
)
def test_a_live_matte_never_leaves_the_face(bake, values):
    made, _, plate = finished(bake, {}, **{SOURCE: "live"}, **values)
    outside = made.made["FaceAlpha"] == 0
    assert outside.any() and np.array_equal(made.result[outside], rgb(plate)[outside].astype(float))
    assert (made.made["Opacity"] <= made.made["FaceAlpha"] + 1e-6).all() and made.made["Opacity"].max() > 0.5


def test_mattes_that_are_switched_after_the_bake_are_the_engines_but_for_their_edges(bake):
    # A product of two resampled mattes is the resampled product where one of them is even; a minimum is so
    # where both are.
    for mode, together in zip(
        MODES, (np.logical_and, np.logical_or, np.logical_or, np.logical_and), strict=True
    ):
        values = {"matte_hull": True, "matte_combine": mode, **UNEDGED}
        made, _, _ = finished(bake, UNEDGED, **{SOURCE: "live"}, **values)
        wanted, _, _ = finished(bake, values, **{SOURCE: "live"})
        matte, engines = (one.made["Combine"] for one in (made, wanted))
        edges = together(*(_edge(made.made[f"Matte_{name}"]) for name in ("learned", "hull")))
        inside = _inside(made)
        apart = np.abs(matte - engines)[inside]
        assert apart[~edges[inside]].max() < 1e-3 and apart.mean() < 3e-3


def test_a_bake_with_no_matte_chosen_is_finished_live_with_any_of_them(bake, shot, tmp_path):
    needed = {"track": str(shot.root / "plate.track"), "model": str(shot.model)}
    place = {"plate": str(bake({})[2].with_name("plate.%04d.exr")), "frames": "1"}
    job = jobs.face_pass_document(
        {**needed, **chosen(()), **UNEDGED}, {}, **place, output=str(tmp_path / "pass.%04d.exr")
    )
    assert not swap_run.run(parse_job("swap", job), report=silent, settings=SETTINGS)["failed_frames"]
    face_pass, plate = read_image(tmp_path / "pass.0001.exr"), read_image(bake({})[2])
    without = Finish(face_pass, plate, {**chosen(()), **UNEDGED, SOURCE: "live"}).made
    np.testing.assert_allclose(without["Opacity"], without["BakedMatte"], atol=1e-4)
    for name in ("learned", "hull"):
        wanted, _, _ = finished(bake, {**chosen((name,)), **UNEDGED}, **{SOURCE: "live"})
        made = Finish(face_pass, plate, {**chosen((name,)), **UNEDGED, SOURCE: "live"})
        matte, engines = (one.made["Opacity"][_inside(made)] for one in (made, wanted))
        np.testing.assert_allclose(matte, engines, atol=1e-4)
        assert matte.max() > 0.9 and matte.min() < 0.5


def _inside(made: Finish) -> np.ndarray:
    """Pixels of the face but for the aligned square's outermost ones, which the engine leaves out."""
    return cv2.erode((made.made["FaceAlpha"] == 1).astype(np.uint8), np.ones((5, 5))) > 0


def _edge(matte: np.ndarray) -> np.ndarray:
    """Pixels next to which a matte changes."""
    steps = [np.abs(matte - np.roll(matte, step, axis)) for axis in (0, 1) for step in (-1, 1)]
    return np.asarray(np.max(steps, axis=0) > 1e-4)


def test_every_operation_has_the_inputs_and_values_that_its_kind_names() -> None:
    seen: set[str] = set()
    for one in live.finish():
        kind = KINDS[one.kind]
        assert set(one.values) == set(kind.values), one.name
        assert set(one.inputs) <= seen, f"{one.name} comes before its inputs"
        assert len(one.inputs) == len(kind.inputs) or one.kind == "combine", one.name
        seen.add(one.name)
    assert {one.kind for one in live.finish()} == set(KINDS), "a kind that nothing asks for"


def test_the_graph_reads_the_schemas_live_knobs_and_no_name_that_nobody_knows() -> None:
    graph = live.finish()
    assert live.read_by(graph) <= {knob.name for knob in knobs("swap")} | set(HEADER) | set(NUMBERS) | {
        SOURCE
    }
    assert live.read_by(graph) >= set(HEADER), "a number of the header that nobody reads"
    assert live.live_knobs(graph) == LIVE
    declared = {knob.name for knob in knobs("swap") if knob.live_matte}
    assert live.matte_knobs(graph) == declared


def test_another_face_has_layers_and_operations_of_its_own() -> None:
    plain, other = live.finish(), live.finish("hero")
    assert [f"hero_{one.name}" for one in plain] == [one.name for one in other]
    layers = {one.values["layer"] for one in other if "layer" in one.values}
    assert {"hero", "hero.light", "hero.matte_learned"} <= layers
    assert all(layer.partition(".")[0] == "hero" for layer in layers)
    assert {name for one in other for name in one.inputs} <= {one.name for one in other}


def test_what_a_host_has_no_nodes_for_is_baked_there_and_says_so() -> None:
    graph = live.finish(without={"grain", "erode"})
    assert {"grain", "erode"} - live.knobs_of(graph) == {"grain", "erode"}
    carried = {name for one in graph for name in one.inputs}
    assert carried <= {one.name for one in graph}
    by_name = {knob.name: knob for knob in knobs("swap")}
    assert live.remark(by_name["grain"], graph) == "Changing it needs a bake."
    assert live.remark(by_name["erode"], graph) == "Changing it needs a bake."
    values = {"track": "a.track", "model": "m.onnx", "grain": 50.0, "opacity": 20.0}
    place = {"plate": "p.%04d.exr", "output": "o.%04d.exr", "frames": "1"}
    job = jobs.face_pass_document(values, {}, **place, live=live.live_knobs(graph))
    assert job["grain"] == 50.0 and "opacity" not in job
    with pytest.raises(ValueError, match="plate"):
        live.finish(without={"plate"})


def test_nuke_has_nodes_for_every_kind() -> None:
    assert set(TABLE) == set(KINDS) and live.finish() == GRAPH


@pytest.mark.parametrize(
    "text", ["a +", "a if b", "a ** b", "f(a)", "a < b < c", "'text'", "a[0]", "lambda: a"]
)
def test_an_expression_that_a_host_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        expressions.fold(text, lambda name: 1.0, lambda operation, *given: 1.0)
