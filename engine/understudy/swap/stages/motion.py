"""Motion: the new face's path while the shutter is open."""

from __future__ import annotations

import numpy as np

from understudy.face import align
from understudy.face.crop import Matrix
from understudy.face.detect.protocol import Points
from understudy.face.track.store import TrackedFace
from understudy.swap.declare import Parameters, Reads, Share, Stage
from understudy.swap.stages import place


class MotionParameters(Parameters):
    """How long the shutter is open."""

    motion_blur: Share = 0.0
    """Blurs the new face along its track, by the share of a frame that the shutter is open."""


STAGE = Stage(
    name="motion",
    sentence="The new face is blurred along its track.",
    parameters=MotionParameters,
    tab="Detail",
    after=(place.STAGE,),
    reads=frozenset({Reads.TRACK}),
    reach=lambda parameters: int(parameters.motion_blur > 0),
    crosses_cuts=True,
)


LARGEST_SHUTTER_STEPS = 24


def path(
    parameters: MotionParameters,
    near: tuple[TrackedFace | None, ...],
    placed: Matrix,
    size: int,
    pixel_aspect: float = 1.0,
) -> tuple[Matrix, ...]:
    """Where the face lies at even steps while the shutter is open, about a step a pixel of movement.

    Args:
        parameters: How long it is open.
        near: The track's face on the frame before, on this one, and on the one after.
        placed: (2, 3) plate to aligned on this frame, the artist's own move included.
        size: Edge of the aligned face in pixels.
        pixel_aspect: Of the plate: a face turns in true shape.

    Returns:
        (2, 3) matrices plate to aligned; none where nothing blurs.
    """
    now = near[1]
    times = [step - 1.0 for step, face in enumerate(near) if face is not None]
    if parameters.motion_blur == 0 or len(times) < 2 or now is None:
        return ()
    # How the neighbours' landmarks lie to this frame's moves the placement that was worked with.
    moves = [_moved(now.landmarks, face.landmarks, pixel_aspect) for face in near if face is not None]
    here = align.invert(placed)
    to_plate = [align.compose(move, here) for move in moves]
    half = parameters.motion_blur / 200
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64)
    ends = [align.transform(corners, _between(times, to_plate, end)) for end in (-half, half)]
    steps = int(np.clip(np.ceil(np.hypot(*(ends[1] - ends[0]).T).max()), 1, LARGEST_SHUTTER_STEPS))
    moments = (np.arange(steps) + 0.5) / steps * 2 * half - half
    return tuple(align.invert(_between(times, to_plate, float(time))) for time in moments)


def _moved(here: Points, there: Points, pixel_aspect: float) -> Matrix:
    if pixel_aspect == 1:
        return align.similarity(here, there)
    square = align.squaring(pixel_aspect)
    move = align.similarity(align.transform(here, square), align.transform(there, square))
    return align.compose(align.invert(square), align.compose(move, square))


def _between(times: list[float], matrices: list[Matrix], time: float) -> Matrix:
    flat = np.stack([matrix.ravel() for matrix in matrices])
    return np.array([np.interp(time, times, column) for column in flat.T]).reshape(2, 3)
