"""What the panel's buttons do."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import bpy

from understudy_host.client import failed_frames
from understudy_host.errors import HostError
from understudy_host.jobs import digest

from . import composite, job_operator, paths, settings
from .job_operator import JobOperator, refuse
from .run import Run


class _Baking(JobOperator):
    """A bake of some of the scene's frames."""

    def frames(self, scene: bpy.types.Scene) -> tuple[int, int]:
        """First and last frame to bake."""
        raise NotImplementedError

    def job(self, scene: bpy.types.Scene) -> dict[str, Any]:
        """The swap job of a face pass."""
        first, last = self._range = self.frames(scene)
        settings.need(scene.understudy.plate, "plate", "choose one of its EXR files")
        settings.need(
            scene.understudy.swap.track, "track", "track the face in the plate, or choose a .track file"
        )
        settings.need(scene.understudy.swap.model, "model", "choose an exported .onnx model")
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
            return refuse(self, error)
        return {"FINISHED"}


class UNDERSTUDY_OT_cancel(bpy.types.Operator):
    """Stop the run; what is finished is kept."""

    bl_idname = "understudy.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only while there is something to stop."""
        return job_operator.current is not None and not job_operator.current.done

    def execute(self, context: bpy.types.Context) -> Set[str]:
        """Ask for it."""
        if job_operator.current is not None:
            job_operator.current.cancel()
        return {"FINISHED"}


class _Preparing(JobOperator):
    """A verb whose form is a property group of its own."""

    def job(self, scene: bpy.types.Scene) -> dict[str, Any]:
        """The form's values."""
        values = settings.values(getattr(scene.understudy, self.verb), self.verb)
        for knob in settings.shown_knobs(self.verb):
            if knob.needed:
                settings.need(values[knob.name], knob.label, "choose it in the panel")
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
    settings.need(path, "plate", "choose one of its files")
    is_video = path.lower().endswith((".mov", ".mp4", ".mxf", ".avi", ".mkv"))
    return paths.absolute(path, "plate") if is_video else settings.sequence(path, "plate")


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
job_operator.describe(CLASSES)
