"""The group of a propagated fix in the scene's compositor: put behind what the fix was painted on."""

from __future__ import annotations

import bpy

from understudy_host.errors import HostError

from . import composite, fix_nodes, header, images, paths, scene_tree
from .scene_tree import Part
from .sockets import PLATE

GROUP = Part("propagate group", "CompositorNodeGroup", (200, -300), fix_nodes.NAME)


def attach(
    scene: bpy.types.Scene, plate: str, fixed: str, first: int, last: int, *, is_on_swap: bool
) -> bpy.types.Node:
    """Build or renew everything that shows fixed frames in this scene.

    Args:
        scene: Its frames are the files' numbers.
        plate, fixed: Absolute patterns of EXR files.
        first, last: Frame numbers.
        is_on_swap: Whether the fix was painted on swapped frames, and not on the plate.

    Returns:
        The group node.

    Raises:
        HostError: no frame is there, or files cannot be read.
    """
    frames = [frame for frame in range(first, last + 1) if paths.frame_path(fixed, frame).is_file()]
    if not frames:
        raise HostError(f"No frame of {first}-{last} is propagated.", fixed, "press Preview or Propagate")
    tree = scene_tree.compositing(scene, paths.frame_path(fixed, frames[0]))
    shown = composite.show_plate(tree, plate, first, last, frames[0])
    node = scene_tree.node(tree, GROUP)
    group = fix_nodes.renew(node)
    images.show(scene_tree.node(group, fix_nodes.IMAGE), fixed, first, last, frames[0])
    fix_nodes.link_layers(group)
    offsets = header.offsets(fixed, frames, "fixed frame")
    places = {frame: (*offset, 0.0) for frame, offset in offsets.items()}
    scene_tree.keep_values(tree, node.inputs[fix_nodes.PLACE.label], places)
    # Blender shows the nearest frame before the first and after the last one.
    there = {frame: float(frame in places) for frame in range(first - 1, last + 2)}
    scene_tree.keep_values(tree, node.inputs[fix_nodes.THERE.label], there)
    if not node.inputs[PLATE].is_linked:
        _insert(tree, node, shown, is_on_swap=is_on_swap)
    scene_tree.to_output(tree, node)
    return node


def _insert(
    tree: bpy.types.NodeTree, node: bpy.types.Node, plate: bpy.types.NodeSocket, *, is_on_swap: bool
) -> None:
    """Put the group between what was fixed and what takes it.

    A fixed swap ends the picture; a fixed plate is what the face is laid over.
    """
    swap = scene_tree.find(tree, composite.GROUP)
    before = swap.outputs[0] if swap is not None and is_on_swap else plate
    takers = [link.to_socket for link in before.links if _is_ours(link.to_node, swap)]
    tree.links.new(before, node.inputs[PLATE])
    for taker in takers:
        tree.links.new(node.outputs[0], taker)


def _is_ours(taker: bpy.types.Node, swap: bpy.types.Node | None) -> bool:
    return taker == swap or taker.bl_idname == "NodeGroupOutput"
