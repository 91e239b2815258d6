"""The one check before a run's first write: no output is an input, and nothing foreign is replaced.

Two paths are one file when device and inode say so, or when they name the same entry of the same folder,
whether it exists or not. Text does not count: `..`, links, mounts and spellings lead to one place. The
fields of a job declare which files it reads and writes (`jobs/files.py`).

Cost: each folder is listed once; of outputs those that exist are looked at, and of inputs none unless an
output exists. Only outputs that exist are opened, to find our mark in them.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from understudy.core import unfinished
from understudy.core.errors import JobError

Identity = tuple[object, ...]
HomeMark = Callable[[Path, Sequence[str]], bool]
_EXAMPLES = 3
_CHUNK = 1 << 20


class Names(Protocol):
    """Which names of a folder belong to a sequence."""

    def __call__(self, name: str) -> bool:
        """Whether a file name does."""


@dataclass(frozen=True)
class Read:
    """What a run reads.

    Attributes:
        what: What the user calls it.
        path: The file or the folder; of a sequence its folder.
        members: Of a sequence: which names in the folder belong to it. None for one file, or a whole folder.
    """

    what: str
    path: Path
    members: Names | None = None


@dataclass(frozen=True)
class Written:
    """What a run writes.

    Attributes:
        what: What the user calls it.
        paths: The files by name, as far as they are known.
        is_ours: Whether a regular file that is there carries our mark.
        home: Where the output is a folder: the folder, and whether it, given with the names in it, is one of
            ours or as good as empty.
    """

    what: str
    paths: Sequence[Path]
    is_ours: Callable[[Path], bool]
    home: tuple[Path, HomeMark] | None = None


def guard(reads: Sequence[Read], writes: Sequence[Written], *, overwrite: bool | None) -> None:
    """Refuse a run that would write over its inputs or over foreign files; tidy what killed runs left there.

    Args:
        reads: All inputs.
        writes: All outputs.
        overwrite: Whether foreign regular files may be replaced; None where the job has no such option.

    Raises:
        JobError: an output is an input, a foreign file or not a regular file; it names both.
    """
    folders = _Folders()
    there = refuse_inputs(reads, writes, folders)
    for output in writes:
        _refuse_home(output, folders, overwrite)
        _refuse_foreign(output, [path for path in output.paths if path in there], there, overwrite)
    for output in writes:
        _tidy(output, folders)


def refuse_inputs(
    reads: Sequence[Read], writes: Sequence[Written], folders: _Folders | None = None
) -> dict[Path, os.stat_result]:
    """Refuse outputs that are inputs.

    Returns:
        The outputs that exist, each with its facts, those of the file that a link leads to.

    Raises:
        JobError: an output is an input; it names both.
    """
    folders = folders or _Folders()
    _refuse_places(reads, writes, folders)
    there = {path: facts for one in writes for path in one.paths if (facts := folders.facts(path))}
    owners = {_identity(path, facts): path for path, facts in there.items()}
    if owners:
        linked = any(facts.st_nlink > 1 for facts in there.values())
        for one in reads:
            for path, facts in folders.files(one, deep=linked):
                output = owners.get(_identity(path, facts))
                if output is not None:
                    raise _is_input(one.what, output, path)
        _refuse_inside(reads, writes, there, folders)
    return there


class _Folders:
    """Folders, each listed once, and known by device and inode."""

    def __init__(self) -> None:
        self._names: dict[Path, list[str]] = {}
        self._folded: dict[Path, frozenset[str] | None] = {}
        self._places: dict[Path, Identity] = {}
        self._around: dict[Path, frozenset[Identity]] = {}

    def names(self, folder: Path) -> list[str]:
        """The names in a folder; none of one that is missing or cannot be read."""
        if folder not in self._names:
            self._names[folder] = []
            self._folded[folder] = frozenset()
            try:
                self._names[folder] = os.listdir(folder)
                self._folded[folder] = frozenset(map(_folded, self._names[folder]))
            except PermissionError:
                self._folded[folder] = None  # a folder may let its files be read and not be listed
            except (OSError, ValueError):
                pass
        return self._names[folder]

    def place(self, folder: Path) -> Identity:
        """A folder's identity, however its path is spelt; for a missing one, where it would be."""
        if folder not in self._places:
            try:
                facts = folder.stat()
                self._places[folder] = _identity(folder, facts)
            except (OSError, ValueError):
                self._places[folder] = (os.path.normcase(os.path.realpath(folder)),)
        return self._places[folder]

    def facts(self, path: Path) -> os.stat_result | None:
        """The `stat` of a path that exists; for a dangling link, the link's own."""
        self.names(path.parent)
        known = self._folded[path.parent]
        return _facts(path) if known is None or _folded(path.name) in known else None

    def around(self, folder: Path) -> frozenset[Identity]:
        """A folder and all folders that it lies in."""
        if folder not in self._around:
            real = Path(os.path.realpath(folder))
            self._around[folder] = frozenset(self.place(one) for one in (real, *real.parents))
        return self._around[folder]

    def files(self, read: Read, *, deep: bool) -> Iterator[tuple[Path, os.stat_result]]:
        """The files of an input that exist, with their facts; those below a whole folder only on demand."""
        paths: Iterable[Path] = [read.path]
        if read.members is not None:
            paths = [read.path / name for name in self.names(read.path) if read.members(name)]
        elif read.path.is_dir():
            paths = _below(read.path) if deep else ()
        for path in paths:
            facts = _facts(path)
            if facts is not None:
                yield path, facts


