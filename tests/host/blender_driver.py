"""Runs inside Blender's interpreter: does the steps of a JSON file, and writes what came of each.

    python blender_driver.py STEPS.json RESULTS.json

A step is [name, arguments…], the name one of the functions below.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy


def path(folder: str) -> None:
    sys.path.insert(0, folder)


def register() -> None:
    import understudy_blender

    understudy_blender.register()


def unregister() -> bool:
    import understudy_blender

    understudy_blender.unregister()
    return hasattr(bpy.types.Scene, "understudy")


def install(archive: str, kind: str) -> list[str]:
    """As an artist does: from a zip, below BLENDER_USER_RESOURCES; the folders of both halves."""
    if kind == "extension":
        bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default")
    else:
        import addon_utils

        bpy.ops.preferences.addon_install(filepath=archive)
        addon_utils.enable("understudy_blender")
    found = {name.rpartition(".")[2]: module for name, module in sys.modules.items() if "understudy" in name}
    return [str(Path(found[name].__file__).parent) for name in ("understudy_blender", "understudy_host")]


def save(file: str) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=file)


def open(file: str) -> None:
    bpy.ops.wm.open_mainfile(filepath=file)


def frames(first: int, last: int) -> None:
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = first, last


def put(values: dict[str, Any]) -> None:
    """Settings by their path, such as swap.erode."""
    for name, value in values.items():
        group, _, field = name.rpartition(".")
        owner = bpy.context.scene.understudy
        setattr(getattr(owner, group) if group else owner, field, value)


def saved_before(form: str, values: dict[str, Any]) -> None:
    """Settings as an earlier release left them in the scene, under names that are no property any more."""
    held = getattr(bpy.context.scene.understudy, form).bl_system_properties_get(do_create=True)
    for name, value in values.items():
        held[name] = value


def swap_job() -> dict[str, Any]:
    """What a bake asks of the engine."""
    from understudy_blender import settings

    return settings.face_pass_job(bpy.context.scene, "1")


def key(name: str, values: dict[str, Any]) -> list[float]:
    """Key a baked knob; its value on every frame of the scene, as Blender shows it."""
    scene = bpy.context.scene
    for frame, value in values.items():
        setattr(scene.understudy.swap, name, value)
        scene.understudy.swap.keyframe_insert(name, frame=int(frame))
    shown = []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        shown.append(getattr(scene.understudy.swap, name))
    return shown


def live(values: dict[str, Any]) -> None:
    """Values of the group node's sockets."""
    for name, value in values.items():
        _socket(name).default_value = value


def key_live(name: str, values: dict[str, float]) -> list[float]:
    """Key a live knob; its value on every frame of the scene."""
    scene, socket = bpy.context.scene, _socket(name)
    for frame, value in values.items():
        socket.default_value = value
        socket.keyframe_insert("default_value", frame=int(frame))
    shown = []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        shown.append(socket.default_value)
    return shown


def linked(name: str) -> bool:
    """Whether something real goes into a socket of the group node."""
    return any(link.is_valid and link.from_socket.enabled for link in _socket(name).links)


def _socket(name: str) -> Any:
    """An input of the group node, by its knob or its own name."""
    from understudy_blender import composite, sockets

    labels = {knob.name: knob.label for knob in sockets.live_knobs()}
    return _group(composite.GROUP).inputs[labels.get(name, name)]


def _group(part: Any) -> Any:
    from understudy_blender import scene_tree

    return scene_tree.find(bpy.context.scene.compositing_node_group, part)


def fix_live(values: dict[str, Any]) -> None:
    """Values of the sockets of the group that shows a fix."""
    from understudy_blender import fix_composite

    for name, value in values.items():
        _group(fix_composite.GROUP).inputs[name].default_value = value


def fix_said() -> list[str]:
    """What the panel says of the last run of propagate."""
    from understudy_blender import fix_settings

    return [text for text, _ in fix_settings.lines(bpy.context.scene)]


def frame() -> int:
    return bpy.context.scene.frame_current


def wires() -> list[list[str]]:
    """Which node of the scene's compositor goes into which, by their names."""
    links = bpy.context.scene.compositing_node_group.links
    return sorted([link.from_node.name, link.to_node.name] for link in links)


def call(operator: str) -> str:
    """Empty when it went well, else what Blender reports."""
    try:
        getattr(bpy.ops.understudy, operator)()
    except RuntimeError as error:
        return str(error).strip()
    return ""


