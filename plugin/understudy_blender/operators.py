"""What the panel's buttons do. The engine works beside Blender; its results come in with a timer."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import bpy

from understudy_host.client import failed_frames
from understudy_host.errors import HostError
from understudy_host.jobs import digest

from . import composite, paths, settings
from .run import Run

_SECONDS_BETWEEN_LOOKS = 0.1

# The one run of this session. The engine takes one job after the other, and an artist waits for one.
current: Run | None = None


def one_line(error: HostError) -> str:
    """An error as Blender's status bar can show it."""
    parts = (("", error.what), ("At ", error.where), ("Try: ", error.fix))
    return " ".join(f"{before}{part.rstrip('.')}." for before, part in parts if part)


class _OnTheEngine:
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
            self.report({"ERROR"}, one_line(error))
            return False
        # The scene may be renamed, deleted or undone while the engine works; a reference would then crash.
        self._scene_name, self._job = context.scene.name, job
        self.start(context.scene)
        current = self._run = Run(self.verb, job)
        return True

    def _end(self) -> Set[str]:
        run = self._run
        if run.error is not None:
            self.report({"ERROR"}, one_line(run.error))
            return {"CANCELLED"}
        for warning in dict.fromkeys(run.warnings):
            self.report({"WARNING"}, warning)
        scene = bpy.data.scenes.get(self._scene_name)
        if scene is None:
            self.report({"WARNING"}, "The scene is gone; what the engine has made lies in its files.")
            return {"FINISHED"}
        try:
            self.finish(scene, run)
        except HostError as error:
            self.report({"ERROR"}, one_line(error))
            return {"CANCELLED"}
        self.report({"WARNING" if failed_frames(run.result) else "INFO"}, run.summary())
        return {"CANCELLED" if run.cancelled else "FINISHED"}


def _redraw(context: bpy.types.Context) -> None:
    for area in context.window.screen.areas if context.window else ():
        if area.type == "NODE_EDITOR":
            area.tag_redraw()


class _Baking(_OnTheEngine):
    """A bake of some of the scene's frames."""

    def frames(self, scene: bpy.types.Scene) -> tuple[int, int]:
        """First and last frame to bake."""
        raise NotImplementedError

    def job(self, scene: bpy.types.Scene) -> dict[str, Any]:
        """The swap job of a face pass."""
        first, last = self._range = self.frames(scene)
        _need(scene.understudy.plate, "plate", "choose one of its EXR files")
        _need(scene.understudy.swap.track, "track", "track the face in the plate, or choose a .track file")
        _need(scene.understudy.swap.model, "model", "choose an exported .onnx model")
        return settings.face_pass_job(scene, f"{first}-{last}")

    def start(self, scene: bpy.types.Scene) -> None:
        """From now on nobody knows what the frames' files show."""
        settings.forget_baked(scene, self._frames())
        # A track or model that is written anew while the engine works counts as another one.
        self._digest = digest(self._job)

    def finish(self, scene: bpy.types.Scene, run: Run) -> None:
        """Note what is baked, and show it."""
        plate, face_pass = self._job["plate"], self._job["output"]
        made = [frame for frame in self._frames() if paths.frame_path(face_pass, frame).is_file()]
        if not run.cancelled:
            settings.note_baked(scene, self._digest, set(made) - set(failed_frames(run.result)))
        if made:
            first, last = min(scene.frame_start, made[0]), max(scene.frame_end, made[-1])
            composite.attach(scene, plate, face_pass, first, last)

    def _frames(self) -> range:
        """What was asked for when it began; the artist may have moved on since."""
        return range(self._range[0], self._range[1] + 1)


class UNDERSTUDY_OT_bake(_Baking, bpy.types.Operator):
    """Bake the face pass of the scene's frames and lay it over the plate."""

    bl_idname = "understudy.bake"
    bl_label = "Bake"

    def frames(self, scene: bpy.types.Scene) -> tuple[int, int]:
        """All of the scene's."""
        return scene.frame_start, scene.frame_end


class UNDERSTUDY_OT_bake_frame(_Baking, bpy.types.Operator):
    """Bake the face pass of this frame alone, to see what a knob does."""

    bl_idname = "understudy.bake_frame"
    bl_label = "Bake This Frame"

    def frames(self, scene: bpy.types.Scene) -> tuple[int, int]:
        """This frame, twice."""
        return scene.frame_current, scene.frame_current


