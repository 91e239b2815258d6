"""Nodes written as formulas: each function adds one node of the compositor and gives its result's socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

import bpy

from . import scene_tree
from .scene_tree import Part

# A socket that gives a value, or the value itself.
Given = Union[bpy.types.NodeSocket, float, Sequence[float]]
# A menu's words with what each means.
Choices = Sequence[tuple[str, str]]
COLUMN_PX, ROW_PX, GAP_PX, BAND_PX = 190, 230, 90, 5500


class Graph:
    """A node tree that is being built.

    Attributes:
        tree: The tree.
    """

    def __init__(self, tree: bpy.types.NodeTree, labels: Mapping[str, str]) -> None:
        """Draw into a tree; its inputs go by their own names, or by others that `labels` leads from."""
        self.tree = tree
        self._labels = labels
        self._frame: bpy.types.Node | None = None
        self._inputs: bpy.types.Node | None = None

    def section(self, title: str) -> None:
        """Draw what follows inside a frame with a title, which has the group's inputs at hand."""
        self._frame = self.tree.nodes.new("NodeFrame")
        self._frame.label = self._frame.name = title
        self._inputs = self.add("NodeGroupInput")

    def __getitem__(self, name: str) -> bpy.types.NodeSocket:
        """The group's input of a name."""
        assert self._inputs is not None, "a section comes first"
        return self._inputs.outputs[self._labels.get(name, name)]

    def add(self, kind: str, inputs: Sequence[Given | None] = (), **settings: Any) -> bpy.types.Node:
        """Add a node with its settings and its inputs in their order; None leaves an input as it is."""
        node = self.tree.nodes.new(kind)
        node.parent = self._frame
        for name, value in settings.items():
            setattr(node, name, value)
        for socket, given in zip(node.inputs, inputs):
            if given is not None:
                self.give(socket, given)
        return node

    def part(self, part: Part) -> bpy.types.Node:
        """A node that is found again by its role."""
        node = scene_tree.node(self.tree, part)
        node.parent = self._frame
        return node

    def give(self, socket: bpy.types.NodeSocket, given: Given) -> None:
        """Link a socket to what is given, or set it."""
        if isinstance(given, bpy.types.NodeSocket):
            self.tree.links.new(given, socket)
        else:
            socket.default_value = given

    def number(self, operation: str, *inputs: Given) -> bpy.types.NodeSocket:
        """A sum on single numbers, by the name of Blender's Math operation."""
        return self.add("ShaderNodeMath", inputs, operation=operation).outputs[0]

    def vector(self, operation: str, *inputs: Given) -> bpy.types.NodeSocket:
        """A sum on three channels at once, by the name of Blender's Vector Math operation."""
        node = self.add("ShaderNodeVectorMath", inputs, operation=operation)
        return node.outputs["Value" if operation == "DOT_PRODUCT" else "Vector"]

    def scaled(self, vector: Given, factor: Given) -> bpy.types.NodeSocket:
        """Three channels times one number."""
        node = self.add("ShaderNodeVectorMath", [vector], operation="SCALE")
        self.give(node.inputs["Scale"], factor)
        return node.outputs["Vector"]

    def channels(self, vector: Given) -> list[bpy.types.NodeSocket]:
        """The three channels as single numbers."""
        return list(self.add("ShaderNodeSeparateXYZ", [vector]).outputs)

    def joined(self, channels: Sequence[Given]) -> bpy.types.NodeSocket:
        """Single numbers as three channels."""
        return self.add("ShaderNodeCombineXYZ", channels).outputs[0]

    def multiplied(self, rows: Sequence[Given], vector: Given) -> bpy.types.NodeSocket:
        """A 3×3 matrix, by its rows, times three channels."""
        return self.joined([self.vector("DOT_PRODUCT", row, vector) for row in rows])

    def between(self, share: Given, first: Given, second: Given) -> bpy.types.NodeSocket:
        """The first at 0, the second at 1, single numbers."""
        node = self.add("ShaderNodeMix", [share], data_type="FLOAT", clamp_factor=False)
        self.give(node.inputs["A"], first)
        self.give(node.inputs["B"], second)
        return node.outputs[0]

    def grey(self, value: Given) -> bpy.types.NodeSocket:
        """One number in all three channels."""
        return self.joined([value] * 3)

    def chosen(
        self, menu: Given, choices: Choices, values: Sequence[Given], kind: str
    ) -> bpy.types.NodeSocket:
        """The value that a menu's word stands for, bit for bit; `kind` is Blender's name of its type."""
        switch = self.add("GeometryNodeMenuSwitch", data_type=kind)
        switch.enum_items.clear()
        for word, meaning in choices:
            switch.enum_items.new(word).description = meaning
        for socket, given in zip(switch.inputs, (menu, *values)):
            self.give(socket, given)
        return switch.outputs[0]

    def lay_out(self) -> None:
        """Set the sections side by side in bands, and each node after the last one that it takes from."""
        depths = _depths(self.tree)
        left, top, lowest = 0, 0, 0
        for frame in [node for node in self.tree.nodes if node.bl_idname == "NodeFrame"]:
            filled: dict[int, int] = {}
            for node in [node for node in self.tree.nodes if node.parent == frame]:
                column = depths[node.name]
                row = filled.get(column, 0)
                filled[column] = row + 1
                node.location_absolute = (left + column * COLUMN_PX, top - row * ROW_PX)
            left += (max(filled) + 1) * COLUMN_PX + GAP_PX
            lowest = min(lowest, top - max(filled.values()) * ROW_PX)
            if left > BAND_PX:
                left, top = 0, lowest - GAP_PX
        for node in self.tree.nodes:
            if node.bl_idname == "NodeGroupInput":
                for socket in node.outputs:
                    socket.hide = not socket.is_linked


def declare_menu(
    tree: bpy.types.NodeTree,
    name: str,
    choices: Choices,
    panel: bpy.types.NodeTreeInterfacePanel | None = None,
    tooltip: str = "",
) -> None:
    """Give a group an input to choose by; its default can be set once it is linked to a switch.

    Without a tooltip the words' meanings are it.
    """
    tooltip = tooltip or ". ".join(f"{word}: {meaning}" for word, meaning in choices)
    tree.interface.new_socket(
        name, in_out="INPUT", socket_type="NodeSocketMenu", parent=panel, description=tooltip
    )


def socket_named(tree: bpy.types.NodeTree, name: str) -> bpy.types.NodeTreeInterfaceSocket:
    """A group's own input or output of a name."""
    return next(
        item for item in tree.interface.items_tree if item.name == name and item.item_type == "SOCKET"
    )


def _depths(tree: bpy.types.NodeTree) -> dict[str, int]:
    """How many nodes of its own section lie before each one, by its name, on the longest way to it."""
    depths = {node.name: 0 for node in tree.nodes}
    links = [link for link in tree.links if link.from_node.parent == link.to_node.parent]
    # A tree without a ring settles after as many rounds as it is deep.
    for _ in range(len(depths)):
        moved = False
        for link in links:
            least = depths[link.from_node.name] + 1
            if depths[link.to_node.name] < least:
                depths[link.to_node.name], moved = least, True
        if not moved:
            break
    return depths
