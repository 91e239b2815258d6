"""The node group that finishes a face pass in Blender's compositor, by the formula of the face pass's ADR.

    face pass ── encode ── sharpen ── match ── light ── grade ── decode ── move to its place ──┐
    mattes ───── baked or live ─────────────────────────────── move to its place ── opacity ──┤
    plate ────────────────────────────────────────────────────────────────────────────────── over ── image

Convention:
    Colours are raw numbers of the plate's space; nothing here asks for Blender's colour management. Between
    encode and decode they are ACEScct. Up to the move everything has the face pass's own raster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy

from understudy_host.knobs import TABS, Knob

from .blend import blended
from .graph import Graph, declare_menu, socket_named
from .sockets import (
    BAKED,
    CHOICE,
    CHOICES,
    FACE_PX,
    FROM_ENCODED,
    LAYERS,
    LIGHT_THERE,
    MATCH,
    NUMBERS,
    OFFSET,
    PLATE,
    RESULT,
    SHIFT,
    TO_ENCODED,
    Number,
    live_knobs,
)

NAME = "Understudy"
# Raised whenever the drawing changes, so that a .blend file of an older plugin gets the new one.
VERSION = 2
VERSION_KEY = "understudy_version"

# ACEScct, Academy S-2016-001: a line up to BREAK, above it a logarithm that goes on with the same slope.
SLOPE = 10.5402377416545
BREAK = 0.0078125
STOPS, SHIFT_STOPS = 17.52, 9.72
BREAK_ENCODED = (math.log2(BREAK) + SHIFT_STOPS) / STOPS
MID_GREY = (math.log2(0.18) + SHIFT_STOPS) / STOPS
WHITE = SHIFT_STOPS / STOPS
# Blender's Gaussian is cut at its size, which is three deviations.
_DEVIATIONS = 3.0
_LEAST_WEIGHT = 1e-6


def group() -> bpy.types.NodeTree:
    """The node group of this plugin's version; it is drawn where the file has none."""
    for tree in bpy.data.node_groups:
        if tree.get(VERSION_KEY) == VERSION and tree.bl_idname == "CompositorNodeTree":
            return tree
    tree = bpy.data.node_groups.new(NAME, "CompositorNodeTree")
    tree[VERSION_KEY] = VERSION
    tree.color_tag = "COLOR"
    _declare(tree)
    graph = Graph(tree, {knob.name: knob.label for knob in live_knobs()})
    _draw(graph)
    # The menu's words reach the group's own socket once it is linked to the switch.
    socket_named(tree, CHOICE).default_value = BAKED
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
    for number in NUMBERS:
        _declare_number(tree, header, number)


def _declare_knob(tree: bpy.types.NodeTree, panel: bpy.types.NodeTreeInterfacePanel, knob: Knob) -> None:
    socket = tree.interface.new_socket(
        knob.label, in_out="INPUT", socket_type="NodeSocketFloat", parent=panel, description=knob.tooltip
    )
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


def _draw(graph: Graph) -> None:
    graph.section("Encode")
    face = _encode(graph, graph.multiplied(_all(graph, TO_ENCODED), graph["Face"]))
    graph.section("Sharpen")
    face = _sharpen(graph, face)
    graph.section("Match and light")
    face = _lit(graph, face)
    graph.section("Grade")
    face = _grade(graph, face)
    graph.section("Decode")
    face = graph.multiplied(_all(graph, FROM_ENCODED), _decode(graph, face))
    graph.section("Matte")
    matte = _matte(graph)
    graph.section("Over the plate")
    graph.add("NodeGroupOutput", [_over(graph, face, matte)])


def _all(graph: Graph, numbers: Sequence[Number]) -> list[bpy.types.NodeSocket]:
    return [graph[number.label] for number in numbers]


