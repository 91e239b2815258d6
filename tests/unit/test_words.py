"""Names that the code once had and that the field does not use stay away; see docs/glossary.md."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What a retired name is called now.
RETIRED = {
    "Drawn": "Prediction",
    "draw_all": "decode_all",
    "Shape": "MatteSet",
    "Moment": "FrameInputs",
    "Footage": "SwapContext",
    "NewFace": "SwappedFace",
    "Evidence": "ColourStatistics",
    "Warm": "RenderCache",
    "Shelf": "LruCache",
    "own_face": "reconstruction",
    "Study": "TrainingState",
    "settle": "apply_schedule",
    "draw_together": "pull_to_mean",
    "pace": "learning_rate_multiplier",
    "fooled": "generator_loss",
    "Adversary": "PatchCritic",
    "Team": "ProcessGroup",
    "Word": "Command",
    "heard": "receive",
    "Watch": "DivergenceMonitor",
    "setbacks": "rollbacks",
    "Examiner": "Validator",
    "verdict": "early_stopping",
    "Under": "FramePatch",
}
# Where a retired name is something else.
ALLOWED = {"plugin/understudy_nuke/roto.py": {"Shape"}}  # Nuke's own class
CODE = [path for folder in ("engine", "plugin") for path in sorted((ROOT / folder).rglob("*.py"))]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def names(path: Path) -> dict[str, int]:
    """Every identifier of a file with a line that it stands on."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return {token.string: token.start[0] for token in tokens if token.type == tokenize.NAME}


def retired_in(path: Path) -> list[str]:
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), set())
    found = names(path)
    return [
        f"{path.relative_to(ROOT)}:{found[word]}: {word} is now {present}"
        for word, present in RETIRED.items()
        if word in found and word not in allowed
    ]


def test_no_identifier_is_a_retired_word() -> None:
    assert [line for path in CODE for line in retired_in(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_retired_identifier(page: Path) -> None:
    coded = {
        word for code in re.findall(r"`([^`\n]+)`", page.read_text()) for word in re.findall(r"\w+", code)
    }
    assert coded & set(RETIRED) == set()
