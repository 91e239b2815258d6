"""The finish of a face pass as Nuke's own nodes: a table from each kind of operation to nodes.

Every node hangs on the face pass's stream, which carries its layers on; a matte is the stream's alpha. The
numbers that nodes read stand once, on the node Facts.

Convention:
    Colours and units are those of understudy_host.live. A value of the header that is not there is the one
    that changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from understudy_host import expressions, live
from understudy_host.knobs import knobs
from understudy_host.live import Operation
from understudy_host.live_kinds import KINDS, MODES, combining
from understudy_host.live_numbers import (
    BREAK,
    BREAK_ENCODED,
    HEADER,
    NUMBERS,
    SHIFT_STOPS,
    SLOPE,
    SOURCE,
    STOPS,
)
from understudy_nuke import knobs_text
from understudy_nuke.script import Expression, Script

METADATA = "exr/understudy:"
BLUR_SIZE = 2.0
"""Blur's size for a deviation of one pixel; the host does not document it, and filters differ."""

_OFFSET = BREAK_ENCODED - SLOPE * BREAK
_ENCODE = (
    f"{{0}} <= {BREAK} ? {SLOPE:.15g}*{{0}} + {_OFFSET:.15g} : (log({{0}})/log(2) + {SHIFT_STOPS})/{STOPS}"
)
_DECODE = (
    f"{{0}} <= {BREAK_ENCODED:.15g} ? ({{0}} - {_OFFSET:.15g})/{SLOPE:.15g}"
    f" : pow(2, {{0}}*{STOPS} - {SHIFT_STOPS})"
)
# How tightly each sign binds.
_SIGNS = {
    "add": (" + ", 2),
    "subtract": (" - ", 2),
    "multiply": ("*", 3),
    "divide": ("/", 3),
    "equal": (" == ", 1),
}
_ATOM = 4
_KNOBS = frozenset({SOURCE, *(knob.name for knob in knobs("swap"))})
# A face pass holds a matrix as one row of numbers: which of them stand in a number of HEADER.
_MATRICES = {"to": ("linear_to_encoded", 3), "from": ("encoded_to_linear", 3), "match": ("colour_match", 4)}


def text(expression: str, name: Callable[[str], str]) -> str:
    """An expression in Nuke's notation; `name` gives what a name is called there."""

    def written(given: float | tuple[str, int]) -> tuple[str, int]:
        return (f"{given:.12g}", _ATOM) if isinstance(given, float) else given

    def within(given: Any, level: int) -> str:
        words, binding = written(given)
        return words if binding >= level else f"({words})"

    def applied(operation: str, *given: Any) -> tuple[str, int]:
        if operation == "choose":
            return " ".join((within(given[0], 1), "?", within(given[1], 1), ":", within(given[2], 1))), 0
        if operation == "negative":
            return f"-{within(given[0], _ATOM)}", 2
        if operation in _SIGNS:
            sign, level = _SIGNS[operation]
            # What follows a minus or a stroke keeps its own parentheses.
            strict = level + int(operation in ("subtract", "divide"))
            return f"{within(given[0], level)}{sign}{within(given[1], strict)}", level
        return f"{operation}({', '.join(written(one)[0] for one in given)})", _ATOM

    words, _ = written(expressions.fold(expression, lambda one: (name(one), _ATOM), applied))
    return words


