"""What a job reads and writes, as its fields declare it, handed to the one guard before the first write.

A field of a path declares what is done with it (`reads`, `writes` or `updates` of fields.py). An output also
says of which kind it is; a new kind is a line in `KINDS`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.core import outputs, unfinished
from understudy.core.outputs import Read, Written
from understudy.face.skin.bank import bank_path
from understudy.image.sequence import Pattern
from understudy.inference.card import card_path
from understudy.jobs import marks
from understudy.jobs.fields import Job
from understudy.jobs.paths import NamedPath, named_paths

PICTURES = frozenset({".exr", ".png", ".tif", ".tiff", ".dpx", ".jpg", ".jpeg"})
_MODEL_PARTS = frozenset(
    {"model.json", "history.sqlite", "training.lock"}
    | {"checkpoints", "previews", "refiners", "tensorboard", "export"}
)
_DEMO_SEQUENCES = ("actor", "double", "plate", "truth")
_DEMO_FILES = ("contact_sheet.png", "score.json", "steps.json")
_DEMO_PARTS = frozenset(
    {*_DEMO_SEQUENCES, *_DEMO_FILES, "swap", "plate.track", "demo.model"}
    | {"actor.faceset", "double.faceset"}
)


@dataclass(frozen=True)
class Kind:
    """A kind of output.

    Attributes:
        paths: The files by name, of the field's value and the frames of the run.
        is_ours: Whether a file that is there carries our mark.
        is_home: Of a folder: whether it is ours or as good as empty; None where the output is not a folder.
        own_folders: Folders of ours below it, in which every partial file is of a run on this output.
    """

    paths: Callable[[str, Sequence[int]], Sequence[Path]]
    is_ours: Callable[[Path], bool]
    is_home: outputs.HomeMark | None = None
    own_folders: tuple[str, ...] = ()


def guard(job: Job, *, frames: Iterable[int] = ()) -> None:
    """Refuse a job that would write over what it reads or over foreign files; call it before the first write.

    Args:
        job: Its outputs are given, also where the verb chooses them.
        frames: All frames that the run will write.

    Raises:
        JobError: an output is an input, a foreign file or not a regular file; it names both.
    """
    paths = list(named_paths(job))
    reads = [read for one in paths if not one.output for read in _read(one)]
    writes = _written(paths, tuple(frames))
    outputs.guard(reads, writes, overwrite=getattr(job, "overwrite", None))
    for one in paths:
        for name in KINDS[one.output].own_folders if one.output else ():
            unfinished.tidy_folder(Path(one.value, name))


def refuse_document(job: Job, document: Path) -> None:
    """Refuse a job that would write over the document it was read from.

    Raises:
        JobError: it would; it names both.
    """
    outputs.refuse_inputs([Read("job document", document)], _written(list(named_paths(job)), ()))


def _written(paths: Sequence[NamedPath], frames: Sequence[int]) -> list[Written]:
    writes = []
    for one in paths:
        if one.output:
            kind = KINDS[one.output]
            home = None if kind.is_home is None else (Path(one.value), kind.is_home)
            writes.append(Written(_words(one), kind.paths(one.value, frames), kind.is_ours, home))
    return writes


def _read(named: NamedPath) -> Iterator[Read]:
    """An input: one file, a folder, or what of a folder a pattern or a wildcard names."""
    what, value, path = _words(named), named.value, Path(named.value)
    if named.kind != "sequence":
        yield Read(what, path)
        if path.suffix == ".onnx":
            yield Read(f"card of the {what}", card_path(path))
            yield Read(f"skin bank of the {what}", bank_path(path))
    elif path.is_dir():
        yield Read(what, path, lambda name: Path(name).suffix.lower() in PICTURES)
    elif not path.exists() and Pattern.is_pattern(value):
        yield Read(what, path.parent, Pattern.parse(value).is_member)
    elif not path.exists() and any(sign in path.name for sign in "*?["):
        yield Read(what, path.parent, lambda name: fnmatch.fnmatch(name, path.name))
    else:
        yield Read(what, path)


def _words(named: NamedPath) -> str:
    """A field as a message calls it."""
    return named.field.replace("_", " ")


def _frames(value: str, frames: Sequence[int]) -> list[Path]:
    pattern = Pattern.parse(value) if frames else None
    return [] if pattern is None else [pattern.path(number) for number in frames]


def _exported(value: str, frames: Sequence[int]) -> list[Path]:
    return [Path(value), card_path(Path(value)), bank_path(Path(value))]


def _one(value: str, frames: Sequence[int]) -> list[Path]:
    return [Path(value)]


def _in_folder(*names: str) -> Callable[[str, Sequence[int]], list[Path]]:
    return lambda value, frames: [Path(value, name) for name in names]


def _demo(value: str, frames: Sequence[int]) -> list[Path]:
    """The demo's files by name, and the frames that are there of what it renders."""
    found = [Path(value, name) for name in _DEMO_FILES]
    for name in _DEMO_SEQUENCES:
        folder = Path(value, name)
        pattern = Pattern.parse(str(folder / f"{name}.%04d.exr"))
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        found += [folder / one for one in names if pattern.is_member(one) or one == "landmarks.json"]
    return found


def _demo_file(path: Path) -> bool:
    """A file of a folder that the demo wrote; where the folder does not say so, a frame that does."""
    folders = (path.parent, path.parent.parent)
    return any(marks.demo_folder(folder) for folder in folders) or marks.rendered(path)


def _model_file(path: Path) -> bool:
    return marks.history(path) if path.suffix == ".sqlite" else marks.model_description(path)


def _is_face_set(folder: Path, names: Sequence[str]) -> bool:
    return all(name == "crops" or _is_database(folder / name) for name in names) or (
        "faces.sqlite" in names and _is_database(folder / "faces.sqlite")
    )


def _is_database(path: Path) -> bool:
    bare = path.with_name(path.name.removesuffix("-journal").removesuffix("-wal").removesuffix("-shm"))
    return bare.is_file() and (bare.stat().st_size == 0 or marks.database(bare))


def _is_model_folder(folder: Path, names: Sequence[str]) -> bool:
    return marks.model_description(folder / "model.json") or all(
        name in _MODEL_PARTS or name.startswith("history.sqlite-") for name in names
    )


def _is_demo_folder(folder: Path, names: Sequence[str]) -> bool:
    return _DEMO_PARTS.issuperset(names) or marks.demo_folder(folder)


KINDS = {
    "frames": Kind(_frames, marks.frame),
    "sheet": Kind(_one, marks.frame),
    "track": Kind(_one, marks.database),
    "face_set": Kind(_in_folder("faces.sqlite"), marks.database, _is_face_set, ("crops",)),
    "model": Kind(
        _in_folder("model.json", "history.sqlite"), _model_file, _is_model_folder, ("previews", "export")
    ),
    "exported": Kind(_exported, marks.exported),
    "points": Kind(_one, marks.points),
    "bundle": Kind(_in_folder("job.json", "template.json"), marks.bundle),
    "demo": Kind(_demo, _demo_file, _is_demo_folder),
}
"""The kinds of outputs that a field may declare."""
