"""The live half of the Understudy node without Nuke: its nodes worked out, and held to the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nuke_passes import graph_of, host_channels, numbers, placed
from nuke_pixels import Graph
from nuke_script import Reader, expressions, references

from understudy.image.exr import read_image
from understudy_host import live
from understudy_host.knobs import LIVE
from understudy_host.live_kinds import MODES
from understudy_host.live_numbers import MATTES
from understudy_nuke.live_nodes import GRAPH, text

GIZMO = Path(__file__).parents[2] / "gizmos" / "Understudy.gizmo"
COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def reader():
    return Reader()


@pytest.fixture(scope="module")
def group(reader):
    (found,) = reader.read(GIZMO.read_text(encoding="utf-8")).children.values()
    return found


LOOKS = [
    {},
    {"colour_strength": 40.0, "light_strength": 70.0},
    {"light_strength": 0.0},
    {"opacity": 35.0, "grade_gain_stops": 0.7, "grade_gamma": 1.3, "grade_lift_percent": 5.0},
    {"grade_saturation_percent": 60.0, "grade_hue_degrees": 25.0, "colour_strength": 0.0},
]


@pytest.mark.parametrize("alpha", [False, True], ids=["plain", "premultiplied"])
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(look) or "defaults")
def test_the_nodes_finish_a_face_pass_as_the_engine_does(reader, group, bake, look, alpha):
    face_pass, finished, plate = bake(look, alpha=alpha)
    out = graph_of(reader, group, face_pass, plate, look).output()
    wanted = host_channels(read_image(finished))
    for name in COLOURS:
        np.testing.assert_allclose(out[name], wanted[name], atol=1e-4, rtol=1e-4, err_msg=name)


SOME = (("learned",), ("hull", "occlusion"), tuple(one.name for one in MATTES))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("names", SOME, ids="-".join)
def test_a_live_matte_without_an_edge_is_the_engines(reader, group, bake, names, mode):
    chosen = {f"matte_{one.name}": one.name in names for one in MATTES}
    values = {**chosen, "matte_combine": mode, "erode": 0.0, "feather": 0.0}
    face_pass, finished, plate = bake(values, alpha=True)
    out = graph_of(reader, group, face_pass, plate, {**values, "matte_source": "live"}).output()
    wanted = host_channels(read_image(finished))
    for name in COLOURS:
        np.testing.assert_allclose(out[name], wanted[name], atol=1e-4, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("names", [(), ("hull",), ("learned", "hull")], ids="-".join)
def test_mattes_that_are_switched_after_the_bake_are_combined_by_the_mode(reader, group, bake, names, mode):
    face_pass, _, plate = bake({})
    values = {f"matte_{name}": name in names for name in ("learned", "hull")}
    values |= {"matte_combine": mode, "matte_source": "live"}
    out = graph_of(reader, group, face_pass, plate, values).picture("Recombined")["alpha"]
    made = placed(read_image(face_pass), read_image(plate))
    wanted, *others = [made[f"matte_{name}.alpha"] for name in names] or [np.ones_like(out)]
    ways = (np.multiply, np.minimum, np.maximum, lambda first, second: first * (1 - second))
    for other in others:
        wanted = ways[MODES.index(mode)](wanted, other)
    np.testing.assert_allclose(out, wanted, atol=1e-6)


def test_a_live_matte_is_near_the_baked_one_and_never_leaves_its_mattes(reader, group, bake):
    shaped = {"matte_hull": True, "erode": 4.0, "feather": 6.0}
    face_pass, _, plate = bake(shaped)
    change = {**shaped, "matte_source": "live", "show": "matte"}
    matte = graph_of(reader, group, face_pass, plate, change).output()["red"]
    made = placed(read_image(face_pass), read_image(plate))
    both = made["matte_combined.alpha"]
    # A barely trained matte is strong at the ends of the brows alone, which the feather takes.
    assert (matte <= both + 1e-6).all() and matte.max() > 0.9 * np.quantile(both[both > 0], 0.9)
    assert np.abs(matte - made["matte_final.alpha"]).mean() < 0.02


@pytest.mark.parametrize(
    "values",
    [{"erode": -20.0}, {"matte_learned": False, "matte_hull": False, "erode": 0.0, "feather": 0.0}],
    ids=["grown", "no matte"],
)
def test_outside_the_face_a_live_matte_leaves_the_plate(reader, group, bake, values):
    face_pass, _, plate = bake({})
    graph = graph_of(reader, group, face_pass, plate, {**values, "matte_source": "live"})
    outside = placed(read_image(face_pass), read_image(plate))["alpha"] == 0
    out, below = graph.output(), host_channels(read_image(plate))
    assert outside.any() and all(np.array_equal(out[name][outside], below[name][outside]) for name in COLOURS)
    assert (graph.picture("Opacity")["alpha"][~outside] > 0.5).any()


def test_sharpness_leaves_flat_colours_and_sharpens_detail(reader, group, bake):
    face_pass, _, plate = bake({})
    plain, sharp, soft = (
        graph_of(
            reader,
            group,
            face_pass,
            plate,
            {"show": "face", "skin": 0.0, "sharpness": value, "sharpness_radius_percent": 10.0},
        ).output()["green"]
        for value in (0.0, 80.0, -80.0)
    )
    matte = placed(read_image(face_pass), read_image(plate))["matte_final.alpha"]
    inside = matte > 0.9 * matte.max()
    detail = [np.abs(np.diff(one, axis=1))[inside[:, 1:]].mean() for one in (soft, plain, sharp)]
    assert detail == sorted(detail) and detail[0] < detail[2]


def test_grain_is_as_much_as_the_plate_has_and_lives_in_the_encoded_space(reader, group, bake):
    face_pass, _, plate = bake({})
    made, below = read_image(face_pass), read_image(plate)
    metadata = {f"exr/{name}": value for name, value in made.metadata.items()}
    metadata["exr/understudy:grain"] = "0.01 0.02 0.04"
    pictures = {"plate": host_channels(below), "FacePass": placed(made, below)}
    grained, plain = (
        Graph(reader, group, numbers(group, {"grain": value}), pictures, metadata).picture("Grained")
        for value in (50.0, 0.0)
    )
    for name, deviation in (("red", 0.005), ("green", 0.01), ("blue", 0.02)):
        noise = grained[name] - plain[name]
        assert noise.std() == pytest.approx(deviation, rel=0.05) and abs(noise.mean()) < deviation / 20
        assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.05
    assert len(str(made.metadata["understudy:grain"]).split()) == 3


def test_live_knobs_are_those_the_group_reads(reader, group):
    read = set()
    for node in group.children.values():
        for words in node.knobs.values():
            for expression in expressions(reader.tcl, words):
                read |= {name.split(".")[1] for name in references(expression) if name.startswith("parent.")}
    of_the_node = {"show", "bake_as", "matte_source", "input1", "last_frame", "first_frame", "face_pass_file"}
    assert read - of_the_node == live.knobs_of(GRAPH) and set(LIVE) <= read <= set(group.user) | of_the_node


def test_expressions_keep_their_meaning_in_nukes_notation():
    assert text("a - (b - c) / (d / -e)", str) == "a - (b - c)/(d/(-e))"
    assert text("(a + b) * c if mode == 1 else max(a, 2 * b)", str) == "mode == 1 ? (a + b)*c : max(a, 2*b)"
    assert text("a / (b * c) - 1", "Facts.{}".format) == "Facts.a/(Facts.b*Facts.c) - 1"
    assert text("2", str) == "2"
