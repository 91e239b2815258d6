"""The scene's compositor: our own nodes found by their role, linked, and their sockets keyed.

Nodes of the artist's own are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import bpy

from understudy_host.exr_header import read_header

from . import placement

RESULT = "Image"
"""The name of a group's output."""

_ROLE = "understudy_role"
_ACTION = "Understudy"
_CONSTANT = 0  # Blender's number for an interpolation that holds until the next key


class Part(NamedTuple):
    """A node that the add-on adds once to a tree.

    Attributes:
        role: What it is found by again, whatever the artist calls it.
        kind: Blender's name of its type.
        location: Where it stands at first.
        label: For the artist.
    """

    role: str
    kind: str
    location: tuple[int, int]
    label: str


def find(tree: bpy.types.NodeTree | None, part: Part) -> bpy.types.Node | None:
    """A tree's node of a role; None where there is none."""
    if tree is None:
        return None
    return next((node for node in tree.nodes if node.get(_ROLE) == part.role), None)


def node(tree: bpy.types.NodeTree, part: Part) -> bpy.types.Node:
    """A tree's node of a role; it is built where there is none."""
    found = find(tree, part)
    if found is not None:
        return found
    made = tree.nodes.new(part.kind)
    made[_ROLE] = part.role
    made.name = made.label = part.label
    made.location = part.location
    if part.kind == "CompositorNodeGroup":
        made.width = 240
    return made


def compositing(scene: bpy.types.Scene, sample: Path) -> bpy.types.NodeTree:
    """The scene's compositor; where it has none an empty one, and the render size of an EXR file.

    Raises:
        HostError: the file cannot be read.
    """
    tree = scene.compositing_node_group
    if tree is not None:
        return tree
    window = read_header(sample)["displayWindow"]
    tree = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    tree.interface.new_socket(RESULT, in_out="OUTPUT", socket_type="NodeSocketColor")
    scene.compositing_node_group = tree
    scene.render.resolution_x, scene.render.resolution_y = placement.size(window)
    scene.render.resolution_percentage = 100
    return tree


def link(tree: bpy.types.NodeTree, given: bpy.types.NodeSocket, taking: bpy.types.NodeSocket) -> None:
    """Link two sockets, unless they are."""
    if not any(link.from_socket == given for link in taking.links):
        tree.links.new(given, taking)


def unlink(tree: bpy.types.NodeTree, taking: bpy.types.NodeSocket) -> None:
    """Leave a socket to its own value."""
    for link in tuple(taking.links):
        tree.links.remove(link)


def to_output(tree: bpy.types.NodeTree, group: bpy.types.Node) -> None:
    """Show a group's result as the scene's, where nothing is shown yet."""
    output = next((node for node in tree.nodes if node.bl_idname == "NodeGroupOutput"), None)
    if output is None:
        output = tree.nodes.new("NodeGroupOutput")
        output.location = (260, 0)
    if not output.inputs[0].is_linked:
        tree.links.new(group.outputs[0], output.inputs[0])


def keep_values(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, values: Mapping[int, Any]) -> None:
    """Give a socket its value of each frame: keyed and held where it changes, plainly set where not."""
    if not values:
        return
    first = next(iter(values.values()))
    size = len(first) if isinstance(first, tuple) else 0
    for index in range(max(size, 1)):
        line = {frame: value[index] if size else value for frame, value in values.items()}
        _forget_keys(tree, socket, index)
        if size:
            socket.default_value[index] = line[next(iter(line))]
        else:
            socket.default_value = first
        if len(set(line.values())) > 1:
            _key(tree, socket, index, line)


def _key(
    tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, index: int, line: Mapping[int, float]
) -> None:
    animation = tree.animation_data_create()
    if animation.action is None:
        animation.action = bpy.data.actions.new(_ACTION)
    path = socket.path_from_id("default_value")
    curve = animation.action.fcurve_ensure_for_datablock(tree, path, index=index)
    points = curve.keyframe_points
    points.add(len(line))
    points.foreach_set("co", [number for key in line.items() for number in key])
    points.foreach_set("interpolation", [_CONSTANT] * len(line))
    curve.update()


def _forget_keys(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, index: int) -> None:
    """Take an earlier bake's keys away."""
    path = socket.path_from_id("default_value")
    for curves in curve_lists(tree):
        curve = curves.find(path, index=index)
        if curve is not None:
            curves.remove(curve)


def curve_lists(owner: bpy.types.ID) -> list[Any]:
    """The animation curves that move something of a scene or a tree, in lists that can be searched."""
    animation = owner.animation_data
    if animation is None or animation.action is None or animation.action_slot is None:
        return []
    strips = [strip for layer in animation.action.layers for strip in layer.strips]
    bags = [strip.channelbag(animation.action_slot) for strip in strips]
    return [bag.fcurves for bag in bags if bag is not None]
