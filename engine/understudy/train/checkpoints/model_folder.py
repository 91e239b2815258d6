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

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.core import atomic
from understudy.core.errors import TrainingError
from understudy.train.networks.autoencoder import Architecture

SCHEMA_VERSION = 1


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
    atomic.write_text(folder / "model.json", json.dumps(document, indent=1))


def read(folder: Path) -> Description | None:
    """Read model.json, None where the folder has none yet.

    Raises:
        TrainingError: it is unreadable or from a later version.
    """
    path = folder / "model.json"
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text())
        version = int(document["schema_version"])
        if version > SCHEMA_VERSION:
            raise TrainingError(
                f"The model was written by a later version of Understudy (schema {version}).",
                where=path,
                fix="update Understudy",
            )
        return _description(document)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise TrainingError(
            f"The model's description is unreadable: {exc}.",
            where=path,
            fix="restore model.json from a backup, or train into another folder",
        ) from exc


def _description(document: dict[str, Any]) -> Description:
    architecture = Architecture.from_dict(document["architecture"])
    identities = architecture.identities
    return Description(
        str(document["name"]),
        architecture,
        str(document["coverage"]),
        {str(k): str(v) for k, v in document["facesets"].items()},
        {str(k): str(v) for k, v in document["releases"].items()},
        str(document["landmarks"]),
        identities.index(str(document.get("destination", identities[0]))),
        identities.index(str(document.get("source", identities[1]))),
        {str(k): int(v) for k, v in document.get("joined", {}).items()},
        {str(k): str(v) for k, v in document.get("edited", {}).items()},
    )
