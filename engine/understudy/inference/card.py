"""The model card: a JSON document beside an exported model that says what the file predicts, and for whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from understudy.core import documents
from understudy.core.errors import ModelError
from understudy.core.strict import Strict

SCHEMA_VERSION = 2
LANDMARK_COUNT = 68
_KIND = documents.Kind("model card", ModelError, "export the model again", newest=SCHEMA_VERSION)


class ModelCard(Strict):
    """The facts about an exported model.

    A file of version 2 predicts one source for one destination. Files of version 1 predict every identity of
    a model; they are read and no longer written.
    """

    schema_version: Literal[1, 2] = 2
    """Version of this document's schema."""
    name: Annotated[str, Field(min_length=1, max_length=500)]
    """The model's name."""
    size: Annotated[int, Field(ge=16, le=4096)]
    """Edge of the faces that the model takes and predicts, in pixels."""
    coverage: Literal["half", "full", "whole_face", "head"]
    """How much of the head a face shows."""
    encoding: str = "ACEScct"
    """Colour space of the faces."""
    identities: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None
    """Version 1 only: the identities that the file predicts, in the order of the graph's outputs."""
    source: str
    """The identity whose face the model predicts; in version 1 the one that is taken when none is named."""
    destination: str
    """The identity of the performer in the plate."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Digest of the exported file."""
    precision: Literal["fp32", "fp16"] = "fp32"
    """Number format of the weights."""
    opset: Annotated[int, Field(ge=1, le=1000)]
    """Version of the ONNX operators that the file uses."""
    iterations: Annotated[int, Field(ge=0, le=10**12)] = 0
    """Iterations of training."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Facts about the training."""
    parity: Annotated[float, Field(ge=0)] = 0.0
    """Largest difference between the exported and the trained model, in encoded units."""
    releases: dict[str, str] = Field(default_factory=dict)
    """Digest of the likeness release of each performer that the model was trained on."""
    landmarks: str = ""
    """The detector of the landmarks in training; those of another detector move the features."""

    @model_validator(mode="after")
    def _check_identities(self) -> ModelCard:
        if (self.schema_version == 1) != (self.identities is not None):
            raise ValueError("version 1 lists identities, and version 2 does not")
        if self.identities is not None:
            if len(set(self.identities)) != len(self.identities):
                raise ValueError("identities repeat")
            for name in (self.source, self.destination):
                if name not in self.identities:
                    raise ValueError(f"{name!r} is not among the identities")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The identities that the file can predict."""
        return (self.source,) if self.identities is None else tuple(self.identities)


def card_path(model: Path) -> Path:
    """The path of a model's card: swap_fp32.card.json for swap_fp32.onnx."""
    return Path(model).with_suffix(".card.json")


def write_card(model: Path, card: ModelCard) -> Path:
    """Write a model's card beside its file, atomically, and return the card's path.

    Raises:
        ModelError: the card cannot be written.
    """
    path = card_path(model)
    documents.write(path, card.model_dump(mode="json", exclude_none=True), _KIND)
    return path


def read_card(model: Path) -> ModelCard:
    """Read the card of an .onnx file, of version 1 or 2.

    Raises:
        ModelError: the card is missing, damaged, or was written by a newer version.
    """
    path = card_path(model)
    if not path.exists():
        raise ModelError(
            "The model has no card.",
            where=path,
            fix="copy the card beside the .onnx file, or export the model again",
        )
    document = documents.read(path, _KIND)
    return documents.validated({"schema_version": 1, **document}, ModelCard, path, _KIND)
