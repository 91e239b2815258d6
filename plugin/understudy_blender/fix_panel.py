"""The panel's page for a fix by hand."""

from __future__ import annotations

from typing import Any

import bpy

from . import fix_composite, fix_nodes, fix_settings, scene_tree, settings
from .panel import panel_class

_FILES = settings.sequence_names(settings.PROPAGATE)


def _draw_fix(panel: Any, context: bpy.types.Context) -> None:
    scene, layout = context.scene, panel.layout
    layout.use_property_split = True
    layout.use_property_decorate = False
    form = scene.understudy.propagate
    column = layout.column(align=True)
    for name in (*_FILES, "output"):
        column.prop(form, name)
    row = layout.row(align=True)
    row.operator("understudy.preview")
    row.operator("understudy.propagate")
    layout.operator("understudy.attach_fix")
    for text, icon in fix_settings.lines(scene):
        layout.label(text=text, icon=icon)
    last = fix_settings.outcome(scene)
    if last is not None and last.paint_next:
        layout.operator("understudy.paint_next", text=f"Go to Frame {last.paint_next[0]}")
    node = scene_tree.find(scene.compositing_node_group, fix_composite.GROUP)
    if node is not None:
        column = layout.column()
        for name in (fix_nodes.SHOW, fix_nodes.MIX):
            column.prop(node.inputs[name], "default_value", text=f"{name} (live)")


def _draw_options(panel: Any, context: bpy.types.Context) -> None:
    layout = panel.layout
    layout.use_property_split = True
    layout.use_property_decorate = False
    for knob in settings.shown_knobs(settings.PROPAGATE):
        if knob.name not in _FILES:
            layout.prop(context.scene.understudy.propagate, knob.name)


_FIX = panel_class("fix", "Fix by Hand", _draw_fix)
CLASSES = (_FIX, panel_class("fix_options", "Options", _draw_options, parent=_FIX))
