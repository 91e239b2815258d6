"""Tcl's interpreter, which Python brings along unless a system splits it off: Nuke's scripts are Tcl."""

from __future__ import annotations

import pytest

tkinter = pytest.importorskip(
    "tkinter", reason="this Python has no tkinter (Debian's python3-tk), by which Nuke's scripts are read"
)
