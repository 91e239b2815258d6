"""What a plate's alpha means: by what the frame holds, or as somebody says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.core.progress import Event, Warned
from understudy.face.crop import alpha_within
from understudy.image.alpha import Alpha, decided
from understudy.image.exr import read_image, write_image
from understudy.image.frame import FloatImage, Frame
from understudy.image.plate import open_plate
from understudy.image.reading import Reading
from understudy.image.taken import taken

HEIGHT, WIDTH = 24, 32
PICTURE = np.random.default_rng(4).uniform(0.05, 0.9, (HEIGHT, WIDTH, 3)).astype(np.float32)
LEFT = np.zeros((HEIGHT, WIDTH), np.float32)
LEFT[:, : WIDTH // 3] = 1


def rgba(alpha: FloatImage | float, rgb: FloatImage = PICTURE, *, premultiplied: bool = True) -> Frame:
    plane = np.broadcast_to(np.float32(alpha), (HEIGHT, WIDTH))
    frame = Frame.from_rgb(np.dstack([rgb, plane]), colour_space="ACEScg", storage="float")
    return replace(frame, premultiplied=premultiplied)


@pytest.mark.parametrize(
    ("alpha", "why"),
    [
        (0.0, "it is 0 everywhere, and the picture is not black"),
        (255.0, "it runs from 255 to 255, not from 0 to 1"),
        (-1.0, "it runs from -1 to -1, not from 0 to 1"),
        (np.nan, "it holds no number"),
        (0.003, "it is 0 everywhere, and the picture is not black"),
        (LEFT, "the picture goes on where it is 0"),
    ],
)
def test_an_alpha_that_cannot_be_coverage_is_ignored_and_told(alpha: FloatImage | float, why: str) -> None:
    found = decided(rgba(alpha), "auto")
    assert found.notes == (
        f"The plate's alpha is ignored: {why}. Say --alpha premultiplied or straight if it counts.",
    )
    assert not found.premultiplied and found.alpha_as_stored
    assert alpha_within(found, slice(None), slice(None)) is None, "the face is not multiplied by it"


def test_an_alpha_that_can_be_coverage_counts_and_nothing_is_told() -> None:
    soft = np.clip(np.linspace(-0.3, 1.3, WIDTH), 0, 1).astype(np.float32)
    plane = np.broadcast_to(soft, (HEIGHT, WIDTH))
    cut_out = rgba(plane, PICTURE * plane[..., None])
    glow = cut_out.pixels.copy()
    glow[:4, :4, :3] = 0.5  # light without coverage is legal
    for frame in (rgba(1.0), rgba(1.02), cut_out, replace(cut_out, pixels=glow)):
        found = decided(frame, "auto")
        assert (found.notes, found.premultiplied, found.alpha_as_stored) == ((), True, False)
    assert decided(rgba(0.0, np.zeros_like(PICTURE)), "auto").notes == (), "an empty frame is no lie"
    straight = decided(rgba(LEFT, premultiplied=False), "auto")
    assert straight.notes == (), "straight colours go on where nothing is covered"


def test_a_frame_without_alpha_is_left_alone() -> None:
    plain = Frame.from_rgb(PICTURE, colour_space="ACEScg")
    for wanted in ("auto", "premultiplied", "straight", "ignore"):
        assert decided(plain, wanted) is plain


@given(
    wanted=st.sampled_from(["premultiplied", "straight", "ignore"]),
    alpha=st.floats(-2, 300, width=32),
    by_format=st.booleans(),
)
def test_what_somebody_says_counts_whatever_the_frame_holds(
    wanted: Alpha, alpha: float, by_format: bool
) -> None:
    found = decided(rgba(alpha, premultiplied=by_format), wanted)
    assert found.premultiplied == (wanted == "premultiplied")
    assert found.notes == ()
    assert (alpha_within(found, slice(None), slice(None)) is not None) == (wanted == "premultiplied")


@pytest.mark.parametrize("suffix", [".exr", ".png"])
@pytest.mark.parametrize("wanted", ["auto", "premultiplied", "straight", "ignore"])
def test_an_untouched_frame_is_written_as_it_was(tmp_path: Path, suffix: str, wanted: Alpha) -> None:
    """Whatever is thought of alpha: colours and alpha that nobody changed come out with the same bits."""
    before, after = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    kind = "half" if suffix == ".exr" else "uint8"
    write_image(before, replace(rgba(LEFT, premultiplied=suffix == ".exr"), storage=kind))
    read = Reading(alpha=wanted).of(read_image(before))
    write_image(after, read)
    assert read_image(after).pixels.tobytes() == read_image(before).pixels.tobytes()
    assert read_image(after).premultiplied == read_image(before).premultiplied


def test_it_is_told_once_for_a_sequence_and_decided_for_each_frame(tmp_path: Path) -> None:
    for number, alpha in enumerate((1.0, 0.0, 0.0, 255.0), start=1):
        write_image(tmp_path / f"p.{number:04d}.exr", rgba(alpha))
    told: list[Event] = []
    plate = taken(open_plate(str(tmp_path / "p.%04d.exr")), Reading(), told.append)
    assert [plate.read(number).premultiplied for number in (1, 2, 3, 4)] == [True, False, False, False]
    warned = [(event.frame, event.message.split(": ")[1][:12]) for event in told if isinstance(event, Warned)]
    assert warned == [(2, "it is 0 ever"), (4, "it runs from")]
    assert "alpha straight" in taken(open_plate(plate.name), Reading(alpha="straight")).meaning
