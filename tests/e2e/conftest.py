"""The rendered shot that tests only read: one for all of a process's tests."""

from __future__ import annotations

import pytest

from rendered import Shot, render


@pytest.fixture(scope="session")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    """Read only: what a test writes goes into its own folder."""
    return render(tmp_path_factory.mktemp("shot"))
