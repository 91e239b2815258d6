"""What goes into the node group: the face pass's layers, its header's numbers, and the live knobs.

All of it is read off the graph that finishes a face pass, and off the jobs' schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from understudy_host import live
from understudy_host.knobs import Knob, knobs
from understudy_host.live_numbers import HEADER, SOURCES

from .live_nodes import CHOICE, GRAPH, OFFSET_LABEL, PLATE, layer_label, number_label
from .scene_tree import RESULT


class Layer(NamedTuple):
    """A layer of a face pass.

    Attributes:
        label: Its socket's name.
        output: The name that Blender's image node gives the layer.
        kind: The socket's type.
        default: What stands in for a layer that is not there.
        tooltip: One sentence.
    """

    label: str
    output: str
    kind: str
    default: float | tuple[float, ...]
    tooltip: str


class Number(NamedTuple):
    """A value that the group takes from the face pass's header, keyed on every frame that changes it."""

    label: str
    default: float | tuple[float, float, float]
    tooltip: str


_BLACK = (0.0, 0.0, 0.0, 0.0)


def _layer(operation: live.Operation) -> Layer:
    is_colour, name = operation.kind == "colour_layer", operation.values["layer"]
    return Layer(
        layer_label(operation),
        name or ("Combined" if is_colour else "Alpha"),
        "NodeSocketColor" if is_colour else "NodeSocketFloat",
        _BLACK if is_colour else float(not name),
        operation.meaning,
    )


__all__ = ["CHOICE", "CHOICES", "LAYERS", "LIVE_MATTE", "NUMBERS", "OFFSET", "PLATE", "RESULT", "Number"]

LAYERS = tuple(_layer(one) for one in GRAPH if one.kind in ("colour_layer", "matte_layer"))
READ = live.read_by(GRAPH)
NUMBERS = {
    name: Number(number_label(name), number.default, number.meaning)
    for name, number in HEADER.items()
    if name in READ
}
OFFSET = Number(OFFSET_LABEL, (0.0, 0.0, 0.0), "Where the face pass lies in the picture. In pixels, y up.")

CHOICES = tuple(SOURCES.items())
LIVE_MATTE = CHOICES[1][0]


def live_knobs() -> Sequence[Knob]:
    """The knobs that stand on the group node, in the schema's order."""
    return [knob for knob in knobs("swap") if knob.name in READ]


def is_beside(knob: Knob) -> bool:
    """Whether a knob of the node also stands among those of a bake, with a value of its own."""
    return knob.name not in live.live_knobs(GRAPH)
