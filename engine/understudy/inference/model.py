"""An exported model and its card, and the swap itself: faces in, another performer's faces out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from understudy.core.atomic import write_text
from understudy.core.errors import ModelError
from understudy.image.frame import FloatImage
from understudy.inference.session import Session

SCHEMA_VERSION = 1
LANDMARK_COUNT = 68
OUTPUTS = ("face", "matte", "landmarks")
"""What a graph gives of every identity, as face_0, matte_0, landmarks_0, face_1 and so on."""
_LARGEST_CARD = 2**20


class ModelCard(BaseModel):
    """What is known about an exported model; the JSON document beside its .onnx file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    schema_version: Literal[1] = 1
    """Version of this document's form."""
    name: Annotated[str, Field(min_length=1, max_length=500)]
    """The model's name."""
    size: Annotated[int, Field(ge=16, le=4096)]
    """Edge of the faces it takes and makes, in pixels."""
    coverage: Literal["half", "full", "whole_face", "head"]
    """How much of the head a face holds."""
    encoding: str = "ACEScct"
    """The encoded space of its faces."""
    identities: Annotated[list[str], Field(min_length=1, max_length=1000)]
    """Performers it can make, in the order of the graph's outputs."""
    source: str
    """The identity that goes in when none is named."""
    destination: str
    """The identity of the plates it was trained on."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Digest of the .onnx file."""
    precision: Literal["fp32", "fp16"] = "fp32"
    """Number format of the weights."""
    opset: Annotated[int, Field(ge=1)]
    """Version of the ONNX operators it uses."""
    iterations: Annotated[int, Field(ge=0)] = 0
    """Iterations it was trained for."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Facts about the training."""
    parity: Annotated[float, Field(ge=0)] = 0.0
    """Largest difference between the exported and the trained model, in encoded units."""
    releases: dict[str, str] = Field(default_factory=dict)
    """Digest of each performer's likeness release."""
    landmarks: str = ""
    """The detector whose landmarks it was trained on; a track of another one puts features elsewhere."""

    @model_validator(mode="after")
    def _names_agree(self) -> ModelCard:
        if len(set(self.identities)) != len(self.identities):
            raise ValueError("identities repeat")
        for name in (self.source, self.destination):
            if name not in self.identities:
                raise ValueError(f"{name!r} is not among the identities")
        return self


def card_path(onnx_path: Path) -> Path:
    """Where a model's card lies: swap_fp32.onnx has swap_fp32.card.json beside it."""
    return Path(onnx_path).with_suffix(".card.json")


def write_card(onnx_path: Path, card: ModelCard) -> Path:
    """Write a model's card beside its .onnx file, atomically; gives the card's path.

    Raises:
        ModelError: the card cannot be written.
    """
    path = card_path(onnx_path)
    try:
        text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
        write_text(path, text + "\n")
    except (OSError, ValueError, TypeError) as exc:
        raise ModelError(f"The model card cannot be written: {exc}.", where=path) from exc
    return path


def read_card(onnx_path: Path) -> ModelCard:
    """Read the card of an .onnx file.

    Raises:
        ModelError: it is missing, damaged, or was written by a newer version.
    """
    path = card_path(onnx_path)
    document = _read_document(path)
    version = document.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ModelError(
            f"The model card was written by a newer version: schema {version}, not {SCHEMA_VERSION}.",
            where=path,
            fix="update Understudy, or export the model with this version",
        )
    try:
        return ModelCard.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"The model card is not valid: {field + ': ' if field else ''}{first['msg']}.",
            where=path,
            fix="export the model again",
        ) from exc


