"""JSON documents, the command line, and the requests of a host program."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from fuzz.mutate import damaged, damaged_document, hostile_value
from fuzz.reader import Reader
from fuzz.stores import landmarks, make_track
from understudy.app import cli, verbs, worker
from understudy.core.errors import UnderstudyError
from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.face.detect.detectors import open_detector
from understudy.face.track.store import Track
from understudy.farm import bundle
from understudy.jobs.machine import BundleJob
from understudy.jobs.shots import PointsJob
from understudy.provenance import releases
from understudy.shots import points

SETTINGS = Settings(models=Path("nowhere"), device="cpu", threads=1)
JOB = {
    "plate": "/shots/plate.%04d.exr",
    "track": "/shots/plate.track",
    "model": "/shots/swap.onnx",
    "output": "/shots/out.%04d.exr",
    "frames": "1001-1010x2",
    "matte_roto": "/shots/roto.%04d.exr",
    "opacity": 50.0,
    "colour_method": "linear",
    "faces": [{"face": "hero", "model": "/shots/a.onnx", "source": "ann"}],
    "keyframes": {"opacity": {"1001": 0, "1009": 100}, "sharpness": {"1001": 5.5}},
}
RELEASE = {
    "schema_version": 1,
    "performer": "Ann",
    "granted_to": "Example Pictures",
    "production": "The Example",
    "valid_from": "2020-01-01",
    "valid_until": "2999-12-31",
    "uses": ["train", "swap"],
    "signed": {"by": "Ann", "on": "2020-01-01"},
}
COMMANDS = [
    [*("swap", "--plate", "p.%04d.exr", "--track", "p.track", "--model", "m.onnx", "--output", "o.%04d.exr")],
    [*("swap", "--job", "job.json", "--frames", "1-5x2", "--opacity", "50", "--matte-occlusion", "--json")],
    [*("extract", "--plate", "p.mov", "--faceset", "a.faceset", "--face-box", "1", "2", "3", "4")],
    [*("track", "--plate", "p.exr", "--track", "a.track", "--faces", "2", "--smoothing-frames", "1.5")],
    [*("train", "--model", "m.model", "--source-faceset", "a", "--destination-faceset", "b")],
    [*("train", "--model", "m.model", "--minutes", "1h30m", "--seed", "3", "--job", "job.json")],
    [*("propagate", "--plate", "p.exr", "--fix", "f.exr", "--output", "o.exr", "--patch", "5")],
    [*("score", "--plate", "p.exr", "--truth", "t.exr", "--swapped", "s.exr", "--sheet", "s.png", "--json")],
    [*("export", "--model", "m.model", "--format", "onnx", "--source", "ann")],
    [*("bundle", "--document", "job.json", "--folder", "farm", "--chunk-frames", "5", "--name", "x")],
    [*("models", "verify", "--json")],
    ["schema"],
]


def _not_done(job: Any, report: Any, settings: Any, kept: Any) -> dict[str, Any]:
    """Stands for the verb itself: here its words are read, and nothing is done."""
    return {"output": str(job)[:100]}


def run_command(words: list[str]) -> None:
    """Run a command up to the verb; a traceback, or a message that cannot be printed, is a fault."""
    verbs._dispatch = _not_done
    # As Python opens them: what cannot be encoded is an error on stdout, and escaped on stderr.
    streams = [
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors=errors, write_through=True)
        for errors in ("strict", "backslashreplace")
    ]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        try:
            code = cli.main(words)
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    told = "".join(stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
    if code == cli.EXIT_BUG or "Traceback (most recent" in told:
        raise RuntimeError(f"exit code {code}:\n{told}")
    if code:
        raise UnderstudyError(f"exit code {code}: {told[:2000]}")


def make_documents(folder: Path) -> None:
    make_track(folder)
    job = PointsJob(track=folder / "a.track", document=folder / "points.json")
    points.run(job, report=silent, settings=SETTINGS)
    corrections = json.loads((folder / "points.json").read_text())
    for faces in corrections["faces"].values():
        for face in faces.values():
            face |= {"by_hand": True, "moved": {"3": [10.5, 20.5], "40": [50, 60]}}
    known = {"schema_version": 2, "landmarks": {"1": [landmarks(1).tolist()], "2": [landmarks(2).tolist()]}}
    documents = {"job": JOB, "points": corrections, "release": RELEASE, "landmarks": known, "bundle": JOB}
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))


def damage_document(generator: random.Random, valid: Path, case: Path) -> None:
    name = generator.choice([*_DOCUMENTS])
    shutil.copy(valid / "a.track", case)
    document = json.loads((valid / f"{name}.json").read_text())
    (case / f"{name}.json").write_bytes(damaged_document(generator, document))


def read_document(case: Path) -> None:
    (path,) = case.glob("*.json")
    _DOCUMENTS[path.stem](path)


def _read_points(path: Path) -> None:
    track = path.with_name("a.track")
    job = PointsJob(track=track, document=path, action="correct")
    points.run(job, report=silent, settings=SETTINGS)
    Track.open(track)


def _read_bundle(path: Path) -> None:
    job = BundleJob(document=path, folder=path.with_name("farm"))
    bundle.run(job, report=silent, settings=SETTINGS)


_DOCUMENTS: dict[str, Callable[[Path], None]] = {
    "job": lambda path: run_command(["swap", "--job", str(path)]),
    "points": _read_points,
    "release": lambda path: releases.load(path).require("train", releases.date.today()),
    "landmarks": lambda path: _detect(path),
    "bundle": _read_bundle,
}


def _detect(path: Path) -> None:
    detector = open_detector("known", SETTINGS, known=path)
    for number in (1, 2, 3):
        detector.detect(None, frame=number)  # type: ignore[arg-type]


def make_commands(folder: Path) -> None:
    (folder / "job.json").write_text(json.dumps(JOB))


def damage_command(generator: random.Random, valid: Path, case: Path) -> None:
    """Damage the words of a command. A terminal's words hold no NUL; a host's do."""
    words: list[str] = list(generator.choice(COMMANDS))
    if generator.random() < 0.3:
        (case / "job.json").write_bytes(damaged_document(generator, JOB))
    else:
        shutil.copy(valid / "job.json", case)
    for _ in range(generator.choice([1, 1, 2, 3])):
        place = generator.randrange(len(words))
        match generator.randrange(5):
            case 0:
                words[place] = str(hostile_value(generator))[:70_000]
            case 1:
                del words[place]
                words = words or [""]
            case 2:
                words.insert(place, words[generator.randrange(len(words))])
            case 3:
                word = words[place].encode("utf-8", "surrogatepass") or b"x"
                words[place] = damaged(generator, word, b"--").decode("utf-8", "surrogateescape")
            case _:
                words.insert(place + 1, str(hostile_value(generator))[:1000])
    words = [str(case / "job.json") if word == "job.json" else word for word in words]
    # Standard input of `serve` is another reader's; a farm is not started from here.
    if "serve" in words or "doctor" in words:
        words = ["schema"]
    (case / "words.json").write_text(json.dumps(words))


def read_command(case: Path) -> None:
    run_command(json.loads((case / "words.json").read_text()))


def make_requests(folder: Path) -> None:
    values = {name: value for name, value in JOB.items() if name != "faces"}
    requests = [
        {"jsonrpc": "2.0", "id": 1, "method": "hello"},
        {"jsonrpc": "2.0", "id": "a", "method": "schema", "params": {}},
        {"jsonrpc": "2.0", "id": 2, "method": "run", "params": {"verb": "swap", "job": values}},
        {"jsonrpc": "2.0", "id": 3, "method": "cancel", "params": {"id": 2}},
        {"jsonrpc": "2.0", "method": "hello"},
    ]
    (folder / "requests.json").write_text(json.dumps(requests))


def damage_requests(generator: random.Random, valid: Path, case: Path) -> None:
    requests = json.loads((valid / "requests.json").read_text())
    chosen = [generator.choice(requests) for _ in range(generator.randrange(1, 5))]
    lines = [json.dumps(one).encode() for one in chosen]
    place = generator.randrange(len(lines))
    lines[place] = damaged_document(generator, chosen[place])
    (case / "requests.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def read_requests(case: Path) -> None:
    """Serve the requests and then a good one, which must be answered; every answer is one line of JSON."""
    verbs._dispatch = _not_done
    last = b'\n{"jsonrpc": "2.0", "id": "the last", "method": "hello"}\n'
    asked, answered = io.BytesIO((case / "requests.jsonl").read_bytes() + last), io.BytesIO()
    printed = io.StringIO()
    ended = b'"method": "shutdown"' in asked.getvalue()
    with redirect_stderr(printed):
        worker.Worker(asked, answered, SETTINGS).serve()
    answers = [json.loads(line) for line in answered.getvalue().decode().splitlines()]
    faults = [one for one in answers if one.get("error", {}).get("code") == worker.INTERNAL_ERROR]
    if faults or "Traceback" in printed.getvalue():
        raise RuntimeError(f"{faults[:1]}\n{printed.getvalue()}")
    if not ended and not any(one.get("id") == "the last" and "result" in one for one in answers):
        raise RuntimeError("the request after it was not answered")


READERS = (
    Reader("documents", make_documents, damage_document, read_document),
    Reader("command", make_commands, damage_command, read_command),
    Reader("requests", make_requests, damage_requests, read_requests),
)
