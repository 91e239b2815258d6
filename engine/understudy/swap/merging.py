"""The new face joins the plate: within the rectangle that its matte covers, in the plate's own space."""

from __future__ import annotations

import numpy as np

from understudy.comp.detail import grain
from understudy.comp.merge import membrane, multiband, paste
from understudy.face.crop import finite, rgb_within, with_rgb_within
from understudy.image import colour
from understudy.image.frame import Box, FloatImage, Frame
from understudy.swap.frame_data import Moment, NewFace
from understudy.swap.job import SwapJob


def finish(job: SwapJob, moment: Moment, made: NewFace) -> Frame:
    """The plate's frame with the face in it."""
    box, merged = merged_box(job, moment, made)
    return with_rgb_within(moment.frame, box, merged)


def merged_box(job: SwapJob, moment: Moment, made: NewFace) -> tuple[Box, FloatImage]:
    """The face over the plate, in the plate's own colour space, within what the matte covers."""
    frame = moment.frame
    box = made.box(frame.data_window, covered_only=True)
    if box.empty:
        return box, np.zeros((0, 0, 3), np.float32)
    rows, columns = box.slices(frame.data_window)
    plate_rgb = rgb_within(frame, rows, columns)
    encoded, coverage = made.warp_colours(made.finished(), box), made.warp_matte(made.shape.final, box)
    if job.merge != "over" or job.grain > 0:
        plate = colour.encode(finite(plate_rgb), frame.colour_space)
        encoded, coverage = join(job, plate, encoded, coverage)
    if job.grain > 0:
        seen = grain.measure(plate, coverage)
        encoded = grain.add(encoded, seen, amount=job.grain / 100, seed=job.seed, frame=moment.number)
    rgb = colour.decode(encoded, frame.colour_space)
    alpha = alpha_of(frame, rows, columns)
    # A premultiplied plate holds colour × alpha: the face is multiplied alike before it goes over.
    face_rgb = rgb if alpha is None else rgb * alpha[..., None]
    return box, paste.over(plate_rgb, face_rgb, coverage * np.float32(made.opacity))


def join(
    job: SwapJob, plate: FloatImage, face: FloatImage, coverage: FloatImage
) -> tuple[FloatImage, FloatImage]:
    """The face and its matte as the merge mode has them, all encoded; `over` leaves both."""
    if job.merge == "over" or not coverage.any():
        return face, coverage
    if job.merge == "multiband":
        return multiband.multiband(plate, face, coverage)
    return membrane.gradient(plate, face, coverage), coverage


def alpha_of(frame: Frame, rows: slice, columns: slice) -> FloatImage | None:
    """The plate's alpha there, None where it has none or its colour is not multiplied by it."""
    if "A" not in frame.channels or not frame.premultiplied:
        return None
    return frame.pixels[rows, columns, frame.channels.index("A")]
