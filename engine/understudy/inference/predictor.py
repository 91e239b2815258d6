"""The prediction: aligned faces of the destination in, the source's faces out.

Convention:
    Faces are (N, S, S, 3) float32 RGB in the encoded space, landmarks (N, 68, 2) float32 pixels of the faces,
    x right and y down, pixel centres at integers. The graph takes faces as (N, 3, S, S), and landmarks as
    shares of the face's edge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import ModelError
from understudy.core.settings import PREDICTION_SECONDS
from understudy.image.frame import FloatImage
from understudy.inference.card import LANDMARK_COUNT, ModelCard, read_card
from understudy.inference.session import Session


class Outputs(NamedTuple):
    """The names of a graph's outputs, for one source and one destination.

    Attributes:
        face: (N, 3, S, S), the source's face, encoded.
        matte: (N, 1, S, S) in 0..1, its matte.
        landmarks: (N, 68, 2) shares of the edge, where its features lie.
        reconstruction: (N, 3, S, S), the destination's own face as the model knows it, encoded.
        destination_matte: (N, 1, S, S) in 0..1, the matte of the destination's face.
    """

    face: str
    matte: str
    landmarks: str
    reconstruction: str
    destination_matte: str


OUTPUTS = Outputs(
    "predicted_face", "predicted_matte", "predicted_landmarks", "reconstruction", "destination_matte"
)
"""The outputs of a file of version 2, in the order of the graph."""


class PredictedFaces(NamedTuple):
    """What a model predicts for N faces of S pixels, all float32.

    Attributes:
        face: (N, S, S, 3) the source's faces, encoded RGB, not clipped.
        matte: (N, S, S) in 0..1, their mattes.
        reconstruction: (N, S, S, 3) the destination's own faces as the model knows them.
        destination_matte: (N, S, S) in 0..1, the mattes of the destination's faces.
        landmarks: (N, 68, 2) pixels, where the features of the source's faces lie.
        following_matte: (N, S, S) the source's mattes without direction; None where nothing is directed.
    """

    face: FloatImage
    matte: FloatImage
    reconstruction: FloatImage
    destination_matte: FloatImage
    landmarks: FloatImage
    following_matte: FloatImage | None = None


class Predictor:
    """An exported model, open. Opening takes long; keep it.

    Attributes:
        card: The model's card.
        session: Where the model runs.
    """

    def __init__(self, card: ModelCard, session: Session) -> None:
        self.card = card
        self.session = session
        self._moves: dict[str, NDArray[np.float32]] = {}

    @classmethod
    def open(
        cls, model: Path, *, device: str = "auto", threads: int = 0, seconds: float = PREDICTION_SECONDS
    ) -> Predictor:
        """Open an .onnx file whose card lies beside it.

        Args:
            model: The file.
            device, threads, seconds: As `Session` takes them.

        Raises:
            ModelError: the card or the file is missing or damaged, they do not belong together, or the
                device does not exist.
        """
        card = read_card(model)
        session = Session(model, device, threads, sha256=card.sha256, seconds=seconds)
        wanted = {"face": (3, card.size, card.size), "landmarks": (LANDMARK_COUNT, 2)}
        if {name: shape[1:] for name, shape in session.inputs.items()} != wanted:
            raise ModelError(
                f"The model's inputs are not a face of {card.size} by {card.size} pixels and its landmarks.",
                where=model,
                fix="export the model again",
            )
        missing = [
            name
            for source in card.sources
            for name in outputs_of(card, source)
            if name not in session.outputs
        ]
        if missing:
            raise ModelError(
                f"The model has no output {missing[0]}, which its card asks for.",
                where=model,
                fix="export the model again",
            )
        return cls(card, session)

    def require_source(self, source: str | None) -> None:
        """Check that the file predicts an identity; None stands for the card's own source.

        Raises:
            ModelError: it predicts another. The error names the file to use, or the export to make.
        """
        card, path = self.card, self.session.path
        if source is None or source in card.sources:
            return
        known = ", ".join(repr(name) for name in card.sources)
        raise ModelError(
            f"The model file predicts {known} for {card.destination!r}, and not {source!r}.",
            where=path,
            fix=_fix(path, source, card),
        )

    def predict(
        self,
        faces: FloatImage,
        landmarks: NDArray[np.float32],
        *,
        source: str | None = None,
        identity_mix: float = 1.0,
        directed: NDArray[np.float32] | None = None,
        shape: NDArray[np.float32] | None = None,
    ) -> PredictedFaces:
        """Predict the source's faces with the acting of the given ones.

        Args:
            faces: (N, S, S, 3) float32, encoded RGB. NaN counts as black, infinity as white.
            landmarks: (N, 68, 2) float32, pixels of the faces.
            source: Identity to predict; the card's source when left out. A file of version 2 has only one.
            identity_mix: Share of the source in the predicted face, 0..1; the rest is the destination's
                reconstruction. Both are predicted for landmarks between the two, so that their features
                coincide.
            directed: (N, 68, 2) landmarks that lead the predicted faces in place of the given ones; the
                reconstruction follows the given ones in any case.
            shape: (68,) how far each landmark is moved from the destination's face shape to the source's,
                0..1; all the way when left out.

        Raises:
            ModelError: a shape is wrong, the file does not predict the source, or a result is not finite.
        """
        size = self.card.size
        self._check(faces, landmarks)
        self.require_source(source)
        chosen = self.card.source if source is None else source
        if len(faces) == 0:
            nothing, empty = np.zeros((0, size, size, 3), np.float32), np.zeros((0, size, size), np.float32)
            return PredictedFaces(
                nothing, empty, nothing.copy(), empty.copy(), np.zeros_like(landmarks, np.float32)
            )
        clean = np.nan_to_num(np.asarray(faces, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        shares = (np.asarray(landmarks, np.float32) + np.float32(0.5)) / np.float32(size)
        leading = shares
        if directed is not None:
            self._check(faces, directed)
            leading = (np.asarray(directed, np.float32) + np.float32(0.5)) / np.float32(size)
        runs = self._positions(shares, leading, np.float32(identity_mix), shape, chosen)
        made = self._run(np.concatenate([clean] * len(runs)), np.concatenate(list(runs.values())), chosen)
        of = {name: slice(index * len(faces), (index + 1) * len(faces)) for index, name in enumerate(runs)}
        plate, new = of["plate"], of.get("new", of["plate"])
        face, matte = made.face[new], made.matte[new]
        if "own" in of:
            own, own_matte = made.reconstruction[of["own"]], made.destination_matte[of["own"]]
            face = own + np.float32(identity_mix) * (face - own)
            matte = own_matte + np.float32(identity_mix) * (matte - own_matte)
        return PredictedFaces(
            face,
            matte,
            made.reconstruction[plate],
            made.destination_matte[plate],
            made.landmarks[new],
            None if directed is None else made.matte[of.get("following", plate)],
        )

    def _positions(
        self,
        shares: NDArray[np.float32],
        leading: NDArray[np.float32],
        mix: np.float32,
        shape: NDArray[np.float32] | None,
        source: str,
    ) -> dict[str, NDArray[np.float32]]:
        """(N, 68, 2) shares of the edge for each run of the graph.

        The plate's own come first; then, where they are others, those of the new face, of the destination's
        part in it, and of the new face as it would follow the plate.
        """
        acts = leading is not shares
        if mix == 1 and shape is None:
            return {"plate": shares, "new": leading} if acts else {"plate": shares}
        move, start = self._move(source), shares
        if shape is not None:
            lacking = mix * (1 - np.asarray(shape, np.float32)[:, None]) * move
            start, leading = shares - lacking, leading - lacking
        runs = {"plate": shares, "new": leading - (1 - mix) * move}
        if mix < 1:
            runs["own"] = leading + mix * move
        return {**runs, "following": start - (1 - mix) * move} if acts else runs

    def _run(self, faces: FloatImage, shares: NDArray[np.float32], source: str) -> PredictedFaces:
        """One run of the graph."""
        names = outputs_of(self.card, source)
        results = self.session.run(
            tuple(dict.fromkeys(names)), face=faces.transpose(0, 3, 1, 2), landmarks=shares
        )
        size, count = self.card.size, len(faces)
        face, reconstruction = (
            np.ascontiguousarray(
                self._checked(name, results[name], (count, 3, size, size)).transpose(0, 2, 3, 1)
            )
            for name in (names.face, names.reconstruction)
        )
        matte, destination_matte = (
            np.clip(self._checked(name, results[name], (count, 1, size, size))[:, 0], 0, 1)
            for name in (names.matte, names.destination_matte)
        )
        points = self._checked(names.landmarks, results[names.landmarks], (count, LANDMARK_COUNT, 2))
        pixels = points * np.float32(size) - np.float32(0.5)
        return PredictedFaces(face, matte, reconstruction, destination_matte, pixels)

    def _move(self, source: str) -> NDArray[np.float32]:
        """(68, 2) shares of the edge: what the graph adds to the plate's landmarks to predict a source."""
        if source not in self._moves:
            size, middle = self.card.size, np.full((1, LANDMARK_COUNT, 2), 0.5, np.float32)
            name = outputs_of(self.card, source).landmarks
            moved = self.session.run((name,), face=np.zeros((1, 3, size, size), np.float32), landmarks=middle)
            self._moves[source] = np.asarray(moved[name] - middle, np.float32)[0]
        return self._moves[source]

    def _check(self, faces: FloatImage, landmarks: NDArray[np.float32]) -> None:
        size = self.card.size
        if faces.ndim != 4 or faces.shape[1:] != (size, size, 3):
            raise ModelError(
                f"The model takes faces of shape (N, {size}, {size}, 3), not {faces.shape}.",
                where=self.session.path,
            )
        if landmarks.shape != (len(faces), LANDMARK_COUNT, 2) or not np.isfinite(landmarks).all():
            raise ModelError(
                f"The model takes {LANDMARK_COUNT} finite landmarks per face, not {landmarks.shape}.",
                where=self.session.path,
            )

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


def outputs_of(card: ModelCard, source: str) -> Outputs:
    """The graph's outputs for a source; a file of version 1 numbers them by identity."""
    if card.identities is None:
        return OUTPUTS
    new, own = card.identities.index(source), card.identities.index(card.destination)
    return Outputs(f"face_{new}", f"matte_{new}", f"landmarks_{new}", f"face_{own}", f"matte_{own}")


def _fix(path: Path, source: str, card: ModelCard) -> str:
    """What to do about a file that predicts another source: use a file beside it, or export one."""
    if card.identities is not None:
        return f"use one of {', '.join(card.identities)}"
    for other in sorted(path.parent.glob("*.onnx")):
        try:
            found = read_card(other)
        except ModelError:
            continue  # not a model of ours, or a damaged one: no file to recommend
        if source in found.sources and found.destination == card.destination:
            return f"set the model to {other}"
    folder = path.parent.parent
    model = folder if (folder / "model.json").is_file() else "FOLDER.model"
    return (
        f"export it: understudy export --model {model} --source {source!r} --destination {card.destination!r}"
    )
