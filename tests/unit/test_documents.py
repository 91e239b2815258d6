"""The one reader of JSON, and what may be the name of a file."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.app import console, worker
from understudy.app.cli import main
from understudy.core import database, documents, paths
from understudy.core.errors import (
    FaceError,
    JobError,
    ModelError,
    ReleaseError,
    TrainingError,
    UnderstudyError,
)
from understudy.core.names import printable
from understudy.core.progress import Failed, Warned, silent
from understudy.core.settings import Settings
from understudy.face.detect import known
from understudy.farm import bundle
from understudy.inference.card import read_card
from understudy.jobs.machine import BundleJob
from understudy.jobs.table import VERBS, job_class, parse_job
from understudy.provenance import releases
from understudy.train.checkpoints import model_folder, store

KIND = documents.Kind("document", JobError, "write it again", largest_bytes=1000, newest=2)
SWAP = {"plate": "p.%04d.exr", "track": "t.track", "model": "m.onnx", "output": "o.%04d.exr"}
HARMFUL: dict[str, bytes] = {
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 60 + b"1" + b"}" * 60,
    "half": b'{"a": ',
    "latin": b'{"a": "caf\xe9"}',
    "twice": b'{"a": 1, "a": 2}',
    "infinite": b'{"a": 1e999}',
    "nan": b'{"a": NaN}',
    "digits": b'{"a": ' + b"9" * 5000 + b"}",
    "list": b"[1]",
    "empty": b"",
}


def _model(folder: Path, data: bytes) -> Any:
    (folder / "model.json").write_bytes(data)
    return model_folder.read(folder)


def _state(folder: Path, data: bytes) -> Any:
    (folder / "state.json").write_bytes(data.replace(b"NaN", b"1}").replace(b"1e999", b"1}"))
    return store.read_state(store.Checkpoint(folder, 1))


def _card(folder: Path, data: bytes) -> Any:
    (folder / "m.card.json").write_bytes(data)
    return read_card(folder / "m.onnx")


def _file(read: Callable[[Path], Any]) -> Callable[[Path, bytes], Any]:
    def of(folder: Path, data: bytes) -> Any:
        (folder / "x.json").write_bytes(data)
        return read(folder / "x.json")

    return of


def _bundle(path: Path) -> Any:
    job = BundleJob(document=path, folder=path.parent / "b", frames="1-2")
    return bundle.run(job, report=silent, settings=Settings(path.parent))


READERS: dict[str, tuple[Callable[[Path, bytes], Any], type[UnderstudyError]]] = {
    "model.json": (_model, TrainingError),
    "state.json": (_state, TrainingError),
    "card": (_card, ModelError),
    "release": (_file(releases.load), ReleaseError),
    "landmarks": (_file(known.read_table), FaceError),
    "bundle": (_file(_bundle), JobError),
}


@pytest.mark.parametrize("harm", HARMFUL)
@pytest.mark.parametrize("reader", READERS)
def test_a_harmful_document_is_one_error_of_its_kind(tmp_path: Path, reader: str, harm: str) -> None:
    read, error = READERS[reader]
    with pytest.raises(error) as caught:
        read(tmp_path, HARMFUL[harm])
    assert str(tmp_path) in caught.value.where and caught.value.fix and len(caught.value.what) < 500


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", "full"),
        ("size", 1e308),
        ("size", 100_000),
        ("code", 922_337_203_685),
        ("residuals", 10**11),
        ("identities", []),
        ("identities", ["ann", "ann"]),
        ("identities", ["\ud800"]),
        ("attention", "yes"),
        ("variant", "x"),
    ],
)
def test_an_architecture_that_no_training_makes_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    shape = {"size": 80, "width": 24, "code": 160, "identities": ["ann", "bert"]}
    document = {"schema_version": 1, "name": "m", "architecture": shape, "coverage": "full"}
    document |= {"facesets": {}, "releases": {}, "landmarks": "yunet"}
    (tmp_path / "model.json").write_text(json.dumps(document))
    found = model_folder.read(tmp_path)
    assert found is not None and found.source == 1
    (tmp_path / "model.json").write_text(json.dumps({**document, "architecture": {**shape, field: value}}))
    with pytest.raises(TrainingError, match=f"architecture.{field}|identity is named twice"):
        model_folder.read(tmp_path)


def test_a_pipe_is_refused_and_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    with pytest.raises(JobError, match="not a regular file"):
        documents.read(pipe, KIND)
    for field in ("track", "model", "plate", "output"):
        with pytest.raises(JobError, match="pipe, a socket or a device"):
            parse_job("swap", {**SWAP, field: str(pipe)})
    with pytest.raises(JobError, match="pipe, a socket or a device"):
        parse_job("swap", {**SWAP, "output": os.devnull})


def test_a_document_that_is_too_large_or_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": "x" * 1000}))
    with pytest.raises(JobError, match="larger than 1000 bytes"):
        documents.read(path, KIND)
    path.write_text('{"schema_version": 3}')
    with pytest.raises(JobError, match="newer version: schema 3, not 2"):
        documents.read(path, KIND)


@given(
    st.text() | st.lists(st.text(st.characters(codec=None))) | st.dictionaries(st.text(), st.floats(-1, 1))
)
def test_what_is_written_is_read_back_and_is_utf8(value: Any) -> None:
    text = documents.dump(value)
    assert documents.parse(text.encode()) == value
    assert not any(ord(letter) in range(0x7F, 0xA0) or ord(letter) < 0x20 for letter in text)


@pytest.mark.parametrize("name", ["", " ", "a\0b", "\ud800.exr", "x" * 5000])
@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_field_that_names_a_file_refuses_what_no_file_can_be_called(verb: str, name: str) -> None:
    from understudy.jobs.fields import names_a_file

    fields = [one for one, about in job_class(verb).model_fields.items() if names_a_file(about)]
    assert fields or verb in ("models",)
    for field in fields:
        with pytest.raises(JobError, match=f"{field} of the {verb} job: Value error"):
            parse_job(verb, {**dict.fromkeys(fields, "x"), field: name})


def test_words_are_text(tmp_path: Path) -> None:
    for word in ("a\0b", "caf\udce9"):
        with pytest.raises(JobError, match="source of the swap job"):
            parse_job("swap", {**SWAP, "source": word})
        with pytest.raises(JobError, match=r"faces.0.*source"):
            parse_job("swap", {**SWAP, "faces": [{"face": "hero", "source": word}]})


def test_keyframes_as_text_are_bounded_too() -> None:
    for text in ("[" * 100_000, '{"opacity": {"1": NaN}}', '{"opacity": {"1": 1}, "opacity": {"1": 2}}'):
        with pytest.raises(JobError, match="keyframes of the swap job"):
            parse_job("swap", {**SWAP, "keyframes": text})


def test_a_library_gets_at_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    with paths.reachable(folder / "a.exr") as name:
        assert name.isascii() and name.endswith(".exr")
        Path(name).write_bytes(b"1")
    assert (folder / "a.exr").read_bytes() == b"1"
    assert paths.as_text(folder / "é.exr").endswith("caf\\xe9/é.exr")


def test_a_database_says_its_own_error(tmp_path: Path) -> None:
    kind = database.Kind("thing", ModelError)
    with pytest.raises(ModelError, match="The thing does not exist"):
        database.connect(tmp_path / "none", kind, {1: {}})


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x9b2J", "\r", "\x07", "\u202egpj.exe", "\x7f", "\udce9", "\ud800", "\u2028"]
)
def test_nothing_that_steers_a_terminal_is_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    event = Failed({"type": "JobError", "what": f"a{text}b", "where": f"{text}\n  try: rm -rf", "fix": ""})
    shown = [console.text_of(event), console.text_of(Warned(f"a{text}b")), printable(text)]
    assert not any(text in one for one in shown) and shown[0].count("\n") == 1
    console.show_result({"output": text, "rows": [{"a": text}], "words": [text]})
    main(
        [
            "swap",
            "--plate",
            f"{text}.%04d.exr",
            "--output",
            "o.%04d.exr",
            "--track",
            "t",
            "--model",
            f"m{text}",
        ]
    )
    told = capsys.readouterr()
    assert text not in told.out.replace("\n", "") and text not in told.err.replace("\n", "")


EVIL = [
    b'{"jsonrpc":"2.0","id":"\\ud800","method":"hello"}',
    b'{"jsonrpc":"2.0","id":"b","method":"\\ud800"}',
    b'{"jsonrpc":"2.0","id":"b","method":"run","params":{"verb":"\\ud800","job":{}}}',
    b'{"jsonrpc":"2.0","id":"b","method":"cancel","params":{"id":"\\udc80"}}',
    b'{"jsonrpc":"2.0","id":"b","method":"run","params":{"verb":"swap","job":{"\\ud800":1}}}',
    b'{"jsonrpc":"2.0","id":"b","method":"run","params":{"verb":"swap","job":{"plate":"/x/caf\\udce9.exr",'
    b'"track":"t","model":"m","output":"o.%04d.exr"}}}',
    b'{"jsonrpc":"2.0","id":"b","method":"run","params":{"verb":"swap","job":{"plate":"a\\u0000b",'
    b'"track":"t","model":"","output":"\\ud800"}}}',
    b'{"jsonrpc":"2.0","id":"b","method":"hello","params":' + b"[" * 100_000,
    b'{"jsonrpc":"2.0","id":' + b"9" * 4000 + b',"method":"hello"}',
    b'{"jsonrpc":"2.0","id":"b","id":"c","method":"hello"}',
    b'{"jsonrpc":"2.0","id":"\xff","method":"hello"}',
]


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_every_request_is_answered_and_the_run_under_way_goes_on(evil: bytes, tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    told, tell = os.pipe()
    with (
        os.fdopen(ours, "rb") as requests,
        os.fdopen(tell, "wb") as replies,
        os.fdopen(told, "rb") as answers,
    ):
        served = worker.Worker(requests, replies, Settings(tmp_path))
        thread = threading.Thread(target=served.serve)
        thread.start()
        run = b'{"jsonrpc":"2.0","id":"good","method":"run","params":{"verb":"models","job":{}}}\n'
        os.write(theirs, run + evil + b"\n" + b'{"jsonrpc":"2.0","id":"end","method":"hello"}\n')
        seen: list[dict[str, Any]] = []
        while not {"good", "end"} <= {str(one.get("id")) for one in seen} or len(seen) < 3:
            message = json.loads(answers.readline())
            seen += [message] if "method" not in message else []
        os.close(theirs)
        thread.join(20)
    assert not thread.is_alive()
    assert "result" in next(one for one in seen if one.get("id") == "good")


def test_json_of_others_is_read_in_one_place() -> None:
    engine = Path(documents.__file__).parents[1]
    # The package's own schema, what a process has just written itself, and the stamp of a file's times.
    own = {"core/documents.py", "jobs/schema.py", "app/demo.py", "shots/journal.py"}
    readers = {
        path.relative_to(engine).as_posix()
        for path in engine.rglob("*.py")
        if re.search(r"\bjson\.loads?\(|\bJSONDecoder\b|model_validate_json", path.read_text())
    }
    assert readers <= own


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-" + "9" * 5000, "123456789012345678901"])
def test_an_integer_that_no_field_can_hold_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        documents.parse(f'{{"a": [{number}]}}')
    assert documents.parse("[-9223372036854775808, 18446744073709551615]") == [-(2**63), 2**64 - 1]