def _read_document(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_CARD:
            raise ModelError("The model card is too large to be one.", where=path)
        document = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ModelError(
            "The model has no card.",
            where=path,
            fix="copy the card beside the .onnx file, or export the model again",
        ) from exc
    except OSError as exc:
        raise ModelError(f"The model card cannot be read: {exc.strerror}.", where=path) from exc
    except (ValueError, RecursionError) as exc:
        raise ModelError("The model card is not JSON.", where=path, fix="export the model again") from exc
    if not isinstance(document, dict):
        raise ModelError("The model card is not a JSON object.", where=path, fix="export the model again")
    return document


class Swapped(NamedTuple):
    """What a model draws of N faces of S pixels, float32.

    Attributes:
        face: (N, S, S, 3) the new faces, encoded RGB, not clipped.
        matte: (N, S, S) in 0..1, where they are.
        own_face: (N, S, S, 3) the plate's own performer as the model knows them.
        own_matte: (N, S, S) in 0..1, where the plate's own faces are.
        landmarks: (N, 68, 2) pixels of the faces, where the new faces' features lie.
    """

    face: FloatImage
    matte: FloatImage
    own_face: FloatImage
    own_matte: FloatImage
    landmarks: FloatImage


class Model:
    """An exported model, ready to swap faces. Open it once and keep it.

    Attributes:
        card: What is known about it.
        session: Where it runs.
    """

    def __init__(self, card: ModelCard, session: Session) -> None:
        self.card = card
        self.session = session
        self._moves: dict[int, NDArray[np.float32]] = {}

    @classmethod
    def open(cls, onnx_path: Path, *, device: str = "auto", threads: int = 0) -> Model:
        """Open an .onnx file whose card lies beside it.

        Raises:
            ModelError: the card or the file is missing or damaged, they do not belong together, or the device
                is not there.
        """
        card = read_card(onnx_path)
        session = Session(onnx_path, device, threads, sha256=card.sha256)
        wanted = {"face": (3, card.size, card.size), "landmarks": (LANDMARK_COUNT, 2)}
        if {name: shape[1:] for name, shape in session.inputs.items()} != wanted:
            raise ModelError(
                f"The model's inputs are not a face of {card.size} by {card.size} pixels and its landmarks.",
                where=onnx_path,
                fix="export the model again",
            )
        for index in range(len(card.identities)):
            for name in (f"{kind}_{index}" for kind in OUTPUTS):
                if name not in session.outputs:
                    raise ModelError(
                        f"The model has no output {name}, which its card asks for.",
                        where=onnx_path,
                        fix="export the model again",
                    )
        return cls(card, session)

    def swap(
        self,
        faces: FloatImage,
        landmarks: NDArray[np.float32],
        *,
        source: str | None = None,
        identity_mix: float = 1.0,
    ) -> Swapped:
        """Give every face the source's looks, its acting kept.

        Args:
            faces: (N, S, S, 3) float32, encoded RGB. NaN counts as black, infinity as white.
            landmarks: (N, 68, 2) float32, pixels of the faces.
            source: Identity to put in; the card's own when left out.
            identity_mix: How much of it, 0..1; the rest is the plate's own performer. Both are drawn with
                features in one place, between the two, so that no feature is seen twice.

        Returns:
            What the network draws, all float32.

        Raises:
            ModelError: the shape does not fit, the identity is unknown, or the model's answer is not finite.
        """
        size = self.card.size
        self._check(faces, landmarks)
        new, own = self._index(self.card.source if source is None else source), self._destination
        if len(faces) == 0:
            nothing, empty = np.zeros((0, size, size, 3), np.float32), np.zeros((0, size, size), np.float32)
            return Swapped(nothing, empty, nothing.copy(), empty.copy(), np.zeros_like(landmarks, np.float32))
        clean = np.nan_to_num(np.asarray(faces, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        shares = (np.asarray(landmarks, np.float32) + np.float32(0.5)) / np.float32(size)
        if identity_mix == 1.0:
            return self._draw(clean, shares, new, own)
        move, share = self._carried(new), np.float32(identity_mix)
        places = np.concatenate([shares, shares - (1 - share) * move, shares + share * move])
        many = self._draw(np.concatenate([clean] * 3), places, new, own)
        as_is, of_new, of_own = slice(0, len(faces)), slice(len(faces), -len(faces)), slice(-len(faces), None)
        return Swapped(
            many.own_face[of_own] + share * (many.face[of_new] - many.own_face[of_own]),
            many.own_matte[of_own] + share * (many.matte[of_new] - many.own_matte[of_own]),
            many.own_face[as_is],
            many.own_matte[as_is],
            many.landmarks[of_new],
        )

    def _draw(self, faces: FloatImage, shares: NDArray[np.float32], new: int, own: int) -> Swapped:
        """One run of the graph: what identities `new` and `own` look like."""
        names = (f"face_{new}", f"matte_{new}", f"face_{own}", f"matte_{own}")
        places = f"landmarks_{new}"
        results = self.session.run(
            tuple(dict.fromkeys((*names, places))), face=faces.transpose(0, 3, 1, 2), landmarks=shares
        )
        size, count = self.card.size, len(faces)
        drawn = [
            self._checked(name, results[name], (count, channels, size, size))
            for name, channels in zip(names, (3, 1, 3, 1), strict=True)
        ]
        colours = [np.ascontiguousarray(one.transpose(0, 2, 3, 1)) for one in drawn[::2]]
        mattes = [np.clip(one[:, 0], 0, 1) for one in drawn[1::2]]
        points = self._checked(places, results[places], (count, LANDMARK_COUNT, 2))
        pixels = points * np.float32(size) - np.float32(0.5)
        return Swapped(colours[0], mattes[0], colours[1], mattes[1], pixels)

    def _carried(self, identity: int) -> NDArray[np.float32]:
        """(68, 2) shares of the edge that the graph moves the plate's landmarks by to draw an identity."""
        if identity not in self._moves:
            size, middle = self.card.size, np.full((1, LANDMARK_COUNT, 2), 0.5, np.float32)
            name = f"landmarks_{identity}"
            drawn = self.session.run((name,), face=np.zeros((1, 3, size, size), np.float32), landmarks=middle)
            self._moves[identity] = np.asarray(drawn[name] - middle, np.float32)[0]
        return self._moves[identity]

    def _check(self, faces: FloatImage, landmarks: NDArray[np.float32]) -> None:
        size = self.card.size
        if faces.ndim != 4 or faces.shape[1:] != (size, size, 3):
            raise ModelError(
                f"The model takes faces of shape (N, {size}, {size}, 3), not {faces.shape}.",
                where=self.session.path,
            )
        if landmarks.shape != (len(faces), LANDMARK_COUNT, 2) or not np.isfinite(landmarks).all():
            raise ModelError(
                f"The model takes {LANDMARK_COUNT} finite landmarks a face, not {landmarks.shape}.",
                where=self.session.path,
            )

    @property
    def _destination(self) -> int:
        return self._index(self.card.destination)

    def _index(self, identity: str) -> int:
        if identity not in self.card.identities:
            raise ModelError(
                f"The model does not know the identity {identity!r}.",
                where=self.session.path,
                fix=f"use one of {', '.join(self.card.identities)}",
            )
        return self.card.identities.index(identity)

    def _checked(self, name: str, array: Any, expected: tuple[int, ...]) -> FloatImage:
        out = np.asarray(array, np.float32)
        if out.shape != expected:
            raise ModelError(
                f"The model's output {name} has the shape {out.shape}, not {expected}.",
                where=self.session.path,
            )
        if not np.isfinite(out).all():
            raise ModelError(
                f"The model's output {name} is not finite.",
                where=self.session.path,
                fix="export an earlier checkpoint, or export in fp32",
            )
        return out
