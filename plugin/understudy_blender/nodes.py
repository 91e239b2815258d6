"""The node group that finishes a face pass in Blender's compositor: its sockets, and the nodes inside."""

from __future__ import annotations

import bpy

from understudy_host import live
from understudy_host.knobs import TABS, Knob

from .graph import Graph, declare_menu, socket_named
from .live_nodes import GRAPH, Emitter
from .sockets import (
    CHOICE,
    CHOICES,
    LAYERS,
    NUMBERS,
    OFFSET,
    PLATE,
    RESULT,
    Number,
    live_knobs,
)

NAME = "Understudy"
# Raised whenever the node tree changes, so that a .blend file of an older plugin gets the new one.
VERSION = 3
VERSION_KEY = "understudy_version"
# Where a part of the tree begins, with its title.
_SECTIONS = {
    "Face": "Encode",
    "Sharpened": "Sharpen",
    "Match": "Match and light",
    "Grade": "Grade",
    "Grained": "Grain",
    "Decode": "Decode",
    "Matte_learned": "Combine the mattes",
    "Erode": "Erode and feather",
    "WithRoto": "Roto, baked or live, opacity",
    "Plate": "Over the plate",
}
_SOCKETS = {"bool": "NodeSocketBool", "double": "NodeSocketFloat"}


def group() -> bpy.types.NodeTree:
    """The node group of this plugin's version; it is built where the file has none."""
    for tree in bpy.data.node_groups:
        if tree.get(VERSION_KEY) == VERSION and tree.bl_idname == "CompositorNodeTree":
            return tree
    tree = bpy.data.node_groups.new(NAME, "CompositorNodeTree")
    tree[VERSION_KEY] = VERSION
    tree.color_tag = "COLOR"
    _declare(tree)
    labels = {knob.name: knob.label for knob in live_knobs()}
    graph = Graph(tree, {**labels, **{name: number.label for name, number in NUMBERS.items()}})
    made = Emitter(graph, GRAPH, _SECTIONS).made
    graph.add("NodeGroupOutput", [made[GRAPH[-1].name]])
    # A menu's words reach the group's own socket once it is linked to the switch.
    socket_named(tree, CHOICE).default_value = CHOICES[0][0]
    for knob in live_knobs():
        if knob.kind == "choice":
            socket_named(tree, knob.label).default_value = knob.default
    graph.lay_out()
    return tree


def _declare(tree: bpy.types.NodeTree) -> None:
    """The group's sockets: pictures, then a panel for each tab, and a closed one for the header's numbers."""
    tree.interface.new_socket(RESULT, in_out="OUTPUT", socket_type="NodeSocketColor")
    plate = tree.interface.new_socket(PLATE, in_out="INPUT", socket_type="NodeSocketColor")
    plate.description = "The plate; it comes out bit for bit where the matte or the opacity is 0."
    for layer in LAYERS:
        socket = tree.interface.new_socket(
            layer.label, in_out="INPUT", socket_type=layer.kind, description=layer.tooltip
        )
        socket.default_value, socket.hide_value = layer.default, True
    for tab in TABS:
        standing = [knob for knob in live_knobs() if knob.tab == tab]
        if standing:
            panel = tree.interface.new_panel(tab)
            if tab == "Mask":
                declare_menu(tree, CHOICE, CHOICES, panel)
            for knob in standing:
                _declare_knob(tree, panel, knob)
    header = tree.interface.new_panel("From the face pass", default_closed=True)
    for number in (OFFSET, *NUMBERS.values()):
        _declare_number(tree, header, number)


def tooltip(knob: Knob) -> str:
    """What a knob of the node says: its sentence, and whether Blender's own filter does it."""
    near = "By Blender's own filter: near the engine's result, not equal to it."
    return f"{knob.tooltip} {near}" if knob.name in live.filter_knobs(GRAPH) else knob.tooltip


def _declare_knob(tree: bpy.types.NodeTree, panel: bpy.types.NodeTreeInterfacePanel, knob: Knob) -> None:
    if knob.kind == "choice":
        declare_menu(tree, knob.label, [(word, "") for word in knob.items], panel, tooltip(knob))
        return
    socket = tree.interface.new_socket(
        knob.label, in_out="INPUT", socket_type=_SOCKETS[knob.kind], parent=panel, description=tooltip(knob)
    )
    if knob.kind == "double":
        socket.min_value, socket.max_value = knob.low, knob.high
    socket.default_value = knob.default


def _declare_number(
    tree: bpy.types.NodeTree, panel: bpy.types.NodeTreeInterfacePanel, number: Number
) -> None:
    single = isinstance(number.default, float)
    kind = "NodeSocketFloat" if single else "NodeSocketVector"
    socket = tree.interface.new_socket(
        number.label, in_out="INPUT", socket_type=kind, parent=panel, description=number.tooltip
    )
    socket.default_value = number.default
