"""The one exception a host shows: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class HostError(Exception):
    """Something an artist can act on.

    Attributes:
        what: One sentence.
        where: A path, a knob or a frame; empty when there is none.
        fix: What to do; empty when nobody knows.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where, fix

    @classmethod
    def of_engine(cls, error: Mapping[str, Any]) -> HostError:
        """The engine's own error, from a JSON-RPC error object."""
        data = error.get("data") or {}
        what = data.get("what") or error.get("message") or "The engine failed without saying why."
        return cls(str(what), str(data.get("where") or ""), str(data.get("fix") or ""))

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append("  at: " + self.where)
        if self.fix:
            lines.append("  try: " + self.fix)
        return "\n".join(lines)