class UNDERSTUDY_OT_attach(bpy.types.Operator):
    """Build or renew the node group with the face pass that is there already; needs no engine."""

    bl_idname = "understudy.attach"
    bl_label = "Read Face Pass"

    def execute(self, context: bpy.types.Context) -> Set[str]:
        """Attach."""
        scene = context.scene
        try:
            composite.attach(scene, *settings.sequences(scene), scene.frame_start, scene.frame_end)
        except HostError as error:
            self.report({"ERROR"}, one_line(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class UNDERSTUDY_OT_cancel(bpy.types.Operator):
    """Stop the run; what is finished is kept."""

    bl_idname = "understudy.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only while there is something to stop."""
        return current is not None and not current.done

    def execute(self, context: bpy.types.Context) -> Set[str]:
        """Ask for it."""
        if current is not None:
            current.cancel()
        return {"FINISHED"}


class _Preparing(_OnTheEngine):
    """A verb whose form is a property group of its own."""

    def job(self, scene: bpy.types.Scene) -> dict[str, Any]:
        """The form's values."""
        values = settings.values(getattr(scene.understudy, self.verb), self.verb)
        for knob in settings.shown_knobs(self.verb):
            if knob.needed:
                _need(values[knob.name], knob.label, "choose it in the panel")
        given = {name: value for name, value in values.items() if value not in ("", None)}
        return {**given, **self.plate(scene)}

    def plate(self, scene: bpy.types.Scene) -> dict[str, str]:
        """The footage that the job looks at, where it looks at any."""
        return {}


class UNDERSTUDY_OT_extract(_Preparing, bpy.types.Operator):
    """Cut a performer's faces out of footage into a face set."""

    bl_idname, bl_label, verb = "understudy.extract", "Extract Faces", "extract"

    def plate(self, scene: bpy.types.Scene) -> dict[str, str]:
        """Footage of the performer, or the shot's plate."""
        return {"plate": _footage(scene.understudy.extract.plate)}


class UNDERSTUDY_OT_track(_Preparing, bpy.types.Operator):
    """Follow the face through the plate."""

    bl_idname, bl_label, verb = "understudy.track", "Track Face", "track"

    def plate(self, scene: bpy.types.Scene) -> dict[str, str]:
        """Footage of the performer, or the shot's plate."""
        return {"plate": _footage(scene.understudy.plate)}

    def finish(self, scene: bpy.types.Scene, run: Run) -> None:
        """Use the track, unless it was cancelled."""
        if not run.cancelled:
            scene.understudy.swap.track = self._job["track"]


class UNDERSTUDY_OT_train(_Preparing, bpy.types.Operator):
    """Train a model on two face sets, or go on with one."""

    bl_idname, bl_label, verb = "understudy.train", "Train", "train"


class UNDERSTUDY_OT_export(_Preparing, bpy.types.Operator):
    """Export a trained model for baking."""

    bl_idname, bl_label, verb = "understudy.export", "Export Model", "export"

    def finish(self, scene: bpy.types.Scene, run: Run) -> None:
        """Use the model, unless it was cancelled."""
        if not run.cancelled:
            scene.understudy.swap.model = str(run.result["model"])


def _footage(path: str) -> str:
    """A pattern where the footage is a sequence; a video is a file by itself."""
    _need(path, "plate", "choose one of its files")
    whole = paths.absolute(path, "plate")
    is_video = whole.lower().endswith((".mov", ".mp4", ".mxf", ".avi", ".mkv"))
    return whole if is_video else paths.pattern(whole, "plate")


def _need(value: Any, what: str, fix: str) -> None:
    if value in ("", None):
        raise HostError(f"No {what} is chosen.", "", fix)


CLASSES = (
    UNDERSTUDY_OT_bake,
    UNDERSTUDY_OT_bake_frame,
    UNDERSTUDY_OT_attach,
    UNDERSTUDY_OT_cancel,
    UNDERSTUDY_OT_extract,
    UNDERSTUDY_OT_track,
    UNDERSTUDY_OT_train,
    UNDERSTUDY_OT_export,
)
for _one in CLASSES:
    # Blender sets the full stop of a tooltip itself.
    _one.bl_description = str(_one.__doc__).rstrip(".")