def interrupt(action: str) -> None:
    """As soon as the next run has told of its second step, kill its engine, or cancel the run."""
    from understudy_blender import job_operator

    def work(before: Any) -> None:
        while job_operator.current is before or not job_operator.current.share:
            time.sleep(0.001)
        if action == "kill":
            os.kill(job_operator.current.engine_process_id, signal.SIGKILL)
        else:
            job_operator.current.cancel()

    threading.Thread(target=work, args=(job_operator.current,), daemon=True).start()


def touch(file: str) -> None:
    """Write a file's time of change anew, and wait until the host would look again."""
    os.utime(file, ns=(1, 1))
    time.sleep(1)


def state() -> str:
    from understudy_blender import panel

    return panel.state(bpy.context.scene)[0]


def environment(name: str, value: str) -> None:
    os.environ[name] = value


def render(pattern: str, numbers: list[int]) -> float:
    """Seconds that Blender's compositor takes for float EXR files of these frames."""
    scene = bpy.context.scene
    settings = scene.render
    settings.compositor_device, settings.compositor_precision = "CPU", "FULL"
    image = settings.image_settings
    image.file_format, image.color_depth, image.color_mode, image.exr_codec = "OPEN_EXR", "32", "RGBA", "NONE"
    began = time.perf_counter()
    for frame in numbers:
        scene.frame_set(frame)
        settings.filepath = pattern % frame
        bpy.ops.render.render(write_still=True)
    return time.perf_counter() - began


def resolution() -> list[int]:
    return [bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y]


def animation_curves() -> list[Any]:
    """How many there are on the compositor, and how they go from key to key."""
    from understudy_blender import scene_tree

    lists = scene_tree.curve_lists(bpy.context.scene.compositing_node_group)
    curves = [curve for curves in lists for curve in curves]
    return [len(curves), sorted({point.interpolation for one in curves for point in one.keyframe_points})]


def properties(verb: str) -> dict[str, Any]:
    """What Blender says of a form's properties."""
    told = {}
    for fact in getattr(bpy.context.scene.understudy, verb).bl_rna.properties:
        if fact.identifier in ("rna_type", "name"):
            continue
        told[fact.identifier] = {
            "tooltip": fact.description,
            "default": fact.default,
            "low": getattr(fact, "hard_min", None),
            "high": getattr(fact, "hard_max", None),
            "animated": fact.is_animatable,
            "items": [item.identifier for item in getattr(fact, "enum_items", ())],
        }
    return told


def sockets() -> dict[str, Any]:
    """What the group says of the knobs on its node."""
    from understudy_blender import nodes, sockets

    names = {knob.label: knob.name for knob in sockets.live_knobs()}
    return {
        names[item.name]: [
            item.description,
            item.default_value,
            *(getattr(item, side, None) for side in ("min_value", "max_value")),
        ]
        for item in nodes.group().interface.items_tree
        if item.name in names
    }


class Layout:
    """Takes down what a panel draws and refuses what is not there: Blender has no layout without a window."""

    def __init__(self, drawn: list[str]) -> None:
        self._drawn = drawn

    def row(self, **_: Any) -> Layout:
        return Layout(self._drawn)

    column = row

    def separator(self) -> None:
        pass

    def prop(self, owner: Any, name: str, **_: Any) -> None:
        assert name in owner.bl_rna.properties, name
        self._drawn.append(name)

    def operator(self, name: str, text: str = "") -> None:
        getattr(bpy.ops.understudy, name.removeprefix("understudy.")).get_rna_type()
        self._drawn.append(text or name)

    def label(self, text: str, icon: str = "NONE") -> None:
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        self._drawn.append(text)

    def progress(self, factor: float, text: str) -> None:
        self._drawn.append(text)


def draw_panels() -> dict[str, list[str]]:
    """What every panel draws."""
    from understudy_blender import fix_panel, panel

    told: dict[str, list[str]] = {}
    for one in (*panel.CLASSES, *fix_panel.CLASSES):
        owner = SimpleNamespace(layout=Layout(told.setdefault(one.__name__, [])))
        one.draw(owner, bpy.context)
    return told


def main() -> None:
    steps, results = map(Path, sys.argv[1:])
    done = []
    for name, *arguments in json.loads(steps.read_text()):
        done.append(globals()[name](*arguments))
        results.write_text(json.dumps(done))


main()
