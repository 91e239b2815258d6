"""The node group that shows a propagated fix in Blender's compositor.

    fixed frames ── move to their place ──┬── mix ──┬── result
    plate ────────────────────────────────┘         ├── with red where the engine was unsure
      └─────────────────────────────────────────────┴── plate

Convention:
    Colours are raw numbers of the plate's space. Everything after the move has the plate's raster.
"""

from __future__ import annotations

import bpy

from . import scene_tree
from .blend import blended
from .graph import Graph, declare_menu, socket_named
from .scene_tree import Part
from .sockets import OFFSET, PLATE, RESULT, Number

NAME = "Understudy Propagate"
# Raised whenever the node tree changes, so that a .blend file of an older plugin gets the new one.
VERSION = 1
VERSION_KEY = "understudy_propagate_version"

SHOW, MIX = "Show", "Mix"
FIXED, CONFIDENCE, UNFIXED = "result", "confidence", "plate"
SHOWN = (
    (FIXED, "The fixed frame"),
    (CONFIDENCE, "The fixed frame, the redder the less sure the engine was"),
    (UNFIXED, "What goes in, unchanged"),
)
_MIX_TOOLTIP = "How much of the fix is laid over the plate; at 0 the plate comes out bit for bit."
PLACE = Number(OFFSET.label, OFFSET.default, "Where the fixed frame lies in the picture. In pixels, y up.")
THERE = Number("Frame there", 0.0, "1 where the frame is propagated; others show the plate.")
NUMBERS = (PLACE, THERE)

IMAGE = Part("fixed frames", "CompositorNodeImage", (-700, 0), "Fixed frames")
# Where the image's layers go in: they change with its file, and are linked anew then.
PICTURE = Part("fixed picture", "NodeReroute", (-500, 0), "Fixed picture")
SURE = Part("fixed confidence", "ShaderNodeCombineXYZ", (-500, -200), "Inside and sure")
_LAYER = "confidence"


def renew(node: bpy.types.Node) -> bpy.types.NodeTree:
    """Give a node a group of this plugin's version that is its own: its image is one shot's.

    Returns:
        The group.
    """
    tree = node.node_tree
    if tree is None or tree.get(VERSION_KEY) != VERSION:
        node.node_tree = _built_tree()
    elif tree.users > 1:
        node.node_tree = tree.copy()
    return node.node_tree


def link_layers(tree: bpy.types.NodeTree) -> None:
    """Link what the group's image has now; without the confidence's layer every pixel counts as sure."""
    image, picture, sure = (scene_tree.node(tree, part) for part in (IMAGE, PICTURE, SURE))
    scene_tree.link(tree, image.outputs[0], picture.inputs[0])
    if _LAYER in image.outputs:
        scene_tree.link(tree, image.outputs[_LAYER], sure.inputs["Y"])


def _built_tree() -> bpy.types.NodeTree:
    tree = bpy.data.node_groups.new(NAME, "CompositorNodeTree")
    tree[VERSION_KEY] = VERSION
    tree.color_tag = "COLOR"
    _declare(tree)
    graph = Graph(tree, {})
    graph.section("Fixed frames")
    picture, inside, confidence = _placed(graph)
    graph.section("Over the plate")
    graph.add("NodeGroupOutput", [_shown(graph, picture, inside, confidence)])
    # The menu's words reach the group's own socket once it is linked to the switch.
    socket_named(tree, SHOW).default_value = FIXED
    graph.lay_out()
    return tree


def _declare(tree: bpy.types.NodeTree) -> None:
    new_socket = tree.interface.new_socket
    new_socket(RESULT, in_out="OUTPUT", socket_type="NodeSocketColor")
    plate = new_socket(PLATE, in_out="INPUT", socket_type="NodeSocketColor")
    plate.description = "What is shown where nothing is fixed: the plate, or what comes before this node."
    declare_menu(tree, SHOW, SHOWN)
    mix = new_socket(MIX, in_out="INPUT", socket_type="NodeSocketFloat", description=_MIX_TOOLTIP)
    mix.subtype = "FACTOR"
    mix.min_value, mix.max_value, mix.default_value = 0.0, 1.0, 1.0
    panel = tree.interface.new_panel("From the fixed frames", default_closed=True)
    for number in NUMBERS:
        kind = "NodeSocketFloat" if isinstance(number.default, float) else "NodeSocketVector"
        socket = new_socket(
            number.label, in_out="INPUT", socket_type=kind, parent=panel, description=number.tooltip
        )
        socket.default_value = number.default


def _placed(graph: Graph) -> list[bpy.types.NodeSocket]:
    """The fixed picture, 1 inside of it and 0 outside, and how sure it is, moved to their place."""
    graph.part(IMAGE)
    picture = graph.part(PICTURE).outputs[0]
    alpha = graph.add("CompositorNodeSeparateColor", [picture]).outputs["Alpha"]
    sure = graph.part(SURE)
    graph.give(sure.inputs["X"], graph.number("POWER", alpha, 0.0))
    sure.inputs["Y"].default_value = 1.0
    x, y, _ = graph.channels(graph[PLACE.label])
    placed = []
    for given in (picture, sure.outputs[0]):
        node = graph.add("CompositorNodeTranslate", [given, x, y])
        node.inputs["Interpolation"].default_value = "Nearest"
        placed.append(node.outputs[0])
    inside, confidence, _ = graph.channels(placed[1])
    return [placed[0], inside, confidence]


def _shown(
    graph: Graph,
    picture: bpy.types.NodeSocket,
    inside: bpy.types.NodeSocket,
    confidence: bpy.types.NodeSocket,
) -> bpy.types.NodeSocket:
    """What the menu asks for, with the plate's alpha."""
    # A node has the raster of its first input, so the plate's comes first: all to the power of 0 is 1.
    alpha = graph.add("CompositorNodeSeparateColor", [graph[PLATE]]).outputs["Alpha"]
    everywhere = graph.number("POWER", alpha, 0.0)
    share = graph.number("MULTIPLY", graph[MIX], graph[THERE.label])
    weight = graph.number("MULTIPLY", graph.number("MULTIPLY", everywhere, inside), share)
    mixed = blended(graph, graph[PLATE], graph.vector("MULTIPLY", graph.grey(everywhere), picture), weight)
    told = _reddened(
        graph, mixed, graph.number("MULTIPLY", weight, graph.number("SUBTRACT", 1.0, confidence))
    )
    pictures = [_with_alpha(graph, mixed, alpha), _with_alpha(graph, told, alpha), graph[PLATE]]
    shown = graph.chosen(graph[SHOW], SHOWN, pictures, "RGBA")
    # Infinity times a mix of 0 would be NaN, so a mix of 0 takes another way.
    return graph.add("CompositorNodeSwitch", [share, graph[PLATE], shown]).outputs[0]


def _reddened(
    graph: Graph, colours: bpy.types.NodeSocket, unsure: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    """Red instead of the colours by so much; where that is 0 their bits."""
    kept = graph.scaled(colours, graph.number("SUBTRACT", 1.0, unsure))
    # 0 less a zero of either sign is +0, and less +0 every number keeps its bits.
    red = graph.joined([graph.number("SUBTRACT", 0.0, unsure), 0.0, 0.0])
    return graph.vector("SUBTRACT", kept, red)


def _with_alpha(
    graph: Graph, colours: bpy.types.NodeSocket, alpha: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    node = graph.add("CompositorNodeSetAlpha", [colours, alpha])
    node.inputs["Type"].default_value = "Replace Alpha"
    return node.outputs[0]
