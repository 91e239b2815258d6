"""The knobs as Blender properties, read off the job table; what is live stands on the group's node."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import bpy

from understudy_host import live
from understudy_host.errors import HostError
from understudy_host.jobs import Keys, face_pass_document
from understudy_host.knobs import Knob, knobs, schema

from . import paths
from .live_nodes import GRAPH
from .scene_tree import curve_lists

SWAP = "swap"
# What the group's node does without a bake, and the values that a bake is made at.
LIVE = live.live_knobs(GRAPH)
# The other verbs that have a form of their own in the panel, in the order of a shot's work.
PREPARING = ("extract", "train", "export", "track")
PROPAGATE = "propagate"
# What buttons decide.
_BUTTONS = {PROPAGATE: frozenset({"preview"})}
_DEFAULT_FACE_PASS = "//understudy/face_pass.%04d.exr"
_DEFAULT_FIXED = "//understudy/fixed.%04d.exr"
# Blender keeps single precision; a job says 0.1 and not 0.10000000149.
_DIGITS = 7


def shown_knobs(verb: str) -> list[Knob]:
    """A verb's knobs that are properties, in the schema's order; what is live stands on the group's node."""
    shown = [knob for knob in knobs(verb) if knob.name not in _BUTTONS.get(verb, ())]
    if verb == SWAP:
        shown = [knob for knob in shown if knob.in_face_pass and knob.name not in LIVE]
    return shown


def sequence_names(verb: str) -> tuple[str, ...]:
    """A form's fields that a job takes as sequences: an artist chooses one of the files."""
    return tuple(knob.name for knob in shown_knobs(verb) if knob.path == "sequence")


def _property(knob: Knob) -> Any:
    """The Blender property of a knob with its default, range and tooltip; it is keyed where a job is."""
    common = {
        "name": knob.label,
        "description": knob.tooltip.rstrip("."),  # Blender sets the full stop itself
        "options": {"ANIMATABLE"} if knob.animated else set(),
    }
    if knob.kind == "bool":
        return bpy.props.BoolProperty(default=bool(knob.default), **common)
    if knob.kind == "choice":
        items = [(word, word.replace("_", " "), "", number) for number, word in enumerate(knob.items)]
        return bpy.props.EnumProperty(items=items, default=knob.default, **common)
    if knob.kind in ("int", "double"):
        ranges = {"min": knob.low, "max": knob.high}
        common.update({name: value for name, value in ranges.items() if value is not None})
        make = bpy.props.IntProperty if knob.kind == "int" else bpy.props.FloatProperty
        return make(default=knob.default or 0, **common)
    if knob.kind == "file":
        return _path_property(common, is_folder=knob.path == "folder")
    return bpy.props.StringProperty(default=knob.default or "", **common)


def _path_property(common: Mapping[str, Any], *, is_folder: bool) -> Any:
    subtype = "DIR_PATH" if is_folder else "FILE_PATH"
    options = {*common["options"], "PATH_SUPPORTS_BLEND_RELATIVE"}
    return bpy.props.StringProperty(subtype=subtype, **{**common, "options": options})


def _file_property(name: str, description: str, **more: Any) -> Any:
    """A file that is not a knob of its verb."""
    common = {"name": name, "description": description, "options": set(), **more}
    return _path_property(common, is_folder=False)


def _group_class(verb: str) -> type:
    fields = {knob.name: _property(knob) for knob in shown_knobs(verb)}
    if verb == "extract":
        fields["plate"] = _file_property("plate", "Footage of the performer: one of its files")
    if verb == PROPAGATE:
        where = "Where the fixed frames are written, with %04d for the frame number"
        fields["output"] = _file_property("output", where, default=_DEFAULT_FIXED)
    return type(f"Understudy{verb.title()}Settings", (bpy.types.PropertyGroup,), {"__annotations__": fields})


GROUPS = {verb: _group_class(verb) for verb in (SWAP, *PREPARING, PROPAGATE)}


def _scene_class() -> type:
    fields: dict[str, Any] = {
        verb: bpy.props.PointerProperty(type=group, name=verb) for verb, group in GROUPS.items()
    }
    fields["plate"] = _file_property("plate", "The photographed frames to change: one of their EXR files")
    where = "Where the baked face pass is written, with %04d for the frame number"
    fields["face_pass"] = _file_property("face pass", where, default=_DEFAULT_FACE_PASS)
    fields["baked"] = bpy.props.StringProperty(options={"HIDDEN"})
    fields["propagated"] = bpy.props.StringProperty(options={"HIDDEN"})
    return type("UnderstudySettings", (bpy.types.PropertyGroup,), {"__annotations__": fields})


SceneSettings = _scene_class()


def values(group: bpy.types.PropertyGroup, verb: str) -> dict[str, Any]:
    """A form's values by field name, as a job has them: absolute paths, sequences as patterns.

    What is not chosen is empty text.

    Raises:
        HostError: a file lies beside a .blend file that was never saved, or a sequence has no frame number.
    """
    fields = schema(verb)["properties"]
    return {
        knob.name: _value(getattr(group, knob.name), knob, fields[knob.name]) for knob in shown_knobs(verb)
    }


