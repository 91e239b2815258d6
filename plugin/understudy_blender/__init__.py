"""Understudy in Blender: bake a face pass with the engine, finish it with the compositor's own nodes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

bl_info = {
    "name": "Understudy",
    "author": "The Understudy authors",
    "version": (0, 1, 0),
    "blender": (5, 0, 0),
    "location": "Compositor > Sidebar > Understudy",
    "description": "Face replacement for compositors: one performer's face on another's acting",
    "category": "Compositing",
}


def _find_host_half() -> None:
    """Make `understudy_host` importable: an installed add-on carries it, in a checkout it lies beside."""
    if importlib.util.find_spec("understudy_host") is not None:
        return
    here = Path(__file__).resolve().parent
    for folder in (here / "carried", here.parent):
        if (folder / "understudy_host").is_dir():
            sys.path.append(str(folder))
            return
    raise ImportError("understudy_host is missing: make the add-on with understudy_blender/package.py")


_find_host_half()


def _classes() -> tuple[type, ...]:
    """Everything that Blender has to know, in the order that it wants."""
    from . import fix_operators, fix_panel, operators, panel, settings

    groups = (*settings.GROUPS.values(), settings.SceneSettings)
    return (*groups, *operators.CLASSES, *fix_operators.CLASSES, *panel.CLASSES, *fix_panel.CLASSES)


def register() -> None:
    """Add the add-on's classes and the scene's settings."""
    import bpy

    from . import former_names, settings

    for one in _classes():
        bpy.utils.register_class(one)
    bpy.types.Scene.understudy = bpy.props.PointerProperty(type=settings.SceneSettings)
    bpy.app.handlers.load_post.append(former_names.take_over)


def unregister() -> None:
    """Take them away again and end the engine; the node group stays and works without the add-on."""
    import bpy

    from . import former_names, job_operator, run

    run.close_engine()
    job_operator.current = None
    bpy.app.handlers.load_post.remove(former_names.take_over)
    del bpy.types.Scene.understudy
    for one in reversed(_classes()):
        bpy.utils.unregister_class(one)