class Emitter:
    """Writes operations into a script.

    Attributes:
        script: Where the nodes go.
        made: The node of every operation that has one, by the operation's name.
    """

    def __init__(
        self, script: Script, face_pass: str, plate: str, roto: str, operations: Sequence[Operation]
    ) -> None:
        """Take the nodes of the inputs, and write the node Facts."""
        self.script = script
        self.made: dict[str, str] = {}
        self._plate_node, self._roto_node = plate, roto
        self._channels: dict[str, str] = {}
        values, declared = _facts(live.read_by(operations))
        self.facts = script.node("NoOp", "Facts", [face_pass], values, declared=declared)
        for one in operations:
            TABLE[one.kind](self, one)

    def expression(self, expression: str) -> Expression:
        """An expression as a knob of a node beside Facts takes it."""
        return Expression(text(expression, _name))

    def node(self, operation: str) -> str:
        """The node of an operation; a layer gets its node where one is needed."""
        if operation not in self.made:
            channel = self._channels[operation]
            knobs = {"expr3": channel}
            self.made[operation] = self.script.node("Expression", operation, [self.facts], knobs)
        return self.made[operation]

    def _add_node(
        self, kind: str, one: Operation, inputs: Sequence[str], knobs: Mapping[str, Any], **more: Any
    ) -> None:
        self.made[one.name] = self.script.node(kind, one.name, inputs, knobs, **more)

    def _plate(self, one: Operation) -> None:
        self.made[one.name] = self._plate_node

    def _colour_layer(self, one: Operation) -> None:
        """By an expression, which names its channels; the face is the stream's own."""
        layer = one.values["layer"]
        if not layer:
            self.made[one.name] = self.facts
            return
        channels = {f"expr{index}": f"{layer}.{name}" for index, name in enumerate(("red", "green", "blue"))}
        self._add_node("Expression", one, [self.facts], channels)

    def _matte_layer(self, one: Operation) -> None:
        layer = one.values["layer"]
        self._channels[one.name] = f"{layer}.alpha" if layer else "a"
        if not layer:
            self.made[one.name] = self.facts

    def _unpremultiply(self, one: Operation) -> None:
        self._add_node("Unpremult", one, [self.node(one.inputs[0])], {})

    def _matrix(self, one: Operation) -> None:
        """The rows, and of what they change the strength's share; then the shift."""
        strength, shift = one.values["strength"], one.values["shift"]

        def cell(row: int, column: int, value: str) -> Expression:
            if strength == "1":
                return self.expression(value)
            return self.expression(
                f"1 + {strength} * ({value} - 1)" if row == column else f"{strength} * {value}"
            )

        rows = [
            [cell(row, column, value) for column, value in enumerate(values)]
            for row, values in enumerate(one.values["rows"])
        ]
        self._add_node("ColorMatrix", one, [self.node(one.inputs[0])], {"matrix": rows})
        if any(value != "0" for value in shift):
            shifts = [
                self.expression(value if strength == "1" else f"{strength} * {value}") for value in shift
            ]
            value = {"channels": "rgb", "value": [*shifts, 0]}
            self.made[one.name] = self.script.node("Add", f"{one.name}Shift", [self.made[one.name]], value)

    def _encode(self, one: Operation) -> None:
        self._curve(one, _ENCODE)

    def _decode(self, one: Operation) -> None:
        self._curve(one, _DECODE)

    def _curve(self, one: Operation, formula: str) -> None:
        channels = {f"expr{index}": formula.format(channel) for index, channel in enumerate("rgb")}
        self._add_node("Expression", one, [self.node(one.inputs[0])], channels)

    def _sharpen(self, one: Operation) -> None:
        face = self.node(one.inputs[0])
        size = self.expression(f"{one.values['radius_px']} * {BLUR_SIZE}")
        weighed = self.script.node("Premult", "Weighed", [face])
        spread = self.script.node("Blur", "Blurred", [weighed], {"channels": "rgba", "size": size})
        blurred = self.script.node("Unpremult", "BlurredFace", [spread])
        fine = self.script.node("Merge2", "Detail", [blurred, face], {"operation": "minus", "output": "rgb"})
        amount = {"channels": "rgb", "value": self.expression(one.values["amount"])}
        share = self.script.node("Multiply", "DetailShare", [fine], amount)
        self._add_node("Merge2", one, [face, share], {"operation": "plus", "output": "rgb"})

    def _add(self, one: Operation) -> None:
        image, other = map(self.node, one.inputs)
        if one.values["share"] == "-1":
            self._add_node("Merge2", one, [other, image], {"operation": "minus", "output": "rgb"})
            return
        share = {"channels": "rgb", "value": self.expression(one.values["share"])}
        weighed = self.script.node("Multiply", f"{one.name}Share", [other], share)
        self._add_node("Merge2", one, [image, weighed], {"operation": "plus", "output": "rgb"})

    def _grain(self, one: Operation) -> None:
        """Four even random numbers a channel, whose sum is near a Gaussian, of mean 0 and deviation 1."""
        noise: dict[str, object] = {}
        for channel in range(3):
            picks = " + ".join(f"random(x + {1000 * (4 * channel + pick)}, y, frame)" for pick in range(4))
            noise[f"expr{channel}"] = f"({picks} - 2)*{math.sqrt(3):.9g}"
        white = self.script.node("Expression", "White", [self.facts], noise)
        amount = [self.expression(value) for value in one.values["deviation"]]
        share = self.script.node("Multiply", "Grain", [white], {"channels": "rgb", "value": [*amount, 1]})
        self._add_node(
            "Merge2", one, [self.node(one.inputs[0]), share], {"operation": "plus", "output": "rgb"}
        )

    def _combine(self, one: Operation) -> None:
        """One Expression on the first matte's stream, whose layers hold the others."""
        first, *others = one.inputs
        stream = self.facts if first in self._channels else self.node(first)
        channels = [self._channels.get(first, "a"), *(self._channels[name] for name in others)]
        uses = [f"use{place}" for place in range(len(channels))]
        values: dict[str, object] = {name: self.expression(use) for name, use in zip(uses, one.values["use"])}
        values["combine_mode"] = self.expression(one.values["mode"])
        formula = ""
        mattes = [f"matte{place}" for place in range(len(channels))]
        called = dict(zip(mattes, channels))
        for place, mode in enumerate(MODES[:-1]):
            worked_out = text(combining(mode, mattes, uses), lambda name: called.get(name, name))
            formula += f"combine_mode == {place} ? {worked_out} : "
        formula += text(combining(MODES[-1], mattes, uses), lambda name: called.get(name, name))
        declared = [knobs_text.number(name) for name in values]
        self._add_node("Expression", one, [stream], {**values, "expr3": formula}, declared=declared)

    def _erode(self, one: Operation) -> None:
        size = {"channels": "alpha", "size": self.expression(one.values["px"])}
        self._add_node("FilterErode", one, [self.node(one.inputs[0])], size)

    def _feather(self, one: Operation) -> None:
        matte, half = self.node(one.inputs[0]), self.expression(f"{one.values['px']} / 2")
        size = {"channels": "alpha", "size": half}
        inner = self.script.node("FilterErode", "FeatherInwards", [matte], size)
        soft = self.script.node("Blur", one.name, [inner], size)
        self.made[one.name] = self.script.node("Merge2", "NeverOutside", [matte, soft], {"operation": "min"})

    def _multiply(self, one: Operation) -> None:
        self._add_node("Merge2", one, [self.node(name) for name in one.inputs], {"operation": "multiply"})

    def _scale(self, one: Operation) -> None:
        factor = {"channels": "alpha", "value": self.expression(one.values["factor"])}
        self._add_node("Multiply", one, [self.node(one.inputs[0])], factor)

    def _choose(self, one: Operation) -> None:
        which = {"which": self.expression(one.values["which"])}
        self._add_node("Switch", one, [self.node(name) for name in one.inputs], which)

    def _hold(self, one: Operation) -> None:
        """The group's own input `matte`, where it is connected."""
        matte = self.node(one.inputs[0])
        held = self.script.node("Merge2", "HoldInMatte", [matte, self._roto_node], {"operation": "multiply"})
        given = {"which": Expression("[exists parent.input1]")}
        self._add_node("Switch", one, [matte, held], given)

    def _premultiply(self, one: Operation) -> None:
        face, plate = map(self.node, one.inputs)
        mask = {"operation": "mask", "output": "rgb"}
        times = self.script.node("Merge2", "TimesPlatesAlpha", [face, plate], mask)
        self._add_node("Switch", one, [face, times], {"which": self.expression(one.values["where"])})

    def _keymix(self, one: Operation) -> None:
        mask = {"channels": "rgb", "maskChannel": "alpha"}
        self._add_node("Keymix", one, [self.node(name) for name in one.inputs], mask)


