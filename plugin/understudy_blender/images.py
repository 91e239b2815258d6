"""Image sequences as raw numbers in the compositor: no colour management, the scene's frame numbers."""

from __future__ import annotations

import bpy

from understudy_host.errors import HostError

from . import paths, placement

# Blender's name for values that it must leave as they are.
_RAW = "Non-Color"


def show(node: bpy.types.Node, pattern: str, first: int, last: int, sample: int) -> None:
    """Let an image node show a sequence of EXR files as they are; layers become the node's outputs.

    Args:
        node: An image node of the compositor.
        pattern: Such as plate.%04d.exr, absolute.
        first, last: Frame numbers.
        sample: The frame whose file decides which layers there are.

    Raises:
        HostError: Blender cannot read the sample's file.
    """
    node.image = _image(pattern, sample)
    node.frame_start, node.frame_duration, node.frame_offset = placement.sequence_user(first, last)
    node.use_auto_refresh = True


def _image(pattern: str, frame: int) -> bpy.types.Image:
    """The image of a sequence; files that were written anew are read anew."""
    path = paths.frame_path(pattern, frame)
    for image in bpy.data.images:
        if image.get("understudy_pattern") == pattern:
            image.filepath = str(path)
            image.reload()
            return image
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise HostError("The image is missing, or Blender cannot read it.", str(path), "check it") from error
    image["understudy_pattern"] = pattern
    image.source = "SEQUENCE"
    image.colorspace_settings.name = _RAW
    image.alpha_mode = "PREMUL"  # as EXR files are; anything else would divide or multiply
    return image
