"""Several faces of one frame: laid over one after the other, or as layers of one face pass.

Each face is predicted, matted and measured on the plate, as if it were alone. Only the merge sees what was
laid over before, so that where two mattes overlap the later face is in front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from understudy.core.progress import Reporter, Warned
from understudy.image.frame import Box, Frame, MetadataValue
from understudy.swap import face_pass, pipeline
from understudy.swap.context import SwapContext
from understudy.swap.frame_data import FrameInputs

# What a face pass says once, whatever the number of its faces.
_COMMON = ("encoding", "linear_to_encoded", "encoded_to_linear", "plate_alpha")


def make_frame(contexts: Sequence[SwapContext], inputs: Sequence[FrameInputs], *, report: Reporter) -> Frame:
    """The finished frame or the face pass of a job's faces; the plate itself where there is none.

    Args:
        contexts: One for each face, in the order they are laid over.
        inputs: What the frame is made from, for each face; all of one plate frame.
        report: Is warned of each face that is not there.
    """
    number = inputs[0].number
    if len(contexts) == 1:
        return pipeline.make_frame(contexts[0].job.at(number), inputs[0], report=report)
    for context, one in zip(contexts, inputs, strict=True):
        if one.prediction is None:
            what = pipeline.why_missing(one, named=f" {context.track.name!r}")
            report(Warned(f"{what}; nothing is put in for it.", number))
    if contexts[0].job.write == "face_pass":
        return _face_pass(contexts, inputs)
    frame = inputs[0].frame
    for context, one in zip(contexts, inputs, strict=True):
        if one.prediction is not None and one.mattes is not None:
            job = context.job.at(number)
            face = pipeline.swap_face(job, one, one.prediction, one.mattes)
            frame = pipeline.finish(job, replace(one, frame=frame), face)
    return frame


def _face_pass(contexts: Sequence[SwapContext], inputs: Sequence[FrameInputs]) -> Frame:
    passes: dict[str, Frame] = {}
    for context, one in zip(contexts, inputs, strict=True):
        if one.prediction is None or one.mattes is None:
            passes[context.track.name] = face_pass.empty(one.frame)
        else:
            face = pipeline.swap_face(context.job.at(one.number), one, one.prediction, one.mattes)
            passes[context.track.name] = face_pass.layers(one.frame, face)
    return joined(passes)


def joined(passes: Mapping[str, Frame]) -> Frame:
    """Face passes as one, each face's layers under its name: `hero.R`, `hero.matte_final.A`.

    The header says the faces' names in their order as `understudy:faces`, and what differs from face to face
    as `understudy:hero.opacity`.

    Args:
        passes: By the faces' names; all of one plate frame.

    Source:
        OpenEXR, Technical Introduction: channel names with several periods are layers within layers.
    """
    there = [one.data_window for one in passes.values() if one.metadata] or [
        one.data_window for one in passes.values()
    ]
    box = Box(
        min(one.x0 for one in there),
        min(one.y0 for one in there),
        max(one.x1 for one in there),
        max(one.y1 for one in there),
    )
    channels = tuple(f"{name}.{channel}" for name, one in passes.items() for channel in one.channels)
    pixels = np.concatenate([_within(one, box) for one in passes.values()], axis=2)
    metadata: dict[str, MetadataValue] = {"understudy:faces": " ".join(passes)}
    for name, one in passes.items():
        metadata |= {_key(key, name): value for key, value in one.metadata.items()}
    return replace(
        next(iter(passes.values())),
        pixels=pixels,
        channels=channels,
        data_window=box,
        premultiplied=True,
        metadata=metadata,
    )


def _within(frame: Frame, box: Box) -> np.ndarray:
    """(H, W, C) of the box, zeros where the frame has no pixels."""
    pixels = np.zeros((box.height, box.width, len(frame.channels)), np.float32)
    inside = frame.data_window.intersect(box)
    if not inside.empty:
        pixels[inside.slices(box)] = frame.pixels[inside.slices(frame.data_window)]
    return pixels


def _key(key: str, name: str) -> str:
    beginning, _, rest = key.partition(":")
    return key if rest in _COMMON else f"{beginning}:{name}.{rest}"
