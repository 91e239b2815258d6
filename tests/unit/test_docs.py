"""The pages tell the truth: the tree in CONTRIBUTING, links, paths of code, the commands of the README."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from understudy.app.cli import build_parser
from understudy.jobs.table import VERBS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
# A decision's page tells of its time and names files that have gone since.
OF_ITS_TIME = "adr"
CODE_FOLDERS = ("engine/understudy", "plugin", "gizmos", "tests", "bench", "docs")


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout")
    return listed.stdout.splitlines()


def named_folders(page: str) -> set[str]:
    """The folders of the tree: a line a folder, indented below its parent, and `name/` in its sentence."""
    block = (
        page.partition("engine/understudy/ ")[1]
        + page.partition("engine/understudy/ ")[2].partition("```")[0]
    )
    found, top = set(), ""
    for line in block.splitlines():
        name, _, sentence = line.strip().partition(" ")
        folder = name.rstrip("/") if not line.startswith(" ") else f"{top}/{name.rstrip('/')}"
        top = folder if not line.startswith(" ") else top
        found.add(folder)
        found |= {f"{folder}/{inner}" for inner in re.findall(r"([\w/]+)/", sentence)}
    return found


def test_the_tree_in_contributing_is_the_tree_of_the_repository() -> None:
    named = named_folders((ROOT / "CONTRIBUTING.md").read_text())
    there = set()
    for path in tracked():
        folder = Path(path).parent
        if folder.as_posix().startswith(CODE_FOLDERS):
            there.add(folder.as_posix())
    # Files of tests and of one toolset need no line of their own.
    there = {one for one in there if not re.match(r"(tests/\w+|plugin/\w+)/", one)} | {"plugin/ToolSets"}
    assert named == there


def test_every_verb_of_the_readme_and_its_flags_exist() -> None:
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    commands = re.findall(r"^\.venv/bin/understudy (.+?)(?: +#.*)?$", text, re.MULTILINE)
    assert len(commands) >= 8
    for command in commands:
        parsed = build_parser().parse_args(command.split())
        assert getattr(parsed, "verb", "doctor") in {*VERBS, "doctor"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "page", [page for page in PAGES if OF_ITS_TIME not in page.parts], ids=lambda p: p.name
)
def test_files_of_code_that_a_page_names_are_there(page: Path) -> None:
    files = tracked()
    for named in set(re.findall(r"`([\w/]+/\w+\.(?:py|safetensors|sqlite|json|toml))`", page.read_text())):
        assert any(path == named or path.endswith(f"/{named}") for path in files), named
