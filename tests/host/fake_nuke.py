"""A stand-in for the `nuke` module that knows what the plugin uses, with real signatures, and nothing else.

A misspelt call is an AttributeError here as it is there. Nodes are made of what the reference and the gizmo
say; knobs hold values of their own kind; a knob may only be set in the main thread; writing renders real EXR.
"""

from __future__ import annotations

import queue
import threading
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nuke_reference import CLASSES, COMMON
from nuke_script import Reader

from understudy.image.colour import SCENE_LINEAR
from understudy.image.exr import read_image, write_image

_MAIN = threading.main_thread()
_CASTS: dict[int, Callable[[Any], Any]] = {3: int, 6: bool, 7: float}
_READ_KNOBS = ("file", "first", "last", "colorspace", "raw", "frame", "reload", "on_error")


class Key:
    """nuke.AnimationKey: a frame and a value."""

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y


class Curve:
    """nuke.AnimationCurve."""

    def __init__(self, keys: list[Key]) -> None:
        self._keys = keys

    def keys(self) -> list[Key]:
        return list(self._keys)


class Knob:
    """A knob of a node; `kind` is the number of a user knob's type, 0 for a node's own."""

    def __init__(self, node: Node, name: str, value: Any, kind: int = 0, words: tuple[str, ...] = ()) -> None:
        self._node, self._name, self._value, self._kind, self._words = node, name, value, kind, words
        self._keys: list[Key] = []
        self._expression = ""
        self.executed = 0

    def name(self) -> str:
        return self._name

    def value(self) -> Any:
        return self._value

    def setValue(self, value: Any) -> bool:
        if threading.current_thread() is not _MAIN:
            raise RuntimeError("a knob was set outside the main thread")
        if self._kind == 4 and value not in self._words:
            raise TypeError(f"{value!r} is no word of {self._name}")
        self._value = _CASTS.get(self._kind, lambda same: same)(value)
        self._node.changed(self)
        return True

    def isAnimated(self, index: int = -1) -> bool:
        return bool(self._keys) or bool(self._expression)

    def hasExpression(self, index: int = -1) -> bool:
        return bool(self._expression)

    def setExpression(self, expression: str) -> bool:
        self._expression = expression
        return True

    def setAnimated(self, index: int = 0) -> bool:
        return True

    def setValueAt(self, value: float, time: float, index: int = 0) -> bool:
        self._keys.append(Key(time, value))
        self._node.changed(self)
        return True

    def animation(self, index: int = 0) -> Curve | None:
        return Curve(self._keys) if self._keys else None

    def toScript(self, quote: bool = True, context: Any = None) -> str:
        return str(self._value)

    def execute(self) -> None:
        self.executed += 1


class Node:
    """A node; `nuke` is the module it lives in."""

    def __init__(self, nuke: Nuke, kind: str, name: str) -> None:
        self._nuke, self._kind, self._name = nuke, kind, name
        self._inputs: dict[int, Node | None] = {}
        self._parent: Node | None = None
        self._knobs: dict[str, Knob] = {knob.name: Knob(self, knob.name, "") for knob in COMMON}
        names = _READ_KNOBS if kind == "Read" else CLASSES[kind].knobs if kind in CLASSES else ()
        self._knobs.update({one: Knob(self, one, "") for one in names})
        self.children: dict[str, Node] = {}

    def add_knob(self, knob: Knob) -> None:
        self._knobs[knob.name()] = knob

    def changed(self, knob: Knob) -> None:
        self._nuke.tell_changed(self, knob)

    def Class(self) -> str:
        return self._kind

    def name(self) -> str:
        return self._name

    def fullName(self) -> str:
        return self._name

    def knob(self, name: str) -> Knob | None:
        return self._knobs.get(name)

    def __getitem__(self, name: str) -> Knob:
        return self._knobs[name]  # a NameError there, a KeyError here: both stop a misspelling

    def input(self, index: int) -> Node | None:
        return self._inputs.get(index)

    def setInput(self, index: int, node: Node | None) -> bool:
        self._inputs[index] = node
        return True

    def parent(self) -> Node | None:
        return self._parent

    def __enter__(self) -> Node:
        """What is made now is made in this group."""
        self._nuke.groups.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._nuke.groups.pop()

    def node(self, name: str) -> Node | None:
        return self.children.get(name)

    def format(self) -> Any:
        """nuke.Format, as far as it is asked."""
        shown = self.rendered(self.firstFrame())
        return types.SimpleNamespace(height=lambda: shown.display_window.height)

    def firstFrame(self) -> int:
        above = self.input(0)
        return int(self["first"].value()) if self._kind == "Read" else above.firstFrame() if above else 1

    def lastFrame(self) -> int:
        above = self.input(0)
        return int(self["last"].value()) if self._kind == "Read" else above.lastFrame() if above else 1

    def rendered(self, frame: int) -> Any:
        """A frame of what the node shows: Reads, and Multiplies of them."""
        if self._kind == "Read":
            return read_image(Path(self["file"].value() % frame))
        above = self.input(0)
        assert above is not None
        shown = above.rendered(frame)
        if self._kind == "Multiply":
            return replace(
                shown, pixels=(shown.pixels * np.float32(self["value"].value())).astype(np.float32)
            )
        return shown