def _encode(graph: Graph, light: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """ACEScct. Line and logarithm meet with one slope, so each works on its own side of the break alone.

    The one that is not asked stands still at the break, and adding both needs no test for which it is.
    """
    high = graph.channels(graph.vector("MAXIMUM", light, (BREAK,) * 3))
    logarithm = graph.joined([graph.number("LOGARITHM", channel, 2.0) for channel in high])
    above = graph.vector("MULTIPLY_ADD", logarithm, (1 / STOPS,) * 3, (SHIFT_STOPS / STOPS,) * 3)
    low = graph.vector("SUBTRACT", graph.vector("MINIMUM", light, (BREAK,) * 3), (BREAK,) * 3)
    return graph.vector("MULTIPLY_ADD", low, (SLOPE,) * 3, above)


def _decode(graph: Graph, encoded: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    high = graph.vector("MAXIMUM", encoded, (BREAK_ENCODED,) * 3)
    stops = graph.vector("MULTIPLY_ADD", high, (STOPS,) * 3, (-SHIFT_STOPS,) * 3)
    above = graph.vector("POWER", (2.0,) * 3, stops)
    low = graph.vector("MINIMUM", encoded, (BREAK_ENCODED,) * 3)
    low = graph.vector("SUBTRACT", low, (BREAK_ENCODED,) * 3)
    return graph.vector("MULTIPLY_ADD", low, (1 / SLOPE,) * 3, above)


def _share(graph: Graph, percent: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    return graph.number("DIVIDE", percent, 100.0)


def _sharpen(graph: Graph, face: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """Sharpen: face + share · (face − Gaussian(face)), the deviation in percent of the aligned face.

    The Gaussian weighs by the face's alpha: outside of the face's square there is nothing to smear in.
    """
    deviation = graph.number(
        "MULTIPLY", _share(graph, graph["sharpness_radius_percent"]), graph[FACE_PX.label]
    )
    reach = graph.number("MULTIPLY", deviation, _DEVIATIONS)
    alpha = graph["Face alpha"]
    weighed = graph.add("CompositorNodeSetAlpha", [graph.scaled(face, alpha), alpha])
    weighed.inputs["Type"].default_value = "Replace Alpha"
    blur = graph.add("CompositorNodeBlur", [weighed.outputs[0], graph.joined([reach, reach])])
    blur.inputs["Type"].default_value = "Gaussian"
    weight = graph.add("CompositorNodeSeparateColor", [blur.outputs[0]]).outputs["Alpha"]
    weight = graph.number("MAXIMUM", weight, _LEAST_WEIGHT)
    soft = graph.vector("DIVIDE", blur.outputs[0], graph.joined([weight] * 3))
    fine = graph.scaled(graph.vector("SUBTRACT", face, soft), alpha)
    return graph.vector("ADD", face, graph.scaled(fine, _share(graph, graph["sharpness"])))


def _lit(graph: Graph, face: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """M(face) + strength · (light − M(face_light)), M the match at its strength."""
    strength = _share(graph, graph["colour_strength"])

    def matched(colours: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
        fully = graph.vector("ADD", graph.multiplied(_all(graph, MATCH), colours), graph[SHIFT.label])
        return graph.vector("ADD", colours, graph.scaled(graph.vector("SUBTRACT", fully, colours), strength))

    missing = graph.vector("SUBTRACT", graph["Light"], matched(graph["Face light"]))
    share = graph.number("MULTIPLY", _share(graph, graph["light_strength"]), graph[LIGHT_THERE.label])
    return graph.vector("ADD", matched(face), graph.scaled(missing, share))


def _grade(graph: Graph, face: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """Gain, gamma about mid grey, lift about white, saturation, hue; the engine's `comp.grade` in nodes."""
    gained = graph.vector("ADD", face, graph.grey(graph.number("DIVIDE", graph["grade_gain_stops"], STOPS)))
    contrast = graph.number("DIVIDE", 1.0, graph["grade_gamma"])
    toned = _about(graph, gained, MID_GREY, contrast)
    kept = graph.number("SUBTRACT", 1.0, _share(graph, graph["grade_lift_percent"]))
    lifted = _about(graph, toned, WHITE, kept)
    mean = graph.vector("DOT_PRODUCT", lifted, (1 / 3,) * 3)
    grey = graph.grey(mean)
    colour = graph.scaled(
        graph.vector("SUBTRACT", lifted, grey), _share(graph, graph["grade_saturation_percent"])
    )
    turn = graph.add("ShaderNodeVectorRotate", [colour], rotation_type="AXIS_ANGLE")
    graph.give(turn.inputs["Axis"], (1.0, 1.0, 1.0))
    graph.give(turn.inputs["Angle"], graph.number("RADIANS", graph["grade_hue_degrees"]))
    return graph.vector("ADD", grey, turn.outputs[0])


def _about(
    graph: Graph, colours: bpy.types.NodeSocket, pivot: float, factor: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    moved = graph.scaled(graph.vector("SUBTRACT", colours, (pivot,) * 3), factor)
    return graph.vector("ADD", moved, (pivot,) * 3)


def _matte(graph: Graph) -> bpy.types.NodeSocket:
    """The baked matte, or the product of the chosen ones, eroded and feathered inwards.

    One that is not chosen is not linked, and is 1.
    """
    joined = graph.number("MULTIPLY", graph["Matte learned"], graph["Matte hull"])
    joined = graph.number("MULTIPLY", joined, graph["Matte occlusion"])
    face_px = graph[FACE_PX.label]
    erode_px = graph.number("MULTIPLY", _share(graph, graph["erode"]), face_px)
    half_px = graph.number("MULTIPLY", _share(graph, graph["feather"]), graph.number("DIVIDE", face_px, 2.0))
    # A matte that grows must not grow beyond the face's own square: there is no face to show.
    eroded = graph.number("MULTIPLY", _eroded(graph, joined, erode_px), graph["Face alpha"])
    # The ramp ends where the matte ended: shrunk by half its width, blurred over the same half.
    shrunk = _eroded(graph, eroded, half_px)
    blur = graph.add("CompositorNodeBlur", [shrunk, graph.joined([half_px, half_px])])
    blur.inputs["Type"].default_value = "Cubic"
    live = graph.number("MINIMUM", eroded, blur.outputs[0])
    return graph.chosen(graph[CHOICE], CHOICES, [graph["Matte final"], live], "FLOAT")


def _eroded(graph: Graph, matte: bpy.types.NodeSocket, px: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """Shrunk by a continuous number of pixels: between the two whole ones next to it."""
    whole = graph.number("FLOOR", px)
    both = []
    for size in (whole, graph.number("ADD", whole, 1.0)):
        # Blender's node grows by a positive size.
        node = graph.add("CompositorNodeDilateErode", [matte, graph.number("MULTIPLY", size, -1.0)])
        node.inputs["Type"].default_value = "Distance"
        both.append(node.outputs[0])
    return graph.between(graph.number("SUBTRACT", px, whole), *both)


def _over(graph: Graph, face: bpy.types.NodeSocket, matte: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """Lay the face over the plate: plate + weight · (face − plate)."""
    x, y, _ = graph.channels(graph[OFFSET.label])
    placed = []
    for picture in (face, matte):
        node = graph.add("CompositorNodeTranslate", [picture, x, y])
        node.inputs["Interpolation"].default_value = "Nearest"
        placed.append(node.outputs[0])
    # A node has the raster of its first input, so the plate's comes first: all to the power of 0 is 1.
    alpha = graph.add("CompositorNodeSeparateColor", [graph[PLATE]]).outputs["Alpha"]
    everywhere = graph.number("POWER", alpha, 0.0)
    weight = graph.number("MULTIPLY", everywhere, placed[1])
    weight = graph.number("MULTIPLY", weight, _share(graph, graph["opacity"]))
    # A plate with alpha holds its colours multiplied by it.
    front = graph.vector("MULTIPLY", graph.grey(alpha), placed[0])
    finished = blended(graph, graph[PLATE], front, weight)
    node = graph.add("CompositorNodeSetAlpha", [finished, alpha])
    node.inputs["Type"].default_value = "Replace Alpha"
    return node.outputs[0]
