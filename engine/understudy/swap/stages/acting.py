"""Acting: eyes, brows and mouth as the director asks, on top of what the plate's performer does."""

from __future__ import annotations

from understudy.face import align
from understudy.face.acting import Acting, act
from understudy.image.frame import FloatImage
from understudy.swap.declare import Parameters, Reads, SignedShare, Stage


class ActingParameters(Parameters):
    """What the new face does beyond the plate's acting."""

    eyes_open: SignedShare = 0.0
    """Opens the new face's eyes wider; negative values shut them. Eyes that the plate shuts stay shut."""
    brows: SignedShare = 0.0
    """Raises the new face's brows; negative values lower them and draw them together."""
    smile: SignedShare = 0.0
    """Draws the corners of the new face's mouth out and up; negative values draw them down."""
    mouth_open: SignedShare = 0.0
    """Opens the new face's mouth and drops its jaw; negative values shut it."""
    mouth_width: SignedShare = 0.0
    """Stretches the new face's mouth; negative values purse it."""


STAGE = Stage(
    name="acting",
    sentence="The landmarks that lead the network are moved, on top of what the plate's performer does.",
    parameters=ActingParameters,
    tab="Face",
    reads=frozenset({Reads.TRACK}),
)


def directed(parameters: ActingParameters, landmarks: FloatImage, pixel_aspect: float) -> FloatImage:
    """Where the landmarks lead the network; themselves where nothing is asked for.

    Args:
        parameters: What is asked for.
        landmarks: (68, 2) pixels of the plate.
        pixel_aspect: Of the plate: a face acts in true shape.
    """
    acting = Acting(**{name: value / 100 for name, value in parameters})
    if not any(acting):
        return landmarks
    acted = act(align.in_true_shape(landmarks, pixel_aspect), acting)
    if pixel_aspect == 1:
        return acted
    return align.transform(acted, align.invert(align.squaring(pixel_aspect))).astype(landmarks.dtype)
