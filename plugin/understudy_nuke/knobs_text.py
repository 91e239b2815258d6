"""The group's own knobs as script text, from the job table."""

from __future__ import annotations

from collections.abc import Iterable

from understudy_host.knobs import Knob
from understudy_nuke.script import quoted, text

# Nuke's numbers for the kinds of a user knob.
_CODES = {"text": 1, "file": 2, "int": 3, "choice": 4, "bool": 6, "double": 7}
TAB, PUSH_BUTTON, DIVIDER = 20, 22, 26


def tab(name: str) -> str:
    """A new tab."""
    return f" addUserKnob {{{TAB} {name}}}"


def divider(name: str, label: str) -> str:
    """A line with a heading."""
    return f" addUserKnob {{{DIVIDER} {name} l {quoted(label)} T {quoted(' ')}}}"


def note(name: str, words: str, *, label: str = "") -> str:
    """Words to read."""
    return f" addUserKnob {{{DIVIDER} {name} l {quoted(label)} +STARTLINE T {quoted(words)}}}"


def button(name: str, label: str, tooltip: str, python: str) -> str:
    """A button that runs one line of Python; `script.text` keeps its quotes and brackets."""
    words = f"l {quoted(label)} t {quoted(tooltip)} T {quoted(python)}"
    return f" addUserKnob {{{PUSH_BUTTON} {name} {words} +STARTLINE}}"


def declared(kind: str, name: str, label: str, tooltip: str, extra: str = "") -> str:
    """A knob that is not in the job table."""
    return f" addUserKnob {{{_CODES[kind]} {name} l {quoted(label)} t {quoted(tooltip)}{extra}}}"


def hidden(kind: str, name: str) -> str:
    """A knob that keeps something for the plugin."""
    return f" addUserKnob {{{_CODES[kind]} {name} +INVISIBLE}}"


def number(name: str) -> str:
    """A number on a node inside the group."""
    return f" addUserKnob {{{_CODES['double']} {name}}}"


def vector(name: str) -> str:
    """Three numbers on a node inside the group, called x, y and z."""
    return f" addUserKnob {{13 {name}}}"


def choice(name: str, label: str, tooltip: str, words: Iterable[str]) -> str:
    """A pulldown that is not in the job table."""
    return declared("choice", name, label, tooltip, f" M {{{' '.join(words)}}}")


def of_table(knob: Knob, remark: str = "") -> list[str]:
    """A knob of the job table: its declaration, and its default on a line of its own.

    Args:
        knob: The knob.
        remark: What its tooltip says besides.
    """
    tooltip = " ".join(words for words in (knob.tooltip, remark) if words)
    extra = ""
    if knob.kind == "choice":
        extra = f" M {{{' '.join(knob.items)}}}"
    elif knob.kind in ("double", "int") and knob.low is not None and knob.high is not None:
        extra = f" R {knob.low:g} {knob.high:g}"
    lines = [declared(knob.kind, knob.name, knob.label, tooltip, extra)]
    if knob.default is not None:
        lines.append(f" {knob.name} {text(knob.default)}")
    return lines
