"""The card of a region network: what its file takes, which regions it finds, and how good they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from understudy.core import documents
from understudy.core.errors import ModelError
from understudy.core.strict import Strict
from understudy.inference.card import card_path

SCHEMA_VERSION = 1
_KIND = documents.Kind("region card", ModelError, "export the region network again", newest=SCHEMA_VERSION)


class RegionCard(Strict):
    """The facts about an exported region network."""

    schema_version: Literal[1] = 1
    """Version of this document's schema."""
    size: Annotated[int, Field(ge=32, le=1024)]
    """Edge of the faces that it was trained on, in pixels."""
    coverages: Annotated[tuple[Literal["half", "full", "whole_face", "head"], ...], Field(min_length=1)]
    """How much of the head the faces showed in training."""
    encoding: Literal["sRGB"] = "sRGB"
    """Code values of the faces, 0..1, red first."""
    regions: Annotated[tuple[str, ...], Field(min_length=2, max_length=64)]
    """Names of the output's planes, in their order."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Digest of the exported file."""
    opset: Annotated[int, Field(ge=1, le=1000)]
    """Version of the ONNX operators that the file uses."""
    iterations: Annotated[int, Field(ge=0, le=10**12)]
    """Iterations of training."""
    crops: Annotated[int, Field(ge=0)]
    """Crops that it was trained on."""
    mean_iou: Annotated[float, Field(ge=0, le=1)]
    """Mean intersection over union of all regions, on test renders of other performers with other hands."""
    iou: dict[str, float]
    """The same of each region."""
    alpha_error: Annotated[float, Field(ge=0, le=1)]
    """Mean error of what lies over the face, in the soft edges of the test renders."""
    soft_error: Annotated[float, Field(ge=0, le=1)]
    """The same in all soft pixels, those of smoke and tinted lenses, too."""
    parity: Annotated[float, Field(ge=0)]
    """Largest difference between the exported and the trained network."""


def write_region_card(model: Path, card: RegionCard) -> Path:
    """Write a network's card beside its file, atomically, and return the card's path.

    Raises:
        ModelError: the card cannot be written.
    """
    path = card_path(model)
    documents.write(path, card.model_dump(mode="json"), _KIND)
    return path


def read_region_card(model: Path) -> RegionCard:
    """Read the card of a region network.

    Raises:
        ModelError: the card is missing, damaged, or was written by a newer version.
    """
    path = card_path(model)
    return documents.validated(documents.read(path, _KIND), RegionCard, path, _KIND)
