"""The finish of a face pass as Blender's own nodes: a table from each kind of operation to nodes.

Convention:
    Colours are raw numbers of the plate's space; nothing here asks for Blender's colour management. Up to the
    move to its place everything has the face pass's own raster, and from there on the plate's.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import bpy

from understudy_host import expressions, live
from understudy_host.knobs import knobs
from understudy_host.live import Operation
from understudy_host.live_kinds import KINDS, MODES, combining
from understudy_host.live_numbers import (
    BREAK,
    BREAK_ENCODED,
    NUMBERS,
    SHIFT_STOPS,
    SLOPE,
    SOURCE,
    SOURCES,
    STOPS,
)

from .blend import blended
from .graph import Given, Graph

PLATE, CHOICE, OFFSET_LABEL = "Plate", "matte", "Offset"
# Blender's Gaussian is cut at its size, which is three deviations.
_DEVIATIONS = 3.0
_LEAST_WEIGHT = 1e-6
# Even random numbers whose sum is near a Gaussian.
_PICKS = 4
_MATH: Mapping[str, tuple[str, Callable[..., float]]] = {
    "add": ("ADD", operator.add), "subtract": ("SUBTRACT", operator.sub),
    "multiply": ("MULTIPLY", operator.mul), "divide": ("DIVIDE", operator.truediv),
    "min": ("MINIMUM", min), "max": ("MAXIMUM", max),
    "cos": ("COSINE", math.cos), "sin": ("SINE", math.sin), "sqrt": ("SQRT", math.sqrt),
}  # fmt: skip
Socket = bpy.types.NodeSocket


def layer_label(operation: Operation) -> str:
    """The name of the group's socket for a layer."""
    name = operation.values["layer"]
    if name:
        return str(name).replace("_", " ").capitalize()
    return "Face" if operation.kind == "colour_layer" else "Face alpha"


def number_label(name: str) -> str:
    """The name of the group's socket for a number of the header."""
    return name.replace("_", " ").capitalize()