class Panel:
    """nuke.Panel: a form; `Nuke.answers` says what the artist types, None closes it."""

    def __init__(self, title: str, width: int = 0) -> None:
        self.title, self._values = title, dict[str, Any]()

    def addSingleLineInput(self, label: str, value: str) -> bool:
        self._values[label] = value
        return True

    addFilenameSearch = addSingleLineInput

    def addBooleanCheckBox(self, label: str, value: bool) -> bool:
        self._values[label] = value
        return True

    def addEnumerationPulldown(self, label: str, words: str) -> bool:
        self._values[label] = words.split()[0]
        return True

    def show(self) -> int:
        answers = self.nuke.answers  # type: ignore[attr-defined]
        if answers is None:
            return 0
        unknown = set(answers) - set(self._values)
        assert not unknown, f"the panel asks for {sorted(self._values)}, not {unknown}"
        self._values.update(answers)
        return 1

    def value(self, label: str) -> Any:
        return self._values[label]


class ProgressTask:
    """nuke.ProgressTask."""

    cancelled = False
    seen: list[int] = []  # noqa: RUF012 - one list for a test to look at

    def __init__(self, name: str) -> None:
        self.name = name

    def setProgress(self, percent: int) -> None:
        assert isinstance(percent, int) and 0 <= percent <= 100
        type(self).seen.append(percent)

    def setMessage(self, message: str) -> None:
        assert isinstance(message, str)

    def isCancelled(self) -> bool:
        return type(self).cancelled


class Menu:
    """nuke.Menu."""

    def __init__(self) -> None:
        self.menus: dict[str, Menu] = {}
        self.commands: dict[str, Callable[[], Any]] = {}

    def addMenu(self, name: str, icon: str = "") -> Menu:
        return self.menus.setdefault(name, Menu())

    def addCommand(self, name: str, command: Callable[[], Any], shortcut: str = "", icon: str = "") -> None:
        self.commands[name] = command


