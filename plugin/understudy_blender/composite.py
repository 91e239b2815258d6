"""The node group in the scene's compositor: plate and face pass linked to it, the headers' numbers keyed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy

from understudy_host.errors import HostError

from . import header, images, nodes, paths, scene_tree
from .scene_tree import Part
from .sockets import LAYERS, NUMBERS, OFFSET, PLATE, is_beside, live_knobs

GROUP = Part("group", "CompositorNodeGroup", (-120, 0), nodes.NAME)
PLATE_IMAGE = Part("plate", "CompositorNodeImage", (-700, 120), f"{nodes.NAME} plate")
PLATE_PLACE = Part("plate place", "CompositorNodeTranslate", (-420, 60), f"{nodes.NAME} plate place")
FACE_PASS = Part("face pass", "CompositorNodeImage", (-700, -240), f"{nodes.NAME} face pass")


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
    sample = next(
        (frame for frame, found in by_frame.items() if NUMBERS["match_shift"].label in found),
        next(iter(by_frame)),
    )
    tree = scene_tree.compositing(scene, paths.frame_path(face_pass, sample))
    group, layers = scene_tree.node(tree, GROUP), scene_tree.node(tree, FACE_PASS)
    _renew(scene, group)
    shown = show_plate(tree, plate, first, last, sample)
    if not group.inputs[PLATE].is_linked:  # the artist may have put something between
        tree.links.new(shown, group.inputs[PLATE])
    images.show(layers, face_pass, first, last, sample)
    for layer in LAYERS:
        taking = group.inputs[layer.label]
        if layer.output in layers.outputs:
            scene_tree.link(tree, layers.outputs[layer.output], taking)
        else:
            scene_tree.unlink(tree, taking)
    for number in (OFFSET, *NUMBERS.values()):
        scene_tree.keep_values(tree, group.inputs[number.label], _values_of(by_frame, number.label))
    scene_tree.to_output(tree, group)
    return group


def _renew(scene: bpy.types.Scene, group: bpy.types.Node) -> None:
    """Give a node this plugin's group; a new one takes the bake's values, an older one keeps its own."""
    before = group.node_tree
    if before is not None and before.get(nodes.VERSION_KEY) == nodes.VERSION:
        return
    held = {socket.name: socket.default_value for socket in group.inputs if not socket.is_linked}
    group.node_tree = nodes.group()
    for knob in live_knobs():
        baked = getattr(scene.understudy.swap, knob.name, None) if is_beside(knob) else None
        value = held.get(knob.label, baked) if before is not None else baked
        if value is not None:
            group.inputs[knob.label].default_value = value


def show_plate(
    tree: bpy.types.NodeTree, plate: str, first: int, last: int, sample: int
) -> bpy.types.NodeSocket:
    """The plate at its place in the picture: one with overscan, or of a part of it, lies off the middle.

    Raises:
        HostError: Blender cannot read the sample's frame, or a header is damaged.
    """
    image, place = scene_tree.node(tree, PLATE_IMAGE), scene_tree.node(tree, PLATE_PLACE)
    images.show(image, plate, first, last, sample)
    scene_tree.link(tree, image.outputs[0], place.inputs["Image"])
    offsets = header.offsets(plate, range(first, last + 1), "plate")
    place.inputs["Interpolation"].default_value = "Nearest"
    for axis, name in enumerate("XY"):
        along = {frame: offset[axis] for frame, offset in offsets.items()}
        scene_tree.keep_values(tree, place.inputs[name], along)
    return place.outputs[0]


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


def _values_of(by_frame: Mapping[int, header.Values], label: str) -> dict[int, Any]:
    return {frame: found[label] for frame, found in by_frame.items() if label in found}
