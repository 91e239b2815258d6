"""The kinds of operations that finish a face pass, each with its plain meaning.

A host has a table from these names to its own nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Kind(NamedTuple):
    """What an operation does.

    Attributes:
        meaning: In one sentence.
        inputs: What its inputs are; the last one repeats where there are more.
        values: What its values are.
        exact: Whether every host's result is the engine's; a host's own filter is near it, within what the
            host's page of the documentation says.
    """

    meaning: str
    inputs: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    exact: bool = True


KINDS: Mapping[str, Kind] = {
    "plate": Kind("The plate."),
    "colour_layer": Kind("Three channels of the face pass.", (), ("layer",)),
    "matte_layer": Kind("The alpha of a layer of the face pass.", (), ("layer",)),
    "unpremultiply": Kind("image / alpha; 0 where alpha is 0.", ("image", "alpha")),
    "matrix": Kind(
        "image + strength · (rows · image + shift − image).", ("image",), ("rows", "shift", "strength")
    ),
    "encode": Kind("ACEScct's curve.", ("image",)),
    "decode": Kind("ACEScct's curve, undone.", ("image",)),
    "sharpen": Kind(
        "image + amount · (image − Gaussian(image)), the Gaussian weighed by alpha.",
        ("image", "alpha"),
        ("amount", "radius_px"),
        exact=False,
    ),
    "add": Kind("image + share · other.", ("image", "other"), ("share",)),
    "grain": Kind(
        "image + deviation · noise of deviation 1, another one on each frame.",
        ("image",),
        ("deviation",),
        exact=False,
    ),
    "combine": Kind(
        "The used mattes as one, by the mode; 1 where none is used.", ("matte",), ("use", "mode")
    ),
    "erode": Kind("The matte shrunk; grown by a negative size.", ("matte",), ("px",), exact=False),
    "feather": Kind(
        "The matte's edge softened inwards: shrunk by half the width, blurred over the same half, and never "
        "above the matte.",
        ("matte",),
        ("px",),
        exact=False,
    ),
    "multiply": Kind("matte · other.", ("matte", "other")),
    "scale": Kind("matte · factor.", ("matte",), ("factor",)),
    "choose": Kind("The input of that place.", ("first", "second"), ("which",)),
    "hold": Kind("matte · the host's own roto, where the host has an input for one.", ("matte",)),
    "premultiply": Kind("image · the plate's alpha, where the value is 1.", ("image", "plate"), ("where",)),
    "keymix": Kind(
        "plate + matte · (face − plate); the plate's bits where it is 0.", ("plate", "face", "matte")
    ),
}


MODES = ("product", "minimum", "maximum", "difference")


def combining(mode: str, mattes: Sequence[str], uses: Sequence[str]) -> str:
    """Several mattes as one, as an expression; 1 where none is used.

    Args:
        mode: One of MODES.
        mattes, uses: Expressions of each matte's value and of whether it is used, 0 or 1.
    """
    nothing = f"1 - {nested('max', uses)}"
    shown = [f"{use} * {matte}" for use, matte in zip(uses, mattes)]
    kept = [f"1 - {use} * (1 - {matte})" for use, matte in zip(uses, mattes)]
    if mode == "product":
        return " * ".join(f"({one})" for one in kept)
    if mode == "minimum":
        return nested("min", kept)
    if mode == "maximum":
        return nested("max", [*shown, nothing])
    out = shown[0]
    for place, one in enumerate(shown[1:], 1):
        begins = f"(1 - {nested('max', uses[:place])}) * {one}"
        out = f"({out}) * (1 - {one}) + {begins}"
    return f"{out} + {nothing}"


def nested(function: str, terms: Sequence[str]) -> str:
    """`min` or `max` of more than two expressions, of which both take two."""
    out = terms[0]
    for term in terms[1:]:
        out = f"{function}({out}, {term})"
    return out
