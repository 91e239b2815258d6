"""The structure of an EXR: parts, views, layers, channels' types and headers survive, and can be chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from exr_parts import CRYPTO_HEADER, Made, assert_same_structure, cryptomatte, parts_of, write_parts
from understudy.core.errors import PlateError
from understudy.core.progress import Event, Told, Warned
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Box, Frame, PartHeader
from understudy.image.plate import open_plate
from understudy.image.reading import Reading
from understudy.image.taken import taken

HEIGHT, WIDTH = 18, 26
RANDOM = np.random.default_rng(5)
RGB = RANDOM.uniform(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float16)
RGBA = np.dstack([RGB, np.ones((HEIGHT, WIDTH), np.float16)])
CRYPTO = cryptomatte(HEIGHT, WIDTH)
DEPTH = RANDOM.uniform(0, 1e5, (6, 8, 1)).astype(np.float32)

MULTI = [
    Made("rgba", ("R", "G", "B", "A"), RGBA, {"capDate": "2026:01:02 03:04:05"}),
    Made("depth", ("Z",), DEPTH, left_top=(3, 4), size=(WIDTH, HEIGHT)),
    Made("crypto_object00", tuple(f"crypto_object00.{n}" for n in "RGBA"), CRYPTO, CRYPTO_HEADER),
]
STEREO = [
    Made("left", ("R", "G", "B", "A"), RGBA, {"view": "left"}),
    Made("right", ("R", "G", "B", "A"), RGBA[:, ::-1], {"view": "right"}),
]
ONE_PART_STEREO = [
    Made(
        "main",
        ("R", "G", "B", "right.R", "right.G", "right.B"),
        np.dstack([RGB, RGB[:, ::-1]]),
        {"multiView": ("left", "right")},
    )
]
FILES = {
    "cryptomatte": MULTI,
    "depth first": [MULTI[1], MULTI[0]],
    "stereo": STEREO,
    "stereo in one part": ONE_PART_STEREO,
    "blender": [Made("", tuple(f"ViewLayer.Combined.{n}" for n in "RGBA"), RGBA)],
    "words": [Made("", ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"), RGBA)],
}


@pytest.mark.parametrize("kind", FILES)
def test_a_frame_that_goes_through_keeps_its_structure(tmp_path: Path, kind: str) -> None:
    before, after = tmp_path / "a.exr", tmp_path / "b.exr"
    write_parts(before, FILES[kind])
    write_image(after, Reading().of(read_image(before)))
    assert_same_structure(before, after)


def test_only_the_colours_that_are_worked_on_change(tmp_path: Path) -> None:
    before, after = tmp_path / "a.exr", tmp_path / "b.exr"
    write_parts(before, MULTI)
    frame = read_image(before)
    pixels = frame.pixels.copy()
    pixels[..., list(frame.rgb_index)] *= 0.5
    write_image(after, replace(frame, pixels=pixels))
    assert_same_structure(before, after, but=frozenset("RGB"))
    assert parts_of(after)[0][1]["R"] != parts_of(before)[0][1]["R"]


def test_a_channel_that_is_made_goes_into_the_part_that_is_worked_on(tmp_path: Path) -> None:
    write_parts(tmp_path / "a.exr", [MULTI[1], MULTI[0]])
    frame = Reading().of(read_image(tmp_path / "a.exr"))
    added = np.full((*frame.pixels.shape[:2], 1), 0.5, np.float32)
    more = replace(
        frame, pixels=np.concatenate([frame.pixels, added], 2), channels=(*frame.channels, "confidence.A")
    )
    write_image(tmp_path / "b.exr", more)
    found = [set(planes) for _, planes, _ in parts_of(tmp_path / "b.exr")]
    assert found == [{"Z"}, {"R", "G", "B", "A", "confidence.A"}]


@given(
    layers=st.lists(
        st.tuples(
            st.sampled_from(["", "crypto00.", "depth.", "a.b.", "ID."]),
            st.sampled_from(["R", "G", "B", "A", "Z", "id", "x"]),
            st.sampled_from(["half", "float", "uint"]),
        ),
        min_size=1,
        max_size=7,
        unique_by=lambda one: one[0] + one[1],
    ),
    seed=st.integers(0, 2**16),
)
def test_channels_keep_order_type_and_bits(
    tmp_path_factory: pytest.TempPathFactory, layers: list[tuple[str, str, str]], seed: int
) -> None:
    random = np.random.default_rng(seed)
    numbers = random.integers(0, 2**32, (3, 5, len(layers)), dtype=np.uint32)
    halves = random.normal(0, 1, numbers.shape).astype(np.float16).astype(np.float32)
    kinds = [kind for _, _, kind in layers]
    pixels = np.where(np.array(kinds) == "uint", numbers.view(np.float32), halves)
    names = tuple(layer + channel for layer, channel, _ in layers)
    box = Box(0, 0, 5, 3)
    storage = "half" if "half" in kinds else "float"
    typed = {name: kind for name, kind in zip(names, kinds, strict=True) if kind != storage}
    frame = Frame(pixels, names, box, box, "raw", storage=storage, channel_storage=typed)
    path = tmp_path_factory.getbasetemp() / "channels.exr"
    write_image(path, frame)
    found = dict(parts_of(path)[0][1])
    assert set(found) == set(names)
    for index, name in enumerate(names):
        plane = np.ascontiguousarray(pixels[..., index])
        data = plane.astype(np.float16).tobytes() if kinds[index] == "half" else plane.tobytes()
        assert found[name] == (kinds[index], data), name


@pytest.mark.parametrize(
    ("kind", "layer", "wanted"),
    [
        ("cryptomatte", "", RGB),
        ("cryptomatte", "rgba", RGB),
        ("depth first", "", RGB),
        ("blender", "", RGB),
        ("blender", "ViewLayer.Combined", RGB),
        ("blender", "viewlayer.combined", RGB),
        ("words", "", RGB),
        ("words", "rgba", RGB),
        ("cryptomatte", "crypto_object00", CRYPTO[..., :3]),
    ],
)
def test_a_layer_can_be_chosen(tmp_path: Path, kind: str, layer: str, wanted: NDArray[Any]) -> None:
    write_parts(tmp_path / "a.exr", FILES[kind])
    found = Reading(layer=layer).of(read_image(tmp_path / "a.exr")).rgb()
    np.testing.assert_array_equal(found, wanted.astype(np.float32))


def test_a_layer_that_is_not_there_is_an_error_that_names_the_file_and_the_layers(tmp_path: Path) -> None:
    write_parts(tmp_path / "a.exr", MULTI)
    with pytest.raises(PlateError, match="no layer 'beauty'") as caught:
        Reading(layer="beauty").of(read_image(tmp_path / "a.exr"))
    assert caught.value.where == str(tmp_path / "a.exr")
    assert "--layer: rgb" in caught.value.fix


def test_of_several_layers_none_is_guessed(tmp_path: Path) -> None:
    names = tuple(f"{layer}.{n}" for layer in ("diffuse", "specular") for n in "RGB")
    write_parts(tmp_path / "a.exr", [Made("", names, np.dstack([RGB, RGB]))])
    with pytest.raises(PlateError, match="several layers") as caught:
        Reading().of(read_image(tmp_path / "a.exr"))
    assert "diffuse, specular" in caught.value.fix
    assert Reading(layer="specular").of(read_image(tmp_path / "a.exr")).rgb_index == (3, 4, 5)


def test_luminance_and_chroma_are_not_taken_for_a_grey_plate(tmp_path: Path) -> None:
    write_parts(tmp_path / "a.exr", [Made("", ("Y", "RY", "BY"), RGB)])
    with pytest.raises(PlateError, match="luminance and chroma"):
        Reading().of(read_image(tmp_path / "a.exr"))


@pytest.mark.parametrize("kind", ["stereo", "stereo in one part"])
def test_a_view_can_be_chosen_and_one_of_two_is_said(tmp_path: Path, kind: str) -> None:
    write_parts(tmp_path / "p.0001.exr", FILES[kind])
    pattern = str(tmp_path / "p.%04d.exr")
    said: list[Event] = []
    left = taken(open_plate(pattern), Reading(), said.append).read(1)
    np.testing.assert_array_equal(left.rgb(), RGB.astype(np.float32))
    messages = [event.message for event in said if isinstance(event, Told | Warned)]
    assert messages == ["Only the view left is worked on; right goes through as it is. --view names another."]
    right = taken(open_plate(pattern), Reading(view="right"), said.append).read(1)
    np.testing.assert_array_equal(right.rgb(), RGB[:, ::-1].astype(np.float32))
    assert len(said) == 1, "who names a view knows"
    with pytest.raises(PlateError, match="no view 'centre'") as caught:
        Reading(view="centre").of(read_image(tmp_path / "p.0001.exr"))
    assert "left, right" in caught.value.fix


def test_a_view_of_a_plate_that_is_not_stereo_is_an_error(tmp_path: Path) -> None:
    write_parts(tmp_path / "a.exr", MULTI)
    with pytest.raises(PlateError, match="not stereo"):
        Reading(view="left").of(read_image(tmp_path / "a.exr"))


def test_integers_keep_their_bits_in_any_part(tmp_path: Path) -> None:
    """Beside a part of halves, under a name longer than the format's old limit of 31 characters."""
    long = "object_numbers_of_every_hero_prop_and_extra"
    box = Box(0, 0, WIDTH, HEIGHT)
    numbers = np.random.default_rng(7).integers(0, 2**32, (HEIGHT, WIDTH, 2), dtype=np.uint32)
    frame = Frame(
        np.dstack([RGB.astype(np.float32), numbers.view(np.float32)]),
        ("R", "G", "B", f"{long}.id", f"{long}.x"),
        box,
        box,
        "ACEScg",
        channel_storage={f"{long}.id": "uint", f"{long}.x": "uint"},
        parts=(
            PartHeader("rgb", (("R", "R"), ("G", "G"), ("B", "B")), box),
            PartHeader(long, ((f"{long}.id", "id"), (f"{long}.x", "x")), box),
        ),
    )
    write_image(tmp_path / "a.exr", frame)
    write_image(tmp_path / "b.exr", read_image(tmp_path / "a.exr"))
    _, (name, planes, _) = parts_of(tmp_path / "b.exr")
    assert name == long
    assert planes == {
        each: ("uint", np.ascontiguousarray(numbers[..., index]).tobytes())
        for index, each in enumerate(("id", "x"))
    }