def _value(value: Any, knob: Knob, field: Mapping[str, Any]) -> Any:
    if knob.kind == "double":
        return float(f"{value:.{_DIGITS}g}")
    if knob.path == "sequence":
        return sequence(value, knob.label) if value else ""
    if knob.kind == "file":
        return paths.absolute(value, knob.label)
    is_list = any(one.get("type") == "array" for one in (field, *field.get("anyOf", ())))
    if is_list and value.strip():
        return [float(word) for word in value.replace(",", " ").split()]
    return value


def keys(scene: bpy.types.Scene, first: int, last: int) -> Keys:
    """Keyed values of the baked knobs by field name and frame.

    The engine goes in straight lines between keys and Blender in curves, so a curve becomes as many keys as
    it takes to be the same on every frame.
    """
    found: dict[str, dict[int, Any]] = {}
    for knob in shown_knobs(SWAP):
        path = f"understudy.{SWAP}.{knob.name}"
        curves = [curve for curves in curve_lists(scene) if (curve := curves.find(path)) is not None]
        if knob.animated and curves:
            line = {frame: _keyed(curves[0].evaluate(frame), knob) for frame in range(first, last + 1)}
            found[knob.name] = _thinned(line, straight=knob.kind == "double")
    return found


def _keyed(value: float, knob: Knob) -> float | int | bool | str:
    if knob.kind == "bool":
        return value >= 0.5
    if knob.kind == "choice":
        return knob.items[min(max(int(value), 0), len(knob.items) - 1)]
    if knob.low is not None:
        value = max(value, knob.low)
    if knob.high is not None:
        value = min(value, knob.high)
    return float(f"{value:.{_DIGITS}g}") if knob.kind == "double" else round(value)


def _thinned(line: Mapping[int, Any], *, straight: bool) -> dict[int, Any]:
    """The keys that matter: numbers move in straight lines between them, everything else holds its value."""
    frames = list(line)
    kept = {frames[0]: line[frames[0]]}
    for before, frame, after in zip(frames, frames[1:], frames[2:]):
        if straight:
            is_needed = abs(line[before] + line[after] - 2 * line[frame]) > 1e-6 * max(1.0, abs(line[frame]))
        else:
            is_needed = line[frame] != line[before]
        if is_needed:
            kept[frame] = line[frame]
    kept[frames[-1]] = line[frames[-1]]
    return kept


def face_pass_job(scene: bpy.types.Scene, frames: str) -> dict[str, Any]:
    """The swap job that bakes this scene's face pass.

    Args:
        scene: Its knobs, their keys over the whole of its range, and its files.
        frames: Such as 1001-1100.

    Raises:
        HostError: a path leads nowhere, or has no frame number.
    """
    chosen = scene.understudy
    plate, face_pass = sequences(scene)
    return face_pass_document(
        values(chosen.swap, SWAP),
        keys(scene, scene.frame_start, scene.frame_end),
        plate=plate,
        output=face_pass,
        frames=frames,
        live=LIVE,
    )


def sequences(scene: bpy.types.Scene) -> tuple[str, str]:
    """The absolute patterns of the plate and of the face pass.

    Raises:
        HostError: a path leads nowhere, or has no frame number.
    """
    chosen = scene.understudy
    return sequence(chosen.plate, "plate"), sequence(chosen.face_pass, "face pass")


def sequence(path: str, what: str) -> str:
    """The absolute pattern of a sequence that an artist has chosen a file of.

    Raises:
        HostError: the path leads nowhere, or has no frame number.
    """
    return paths.pattern(paths.absolute(path, what), what)


def need(value: Any, what: str, fix: str) -> None:
    """Stop where something is not chosen.

    Raises:
        HostError: the value is empty.
    """
    if value in ("", None):
        raise HostError(f"No {what} is chosen.", "", fix)


def note_baked(scene: bpy.types.Scene, digest: str, frames: Collection[int]) -> None:
    """Remember under which digest frames were baked."""
    forget_baked(scene, frames)
    by_digest = baked(scene)
    by_digest[digest] = sorted({*by_digest.get(digest, ()), *frames})
    scene.understudy.baked = json.dumps(by_digest)


def forget_baked(scene: bpy.types.Scene, frames: Iterable[int]) -> None:
    """Frames of which nobody knows any more what they show, because they are being written anew."""
    gone = set(frames)
    kept = {name: sorted(set(old) - gone) for name, old in baked(scene).items()}
    scene.understudy.baked = json.dumps({name: left for name, left in kept.items() if left})


def baked(scene: bpy.types.Scene) -> dict[str, list[int]]:
    """Baked frames by the digest of their knobs; nothing where the note cannot be read."""
    try:
        found = json.loads(scene.understudy.baked or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
