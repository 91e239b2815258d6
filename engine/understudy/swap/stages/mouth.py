"""Mouth: the plate's own teeth and tongue between the new face's lips."""

from __future__ import annotations

import numpy as np

from understudy.comp import mouth
from understudy.comp.merge import paste
from understudy.face import align
from understudy.face.crop import cut
from understudy.image.frame import Box, FloatImage, Frame
from understudy.swap.colour_transform import ColourTransform
from understudy.swap.declare import Parameters, Reads, Share, Stage
from understudy.swap.frame_data import MatteSet, Prediction
from understudy.swap.stages import detail, light


class MouthParameters(Parameters):
    """How much of the plate's mouth shows."""

    plate_mouth: Share = 0.0
    """How far the plate's own teeth and tongue show between the new face's lips."""


STAGE = Stage(
    name="mouth",
    sentence="The plate's own teeth and tongue show between the new lips.",
    parameters=MouthParameters,
    tab="Face",
    after=(detail.STAGE, light.STAGE),
    reads=frozenset({Reads.PLATE}),
)


def apply(
    parameters: MouthParameters,
    rgb: FloatImage,
    frame: Frame,
    prediction: Prediction,
    mattes: MatteSet,
    colours: ColourTransform,
) -> FloatImage:
    """The new face with the plate's mouth in colours that match and light turn into the plate's.

    Args:
        parameters: How much.
        rgb: (W, W, 3) float32, encoded, before its colours change.
        frame: The plate's frame.
        prediction, mattes: Of this frame.
        colours: How the new face's colours change.
    """
    if parameters.plate_mouth == 0:
        return rgb
    plates = align.transform(prediction.landmarks, mattes.plate_to_aligned).astype(np.float32)
    larger = mattes.size / prediction.size
    new = align.transform(prediction.predicted_landmarks, align.resizing(larger, larger)).astype(np.float32)
    shows = mouth.opening(plates, new, mattes.size) * np.float32(parameters.plate_mouth / 100)
    box = paste.covered(shows)
    if box.empty:
        return rgb
    to_box = align.compose(mouth.carrying(plates, new), mattes.plate_to_aligned)
    to_box[:, 2] -= box.x0, box.y0
    square = cut(frame, to_box, max(box.width, box.height))
    wanted = colours.undo(square[: box.height, : box.width], box, mattes.size)
    laid, inside = rgb.copy(), box.slices(Box(0, 0, mattes.size, mattes.size))
    laid[inside] += shows[inside][..., None] * (wanted - laid[inside])
    return laid
