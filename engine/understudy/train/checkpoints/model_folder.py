"""The model folder: NAME.model/ and its model.json.

model.json       architecture, identities, coverage, face-set digests, releases, who was trained last
checkpoints/     see store.py
history.sqlite   see validation/history.py
previews/        a sheet a preview
refiners/        see refiners.py
tensorboard/     the same figures for TensorBoard
export/          ONNX files with their cards
training.lock    see lock.py
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from understudy.core import atomic, documents, paths
from understudy.core.errors import TrainingError
from understudy.core.strict import Strict
from understudy.jobs.fields import CoverageName
from understudy.train.networks.autoencoder import Architecture

SCHEMA_VERSION = 1
_KIND = documents.Kind(
    "model's description",
    TrainingError,
    "restore model.json from a backup, or train into another folder",
    newest=SCHEMA_VERSION,
)
_MOST_IDENTITIES = 1000
_Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(paths.check_text)]
_Iteration = Annotated[int, Field(ge=0, le=10**12)]


class _Architecture(Strict):
    """The shape of a network, in the ranges that a training may ask for."""

    size: Annotated[int, Field(ge=16, le=1024, multiple_of=16)]
    width: Annotated[int, Field(ge=8, le=256)]
    code: Annotated[int, Field(ge=1, le=4096)]
    variant: Literal["df", "liae"] = "df"
    residuals: Annotated[int, Field(ge=1, le=4)] = 1
    attention: Annotated[bool, Field(strict=True)] = False
    identities: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=_MOST_IDENTITIES)]


class _Document(Strict):
    """model.json; `Description` says what its fields mean."""

    schema_version: Literal[1]
    name: Annotated[str, Field(max_length=500)]
    architecture: _Architecture
    coverage: CoverageName
    facesets: dict[_Name, str]
    releases: dict[_Name, str]
    landmarks: Annotated[str, Field(max_length=500)]
    destination: str | None = None
    source: str | None = None
    joined: dict[_Name, _Iteration] = Field(default_factory=dict)
    edited: dict[_Name, _Name] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = self.architecture.identities
        if len(set(names)) < len(names):
            raise ValueError("an identity is named twice")
        for name in (self.destination, self.source):
            if name is not None and name not in names:
                raise ValueError(f"{name!r} is none of the identities")
        return self

    def index(self, name: str | None, otherwise: int) -> int:
        """The place of an identity among all."""
        names = self.architecture.identities
        return min(otherwise, len(names) - 1) if name is None else names.index(name)


@dataclass(frozen=True)
class Description:
    """What model.json says.

    Attributes:
        name: The folder's name without its suffix.
        architecture: Shape of the network; its identities in the order in which they came.
        coverage: How much of the head a face holds.
        facesets: Digest of each identity's face set when the model was begun.
        releases: Digest of each identity's likeness release, "" where there is none.
        landmarks: The detector whose landmarks it was trained on.
        destination: The identity of who acts in the plate, as trained last.
        source: The identity of whose face goes in, as trained last.
        joined: At which iteration an identity joined that was not there from the beginning.
        edited: Of an identity that is another one's edited faces, whose they are.
    """

    name: str
    architecture: Architecture
    coverage: str
    facesets: dict[str, str]
    releases: dict[str, str]
    landmarks: str
    destination: int = 0
    source: int = 1
    joined: dict[str, int] = field(default_factory=dict)
    edited: dict[str, str] = field(default_factory=dict)


def checkpoints(folder: Path) -> Path:
    """Where the checkpoints lie."""
    return folder / "checkpoints"


def write(folder: Path, description: Description) -> None:
    """Write model.json."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": description.name,
        "architecture": description.architecture.as_dict(),
        "coverage": description.coverage,
        "facesets": description.facesets,
        "releases": description.releases,
        "landmarks": description.landmarks,
        "destination": description.architecture.identities[description.destination],
        "source": description.architecture.identities[description.source],
        "joined": description.joined,
        "edited": description.edited,
    }
    atomic.write_text(folder / "model.json", documents.dump(document, indent=1))


def read(folder: Path) -> Description | None:
    """Read model.json, None where the folder has none yet.

    Raises:
        TrainingError: it is unreadable or from a later version.
    """
    path = folder / "model.json"
    if not path.exists():
        return None
    document = documents.validated(documents.read(path, _KIND), _Document, path, _KIND)
    return Description(
        document.name,
        Architecture.from_dict(document.architecture.model_dump()),
        document.coverage,
        document.facesets,
        document.releases,
        document.landmarks,
        document.index(document.destination, 0),
        document.index(document.source, 1),
        document.joined,
        document.edited,
    )
