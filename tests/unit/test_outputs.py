"""The guard before the first write, on real files, links, FIFOs and folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from understudy.core import atomic, outputs
from understudy.core.errors import JobError
from understudy.core.outputs import Read, Written
from understudy.image.sequence import Pattern

OURS = b"ours "


def is_ours(path: Path) -> bool:
    return path.read_bytes().startswith(OURS)


def frames(pattern: str, numbers: Sequence[int] = (1, 2, 3)) -> Written:
    parsed = Pattern.parse(pattern)
    return Written("output", [parsed.path(number) for number in numbers], is_ours)


def sequence(what: str, pattern: str) -> Read:
    parsed = Pattern.parse(pattern)
    return Read(what, parsed.folder, parsed.is_member)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """A folder with the plates 1 to 3, and a link to it."""
    (tmp_path / "sh").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "sh" / f"plate.{number:04d}.exr").write_bytes(b"the plate")
    (tmp_path / "link").symlink_to("sh")
    (tmp_path / "x").mkdir()
    return tmp_path


def refused(reads: Sequence[Read], writes: Written, what: str, *, overwrite: bool | None = False) -> JobError:
    with pytest.raises(JobError, match=what) as caught:
        outputs.guard(reads, [writes], overwrite=overwrite)
    return caught.value


@pytest.mark.parametrize("name", ["sh", "link", "x/../sh", "x/../link/../sh/.", "sh/../link"])
def test_every_spelling_of_the_plates_folder_is_the_plates(shot: Path, name: str) -> None:
    plate = sequence("plate", str(shot / "sh" / "plate.%04d.exr"))
    error = refused([plate], frames(f"{shot}/{name}/plate.####.exr"), "overwrite the plate", overwrite=True)
    assert f"{Path(shot, name)}/plate.0001.exr" in error.where


def test_a_gap_of_an_inputs_sequence_is_no_place_for_an_output(shot: Path) -> None:
    """Frame 7 of the plate does not exist: written there, it would be taken for the plate."""
    plate = sequence("plate", str(shot / "sh" / "plate.%04d.exr"))
    refused([plate], frames(f"{shot}/link/plate.%04d.exr", [7]), "overwrite the plate")


def test_other_frames_than_the_same_are_compared(shot: Path) -> None:
    """Frame 1 of the output is frame 3 of the plate."""
    (shot / "out").mkdir()
    os.link(shot / "sh" / "plate.0003.exr", shot / "out" / "o.0001.exr")
    plate = sequence("plate", str(shot / "sh" / "plate.%04d.exr"))
    error = refused([plate], frames(f"{shot}/out/o.%04d.exr"), "overwrite the plate", overwrite=True)
    assert "o.0001.exr" in error.where and "plate.0003.exr" in error.where


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_hard_links_and_links_are_what_they_lead_to(shot: Path, link: object) -> None:
    target, output = shot / "sh" / "plate.0002.exr", shot / "o.0002.exr"
    assert callable(link)
    link(target, output)
    refused([sequence("plate", f"{shot}/sh/plate.%04d.exr")], frames(f"{shot}/o.%04d.exr"), "the plate")


def test_an_input_that_links_to_the_output_is_found(shot: Path) -> None:
    (shot / "o.0002.exr").write_bytes(OURS)
    (shot / "plates").mkdir()
    (shot / "plates" / "p.0009.exr").symlink_to(shot / "o.0002.exr")
    refused([sequence("plate", f"{shot}/plates/p.%04d.exr")], frames(f"{shot}/o.%04d.exr"), "the plate")


def test_what_lies_in_a_folder_that_is_read_is_kept_unless_it_is_ours(shot: Path) -> None:
    model = Read("model", shot / "m.model")
    (shot / "m.model").mkdir()
    (shot / "m.model" / "history").write_bytes(b"of training")
    output = shot / "x" / ".." / "m.model" / "history"
    refused([model], Written("output", [output], is_ours), "overwrite the model", overwrite=True)
    (shot / "m.model" / "history").write_bytes(OURS)
    outputs.guard([model], [Written("output", [output, shot / "m.model" / "new"], is_ours)], overwrite=False)
    os.link(shot / "m.model" / "history", shot / "elsewhere")
    (shot / "m.model" / "history").write_bytes(b"of training")
    refused([model], Written("output", [shot / "elsewhere"], is_ours), "the model", overwrite=True)


def test_a_folder_that_is_read_is_no_folder_to_write(shot: Path) -> None:
    home = (shot / "x" / ".." / "sh", lambda folder, names: True)
    refused([Read("face set", shot / "link")], Written("model", [], is_ours, home), "overwrite the face set")


def test_ours_are_replaced_and_others_only_when_told(shot: Path) -> None:
    output = frames(f"{shot}/o.%04d.exr")
    (shot / "o.0001.exr").write_bytes(OURS)
    outputs.guard([], [output], overwrite=False)
    for number in (2, 3):
        (shot / f"o.{number:04d}.exr").write_bytes(b"mine")
    error = refused([], output, "2 files in the place of the output were not written by Understudy")
    assert "o.0002.exr" in error.where and "--overwrite" in error.fix
    assert "--overwrite" not in refused([], output, "2 files", overwrite=None).fix
    outputs.guard([], [output], overwrite=True)


@pytest.mark.parametrize("content", [b"", b"\0" * 3_000_000])
def test_a_file_with_nothing_in_it_is_in_nobodys_way(shot: Path, content: bytes) -> None:
    (shot / "o.0001.exr").write_bytes(content)
    outputs.guard([], [frames(f"{shot}/o.%04d.exr")], overwrite=False)
    (shot / "o.0001.exr").write_bytes(content + b"1")
    refused([], frames(f"{shot}/o.%04d.exr"), "A file in the place")


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_regular_file_is_never_replaced(shot: Path, overwrite: bool) -> None:
    path = shot / "o.0001.exr"
    os.mkfifo(path)
    refused([], frames(f"{shot}/o.%04d.exr"), "not a regular file", overwrite=overwrite)
    with pytest.raises(OSError, match="not a regular file"):
        atomic.write_bytes(path, b"x")
    path.unlink()
    path.mkdir()
    refused([], frames(f"{shot}/o.%04d.exr"), "not a regular file", overwrite=overwrite)
    with pytest.raises(OSError, match="not a regular file"):
        atomic.write_bytes(path, b"x")
    path.rmdir()
    path.symlink_to("/dev/null")
    refused([], frames(f"{shot}/o.%04d.exr"), "not a regular file", overwrite=overwrite)


def test_a_link_that_leads_nowhere_is_anothers(shot: Path) -> None:
    (shot / "o.0001.exr").symlink_to("nowhere")
    refused([], frames(f"{shot}/o.%04d.exr"), "not a regular file")
    outputs.guard([], [frames(f"{shot}/o.%04d.exr")], overwrite=True)


def test_a_folder_of_others_is_left_alone(shot: Path) -> None:
    def empty_or_ours(folder: Path, names: Sequence[str]) -> bool:
        return "mark" in names

    output = Written("model", [], is_ours, (shot / "m.model", empty_or_ours))
    outputs.guard([], [output], overwrite=None)
    (shot / "m.model").mkdir()
    (shot / "m.model" / ".DS_Store").write_bytes(b"1")
    outputs.guard([], [output], overwrite=None)
    (shot / "m.model" / "notes.txt").write_text("mine")
    assert "notes.txt" in refused([], output, "files that Understudy did not write").where
    (shot / "m.model" / "mark").write_text("ours")
    outputs.guard([], [output], overwrite=None)
    file = Written("model", [], is_ours, (shot / "m.model" / "mark", empty_or_ours))
    refused([], file, "is to be a folder", overwrite=True)


def test_nothing_is_looked_at_where_no_output_exists(shot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first run of thousands of frames on a slow disk: each folder is listed, and no frame is looked at."""
    looked: list[Path] = []
    stat = Path.stat

    def counting(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        looked.append(path)
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", counting)
    plate = sequence("plate", f"{shot}/sh/plate.%04d.exr")
    outputs.guard([plate], [frames(f"{shot}/out/o.%04d.exr", range(5000))], overwrite=False)
    assert len(looked) <= 4 and not any(path.suffix == ".exr" for path in looked)
    (shot / "out").mkdir()
    (shot / "out" / "o.0007.exr").write_bytes(OURS)
    looked.clear()
    outputs.guard([plate], [frames(f"{shot}/out/o.%04d.exr", range(5000))], overwrite=False)
    frames_looked_at = [path for path in looked if path.suffix == ".exr"]
    assert len(frames_looked_at) == len(set(frames_looked_at)) == 1 + 3
