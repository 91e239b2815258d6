"""The buttons of a fix by hand: carry it to the frames round it, and go to the frame to paint next."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import bpy

from understudy_host.errors import HostError

from . import fix_composite, fix_settings, job_operator, paths, settings
from .job_operator import JobOperator, refuse
from .run import Run


class _Propagating(JobOperator):
    """A fix carried over the scene's frames."""

    verb = settings.PROPAGATE
    is_preview = False

    def job(self, scene: bpy.types.Scene) -> dict[str, Any]:
        """The propagate job."""
        self._range = scene.frame_start, scene.frame_end
        return fix_settings.job(scene, f"{scene.frame_start}-{scene.frame_end}", is_preview=self.is_preview)

    def start(self, scene: bpy.types.Scene) -> None:
        """From now on nobody knows how sure the frames are."""
        fix_settings.forget(scene)

    def finish(self, scene: bpy.types.Scene, run: Run) -> None:
        """Note what was told, and show the frames."""
        if not run.cancelled and not run.is_in_vain:
            fix_settings.note(scene, run.result, is_preview=self.is_preview)
        first, last = self._range
        plate, fixed = self._job["plate"], self._job["output"]
        if any(paths.frame_path(fixed, frame).is_file() for frame in range(first, last + 1)):
            fix_composite.attach(scene, plate, fixed, first, last, is_on_swap="swapped" in self._job)


class UNDERSTUDY_OT_preview(_Propagating, bpy.types.Operator):
    """Move the painted frames along with the plate at once, to look at while you paint."""

    bl_idname = "understudy.preview"
    bl_label = "Preview"
    is_preview = True


class UNDERSTUDY_OT_propagate(_Propagating, bpy.types.Operator):
    """Carry the painted frames to the scene's other frames, over what a preview has made."""

    bl_idname = "understudy.propagate"
    bl_label = "Propagate"


class UNDERSTUDY_OT_attach_fix(bpy.types.Operator):
    """Build or renew the node group with the fixed frames that are there already; needs no engine."""

    bl_idname = "understudy.attach_fix"
    bl_label = "Read Fixed Frames"

    def execute(self, context: bpy.types.Context) -> Set[str]:
        """Attach."""
        scene = context.scene
        try:
            fix_composite.attach(
                scene,
                *fix_settings.sequences(scene),
                scene.frame_start,
                scene.frame_end,
                is_on_swap=bool(scene.understudy.propagate.swapped),
            )
        except HostError as error:
            return refuse(self, error)
        return {"FINISHED"}


class UNDERSTUDY_OT_paint_next(bpy.types.Operator):
    """Go to the frame that, painted next, helps the others most."""

    bl_idname = "understudy.paint_next"
    bl_label = "Go to the Frame to Paint Next"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where a run has named one."""
        last = fix_settings.outcome(context.scene)
        return last is not None and bool(last.paint_next)

    def execute(self, context: bpy.types.Context) -> Set[str]:
        """Go there."""
        last = fix_settings.outcome(context.scene)
        if last is not None and last.paint_next:
            context.scene.frame_set(last.paint_next[0])
        return {"FINISHED"}


CLASSES = (
    UNDERSTUDY_OT_preview,
    UNDERSTUDY_OT_propagate,
    UNDERSTUDY_OT_attach_fix,
    UNDERSTUDY_OT_paint_next,
)
job_operator.describe(CLASSES)
