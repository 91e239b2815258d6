"""The propagate job that a scene asks for, and what the last one said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import bpy

from understudy_host.errors import HostError

from . import settings

_FRAMES_NAMED = 4


class Outcome(NamedTuple):
    """What a run of propagate told.

    Attributes:
        is_preview: Whether it only moved the keyframes along.
        confidence: 0 to 1, by frame.
        paint_next: Frames to paint, the one that helps most first.
    """

    is_preview: bool
    confidence: dict[int, float]
    paint_next: list[int]


def job(scene: bpy.types.Scene, frames: str, *, is_preview: bool) -> dict[str, Any]:
    """The propagate job of a scene.

    Args:
        scene: Its plate and its form.
        frames: Such as 1001-1100.
        is_preview: Whether to move the keyframes along only.

    Raises:
        HostError: something is not chosen, leads nowhere, or would be written over.
    """
    form, plate = scene.understudy.propagate, _plate(scene)
    settings.need(form.fix, "fix", "paint one frame, save it as fix.1017.exr, and choose it")
    fixed = _fixed(scene, plate)
    given = settings.values(form, settings.PROPAGATE)
    given = {name: value for name, value in given.items() if value not in ("", None)}
    for name in settings.sequence_names(settings.PROPAGATE):
        if name in given:
            _keep_apart(fixed, given[name], name)
    return {**given, "plate": plate, "output": fixed, "frames": frames, "preview": is_preview}


def sequences(scene: bpy.types.Scene) -> tuple[str, str]:
    """The absolute patterns of the plate and of the fixed frames.

    Raises:
        HostError: one is not chosen or leads nowhere, or the fixed frames would not be EXR files or would be
            the plate.
    """
    plate = _plate(scene)
    return plate, _fixed(scene, plate)


def _plate(scene: bpy.types.Scene) -> str:
    settings.need(scene.understudy.plate, "plate", "choose one of its EXR files")
    return settings.sequence(scene.understudy.plate, "plate")


def _fixed(scene: bpy.types.Scene, plate: str) -> str:
    output = scene.understudy.propagate.output
    settings.need(output, "output", "name the frames to write, such as //understudy/fixed.%04d.exr")
    fixed = settings.sequence(output, "output")
    if not fixed.lower().endswith(".exr"):
        raise HostError("The fixed frames have to be EXR files.", fixed, "let the output's name end in .exr")
    _keep_apart(fixed, plate, "plate")
    return fixed


def _keep_apart(fixed: str, read: str, what: str) -> None:
    if fixed == read:
        raise HostError(f"The fixed frames would be written over the {what}.", fixed, "choose another output")


def note(scene: bpy.types.Scene, result: Mapping[str, Any], *, is_preview: bool) -> None:
    """Remember what a run told."""
    told = {name: result.get(name) for name in ("confidence", "paint_next")}
    scene.understudy.propagated = json.dumps({**told, "preview": is_preview})


def forget(scene: bpy.types.Scene) -> None:
    """Nobody knows any more, because the frames are being written anew."""
    scene.understudy.propagated = ""


def outcome(scene: bpy.types.Scene) -> Outcome | None:
    """What the last run told; None where there was none, or the note cannot be read."""
    try:
        found = json.loads(scene.understudy.propagated or "{}")
        confidence = {int(frame): float(sure) for frame, sure in found["confidence"].items()}
        return Outcome(bool(found["preview"]), confidence, [int(frame) for frame in found["paint_next"]])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def lines(scene: bpy.types.Scene) -> list[tuple[str, str]]:
    """What the panel says of the last run, each line with an icon's name."""
    last = outcome(scene)
    if last is None:
        return [("Nothing is propagated yet", "INFO")]
    made = f"{len(last.confidence)} frames"
    said = [(f"{made} previewed: Propagate makes them well", "INFO")] if last.is_preview else []
    said = said or [(f"{made} propagated", "CHECKMARK")]
    if scene.frame_current in last.confidence:
        sure = round(100 * last.confidence[scene.frame_current])
        said.append((f"Frame {scene.frame_current} is {sure} % sure", "NONE"))
    if last.paint_next:
        first, *others = last.paint_next[:_FRAMES_NAMED]
        then = f", then {', '.join(map(str, others))}" if others else ""
        said.append((f"Paint next: frame {first}{then}", "BRUSH_DATA"))
    elif last.confidence:
        said.append(("Every frame is sure enough", "CHECKMARK"))
    return said
