"""The engine as a host drives it: a child process, killed, cancelled, missing, and of another version."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path

import pytest

from understudy import __version__
from understudy_host.client import PROGRAM_VARIABLE, Cancelled, Engine, Engines, failed_frames, find_program
from understudy_host.errors import HostError

PROGRAM = str(Path(sys.executable).with_name("understudy"))
DEMO = {"minutes": 0.05, "training_frames": 60, "shot_frames": 20, "size": 32, "detector": "known"}


@pytest.fixture
def engine():
    running = Engine(PROGRAM)
    yield running
    running.close()


def script(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_an_engine_answers_runs_a_job_and_ends_with_its_host(engine):
    assert engine.version == __version__ and engine.alive
    assert {"folder", "models"} <= set(engine.run("models", {"action": "list"}))
    engine.close()
    assert not engine.alive
    with pytest.raises(HostError, match="stopped"):
        engine.run("models", {})


def test_an_engines_error_keeps_what_where_and_what_to_do(engine):
    with pytest.raises(HostError, match="minutes") as caught:
        engine.run("demo", {"minutes": -1})
    assert caught.value.where and "try:" in str(caught.value)


def test_progress_is_told_and_a_cancelled_run_ends_and_leaves_the_engine_fit(engine, tmp_path):
    told = []
    with pytest.raises(Cancelled):
        engine.run("demo", {**DEMO, "output": str(tmp_path)}, told.append, lambda: len(told) > 2)
    assert told and all(event["kind"] for event in told)
    assert engine.run("models", {"action": "list"})["models"]


def test_an_engine_killed_in_the_middle_of_a_run_is_told_in_one_sentence_and_started_again(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(PROGRAM_VARIABLE, PROGRAM)
    engines = Engines()
    try:
        first = engines.get()

        def kill(event):
            os.kill(first.process_id, signal.SIGKILL)

        with pytest.raises(HostError, match="stopped in the middle of a run") as caught:
            first.run("demo", {**DEMO, "output": str(tmp_path)}, kill)
        assert "finished is kept" in caught.value.fix and "-9" in caught.value.where
        second = engines.get()
        assert second is not first and second.run("models", {})["models"]
        assert engines.get() is second
    finally:
        engines.close()


def test_runs_from_several_threads_take_their_turn(engine):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(engine.run("models", {"action": "list"})))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 4


def test_a_missing_engine_says_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(HostError, match="not installed here") as caught:
        find_program()
    assert PROGRAM_VARIABLE in caught.value.fix


def test_an_engine_of_another_protocol_is_refused(tmp_path):
    body = (
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    told = {'id': json.loads(line)['id'], 'result': {'version': '9.9', 'protocol': 2}}\n"
        "    print(json.dumps(told), flush=True)\n"
    )
    with pytest.raises(HostError, match=r"version 9\.9, of protocol 2; this plugin speaks protocol 1"):
        Engine(script(tmp_path / "engine", body))


def test_a_program_that_is_no_engine_is_told_with_its_last_words(tmp_path):
    with pytest.raises(HostError, match="stopped while it started") as caught:
        Engine(script(tmp_path / "engine", "raise SystemExit('no licence for breakfast')"))
    assert "no licence for breakfast" in caught.value.where


def test_a_program_that_is_gone_before_it_is_asked_is_told_with_its_last_words(tmp_path, monkeypatch):
    request = Engine._request

    def late(engine, method, params):
        engine._process.wait(60)
        return request(engine, method, params)

    monkeypatch.setattr(Engine, "_request", late)
    with pytest.raises(HostError, match="stopped while it started") as caught:
        Engine(script(tmp_path / "engine", "raise SystemExit('no licence for breakfast')"))
    assert "no licence for breakfast" in caught.value.where


def test_a_program_that_cannot_be_run_is_an_error(tmp_path):
    path = tmp_path / "engine"
    path.write_text("not a program")
    path.chmod(0o755)
    with pytest.raises(HostError, match="does not start"):
        Engine(str(path))


def test_the_hosts_own_interpreter_settings_do_not_reach_the_engine(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    engine = Engine(PROGRAM)
    assert engine.version == __version__
    engine.close()


def test_an_engine_ends_when_its_host_dies(tmp_path):
    import subprocess

    plugin = Path(__file__).parents[2] / "plugin"
    code = (
        f"import sys; sys.path.insert(0, {str(plugin)!r})\n"
        "from understudy_host.client import Engine\n"
        f"engine = Engine({PROGRAM!r})\nprint(engine.process_id, flush=True)\nimport os; os._exit(1)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    number = int(told.stdout)
    for _ in range(200):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the engine outlived its host")


def test_failed_frames_are_read_off_a_result():
    assert failed_frames({"failed_frames": [3, 5]}) == [3, 5]
    assert failed_frames({}) == []
