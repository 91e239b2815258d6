"""Expressions over named numbers, in Python's own notation: read once, then worked out by any host.

Nothing is executed: an expression is parsed, and a host says what its names and its operations become.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

_BINARY = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
FUNCTIONS = ("min", "max", "cos", "sin", "sqrt")
"""What may be called; besides there are the four operations, a negative, == and `a if c else b`."""


def fold(text: str, name: Callable[[str], Any], apply: Callable[..., Any]) -> Any:
    """Work an expression out, from its leaves to its root.

    Args:
        text: Such as "erode*unit_px if matte_unit == 0 else 0".
        name: What a name stands for; one with a part of a vector is given with its dot.
        apply: Takes an operation's name (`add`, `subtract`, `multiply`, `divide`, `negative`, `equal`,
            `choose` or one of FUNCTIONS) and its arguments; `choose` takes the condition, the value where it
            is true and the value where it is not.

    Raises:
        ValueError: the expression is none, or holds what no host knows.
    """

    def worked_out(node: ast.AST) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value)
        if isinstance(node, (ast.Name, ast.Attribute)):
            return name(ast.unparse(node))
        operation, arguments = _parts(node)
        return apply(operation, *map(worked_out, arguments))

    return worked_out(_parsed(text))


def names(text: str) -> Iterator[str]:
    """The names that an expression reads, without the parts of vectors."""
    calls = {node.func for node in ast.walk(_parsed(text)) if isinstance(node, ast.Call)}
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.Name) and node not in calls:
            yield node.id


@cache
def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{text!r} is not an expression") from error


def _parts(node: ast.AST) -> tuple[str, list[ast.expr]]:
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)], [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return "negative", [node.operand]
    if isinstance(node, ast.Compare) and [type(one) for one in node.ops] == [ast.Eq]:
        return "equal", [node.left, *node.comparators]
    if isinstance(node, ast.IfExp):
        return "choose", [node.test, node.body, node.orelse]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        return node.func.id, node.args
    raise ValueError(f"{ast.unparse(node)!r} is not an expression that every host knows")
