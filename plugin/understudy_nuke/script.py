"""Text of Nuke nodes: a graph is written down node by node, with names for wires.

Convention:
    A script is Tcl. A node takes its inputs off a stack, the first input from the top, and is itself put on
    it; here every input is pushed by name before the node that takes it, so that no node depends on the order
    that others are written in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Value = object


class Expression(str):
    """A knob's value that the host works out: an expression of other knobs, or Tcl in brackets."""

    __slots__ = ()


class Script:
    """The text of a graph as it grows."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: set[str] = set()

    def node(
        self,
        kind: str,
        name: str,
        inputs: Sequence[str | None],
        knobs: Mapping[str, Value] | None = None,
        *,
        declared: Sequence[str] = (),
    ) -> str:
        """Add a node of a class; gives its name, to wire it to others.

        Args:
            inputs: Names of nodes that were added before, in the node's own order; None leaves one open.
            knobs: Values by scripting name.
            declared: Lines that give the node knobs of its own, before their values.

        Raises:
            ValueError: the name is taken, or an input is unknown.
        """
        unknown = [one for one in inputs if one is not None and one not in self._names]
        if name in self._names or unknown:
            raise ValueError(f"node {name}: taken, or its inputs {unknown} are unknown")
        for one in reversed(inputs):
            self._lines.append("push 0" if one is None else f"push $N_{one}")
        self._lines.append(f"{kind} {{")
        self._lines.append(f" inputs {len(inputs)}")
        self._lines.append(f" name {name}")
        self._lines.extend(declared)
        self._lines.extend(f" {knob} {text(value)}" for knob, value in (knobs or {}).items())
        self._lines.append("}")
        self._lines.append(f"set N_{name} [stack 0]")
        self._names.add(name)
        return name

    def lines(self) -> list[str]:
        """The text so far."""
        return list(self._lines)


def text(value: Value) -> str:
    """A value as a script holds it."""
    if isinstance(value, Expression):
        return f"{{{_element(value)}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:.9g}"
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], (list, tuple)):
            return "{\n" + "".join(f"   {text(row)}\n" for row in value) + "  }"
        return "{" + " ".join(_element(one) for one in value) + "}"
    return quoted(str(value))


def quoted(words: str) -> str:
    """Text as one word of Tcl, in which nothing is substituted."""
    escaped = "".join("\\" + letter if letter in '\\"[]$' else letter for letter in words)
    return '"' + escaped.replace("\n", "\\n") + '"'


def _element(value: Value) -> str:
    """A value inside a list: an expression stands in braces of its own."""
    return f'{{"{value}"}}' if isinstance(value, Expression) else text(value)