TABLE: Mapping[str, Callable[[Emitter, Operation], None]] = {
    kind: getattr(Emitter, f"_{kind}") for kind in KINDS if hasattr(Emitter, f"_{kind}")
}
"""What Nuke's nodes can do; a kind that is not here is baked only."""

GRAPH = live.finish(without=KINDS.keys() - TABLE.keys())

LAYERS = [
    (one.values["layer"], ("red", "green", "blue") if one.kind == "colour_layer" else ("alpha",))
    for one in GRAPH
    if one.values.get("layer")
]
"""The face pass's layers with their channels: a script must know them before a face pass was read."""


def _name(name: str) -> str:
    if name == "pi":
        return name
    return f"parent.{name}" if name in _KNOBS else f"Facts.{name}"


def _facts(read: frozenset[str]) -> tuple[dict[str, object], list[str]]:
    """Knobs of a node that changes nothing, and their declarations.

    They are the numbers of the face pass's header, and those made with knobs; `read` says which are needed.
    """
    values: dict[str, object] = {name: _of_header(name) for name in HEADER if name in read}
    if "face_px" in values:
        place = {axis: _row("plate_to_aligned", row, 3) for row, axis in enumerate(("place_x", "place_y"))}
        values = {**place, **values}
    vectors = [name for name, value in values.items() if isinstance(value, list)]

    def beside(name: str) -> str:
        return f"parent.{name}" if name in _KNOBS else name

    made = [name for name in NUMBERS if name in read and name != "pi"]
    values.update({name: Expression(text(NUMBERS[name], beside)) for name in made})
    declared = [knobs_text.vector(name) for name in vectors]
    declared += [knobs_text.number(name) for name in values if name not in vectors]
    return values, declared


