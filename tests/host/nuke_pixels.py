"""The node classes of the Understudy group, worked out with numpy, to hold its formulas to the engine's.

Filters are the host's own and are not documented to the last bit: a Gaussian stands for Blur, a square for
FilterErode, and tests keep away from what they reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from nuke_numbers import Formula
from nuke_script import Node, Reader, parts

Picture = dict[str, np.ndarray]
_RGB = ("red", "green", "blue")
_SHORT = {"r": "red", "g": "green", "b": "blue", "a": "alpha"}


class Graph:
    """A group with values on its knobs and pictures on its inputs.

    Attributes:
        numbers: The group's own knobs: numbers, and words of choices as their place among them.
        pictures: What comes in, by the name of the Input or the Read: channels by name.
        metadata: What the Read's file says in its header, by Nuke's keys.
        connected: The numbers of the inputs that are wired.
        frame: The one that is worked out.
    """

    def __init__(
        self,
        reader: Reader,
        group: Node,
        numbers: Mapping[str, float],
        pictures: Mapping[str, Picture],
        metadata: Mapping[str, object],
        connected: tuple[int, ...] = (0,),
        frame: int = 1,
    ) -> None:
        self._tcl, self._group, self._numbers = reader.tcl, group, dict(numbers)
        self._pictures, self._metadata, self._frame = pictures, metadata, frame
        self._shape = next(iter(pictures["plate"].values())).shape
        self._made: dict[str, Picture] = {}
        self._tcl.createcommand("metadata", lambda key: str(self._metadata.get(key, "")))
        self._tcl.createcommand(
            "exists", lambda name: int(int(name.removeprefix("parent.input")) in connected)
        )

    def output(self) -> Picture:
        """What the group puts out."""
        last = next(node for node in self._group.children.values() if node.kind == "Output")
        return self.picture(last.name)

    def picture(self, name: str) -> Picture:
        """What a node inside puts out."""
        if name not in self._made:
            node = self._group.children[name]
            self._made[name] = getattr(self, f"_{node.kind.lower()}")(node)
        return self._made[name]

    def number(self, node: Node, knob: str, place: tuple[int, ...] = (), otherwise: float = 0.0) -> float:
        """A part of a numeric knob."""
        if knob not in node.knobs:
            return otherwise
        words = node.knobs[knob]
        for index in place:
            words = parts(self._tcl, words)[index]
        if words.startswith("{"):
            words = parts(self._tcl, words)[0]
        if words.startswith('"'):
            return float(Formula(self._bracketless(words[1:-1])).value(lambda name: self._named(node, name)))
        return float(words)

    def _bracketless(self, expression: str) -> str:
        """With what stands in brackets worked out by Tcl."""
        return str(self._tcl.eval(f"subst -nobackslashes -novariables {{{expression}}}"))

    def _named(self, node: Node, name: str) -> float:
        """A knob of the group, of a node beside this one, or of this one."""
        owner, *rest = name.split(".")
        if owner == "frame":
            return float(self._frame)
        if owner == "parent":
            return float(self._numbers[rest[0]])
        if owner in self._group.children:
            node, owner, rest = self._group.children[owner], rest[0], rest[1:]
        place = ("xyz".index(rest[0]),) if rest else ()
        assert owner in node.user, f"{node.name} has no knob {owner}"
        return self.number(node, owner, place)

    def _channel(self, picture: Picture, name: str) -> np.ndarray:
        return picture.get(name, np.zeros(self._shape, np.float64))

    def _input(self, node: Node) -> Picture:
        return self._pictures.get(node.name, {})

    def _read(self, node: Node) -> Picture:
        return self._pictures[node.name]

    def _noop(self, node: Node) -> Picture:
        return self.picture(node.inputs[0])

    _output = _noop

    def _switch(self, node: Node) -> Picture:
        return self.picture(node.inputs[int(self.number(node, "which"))])

    def _over_rgb(self, node: Node, change: Callable[[list[np.ndarray]], list[Any]]) -> Picture:
        below = self.picture(node.inputs[0])
        return below | dict(zip(_RGB, change([self._channel(below, name) for name in _RGB]), strict=True))

    def _premult(self, node: Node) -> Picture:
        alpha = self._channel(self.picture(node.inputs[0]), "alpha")
        return self._over_rgb(node, lambda rgb: [one * alpha for one in rgb])

    def _unpremult(self, node: Node) -> Picture:
        alpha = self._channel(self.picture(node.inputs[0]), "alpha")
        safe = np.where(alpha > 0, alpha, 1)
        return self._over_rgb(node, lambda rgb: [one / safe for one in rgb])

    def _colormatrix(self, node: Node) -> Picture:
        matrix = [[self.number(node, "matrix", (row, column)) for column in range(3)] for row in range(3)]
        return self._over_rgb(
            node, lambda rgb: [sum(m * c for m, c in zip(row, rgb, strict=True)) for row in matrix]
        )

    def _expression(self, node: Node) -> Picture:
        below = self.picture(node.inputs[0])

        y, x = np.indices(self._shape)
        places = {"x": x, "y": self._shape[0] - 1 - y, "frame": self._frame}

        def named(name: str) -> Any:
            if name in node.user:
                return self.number(node, name)
            return places[name] if name in places else self._channel(below, _SHORT.get(name, name))

        made = {}
        for index, channel in enumerate((*_RGB, "alpha")):
            if f"expr{index}" in node.knobs:
                made[channel] = np.broadcast_to(Formula(node.knobs[f"expr{index}"]).value(named), self._shape)
        return below | made

    def _chosen(self, node: Node) -> list[str]:
        return {"rgb": list(_RGB), "alpha": ["alpha"], "rgba": [*_RGB, "alpha"]}[
            node.knobs.get("channels", "rgba")
        ]

    def _by_value(
        self, node: Node, change: Callable[[np.ndarray, float], np.ndarray], otherwise: float
    ) -> Picture:
        below, out = self.picture(node.inputs[0]), {}
        many = len(parts(self._tcl, node.knobs["value"])) > 1
        for index, channel in enumerate(self._chosen(node)):
            value = self.number(node, "value", (index,) if many else (), otherwise)
            out[channel] = change(self._channel(below, channel), value)
        return below | out

    def _multiply(self, node: Node) -> Picture:
        return self._by_value(node, np.multiply, 1.0)

    def _add(self, node: Node) -> Picture:
        return self._by_value(node, np.add, 0.0)

    def _merge2(self, node: Node) -> Picture:
        below, above = (self.picture(name) for name in node.inputs[:2])
        ways: dict[str, Callable[[Any, Any], Any]] = {
            "minus": lambda a, b: a - b, "plus": lambda a, b: a + b, "multiply": lambda a, b: a * b,
            "min": np.minimum, "max": np.maximum, "mask": lambda a, b: b * self._channel(above, "alpha"),
            "over": lambda a, b: a + b * (1 - self._channel(above, "alpha")),
            "stencil": lambda a, b: b * (1 - self._channel(above, "alpha")),
        }  # fmt: skip
        channels = _RGB if node.knobs.get("output") == "rgb" else (*_RGB, "alpha")
        way = ways[node.knobs["operation"]]
        mix = self.number(node, "mix", otherwise=1.0)
        made = {}
        for name in channels:
            b = self._channel(below, name)
            made[name] = b if mix == 0 else b + mix * (way(self._channel(above, name), b) - b)
        return below | made

    def _stmap(self, node: Node) -> Picture:
        source, places = (self.picture(name) for name in node.inputs)
        height, width = next(iter(source.values())).shape
        layer = node.knobs["uv"]
        x = self._channel(places, f"{layer}.red") * width - 0.5
        y = (1 - self._channel(places, f"{layer}.green")) * height - 0.5
        return {
            name: cv2.remap(
                np.asarray(plane, np.float32),
                np.asarray(x, np.float32),
                np.asarray(y, np.float32),
                cv2.INTER_LINEAR,
            ).astype(np.float64)
            for name, plane in source.items()
        }

    def _filtered(self, node: Node, change: Callable[[np.ndarray, float], np.ndarray]) -> Picture:
        below, size = self.picture(node.inputs[0]), self.number(node, "size")
        return below | {name: change(self._channel(below, name), size) for name in self._chosen(node)}

    def _blur(self, node: Node) -> Picture:
        def change(plane: np.ndarray, size: float) -> np.ndarray:
            return plane if size <= 0 else cv2.GaussianBlur(np.asarray(plane, np.float64), (0, 0), size / 2)

        return self._filtered(node, change)

    def _filtererode(self, node: Node) -> Picture:
        def change(plane: np.ndarray, size: float) -> np.ndarray:
            width = round(abs(size))
            kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
            plane = np.asarray(plane, np.float64)
            return cv2.erode(plane, kernel) if size > 0 else cv2.dilate(plane, kernel)

        return self._filtered(node, change)

    def _keymix(self, node: Node) -> Picture:
        below, above, mask = (self.picture(name) for name in node.inputs)
        weight = self._channel(mask, node.knobs["maskChannel"])
        made = {}
        for name in self._chosen(node):
            b, a = self._channel(below, name), self._channel(above, name)
            made[name] = np.where(weight == 0, b, b * (1 - weight) + a * weight)
        return below | made
