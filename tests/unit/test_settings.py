"""Machine settings come from variables, and a wrong one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.core.errors import JobError
from understudy.core.settings import Settings


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environment({})
    assert (settings.device, settings.threads) == ("auto", 0)
    assert settings.models == Path.home() / ".cache" / "understudy" / "models"


def test_the_cache_folder_of_the_desktop_is_respected() -> None:
    settings = Settings.from_environment({"XDG_CACHE_HOME": "/caches"})
    assert settings.models == Path("/caches/understudy/models")


def test_variables_win_over_the_defaults() -> None:
    settings = Settings.from_environment(
        {"UNDERSTUDY_MODELS": "/m", "UNDERSTUDY_DEVICE": "cuda", "UNDERSTUDY_THREADS": "3"}
    )
    assert settings == Settings(models=Path("/m"), device="cuda", threads=3, cache=settings.cache)


@pytest.mark.parametrize(
    ("name", "value"),
    [("UNDERSTUDY_DEVICE", "gpu"), ("UNDERSTUDY_THREADS", "-1"), ("UNDERSTUDY_THREADS", "two")],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(JobError, match=name):
        Settings.from_environment({name: value})
