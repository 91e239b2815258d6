"""The panel in the compositor's sidebar: one page for the work, and the job table's tabs under it."""

from __future__ import annotations

from typing import Any

import bpy

from understudy_host.errors import HostError
from understudy_host.jobs import digest
from understudy_host.knobs import TABS

from . import composite, job_operator, scene_tree, settings
from .sockets import CHOICE, LIVE_MATTE, live_knobs

_CATEGORY = "Understudy"


class _Panel:
    bl_space_type = "NODE_EDITOR"
    bl_region_type = "UI"
    bl_category = _CATEGORY

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only beside the compositor's nodes."""
        return getattr(context.space_data, "tree_type", "") == "CompositorNodeTree"


class UNDERSTUDY_PT_main(_Panel, bpy.types.Panel):
    """Files, baking, and how far it is."""

    bl_idname = "UNDERSTUDY_PT_main"
    bl_label = "Understudy"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw it."""
        scene, layout = context.scene, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(scene.understudy, "plate")
        column.prop(scene.understudy.swap, "track")
        column.prop(scene.understudy.swap, "model")
        column.prop(scene.understudy, "face_pass")
        row = layout.row(align=True)
        row.operator("understudy.bake")
        row.operator("understudy.bake_frame")
        layout.operator("understudy.attach")
        run = job_operator.current
        if run is not None and not run.done:
            layout.progress(factor=run.share, text=run.note)
            layout.operator("understudy.cancel")
        elif run is not None and run.error is not None:
            box = layout.column(align=True)
            box.alert = True
            for line in str(run.error).splitlines():
                box.label(text=line, icon="ERROR" if line == run.error.what else "NONE")
        text, icon = state(scene)
        layout.label(text=text, icon=icon)


def state(scene: bpy.types.Scene) -> tuple[str, str]:
    """Whether the bake still shows what the knobs say, with an icon's name."""
    by_digest = settings.baked(scene)
    if not by_digest:
        return "Nothing is baked yet", "INFO"
    frames = set(range(scene.frame_start, scene.frame_end + 1))
    try:
        wanted = digest(settings.face_pass_job(scene, ""))
    except HostError as error:
        return error.what, "ERROR"
    stale = frames - set(by_digest.get(wanted, ()))
    if not stale:
        return "The bake is up to date", "CHECKMARK"
    if stale == frames:
        return "Knobs or files have changed since the bake", "ERROR"
    return f"{len(stale)} of {len(frames)} frames are not baked with these knobs", "ERROR"


def _draw_tab(tab: str, panel: Any, context: bpy.types.Context) -> None:
    scene, layout = context.scene, panel.layout
    layout.use_property_split = True
    baked = [knob for knob in settings.shown_knobs(settings.SWAP) if knob.tab == tab]
    for knob in baked:
        if not knob.needed:
            layout.prop(scene.understudy.swap, knob.name)
    node = scene_tree.find(scene.compositing_node_group, composite.GROUP)
    names = [knob.label for knob in live_knobs() if knob.tab == tab]
    if node is None or not names:
        return
    column = layout.column()
    column.separator()
    for name in [CHOICE] * (tab == "Mask") + names:
        column.prop(node.inputs[name], "default_value", text=f"{name} (live)")
    if tab == "Mask" and node.inputs[CHOICE].default_value == LIVE_MATTE:
        column.label(text="Other mattes and single sides are as baked", icon="INFO")


def _draw_form(verb: str, panel: Any, context: bpy.types.Context) -> None:
    layout, form = panel.layout, getattr(context.scene.understudy, verb)
    layout.use_property_split = True
    layout.use_property_decorate = False
    if verb == "extract":
        layout.prop(form, "plate")
    for knob in sorted(settings.shown_knobs(verb), key=lambda knob: not knob.needed):
        layout.prop(form, knob.name)
    layout.operator(f"understudy.{verb}")


def panel_class(name: str, label: str, draw: Any, parent: type = UNDERSTUDY_PT_main) -> type:
    """A closed panel under the main one, or another; `draw` takes the panel and Blender's context."""
    facts = {
        "__doc__": label,
        "bl_idname": f"UNDERSTUDY_PT_{name}",
        "bl_label": label,
        "bl_parent_id": parent.bl_idname,
        "bl_options": {"DEFAULT_CLOSED"},
        "draw": draw,
    }
    return type(f"UNDERSTUDY_PT_{name}", (_Panel, bpy.types.Panel), facts)


def _tab_class(tab: str) -> type:
    return panel_class(tab.lower(), tab, lambda panel, context: _draw_tab(tab, panel, context))


def _form_class(verb: str) -> type:
    return panel_class(verb, verb.capitalize(), lambda panel, context: _draw_form(verb, panel, context))


CLASSES = (
    UNDERSTUDY_PT_main,
    *(_tab_class(tab) for tab in TABS),
    *(_form_class(verb) for verb in settings.PREPARING),
)
