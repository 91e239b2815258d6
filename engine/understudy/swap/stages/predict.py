"""Predict: the network's new face for one frame, with its mattes and landmarks."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from understudy.comp.mattes import brows, matte
from understudy.comp.merge import edge_extend
from understudy.face import align
from understudy.face.crop import cut, face_box
from understudy.face.landmarks import JAW
from understudy.image import colour, grey
from understudy.image.frame import FloatImage, Frame
from understudy.inference.predictor import Predictor
from understudy.jobs.fields import words
from understudy.swap.declare import Parameters, Reads, Share, Stage
from understudy.swap.frame_data import Prediction
from understudy.swap.stages import acting


class PredictParameters(Parameters):
    """Which face is predicted."""

    source: Annotated[str | None, words()] = None
    """Identity to put in, which the model file must predict; the file's own source when left out."""
    identity_mix: Share = 100.0
    """Share of the source performer in the new face; the rest is the plate's own performer, reconstructed."""
    face_shape: Share = 100.0
    """How far the new face's outline, jaw and cheeks, is the source performer's; the rest is the plate's."""


STAGE = Stage(
    name="predict",
    sentence="The network predicts the source performer's face for the plate's acting.",
    parameters=PredictParameters,
    tab="Face",
    after=(acting.STAGE,),
    reads=frozenset({Reads.PLATE, Reads.TRACK, Reads.MODEL}),
)


# How far the new face's matte is extended below its chin, as a share of the aligned face's edge. The
# landmarks it was learned from end on the chin; what makes it a chin is the dark below it, on the neck.
_CHIN = 0.015


def predict(
    parameters: PredictParameters,
    frame: Frame,
    landmarks: FloatImage,
    directed: FloatImage,
    model: Predictor,
) -> Prediction | None:
    """Cut the plate's face out and have the network predict the new one; grey where the plate's face is.

    Args:
        parameters: Which face.
        frame: The plate's frame.
        landmarks: (68, 2) pixels of the plate.
        directed: (68, 2) where they lead the new face; the same array where nothing is asked of it.
        model: Opened.

    Returns:
        None where the face misses the frame.

    Raises:
        ModelError: the identity is unknown, or the network fails.
    """
    card = model.card
    to_network = align.plate_to_aligned(
        landmarks, coverage=card.coverage, size=card.size, pixel_aspect=frame.pixel_aspect
    )
    if face_box(to_network, card.size, frame.data_window).empty:
        return None
    plate_face = cut(frame, to_network, card.size)
    aligned = align.transform(landmarks, to_network).astype(np.float32)
    mix, acts = parameters.identity_mix / 100, directed is not landmarks
    leading = align.transform(directed, to_network).astype(np.float32)
    swapped = model.predict(
        plate_face[None],
        aligned[None],
        source=parameters.source,
        identity_mix=mix,
        directed=leading[None] if acts else None,
        shape=_shape(parameters.face_shape / 100),
    )
    covered = _covered(swapped.matte[0], leading, mix)
    reached = covered
    if swapped.following_matte is not None:
        # Where the plate's brows and chin are, they stay to be covered when the new ones move away.
        reached = np.maximum(covered, _covered(swapped.following_matte[0], aligned, mix))
    share = 1.0 if frame.grey else grey.grey_share(plate_face, colour.ENCODED, swapped.destination_matte[0])
    face, reconstruction = (
        grey.towards_grey(one, colour.ENCODED, share) for one in (swapped.face[0], swapped.reconstruction[0])
    )
    return Prediction(
        edge_extend.extended(face, covered),
        reached,
        swapped.destination_matte[0],
        plate_face,
        reconstruction,
        landmarks,
        directed,
        swapped.landmarks[0],
        to_network,
        share,
    )


def _shape(outline: float) -> FloatImage | None:
    """(68,) how far each landmark is moved to the source's face shape; None for all the way."""
    if outline == 1:
        return None
    shape = np.ones(68, np.float32)
    shape[JAW] = outline
    return shape


def _covered(learned: FloatImage, landmarks: FloatImage, mix: float) -> FloatImage:
    """A new face's matte, extended a little below its chin and over the ends of brows at these landmarks."""
    size = len(learned)
    below = matte.trim(learned, top=0, bottom=-_CHIN * size, left=0, right=0)
    return np.asarray(np.maximum(below, np.float32(mix) * brows.ends(landmarks, size)), np.float32)
