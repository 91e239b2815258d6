"""Skin: fine detail of the new face, taken from the performer's own frames in a skin bank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.face.skin import canonical
from understudy.image import colour, grey
from understudy.image.frame import FloatImage
from understudy.jobs.keyframes import moving
from understudy.swap.declare import FACE, Parameters, Reads, Share, Stage, live
from understudy.swap.frame_data import Prediction, SkinLayer
from understudy.swap.resize import resize
from understudy.swap.skin.choose import Candidate, KnownFaces
from understudy.swap.skin.fit import BankCrop, Fitted, fit
from understudy.swap.stages import predict


class SkinParameters(Parameters):
    """How much detail comes from the performer's own frames."""

    skin: Annotated[Share, live(100.0)] = 100.0
    """Fine detail from the performer's own frames; needs the model's skin bank."""
    skin_finest_percent: Annotated[float, moving(0, 10, FACE)] = 0.0
    """Detail finer than this is taken; 0 takes what is too fine for the model's size."""
    skin_eyes: Share = 100.0
    """Share of that detail on the eyes and brows."""
    skin_mouth: Share = 100.0
    """Share of that detail on the mouth."""


REACH = 2
"""Frames on each side over which the choice of faces is averaged."""

STAGE = Stage(
    name="skin",
    sentence="The performer's own frames give pores, lashes, irises and teeth.",
    parameters=SkinParameters,
    tab="Detail",
    after=(predict.STAGE,),
    reads=frozenset({Reads.PLATE, Reads.TRACK, Reads.MODEL, Reads.SKIN_BANK}),
    reach=lambda parameters: REACH if parameters.skin > 0 else 0,
)

# What a network's prediction lacks is finer than this deviation, in its own pixels.
_OWN_PX = 0.9
# The middle band reaches up to this many times that; the eyes and the mouth get this share of it, because
# there a prediction is blurred beyond its pixels.
_MIDDLE, _MIDDLE_SHARE = 3.3, 0.5
# Differences between which confidence falls from 1 to 0.
_SURE, _UNSURE = 0.1, 0.5


def scores(prediction: Prediction, known: KnownFaces) -> NDArray[np.float32]:
    """(N, 4) how a bank's faces differ from a prediction, see `KnownFaces.scores`."""
    return known.scores(canonical.preview(prediction.face, _landmarks(prediction), coverage=known.coverage))


def layer(
    parameters: SkinParameters,
    prediction: Prediction,
    candidates: Sequence[Candidate],
    crops: Sequence[BankCrop],
    coverage: str,
    size: int,
    *,
    identity_mix: float,
) -> SkinLayer:
    """What the performer's own frames add to a prediction at full strength.

    Args:
        parameters: How much, where; `skin` itself is left to who adds the layer.
        prediction: The network's new face.
        candidates: The chosen faces.
        crops: Theirs.
        coverage: Of the aligned faces.
        size: W, the working size, larger than the prediction's.
        identity_mix: Percent of the source performer in the prediction: of the detail there is as much.
    """
    fitted = fit(prediction.face, _landmarks(prediction), candidates, crops, coverage, size)
    fine_px = parameters.skin_finest_percent / 100 * size or _OWN_PX * size / prediction.size
    confidence = np.clip((_UNSURE - fitted.difference) / (_UNSURE - _SURE), 0, 1)
    where = np.float32(identity_mix / 100) * _shares(parameters, fitted)
    rgb = grey.towards_grey(fitted.rgb, colour.ENCODED, prediction.grey_share)
    apart = np.asarray(rgb - resize(prediction.face, size), np.float32)
    coarse = cv2.GaussianBlur(apart, (0, 0), fine_px)
    middle = coarse - cv2.GaussianBlur(coarse, (0, 0), fine_px * np.sqrt(_MIDDLE**2 - 1))
    features = np.maximum(fitted.eyes, fitted.mouth)[..., None]
    added = (apart - coarse + _MIDDLE_SHARE * features * middle) * (where * confidence)[..., None]
    return SkinLayer(np.asarray(added, np.float32), np.asarray(confidence, np.float32))


def _shares(parameters: SkinParameters, fitted: Fitted) -> FloatImage:
    """(W, W) the share of the detail that each pixel gets."""
    eyes, mouth = parameters.skin_eyes / 100, parameters.skin_mouth / 100
    return np.asarray(1 - (1 - eyes) * fitted.eyes - (1 - mouth) * fitted.mouth, np.float32)


def _landmarks(prediction: Prediction) -> FloatImage:
    """(68, 2) of the new face, shares of the aligned face's edge."""
    return np.asarray((prediction.predicted_landmarks + 0.5) / prediction.size, np.float32)
