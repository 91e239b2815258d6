"""The node group in the scene's compositor: plate and face pass linked to it, the headers' numbers keyed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy

from understudy_host.errors import HostError
from understudy_host.exr_header import read_header

from . import header, images, nodes, paths, placement
from .sockets import LAYERS, NUMBERS, PLATE, RESULT, SHIFT

_ROLE = "understudy_role"
GROUP, PLATE_IMAGE, PLATE_PLACE, FACE_PASS = "group", "plate", "plate place", "face pass"
_KINDS = {
    GROUP: "CompositorNodeGroup",
    PLATE_IMAGE: "CompositorNodeImage",
    PLATE_PLACE: "CompositorNodeTranslate",
    FACE_PASS: "CompositorNodeImage",
}
_PLACES = {PLATE_IMAGE: (-700, 120), PLATE_PLACE: (-420, 60), FACE_PASS: (-700, -240), GROUP: (-120, 0)}
_CONSTANT = 0  # Blender's number for an interpolation that holds until the next key


def find(scene: bpy.types.Scene, role: str) -> bpy.types.Node | None:
    """The scene's node of a role; None where there is none."""
    tree = scene.compositing_node_group
    if tree is None:
        return None
    return next((node for node in tree.nodes if node.get(_ROLE) == role), None)


def attach(scene: bpy.types.Scene, plate: str, face_pass: str, first: int, last: int) -> bpy.types.Node:
    """Build or renew everything that finishes a face pass in this scene.

    Nodes of the artist's own are left alone; the result is linked to the scene's output where nothing is yet.

    Args:
        scene: Its frames are the files' numbers.
        plate, face_pass: Absolute patterns of EXR files.
        first, last: Frame numbers.

    Returns:
        The group node, whose sockets hold the live knobs.

    Raises:
        HostError: files are missing or no face pass.
    """
    by_frame = _headers(face_pass, first, last)
    # A frame without a face has fewer layers than the others.
    sample = next((frame for frame, found in by_frame.items() if SHIFT.label in found), next(iter(by_frame)))
    tree = _tree(scene, face_pass, sample)
    group, plate_image, place, layers = (
        _node(scene, role) for role in (GROUP, PLATE_IMAGE, PLATE_PLACE, FACE_PASS)
    )
    if group.node_tree is None or group.node_tree.get(nodes.VERSION_KEY) != nodes.VERSION:
        group.node_tree = nodes.group()
    images.show(plate_image, plate, first, last, sample)
    images.show(layers, face_pass, first, last, sample)
    _link(tree, plate_image.outputs[0], place.inputs["Image"])
    _link(tree, place.outputs[0], group.inputs[PLATE])
    for layer in LAYERS:
        if layer.output in layers.outputs:
            _link(tree, layers.outputs[layer.output], group.inputs[layer.label])
    for number in NUMBERS:
        _set(tree, group.inputs[number.label], _values_of(by_frame, number.label))
    _place_plate(tree, place, plate, list(by_frame))
    _to_output(tree, group)
    return group


def _headers(face_pass: str, first: int, last: int) -> dict[int, header.Values]:
    """What the headers of the frames that are there say."""
    found = {}
    for frame in range(first, last + 1):
        path = paths.frame_path(face_pass, frame)
        if path.is_file():
            facts = path.stat()
            found[frame] = _header(path, facts.st_mtime_ns, facts.st_size)
    if not found:
        raise HostError(f"No frame of {first}-{last} is baked.", face_pass, "bake the face pass")
    return found


@lru_cache(maxsize=20_000)
def _header(path: Path, changed_ns: int, size: int) -> header.Values:
    """A header that is read again only when its file has changed."""
    return header.values(path)


def _tree(scene: bpy.types.Scene, face_pass: str, frame: int) -> bpy.types.NodeTree:
    tree = scene.compositing_node_group
    if tree is not None:
        return tree
    tree = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    tree.interface.new_socket(RESULT, in_out="OUTPUT", socket_type="NodeSocketColor")
    scene.compositing_node_group = tree
    window = read_header(paths.frame_path(face_pass, frame))["displayWindow"]
    scene.render.resolution_x, scene.render.resolution_y = placement.size(window)
    scene.render.resolution_percentage = 100
    return tree


def _node(scene: bpy.types.Scene, role: str) -> bpy.types.Node:
    found = find(scene, role)
    if found is not None:
        return found
    node = scene.compositing_node_group.nodes.new(_KINDS[role])
    node[_ROLE] = role
    node.name = node.label = nodes.NAME if role == GROUP else f"{nodes.NAME} {role}"
    node.location = _PLACES[role]
    if role == GROUP:
        node.width = 240
    return node


def _link(tree: bpy.types.NodeTree, given: bpy.types.NodeSocket, taking: bpy.types.NodeSocket) -> None:
    if not any(link.from_socket == given for link in taking.links):
        tree.links.new(given, taking)


def _to_output(tree: bpy.types.NodeTree, group: bpy.types.Node) -> None:
    output = next((node for node in tree.nodes if node.bl_idname == "NodeGroupOutput"), None)
    if output is None:
        output = tree.nodes.new("NodeGroupOutput")
        output.location = (260, 0)
    if not output.inputs[0].is_linked:
        tree.links.new(group.outputs[0], output.inputs[0])


def _place_plate(tree: bpy.types.NodeTree, place: bpy.types.Node, plate: str, frames: list[int]) -> None:
    """A plate with overscan, or one that fills only a part of its picture, lies off the middle too."""
    across, up = {}, {}
    for frame in frames:
        path = paths.frame_path(plate, frame)
        if path.suffix.lower() == ".exr" and path.is_file():
            facts = read_header(path)
            across[frame], up[frame] = placement.offset(facts["dataWindow"], facts["displayWindow"])
    place.inputs["Interpolation"].default_value = "Nearest"
    _set(tree, place.inputs["X"], across)
    _set(tree, place.inputs["Y"], up)


def _values_of(by_frame: Mapping[int, header.Values], label: str) -> dict[int, Any]:
    return {frame: found[label] for frame, found in by_frame.items() if label in found}


def _set(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, values: Mapping[int, Any]) -> None:
    """Give a socket its value of each frame: keyed and held where it changes, plainly set where not."""
    if not values:
        return
    first = next(iter(values.values()))
    size = len(first) if isinstance(first, tuple) else 0
    for index in range(max(size, 1)):
        line = {frame: value[index] if size else value for frame, value in values.items()}
        _forget(tree, socket, index)
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
        animation.action = bpy.data.actions.new(nodes.NAME)
    path = socket.path_from_id("default_value")
    curve = animation.action.fcurve_ensure_for_datablock(tree, path, index=index)
    points = curve.keyframe_points
    points.add(len(line))
    points.foreach_set("co", [number for key in line.items() for number in key])
    points.foreach_set("interpolation", [_CONSTANT] * len(line))
    curve.update()


def _forget(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, index: int) -> None:
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