def _of_header(name: str) -> object:
    """A number of HEADER, read off the metadata."""
    matrix, _, row = name.rpartition("_")
    if matrix in _MATRICES and row in ("r", "g", "b"):
        key, width = _MATRICES[matrix]
        return _row(key, "rgb".index(row), width)
    if matrix == "chosen" and row != "combine":
        return Expression(f"[expr {{[lsearch [metadata {METADATA}mattes] {row}] >= 0}}]")
    return {
        "match_shift": [_number("colour_match", place * 4 + 3, 0.0) for place in range(3)],
        "grain_deviation": [_number("grain", channel, 0.0) for channel in range(3)],
        "has_light": Expression(f"{_number('light_strength', 0, 0.0)} > 0"),
        "face_px": Expression(
            f"{_number('aligned_size', 0, 512.0)}"
            "/sqrt(max(abs(place_x.x*place_y.y - place_x.y*place_y.x), 0.000001))"
        ),
        "plate_alpha": _number("plate_alpha", 0, 0.0),
        "has_combined": Expression(f"[expr {{[llength [metadata {METADATA}matte_combine]] > 0}}]"),
        "chosen_combine": Expression(f"[lsearch {{{' '.join(MODES)}}} [metadata {METADATA}matte_combine]]"),
    }[name]


def _row(key: str, row: int, width: int) -> list[Expression]:
    """The first three numbers of a matrix's row, the identity's where the header has none."""
    return [_number(key, row * width + column, float(row == column)) for column in range(3)]


def _number(key: str, index: int, otherwise: float) -> Expression:
    """A number of the header's, or another where the header has none."""
    found = f"[metadata {METADATA}{key}]"
    return Expression(f"[expr {{[llength {found}] > {index} ? [lindex {found} {index}] : {otherwise:g}}}]")
