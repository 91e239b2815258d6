"""One frame of a swap, from its inputs to the finished frame or the face pass: the stages in their order.

    context     plate frame ── acting, predict ──> new face ── skin ── mattes ── measure, average
    swap_face   colour · light · grade: how its colours change; skin · detail · mouth: what it shows; place
    finish      warp into the rectangle the matte covers ── merge, under the matte only ── grain

Each stage gets arrays and its own parameters, `job.of(…)`, and nothing else of the job. What of this is kept
between runs, and under which key, is the business of `context.py`.

Convention:
    From `predict` to `merge` everything is in the encoded space; the face is laid over in the plate's own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from understudy.core.errors import JobError
from understudy.core.progress import Reporter, Warned
from understudy.face import align
from understudy.face.crop import alpha_within, cut, rgb_within, straight_within, with_rgb_within
from understudy.image import colour as spaces
from understudy.image.frame import Box, FloatImage, Frame
from understudy.swap import face_pass
from understudy.swap.colour_transform import ColourTransform
from understudy.swap.frame_data import FrameInputs, MatteSet, Prediction, SwappedFace
from understudy.swap.job import SwapJob
from understudy.swap.resize import resize
from understudy.swap.stages import colour, detail, grade, grain, light, merge, motion, mouth, place
from understudy.swap.stages.colour import ColourParameters
from understudy.swap.stages.detail import DetailParameters
from understudy.swap.stages.grade import GradeParameters
from understudy.swap.stages.grain import GrainParameters
from understudy.swap.stages.light import LightParameters
from understudy.swap.stages.merge import MergeParameters
from understudy.swap.stages.motion import MotionParameters
from understudy.swap.stages.mouth import MouthParameters
from understudy.swap.stages.place import PlaceParameters
from understudy.swap.stages.skin import SkinParameters


def make_frame(job: SwapJob, inputs: FrameInputs, *, report: Reporter) -> Frame:
    """The finished frame or the face pass; the plate itself where there is no face.

    Args:
        job: As it is on this frame.
        inputs: What the frame is made from.
        report: Is warned where there is no face.
    """
    if inputs.prediction is None or inputs.mattes is None:
        report(Warned(f"{why_missing(inputs)}; the plate goes through unchanged.", inputs.number))
        return inputs.frame if job.write == "frame" else face_pass.empty(inputs.frame)
    face = swap_face(job, inputs, inputs.prediction, inputs.mattes)
    return finish(job, inputs, face) if job.write == "frame" else face_pass.layers(inputs.frame, face)


def why_missing(inputs: FrameInputs, *, named: str = "") -> str:
    """Why a frame has no face to swap; `named` is put behind the word face."""
    if inputs.near[1] is None:
        return f"The track has no face{named} here"
    return f"The face{named} lies outside the frame"


def swap_face(job: SwapJob, inputs: FrameInputs, prediction: Prediction, mattes: MatteSet) -> SwappedFace:
    """The new face of one frame, aligned, with its detail, its mouth, its colours and its place."""
    larger = mattes.size / prediction.size
    features = align.transform(prediction.predicted_landmarks, align.resizing(larger, larger))
    colours = colour_transform(job, inputs, features.astype(np.float32), mattes.size)
    sharp = job.of(DetailParameters)
    plate = cut(inputs.frame, mattes.plate_to_aligned, mattes.size) if sharp.needs_plate else None

    def shown(rgb: FloatImage) -> FloatImage:
        rgb = detail.apply(sharp, rgb, plate, mattes.final)
        return mouth.apply(job.of(MouthParameters), rgb, inputs.frame, prediction, mattes, colours)

    predicted, added = resize(prediction.face, mattes.size), inputs.skin
    rgb = shown(predicted)
    placed = place.moved(job.of(PlaceParameters), mattes.plate_to_aligned, mattes.size)
    aspect = inputs.frame.pixel_aspect
    path = motion.path(job.of(MotionParameters), inputs.near, placed, mattes.size, aspect)
    face = SwappedFace(rgb, colours, mattes, job.of(MergeParameters).opacity / 100, placed, path)
    if added is None:
        return face
    # As a difference, so that a host changes its strength by itself.
    beside = shown(predicted + added.rgb) - rgb
    strength = job.of(SkinParameters).skin / 100
    return replace(face, skin=beside, skin_strength=strength, confidence=added.confidence)


def colour_transform(job: SwapJob, inputs: FrameInputs, landmarks: FloatImage, size: int) -> ColourTransform:
    """Match, light and grade of one frame; `landmarks` are the new face's, at its working size."""
    matching, lighting = job.of(ColourParameters), job.of(LightParameters)
    return ColourTransform(
        match=colour.solve(matching, inputs.statistics),
        strength=matching.colour_strength / 100,
        whites=colour.solve_whites(matching, inputs.statistics, landmarks, size),
        light=light.chosen(lighting, inputs.statistics),
        light_strength=lighting.light_strength / 100,
        grade=grade.matrix(job.of(GradeParameters)),
    )


def finish(job: SwapJob, inputs: FrameInputs, face: SwappedFace) -> Frame:
    """The plate's frame with the face in it."""
    box, merged = merged_box(job, inputs, face)
    return with_rgb_within(inputs.frame, box, merged)


def merged_box(job: SwapJob, inputs: FrameInputs, face: SwappedFace) -> tuple[Box, FloatImage]:
    """The face over the plate, in the plate's own colour space, within what the matte covers.

    Raises:
        JobError: no matte is chosen, and the whole aligned square would be laid over the plate.
    """
    if not face.mattes.used:
        raise JobError("There is no matte to combine.", fix="use the learned matte, the hull or your own")
    frame, merging, graining = inputs.frame, job.of(MergeParameters), job.of(GrainParameters)
    box = face.box(frame.data_window, covered_only=True)
    if box.empty:
        return box, np.zeros((0, 0, 3), np.float32)
    rows, columns = box.slices(frame.data_window)
    plate_rgb = rgb_within(frame, rows, columns)
    encoded, coverage = face.warp_colours(face.finished(), box), face.warp_matte(face.mattes.final, box)
    if merging.needs_plate or graining.needs_plate:
        plate = spaces.encode(straight_within(frame, rows, columns), frame.colour_space)
        encoded, coverage = merge.join(merging, encoded, plate, coverage)
        encoded = grain.apply(graining, encoded, plate, coverage, inputs.number)
    rgb = spaces.decode(encoded, frame.colour_space)
    alpha = alpha_within(frame, rows, columns)
    return box, merge.lay_over(merging, rgb, plate_rgb, alpha, coverage)
