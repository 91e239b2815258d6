"""Where the new face goes: the artist's own move of it, and its path while the shutter is open."""

from __future__ import annotations

import numpy as np

from understudy.face import align
from understudy.face.crop import Matrix
from understudy.face.track.store import TrackedFace
from understudy.swap.job import SwapJob

LARGEST_SHUTTER_STEPS = 24


def replaced(job: SwapJob, plate_to_aligned: Matrix, size: int) -> Matrix:
    """The placement with the artist's own scale, turn and shift of the new face."""
    return moved(
        plate_to_aligned,
        size,
        scale=job.face_scale_percent / 100,
        turn_degrees=job.face_turn_degrees,
        shift=(job.face_shift_x_percent / 100, job.face_shift_y_percent / 100),
    )


def shutter_path(
    job: SwapJob, near: tuple[TrackedFace | None, ...], to_working: Matrix, working: int
) -> tuple[Matrix, ...]:
    """Where the face lies at even steps while the shutter is open, about a step a pixel of movement."""
    times = [step - 1.0 for step, face in enumerate(near) if face is not None]
    if job.motion_blur == 0 or len(times) < 2:
        return ()
    # How the neighbours' landmarks lie to this frame's moves the placement that was worked with.
    now = near[1]
    assert now is not None  # only frames with a face come here
    moves = [align.similarity(now.landmarks, face.landmarks) for face in near if face is not None]
    here = align.invert(replaced(job, to_working, working))
    to_plate = [align.compose(move, here) for move in moves]
    half = job.motion_blur / 200
    corners = np.array([[0, 0], [working, 0], [working, working], [0, working]], np.float64)
    ends = [align.transform(corners, _between(times, to_plate, end)) for end in (-half, half)]
    steps = int(np.clip(np.ceil(np.hypot(*(ends[1] - ends[0]).T).max()), 1, LARGEST_SHUTTER_STEPS))
    moments = (np.arange(steps) + 0.5) / steps * 2 * half - half
    return tuple(align.invert(_between(times, to_plate, float(time))) for time in moments)


def _between(times: list[float], matrices: list[Matrix], time: float) -> Matrix:
    flat = np.stack([matrix.ravel() for matrix in matrices])
    return np.array([np.interp(time, times, column) for column in flat.T]).reshape(2, 3)


def moved(
    plate_to_aligned: Matrix, size: int, *, scale: float, turn_degrees: float, shift: tuple[float, float]
) -> Matrix:
    """The placement after the face is scaled and turned clockwise about its centre, and shifted.

    Args:
        shift: Right and down, in edges of the aligned face.
    """
    if scale == 1 and turn_degrees == 0 and shift == (0, 0):
        return plate_to_aligned
    angle, centre = np.deg2rad(turn_degrees), np.full(2, (size - 1) / 2)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # The face's point p goes to linear·(p − centre) + centre + shift; the plate's pixel asks the way back.
    back = np.linalg.inv(linear)
    offset = centre - back @ (centre + np.asarray(shift) * size)
    return np.column_stack([back @ plate_to_aligned[:, :2], back @ plate_to_aligned[:, 2] + offset])
