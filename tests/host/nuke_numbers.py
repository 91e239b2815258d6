"""Nuke's expressions, worked out: arithmetic, comparison, ?:, functions and names, on numbers or arrays.

Source:
    https://learn.foundry.com/nuke/content/comp_environment/expressions/adding_mathematical_functions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)|([A-Za-z_][\w.]*)|(<=|>=|==|!=|&&|\|\||[-+*/<>?:(),]))"
)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "log": np.log, "pow": np.power, "sqrt": np.sqrt, "cos": np.cos, "sin": np.sin, "abs": np.abs,
    "min": np.minimum, "max": np.maximum, "random": lambda x, y, z: _random(x, y, z),
}  # fmt: skip


def _random(x: Any, y: Any, z: Any) -> Any:
    """Even numbers from 0 to 1, the same for the same three; the host's own are others."""
    mixed = np.sin(np.asarray(x) * 12.9898 + np.asarray(y) * 78.233 + np.asarray(z) * 37.719) * 43758.5453
    return mixed - np.floor(mixed)


class Formula:
    """One expression, ready to be worked out."""

    def __init__(self, text: str) -> None:
        self._tokens = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise ValueError(f"{text!r} at {at}")
            self._tokens.append(next(group for group in found.groups() if group is not None))
            at = found.end()

    def value(self, names: Callable[[str], Any]) -> Any:
        """Its value; `names` gives what a name stands for."""
        self._at, self._names = 0, names
        result = self._choice()
        if self._at != len(self._tokens):
            raise ValueError(f"left over: {self._tokens[self._at :]}")
        return result

    def _take(self, *wanted: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at] in wanted:
            self._at += 1
            return self._tokens[self._at - 1]
        return None

    def _choice(self) -> Any:
        condition = self._compared()
        if not self._take("?"):
            return condition
        first = self._choice()
        assert self._take(":")
        second = self._choice()
        return np.where(condition, first, second)

    def _compared(self) -> Any:
        left = self._sum()
        operations = {
            "<": np.less,
            "<=": np.less_equal,
            ">": np.greater,
            ">=": np.greater_equal,
            "==": np.equal,
        }
        while word := self._take(*operations):
            left = np.asarray(operations[word](left, self._sum())) * 1.0
        return left

    def _sum(self) -> Any:
        left = self._product()
        while word := self._take("+", "-"):
            right = self._product()
            left = left + right if word == "+" else left - right
        return left

    def _product(self) -> Any:
        left = self._single()
        while word := self._take("*", "/"):
            right = self._single()
            left = left * right if word == "*" else left / right
        return left

    def _single(self) -> Any:
        if self._take("-"):
            return -self._single()
        if self._take("("):
            inner = self._choice()
            assert self._take(")")
            return inner
        token = self._tokens[self._at]
        self._at += 1
        if token[0].isdigit() or token[0] == ".":
            return float(token)
        if not self._take("("):
            return np.pi if token == "pi" else self._names(token)
        arguments = [self._choice()]
        while self._take(","):
            arguments.append(self._choice())
        assert self._take(")")
        with np.errstate(all="ignore"):
            return _FUNCTIONS[token](*arguments)