class Emitter:
    """Draws operations into a node tree.

    Attributes:
        graph: The node tree to build in.
        made: The socket of every operation's result, by the operation's name.
    """

    def __init__(self, graph: Graph, operations: Sequence[Operation], sections: Mapping[str, str]) -> None:
        """Draw them, and begin a section of the tree at each operation that `sections` has a title for."""
        self.graph = graph
        self.made: dict[str, Socket] = {}
        self._numbers: dict[str, Given] = {}
        self._drawn: dict[tuple[str, tuple[float | int, ...]], Given] = {}
        for one in operations:
            if one.name in sections:
                graph.section(sections[one.name])
            self.made[one.name] = TABLE[one.kind](self, one)

    def number(self, text: str) -> Given:
        """An expression as the socket of a number, or as the number where nothing in it moves."""
        given: Given = expressions.fold(text, self._named, self._applied)
        return given

    def three(self, texts: Sequence[str]) -> Given:
        """Three expressions as three channels."""
        vector = texts[0].partition(".")[0]
        if vector.isidentifier() and list(texts) == [f"{vector}.{axis}" for axis in "xyz"]:
            return self.graph[vector]
        return self.graph.joined([self.number(text) for text in texts])

    def _named(self, name: str) -> Given:
        """What a name of an expression stands for; each is built once."""
        if name not in self._numbers:
            vector, _, axis = name.partition(".")
            if axis:
                parts = self.graph.channels(self.graph[vector])
                self._numbers.update({f"{vector}.{one}": part for one, part in zip("xyz", parts)})
            elif name in NUMBERS:
                self._numbers[name] = self.number(NUMBERS[name])
            elif name in _WORDS:
                # Only one switch may read a menu: another one would have words of its own.
                words = [(word, "") for word in _WORDS[name]]
                places = [float(place) for place in range(len(words))]
                self._numbers[name] = self.graph.chosen(self.graph[name], words, places, "FLOAT")
            else:
                self._numbers[name] = self.graph[name]
        return self._numbers[name]

    def _applied(self, operation: str, *given: Given) -> Given:
        """An operation on numbers or mattes; the same one on the same sockets is drawn once."""
        read = tuple(one if isinstance(one, float) else one.as_pointer() for one in given)
        if (operation, read) not in self._drawn:
            self._drawn[operation, read] = self._drawn_anew(operation, *given)
        return self._drawn[operation, read]

    def _drawn_anew(self, operation: str, *given: Given) -> Given:
        if operation == "negative":
            return self._applied("subtract", 0.0, *given)
        if operation == "equal":
            return self.graph.number("COMPARE", *given, 1e-3)
        if operation == "choose":
            asked, first, second = given
            return self.graph.between(asked, second, first)
        name, plain = _MATH[operation]
        numbers = [one for one in given if isinstance(one, float)]
        return plain(*numbers) if len(numbers) == len(given) else self.graph.number(name, *given)

    def _inputs(self, one: Operation) -> list[Socket]:
        return [self.made[name] for name in one.inputs]

    def _plate(self, one: Operation) -> Socket:
        return self.graph[PLATE]

    def _colour_layer(self, one: Operation) -> Socket:
        return self.graph[layer_label(one)]

    _matte_layer = _colour_layer

    def _unpremultiply(self, one: Operation) -> Socket:
        image, alpha = self._inputs(one)
        return self.graph.vector("DIVIDE", image, self.graph.grey(self._weight(alpha)))

    def _weight(self, alpha: Socket) -> Socket:
        """What may be divided by."""
        return self.graph.number("MAXIMUM", alpha, _LEAST_WEIGHT)

    def _matrix(self, one: Operation) -> Socket:
        (image,) = self._inputs(one)
        changed = self.graph.multiplied([self.three(row) for row in one.values["rows"]], image)
        if any(text != "0" for text in one.values["shift"]):
            changed = self.graph.vector("ADD", changed, self.three(one.values["shift"]))
        if one.values["strength"] == "1":
            return changed
        apart = self.graph.vector("SUBTRACT", changed, image)
        return self.graph.vector("ADD", image, self.graph.scaled(apart, self.number(one.values["strength"])))

    def _encode(self, one: Operation) -> Socket:
        """Line and logarithm meet with one slope, so each works on its own side of the break alone.

        The one that is not asked stands still at the break, and adding both needs no test for which it is.
        """
        graph, (light,) = self.graph, self._inputs(one)
        high = graph.channels(graph.vector("MAXIMUM", light, (BREAK,) * 3))
        logarithm = graph.joined([graph.number("LOGARITHM", channel, 2.0) for channel in high])
        above = graph.vector("MULTIPLY_ADD", logarithm, (1 / STOPS,) * 3, (SHIFT_STOPS / STOPS,) * 3)
        low = graph.vector("SUBTRACT", graph.vector("MINIMUM", light, (BREAK,) * 3), (BREAK,) * 3)
        return graph.vector("MULTIPLY_ADD", low, (SLOPE,) * 3, above)

    def _decode(self, one: Operation) -> Socket:
        graph, (encoded,) = self.graph, self._inputs(one)
        high = graph.vector("MAXIMUM", encoded, (BREAK_ENCODED,) * 3)
        stops = graph.vector("MULTIPLY_ADD", high, (STOPS,) * 3, (-SHIFT_STOPS,) * 3)
        above = graph.vector("POWER", (2.0,) * 3, stops)
        low = graph.vector("MINIMUM", encoded, (BREAK_ENCODED,) * 3)
        low = graph.vector("SUBTRACT", low, (BREAK_ENCODED,) * 3)
        return graph.vector("MULTIPLY_ADD", low, (1 / SLOPE,) * 3, above)

    def _sharpen(self, one: Operation) -> Socket:
        """The Gaussian weighs by the face's alpha: outside of its square there is nothing to smear in."""
        graph, (face, alpha) = self.graph, self._inputs(one)
        reach = graph.number("MULTIPLY", self.number(one.values["radius_px"]), _DEVIATIONS)
        weighed = graph.add("CompositorNodeSetAlpha", [graph.scaled(face, alpha), alpha])
        weighed.inputs["Type"].default_value = "Replace Alpha"
        blur = self._blurred(weighed.outputs[0], reach, "Gaussian")
        weight = graph.add("CompositorNodeSeparateColor", [blur]).outputs["Alpha"]
        soft = graph.vector("DIVIDE", blur, graph.grey(self._weight(weight)))
        fine = graph.scaled(graph.vector("SUBTRACT", face, soft), alpha)
        return graph.vector("ADD", face, graph.scaled(fine, self.number(one.values["amount"])))

    def _blurred(self, image: Socket, reach: Given, kind: str) -> Socket:
        blur = self.graph.add("CompositorNodeBlur", [image, self.graph.joined([reach, reach])])
        blur.inputs["Type"].default_value = kind
        return blur.outputs[0]

    def _add(self, one: Operation) -> Socket:
        image, other = self._inputs(one)
        if one.values["share"] == "-1":
            return self.graph.vector("SUBTRACT", image, other)
        return self.graph.vector("ADD", image, self.graph.scaled(other, self.number(one.values["share"])))

    def _grain(self, one: Operation) -> Socket:
        """Even random numbers by a pixel's place and the frame, added up to mean 0 and deviation 1."""
        graph, (image,) = self.graph, self._inputs(one)
        where = graph.add("CompositorNodeImageCoordinates", [image]).outputs["Pixel"]
        frame = graph.number("MULTIPLY", graph.add("CompositorNodeSceneTime").outputs["Frame"], float(_PICKS))
        total: Given = (-_PICKS / 2,) * 3
        for pick in range(_PICKS):
            noise = graph.add("ShaderNodeTexWhiteNoise", noise_dimensions="4D")
            graph.give(noise.inputs["Vector"], where)
            graph.give(noise.inputs["W"], graph.number("ADD", frame, float(pick)))
            total = graph.vector("ADD", noise.outputs["Color"], total)
        share = graph.scaled(self.three(one.values["deviation"]), math.sqrt(12 / _PICKS))
        return graph.vector("MULTIPLY_ADD", total, share, image)

    def _combine(self, one: Operation) -> Socket:
        mattes, uses = ([f"{name}{place}" for place in range(len(one.inputs))] for name in ("matte", "use"))
        leaves: dict[str, Given] = dict(zip(mattes, self._inputs(one)))
        leaves.update({name: self.number(text) for name, text in zip(uses, one.values["use"])})
        by_mode = [
            expressions.fold(combining(mode, mattes, uses), leaves.__getitem__, self._applied)
            for mode in MODES
        ]
        mode, out = self.number(one.values["mode"]), by_mode[0]
        for place, combined in enumerate(by_mode[1:], 1):
            out = self.graph.between(self._applied("equal", mode, float(place)), out, combined)
        return out

    def _erode(self, one: Operation) -> Socket:
        return self._eroded(self.made[one.inputs[0]], self.number(one.values["px"]))

    def _eroded(self, matte: Socket, px: Given) -> Socket:
        """Shrunk by a continuous number of pixels: between the two whole ones next to it."""
        graph = self.graph
        whole = graph.number("FLOOR", px)
        both = []
        for size in (whole, graph.number("ADD", whole, 1.0)):
            # Blender's node grows by a positive size.
            node = graph.add("CompositorNodeDilateErode", [matte, graph.number("MULTIPLY", size, -1.0)])
            node.inputs["Type"].default_value = "Distance"
            both.append(node.outputs[0])
        return graph.between(graph.number("SUBTRACT", px, whole), *both)

    def _feather(self, one: Operation) -> Socket:
        """The ramp ends where the matte ended: shrunk by half its width, blurred over the same half."""
        (matte,) = self._inputs(one)
        half = self.graph.number("MULTIPLY", self.number(one.values["px"]), 0.5)
        blurred = self._blurred(self._eroded(matte, half), half, "Cubic")
        return self.graph.number("MINIMUM", matte, blurred)

    def _multiply(self, one: Operation) -> Socket:
        return self.graph.number("MULTIPLY", *self._inputs(one))

    def _scale(self, one: Operation) -> Socket:
        return self.graph.number("MULTIPLY", *self._inputs(one), self.number(one.values["factor"]))

    def _choose(self, one: Operation) -> Socket:
        if one.values["which"] == SOURCE:
            return self.graph.chosen(self.graph[CHOICE], tuple(SOURCES.items()), self._inputs(one), "FLOAT")
        return self.graph.between(self.number(one.values["which"]), *self._inputs(one))

    def _premultiply(self, one: Operation) -> Socket:
        """At its place in the plate; a plate without alpha has one of 1 here."""
        graph, (face, plate) = self.graph, self._inputs(one)
        share = graph.between(self.number(one.values["where"]), 1.0, self._alpha(plate))
        # A node has the raster of its first input, so the plate's comes first: all to the power of 0 is 1.
        weight = graph.number("MULTIPLY", self._everywhere(plate), share)
        return graph.vector("MULTIPLY", graph.grey(weight), self._placed(face))

    def _keymix(self, one: Operation) -> Socket:
        graph, (plate, face, matte) = self.graph, self._inputs(one)
        weight = graph.number("MULTIPLY", self._everywhere(plate), self._placed(matte))
        node = graph.add("CompositorNodeSetAlpha", [blended(graph, plate, face, weight), self._alpha(plate)])
        node.inputs["Type"].default_value = "Replace Alpha"
        return node.outputs[0]

    def _alpha(self, plate: Socket) -> Socket:
        return self.graph.add("CompositorNodeSeparateColor", [plate]).outputs["Alpha"]

    def _everywhere(self, plate: Socket) -> Socket:
        """1 on the plate's raster."""
        return self.graph.number("POWER", self._alpha(plate), 0.0)

    def _placed(self, picture: Socket) -> Socket:
        """Moved by whole pixels to where the face pass lies in the plate."""
        x, y, _ = self.graph.channels(self.graph[OFFSET_LABEL])
        node = self.graph.add("CompositorNodeTranslate", [picture, x, y])
        node.inputs["Interpolation"].default_value = "Nearest"
        return node.outputs[0]


TABLE: Mapping[str, Callable[[Emitter, Operation], Any]] = {
    kind: getattr(Emitter, f"_{kind}") for kind in KINDS if hasattr(Emitter, f"_{kind}")
}
"""What Blender's nodes can do; a kind that is not here is baked only. There is no input for a roto."""

GRAPH = live.finish(without=KINDS.keys() - TABLE.keys())
_WORDS = {knob.name: knob.items for knob in knobs("swap") if knob.kind == "choice"}
