"""Settings of a .blend file that an earlier release saved under other names."""

from __future__ import annotations

from typing import Any

import bpy

from . import settings


@bpy.app.handlers.persistent
def take_over(_file: Any = None) -> None:
    """Give each setting the value that the file holds under a former name, unless it has one of its own."""
    for scene in bpy.data.scenes:
        for verb in settings.GROUPS:
            form = getattr(scene.understudy, verb)
            held = form.bl_system_properties_get()
            for knob in settings.shown_knobs(verb):
                for name in knob.formerly:
                    if held is None or name not in held:
                        continue
                    if knob.name not in held:
                        setattr(form, knob.name, held[name])
                    del held[name]
