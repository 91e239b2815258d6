"""What every button shares whose work the engine does: started beside Blender, looked after by a timer."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

import bpy

from understudy_host.client import failed_frames
from understudy_host.errors import HostError

from . import settings
from .run import Run

_SECONDS_BETWEEN_LOOKS = 0.1

# The one run of this session. The engine takes one job after the other, and an artist waits for one.
current: Run | None = None


def one_line(error: HostError) -> str:
    """An error as Blender's status bar can show it."""
    parts = (("", error.what), ("At ", error.where), ("Try: ", error.fix))
    return " ".join(f"{before}{part.rstrip('.')}." for before, part in parts if part)


def refuse(operator: bpy.types.Operator, error: HostError) -> Set[str]:
    """Report an error; what an operator that could not do its work gives back."""
    operator.report({"ERROR"}, one_line(error))
    return {"CANCELLED"}


def describe(operators: Iterable[type]) -> None:
    """Make the operators' docstrings their tooltips."""
    for operator in operators:
        # Blender sets the full stop of a tooltip itself.
        operator.bl_description = str(operator.__doc__).rstrip(".")


class JobOperator:
    """A job on the engine: from a button in the background, from a script or without a window until its end.

    What only one of them knows is in `job` and `finish`.
    """

    verb = settings.SWAP

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One run at a time."""
        return current is None or current.done

    def job(self, scene: bpy.types.Scene) -> dict[str, Any]:
        """The job's values; HostError where the scene is not ready."""
        raise NotImplementedError

    def start(self, scene: bpy.types.Scene) -> None:
        """What has to be done in the scene before the engine writes."""

    def finish(self, scene: bpy.types.Scene, run: Run) -> None:
        """Bring the result into the scene, in the main thread."""

    def execute(self, context: bpy.types.Context) -> Set[str]:
        """Run and wait."""
        if not self._begin(context):
            return {"CANCELLED"}
        self._run.wait()
        return self._end()

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Set[str]:
        """Run beside Blender; `modal` brings the result in."""
        if bpy.app.background:
            return self.execute(context)
        if not self._begin(context):
            return {"CANCELLED"}
        self._timer = context.window_manager.event_timer_add(_SECONDS_BETWEEN_LOOKS, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> Set[str]:
        """Look how far the run is; every other event is the artist's."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        _redraw(context)
        if not self._run.done:
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        return self._end()

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends it, because the file is closed."""
        self._run.cancel()

    def _begin(self, context: bpy.types.Context) -> bool:
        global current
        try:
            job = self.job(context.scene)
        except HostError as error:
            refuse(self, error)
            return False
        # The scene may be renamed, deleted or undone while the engine works; a reference would then crash.
        self._scene_name, self._job = context.scene.name, job
        self.start(context.scene)
        current = self._run = Run(self.verb, job)
        return True

    def _end(self) -> Set[str]:
        run = self._run
        if run.error is not None:
            return refuse(self, run.error)
        for warning in dict.fromkeys(run.warnings):
            self.report({"WARNING"}, warning)
        scene = bpy.data.scenes.get(self._scene_name)
        if scene is None:
            self.report({"WARNING"}, "The scene is gone; what the engine has made lies in its files.")
            return {"FINISHED"}
        try:
            self.finish(scene, run)
        except HostError as error:
            return refuse(self, error)
        if run.is_in_vain:
            self.report({"ERROR"}, run.summary())
            return {"CANCELLED"}
        self.report({"WARNING" if failed_frames(run.result) else "INFO"}, run.summary())
        return {"CANCELLED" if run.cancelled else "FINISHED"}


def _redraw(context: bpy.types.Context) -> None:
    for area in context.window.screen.areas if context.window else ():
        if area.type == "NODE_EDITOR":
            area.tag_redraw()
