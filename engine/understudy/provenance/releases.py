"""Likeness releases: the performer's written permission that a model is trained under.

A release is a JSON document. Its digest travels with the face set, the model and every frame, so that a
frame can be followed back to the permission it was made under.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from understudy.core import documents
from understudy.core.errors import ReleaseError
from understudy.core.strict import Strict

SCHEMA_VERSION = 1
_KIND = documents.Kind(
    "likeness release", ReleaseError, "name the JSON document of the release", newest=SCHEMA_VERSION
)
Use = Literal["train", "swap", "publish"]
Words = Annotated[str, Field(min_length=1, max_length=500)]


class Signature(Strict):
    """Who signed, and when."""

    by: Words
    """The performer, or who may sign for them."""
    on: date
    """Day of the signature."""


class Release(Strict):
    """One performer's permission for one production."""

    schema_version: Literal[1] = 1
    """Version of this format."""
    performer: Words
    """Whose likeness it is."""
    granted_to: Words
    """Who may use it."""
    production: Words
    """What it may be used in."""
    valid_from: date
    """First day it holds."""
    valid_until: date
    """Last day it holds."""
    uses: Annotated[tuple[Use, ...], Field(min_length=1)]
    """What it allows: to train a model, to swap frames, to publish the result."""
    signed: Signature
    """The signature."""

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        if self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form (sorted keys, no spaces, UTF-8), as 64 hex digits."""
        plain = self.model_dump(mode="json")
        canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def covers(self, use: Use, day: date) -> bool:
        """Whether the release allows a use on a day."""
        return use in self.uses and self.valid_from <= day <= self.valid_until

    def require(self, use: Use, day: date) -> None:
        """Stop where the release does not allow a use on a day.

        Raises:
            ReleaseError: the use is not among those granted, or the day lies outside the term.
        """
        if self.covers(use, day):
            return
        term = f"{self.valid_from} to {self.valid_until}"
        if use not in self.uses:
            what = f"The release of {self.performer} allows {', '.join(self.uses)}, not {use}."
        else:
            what = f"The release of {self.performer} holds from {term}, not on {day}."
        raise ReleaseError(what, where=self.production, fix="ask the performer for a release that covers it")


def load(path: Path) -> Release:
    """Read a release.

    Raises:
        ReleaseError: the file cannot be read, is not a release, or was written for a newer version.
    """
    return documents.validated(documents.read(path, _KIND), Release, path, _KIND)