class Nuke(types.ModuleType):
    """The module."""

    def __init__(self, *, gui: bool, script: str) -> None:
        super().__init__("nuke")
        self.GUI = gui
        self.answers: dict[str, Any] | None = None
        self.messages: list[str] = []
        self.printed: list[str] = []
        self.paths: list[str] = []
        self.all: list[Node] = []
        self.chosen_file = ""
        self._root = Node(self, "Root", script or "Root")
        for name, value in (("colorManagement", "OCIO"), ("proxy", False)):
            self._root.add_knob(Knob(self._root, name, value))
        self.groups = [self._root]
        self.shown_frame = 2
        self._waiting: queue.Queue[tuple[Callable[..., Any], tuple[Any, ...], queue.Queue[Any]]] = (
            queue.Queue()
        )
        self._callbacks: list[tuple[Callable[[], None], str]] = []
        self._labels: list[tuple[Callable[[], object], str]] = []
        self._this: list[tuple[Node, Knob]] = []
        self._menus: dict[str, Menu] = {}
        self.nodes = types.SimpleNamespace(Write=self._write_node)
        self.Panel = type("Panel", (Panel,), {"nuke": self})
        self.ProgressTask = type("ProgressTask", (ProgressTask,), {"seen": [], "cancelled": False})

    def root(self) -> Node:
        return self._root

    def frame(self, f: int | None = None) -> int:
        self.shown_frame = self.shown_frame if f is None else f
        return self.shown_frame

    def message(self, text: str) -> None:
        assert threading.current_thread() is _MAIN
        self.messages.append(text)

    def tprint(self, text: str) -> None:
        self.printed.append(text)

    def filename(self, node: Node, substitution: Any = None) -> str:
        return str(node["file"].value())

    def getFilename(self, message: str, pattern: str | None = None, default: str | None = None) -> str:
        return self.chosen_file

    def pluginAddPath(self, path: str) -> None:
        self.paths.append(path)

    def addKnobChanged(
        self, call: Callable[[], None], args: tuple[Any, ...] = (), kwargs: Any = None, nodeClass: str = "*"
    ) -> None:
        self._callbacks.append((call, nodeClass))

    def addAutolabel(
        self, call: Callable[[], object], args: tuple[Any, ...] = (), kwargs: Any = None, nodeClass: str = "*"
    ) -> None:
        self._labels.append((call, nodeClass))

    def drawn(self, node: Node) -> str:
        """The text on a node: the newest function that gives one, else the name and the label."""
        self._this.append((node, node["label"]))
        try:
            texts = (call() for call, kind in reversed(self._labels) if kind in ("*", node.Class()))
            found = next((text for text in texts if text is not None), None)
        finally:
            self._this.pop()
        return f"{node.name()}\n{node['label'].value()}" if found is None else str(found)

    def value(self, knob: str) -> str:
        """A knob's value as text, of the node that a callback is about."""
        return str(self.thisNode()[knob].value())

    def tell_changed(self, node: Node, knob: Knob) -> None:
        for call, kind in self._callbacks:
            if kind in ("*", node.Class()) and len(self._this) < 8:
                self._this.append((node, knob))
                try:
                    call()
                finally:
                    self._this.pop()

    def thisNode(self) -> Node:
        return self._this[-1][0]

    def thisKnob(self) -> Knob:
        return self._this[-1][1]

    def menu(self, name: str) -> Menu:
        return self._menus.setdefault(name, Menu())

    def node_of(self, kind: str, name: str, **values: Any) -> Node:
        """Make a node for a test."""
        made = Node(self, kind, name)
        for knob, value in values.items():
            made[knob].setValue(value)
        self.all.append(made)
        return made

    def nodePaste(self, path: str) -> Node:
        (found,) = Reader().read(Path(path).read_text(encoding="utf-8")).children.values()
        made = Node(self, found.kind, found.name)
        made._parent = self.groups[-1]
        if found.kind != "Group":
            for knob, words in found.knobs.items():
                made.add_knob(Knob(made, knob, words))
            self.all.append(made)
            return made
        for words in found.declarations:
            kind, name = int(words[0]), words[1]
            choices = tuple(words[words.index("M") + 1].split()) if "M" in words else ()
            start = found.knobs.get(name, words[words.index("T") + 1] if "T" in words else None)
            value = {"true": True, "false": False}.get(str(start), start)
            if value is None:
                value = choices[0] if choices else 0 if kind in _CASTS else ""
            made.add_knob(Knob(made, name, _CASTS.get(kind, str)(value), kind, choices))
        made.children = {name: Node(self, child.kind, name) for name, child in found.children.items()}
        self.all.append(made)
        return made

    def selectedNodes(self, kind: str | None = None) -> list[Node]:
        return self.all[-1:]

    def selectedNode(self) -> Node:
        return self.all[-1]

    def _write_node(self, **values: Any) -> Node:
        unknown = set(values) - set(CLASSES["Write"].knobs) - {"raw"}
        assert not unknown, f"Write has no {unknown}"
        made = Node(self, "Write", "Write1")
        for name, value in values.items():
            made.add_knob(Knob(made, name, value))
        self.all.append(made)
        return made

    def execute(self, node: Node, start: int, end: int, incr: int = 1) -> None:
        assert threading.current_thread() is _MAIN and not self._root["proxy"].value()
        above = node.input(0)
        assert above is not None
        for frame in range(start, end + 1, incr):
            shown = replace(above.rendered(frame), storage="float", colour_space=SCENE_LINEAR)
            write_image(Path(node["file"].value() % frame), shown)  # a file of the host's names no space

    def delete(self, node: Node) -> None:
        self.all.remove(node)

    def executeInMainThread(self, call: Callable[..., Any], args: Any = (), kwargs: Any = None) -> None:
        self._waiting.put((call, args if isinstance(args, tuple) else (args,), queue.Queue()))

    def executeInMainThreadWithResult(
        self, call: Callable[..., Any], args: Any = (), kwargs: Any = None
    ) -> Any:
        answer: queue.Queue[Any] = queue.Queue()
        self._waiting.put((call, args if isinstance(args, tuple) else (args,), answer))
        return answer.get(timeout=60)

    def pump(self, thread: threading.Thread) -> None:
        """Do what threads ask of the main one until a thread has ended: the host's event loop."""
        while thread.is_alive() or not self._waiting.empty():
            try:
                call, args, answer = self._waiting.get(timeout=0.02)
            except queue.Empty:
                continue
            answer.put(call(*args))