def _refuse_places(reads: Sequence[Read], writes: Sequence[Written], folders: _Folders) -> None:
    """Refuse an output that names an input's entry of a folder, or a frame of an input's sequence."""
    outputs: dict[Identity, dict[str, Path]] = {}
    for one in writes:
        for path in one.paths:
            outputs.setdefault(folders.place(path.parent), {}).setdefault(path.name, path)
    homes = {folders.place(one.home[0]): one.home[0] for one in writes if one.home is not None}
    for read in reads:
        if read.members is None:
            home = homes.get(folders.place(read.path))
            if home is not None:
                raise _is_input(read.what, home, read.path)
            candidates = outputs.get(folders.place(read.path.parent), {})
            if read.path.name in candidates:
                raise _is_input(read.what, candidates[read.path.name], read.path)
            continue
        for name, path in outputs.get(folders.place(read.path), {}).items():
            if read.members(name):
                raise _is_input(read.what, path, read.path / name)


def _refuse_inside(
    reads: Sequence[Read], writes: Sequence[Written], there: dict[Path, os.stat_result], folders: _Folders
) -> None:
    """Refuse an existing file of a folder that is read, such as a model's history, unless it is an output."""
    whole = [(one, folders.place(one.path)) for one in reads if one.members is None and one.path.is_dir()]
    for output in writes if whole else ():
        for path in output.paths:
            for read, place in whole:
                if path in there and place in folders.around(path.parent):
                    if _is_replaceable(path, there[path], output.is_ours):
                        continue
                    raise _is_input(read.what, path, read.path)


def _refuse_home(output: Written, folders: _Folders, overwrite: bool | None) -> None:
    if output.home is None or not os.path.lexists(output.home[0]):
        return
    home, is_home = output.home
    if not home.is_dir():
        raise JobError(
            f"The {output.what} is to be a folder, and a file is there.",
            where=home,
            fix="choose another name",
        )
    names = [name for name in folders.names(home) if not name.startswith(".")]
    if names and not overwrite and not is_home(home, names):
        raise JobError(
            f"The folder of the {output.what} holds files that Understudy did not write.",
            where=f"{home}: {_listed(sorted(names))}",
            fix=_fix("choose a folder of its own", overwrite),
        )


def _refuse_foreign(
    output: Written, paths: Sequence[Path], there: dict[Path, os.stat_result], overwrite: bool | None
) -> None:
    special = [path for path in paths if not _is_regular(there[path], link_too=bool(overwrite))]
    if special:
        raise JobError(
            f"The {output.what} is not a regular file; only regular files are replaced.",
            where=_listed([str(path) for path in special]),
            fix="choose another output",
        )
    if overwrite:
        return
    foreign = [path for path in paths if not _is_replaceable(path, there[path], output.is_ours)]
    if foreign:
        count = "A file" if len(foreign) == 1 else f"{len(foreign)} files"
        raise JobError(
            f"{count} in the place of the {output.what} {'was' if len(foreign) == 1 else 'were'} not written "
            "by Understudy, or changed since.",
            where=_listed([str(path) for path in foreign]),
            fix=_fix("choose another output", overwrite),
        )


def _is_regular(facts: os.stat_result, *, link_too: bool) -> bool:
    return stat.S_ISREG(facts.st_mode) or (link_too and stat.S_ISLNK(facts.st_mode))


def _is_replaceable(path: Path, facts: os.stat_result, is_ours: Callable[[Path], bool]) -> bool:
    """Whether a regular file may be replaced: it is ours, or it is empty."""
    try:
        return facts.st_size == 0 or is_ours(path) or _is_blank(path)
    except OSError:
        return False


def _is_blank(path: Path) -> bool:
    """Whether a file is all zeros, as a machine that loses power leaves them."""
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            if part.strip(b"\0"):
                return False
    return True


def _tidy(output: Written, folders: _Folders) -> None:
    wanted: dict[Path, set[tuple[str, str]]] = {}
    for path in output.paths:
        wanted.setdefault(path.parent, set()).add((path.stem, path.suffix))
    for folder, names in wanted.items():
        unfinished.tidy(folder, folders.names(folder), is_output=lambda *name, ours=names: name in ours)


def _folded(name: str) -> str:
    """A name as case-insensitive and accent-normalising file systems compare it."""
    return unicodedata.normalize("NFC", name).casefold()


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        pass
    try:
        return path.lstat()
    except (OSError, ValueError):
        return None


def _identity(path: Path, facts: os.stat_result) -> Identity:
    """Device and inode; the path itself on a file system without inodes."""
    if facts.st_ino:
        return (facts.st_dev, facts.st_ino)
    return (os.path.normcase(os.path.realpath(path)),)


def _below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _is_input(what: str, output: Path, read: Path) -> JobError:
    same = f"{output}" if str(output) == str(read) else f"{output}, which is {read}"
    return JobError(f"The output would overwrite the {what}.", where=same, fix="choose another output")


def _fix(otherwise: str, overwrite: bool | None) -> str:
    return otherwise if overwrite is None else f"{otherwise}, or replace what is there with --overwrite"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (f" and {len(names) - _EXAMPLES} more" * (len(names) > _EXAMPLES))
