"""The plugin inside the stand-in for Nuke."""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fake_nuke import Nuke

from understudy_host.client import PROGRAM_VARIABLE

PLUGIN = Path(__file__).parents[2] / "plugin"
PROGRAM = str(Path(sys.executable).with_name("understudy"))


@contextmanager
def plugin_in(nuke: Nuke, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin started in a host, with the real engine; its engines end with it."""
    monkeypatch.setitem(sys.modules, "nuke", nuke)
    monkeypatch.setenv(PROGRAM_VARIABLE, PROGRAM)
    _forget()
    runpy.run_path(str(PLUGIN / "init.py"))
    started = (part("runs").engines, part("actions").workshop)
    try:
        yield
    finally:
        for engines in started:
            engines.close()
        _forget()


def part(name: str) -> ModuleType:
    """A module of the plugin as the host has it."""
    return importlib.import_module(f"understudy_nuke.{name}")


def dies_in_its_next_run(engine: Any) -> None:
    """Let an engine be killed by its next run's first events."""
    run = engine.run

    def killed(verb: str, job: Any, on_event: Any, is_cancelled: Any) -> Any:
        def told(event: Any) -> None:
            os.kill(engine.process_id, signal.SIGKILL)
            on_event(event)

        return run(verb, job, told, is_cancelled)

    engine.run = killed


def _forget() -> None:
    """The plugin's modules hold the host they were imported in."""
    for name in [one for one in sys.modules if one.partition(".")[0] == "understudy_nuke"]:
        del sys.modules[name]
