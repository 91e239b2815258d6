"""A Nuke script read as its own language: Tcl evaluates it, and what it would make is put down as a graph."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tcl import tkinter

_GENERATORS = ("Read", "Input", "Constant", "StickyNote", "BackdropNode")


@dataclass
class Node:
    """A node as a script makes it.

    Attributes:
        kind: Its class.
        inputs: Names of what it is wired to, None for an open input.
        knobs: The words of every knob's value, as they stand.
        user: The type numbers of the knobs that the script gives it.
        children: A group's nodes by name.
    """

    kind: str
    name: str
    inputs: list[str | None]
    knobs: dict[str, str]
    user: dict[str, int] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    declarations: list[list[str]] = field(default_factory=list)


class Reader:
    """Evaluates a script with an interpreter of Tcl whose unknown commands are nodes."""

    def __init__(self) -> None:
        self.tcl = tkinter.Tcl()
        self.layers: dict[str, list[str]] = {}
        self._stacks: list[list[str | None]] = [[]]
        self._open: list[Node] = [Node("Root", "root", [], {})]
        commands = {
            "version": lambda *_: "",
            "add_layer": self._add_layer,
            "push": self._push,
            "stack": self._stack,
            "end_group": self._end_group,
            "make_node": self._node,
        }
        for name, call in commands.items():
            self.tcl.createcommand(name, call)
        self.tcl.eval("proc unknown {args} { make_node {*}$args }")

    def read(self, text: str) -> Node:
        """The script's nodes, as the children of a root.

        Raises:
            ValueError: a group is left open.
            tkinter.TclError: the script is not valid Tcl.
        """
        self.tcl.eval(text)
        if len(self._open) != 1:
            raise ValueError(f"the group {self._open[-1].name} is left open")
        return self._open[0]

    def _add_layer(self, words: str) -> str:
        name, *channels = self.tcl.splitlist(words)
        self.layers[name] = list(channels)
        return ""

    def _push(self, name: str) -> str:
        self._stacks[-1].append(None if name == "0" else name)
        return ""

    def _stack(self, depth: str) -> str:
        stack = self._stacks[-1]
        return stack[-1 - int(depth)] or "0" if int(depth) < len(stack) else "0"

    def _node(self, kind: str, body: str) -> str:
        words = list(self.tcl.splitlist(body))
        # A node that does not say takes one input, a generator none.
        node = Node(kind, "", [] if kind in _GENERATORS else [None], {})
        while words:
            knob = words.pop(0)
            value = words.pop(0)
            if knob == "addUserKnob":
                declared = list(self.tcl.splitlist(value))
                node.declarations.append(declared)
                node.user[declared[1]] = int(declared[0])
            elif knob == "name":
                node.name = value
            elif knob != "inputs":
                node.knobs[knob] = value
            else:
                node.inputs = [None] * sum(int(part) for part in value.split("+"))
        if kind != "Group":
            node.inputs = [self._stacks[-1].pop() if self._stacks[-1] else None for _ in node.inputs]
        if node.name in self._open[-1].children or not node.name:
            raise ValueError(f"a {kind} is called {node.name!r}, like another")
        self._open[-1].children[node.name] = node
        if kind == "Group":
            self._open.append(node)
            self._stacks.append([])
        else:
            self._stacks[-1].append(node.name)
        return ""

    def _end_group(self) -> str:
        self._open.pop()
        self._stacks.pop()
        return ""


def parts(tcl: tkinter.Tk, words: str) -> list[str]:
    """A numeric knob's parts; an expression keeps its quotes."""
    return list(tcl.splitlist(words))


def expressions(tcl: tkinter.Tk, words: str) -> list[str]:
    """Every expression in a knob's value, at any depth."""
    found = []
    for part in parts(tcl, words) if words.strip().startswith(("{", '"')) else []:
        if part.startswith('"') and part.endswith('"'):
            found.append(part[1:-1])
        else:
            found += expressions(tcl, part)
    return found


def without_brackets(expression: str) -> str:
    """An expression with what Tcl works out replaced by 0."""
    depth, out = 0, []
    for letter in expression:
        if letter == "[":
            if depth == 0:
                out.append("0")
            depth += 1
        elif letter == "]":
            depth -= 1
        elif depth == 0:
            out.append(letter)
    return "".join(out)


def references(expression: str) -> list[str]:
    """The dotted names an expression asks for."""
    return re.findall(r"[A-Za-z_]\w*(?:\.\w+)+", without_brackets(expression))
