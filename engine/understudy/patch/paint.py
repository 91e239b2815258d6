"""One frame's fix, made from a keyframe: warped where flow confidence is high, synthesised elsewhere.

There are two kinds of fix:

    a change    what was painted follows the plate: a grade, a retouch, a repaint. A frame takes the painted
                colour plus the difference of its own plate from the keyframe's, times `gain`.
    a clean-up  a matte says on each frame what is to be removed. Nothing under the matte is used: pixels that
                a frame nearer to the keyframe has shown come from that frame, the rest from the keyframe
                (`cleanup`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from understudy.image.frame import FloatImage
from understudy.patch import cleanup, flow, guides
from understudy.patch.cleanup import estimate_clean_plate
from understudy.patch.correspondence import Correspondence
from understudy.patch.flow import Motion, blurred
from understudy.patch.guides import GuideInputs
from understudy.patch.state import (
    CleanPlate,
    FramePatch,
    FrameState,
    FrameStep,
    Keyframe,
    PropagatedFix,
    PropagationOptions,
)
from understudy.patch.synthesis import synthesise
from understudy.patch.task import Mask, SynthesisTask

# Window of the local regression of the painted picture on the one below, and a noise of two levels of 255.
_GAIN_WINDOW_PX, _GAIN_NOISE = 3.0, 1.4e-5
# A difference of the warped keyframe's plate from the frame's, in encoded units, that cuts confidence to 1/e.
_DOUBT, _DOUBT_BLUR_PX = 0.05, 2.0
# Confidence below which pixels are synthesised, of a change and of a clean plate; the most that a clean-up's
# synthesised pixels are given.
_SURE, _SURE_CLEAN_PLATE, _UNGUIDED = 0.8, 0.5, 0.4
# A patch error, as a share of the display's range, that cuts the confidence of a synthesised pixel to 1/e.
_GUESS = 0.15


def gain_of(style: FloatImage, base: FloatImage) -> FloatImage:
    """How far a painted picture follows the detail of the one below: 1 for a tint, 0 for opaque paint.

    Args:
        style, base: (H, W, 3) float32, encoded space.

    Returns:
        (H, W) float32 in 0..1.

    Source:
        The slope of the local linear regression, as in He et al. 2010, Guided Image Filtering.
    """
    painted, below = (np.asarray(one.mean(axis=2), np.float32) for one in (style, base))
    mean_painted, mean_below = blurred(painted, _GAIN_WINDOW_PX), blurred(below, _GAIN_WINDOW_PX)
    covariance = blurred(painted * below, _GAIN_WINDOW_PX) - mean_painted * mean_below
    variance = blurred(below * below, _GAIN_WINDOW_PX) - mean_below**2
    slope = (covariance + _GAIN_NOISE) / (np.maximum(variance, 0) + _GAIN_NOISE)
    return np.asarray(np.clip(slope, 0, 1), np.float32)


def begin(key: Keyframe, frame: FramePatch) -> FrameState:
    """The state of the keyframe itself: its fix is the painted picture."""
    correspondence = Correspondence.start(key.box, key.cover if frame.matte is None else frame.matte)
    sure = np.ones(key.cover.shape, np.float32)
    propagated = PropagatedFix(key.box, key.style, np.maximum(key.cover, correspondence.cover), sure)
    clean_plate = None if frame.matte is None else cleanup.begin(key.style, frame.hidden)
    return FrameState(correspondence, propagated, clean_plate)


def nothing_hidden(frame: FramePatch) -> FrameState:
    """The state of a clean-up on a frame whose matte is empty: the frame is its own clean plate."""
    none = np.zeros(frame.hidden.shape, np.float32)
    correspondence = Correspondence(frame.box, np.zeros((*none.shape, 2), np.float32), none, none)
    propagated = PropagatedFix(frame.box, frame.base, none, none + 1)
    return FrameState(correspondence, propagated, cleanup.begin(frame.base, frame.hidden))


def advance(
    key: Keyframe, frame: FramePatch, before: FrameState, motion: Motion, options: PropagationOptions
) -> FrameState:
    """Propagate the fix to the next frame.

    Args:
        key: The keyframe.
        frame: The frame; it and `before` cover one box.
        before: The state of the previous frame.
        motion: From this frame to the previous one.
        options: How the fix is propagated.
    """
    correspondence = before.correspondence.compose(motion)
    if before.clean_plate is not None and frame.matte is not None:
        correspondence = replace(correspondence, cover=frame.matte)
        step = FrameStep(key, frame, before, motion, correspondence, options)
        return _propagate_cleanup(step, before.clean_plate)
    used = correspondence if options.preview else correspondence.refined(frame.plate, key.plate, key.box)
    state = _propagate_change(FrameStep(key, frame, before, motion, used, options))
    return replace(state, correspondence=correspondence)


def _propagate_change(step: FrameStep) -> FrameState:
    """A change: the warped painting, plus what the frame's own picture differs by."""
    key, frame, correspondence = step.key, step.frame, step.correspondence
    plate = correspondence.sample_keyframe(key.plate, key.box, sharp=True)
    base = plate if key.base is key.plate else correspondence.sample_keyframe(key.base, key.box, sharp=True)
    gain = correspondence.sample_keyframe(key.gain, key.box)[..., None]
    style = correspondence.sample_keyframe(key.style, key.box, sharp=True)
    moved = np.asarray(style + gain * (frame.base - base), np.float32)
    sure = correspondence.trust * _likeness(frame.plate - plate, correspondence.trust)
    propagated = PropagatedFix(frame.box, moved, correspondence.cover, np.asarray(sure, np.float32))
    mask = (correspondence.cover > 0) & ((sure < _SURE) | step.options.everywhere)
    if not step.options.preview and mask.any():
        seen = np.ones(mask.shape, np.float32)
        made, error = _synthesise(step, propagated.picture, mask, seen, None)
        propagated = _with_synthesised(propagated, made, error, mask)
    return FrameState(correspondence, propagated, None)


def _propagate_cleanup(step: FrameStep, last: CleanPlate) -> FrameState:
    """A clean-up: the clean plate behind the matte, synthesised where it is not known."""
    frame, options = step.frame, step.options
    estimate = estimate_clean_plate(step, last)
    picture = estimate.picture()
    propagated = PropagatedFix(frame.box, picture, step.correspondence.cover, estimate.confidence())
    mask = frame.hidden & ((estimate.trust < _SURE_CLEAN_PLATE) | options.everywhere)
    if not options.preview and mask.any():
        seen = (~frame.hidden).astype(np.float32)
        made, error = _synthesise(step, picture, mask, seen, estimate.illumination)
        # The plate could not guide these pixels: a low error does not mean that they are right.
        propagated = _with_synthesised(propagated, made, error, mask, _UNGUIDED * estimate.recency())
    if not options.preview:
        propagated = replace(propagated, picture=estimate.blended(propagated.picture, mask))
    return FrameState(step.correspondence, propagated, estimate.for_next_frame(propagated.picture))


def _with_synthesised(
    propagated: PropagatedFix,
    made: FloatImage,
    error: FloatImage,
    mask: Mask,
    most: FloatImage | float = _SURE,
) -> PropagatedFix:
    guess = np.exp(-((error / _GUESS) ** 2)) * most
    confidence = np.where(mask, guess, propagated.confidence).astype(np.float32)
    return replace(propagated, picture=made, confidence=confidence)


def _synthesise(
    step: FrameStep, initial: FloatImage, mask: Mask, seen: FloatImage, illumination: FloatImage | None
) -> tuple[FloatImage, FloatImage]:
    """The picture with the masked pixels synthesised from the keyframe, and the error of each.

    Args:
        initial: The initial estimate.
        seen: (h, w) in 0..1, where the frame's plate may guide.
        illumination: For a clean-up, the frame's illumination minus the keyframe's; None for a change.
    """
    key, frame = step.key, step.frame
    away = np.array([frame.box.x0 - key.box.x0, frame.box.y0 - key.box.y0], np.float32)
    shift = flow.fill(step.correspondence.shift, (~mask).astype(np.float32))
    prior = np.asarray(guides.identity(*mask.shape) + away + shift, np.float32)
    # A clean-up relights the keyframe's colours; a change follows the frame's own picture.
    is_change = illumination is None
    task = SynthesisTask(
        style=key.style,
        key_base=key.base if is_change else np.zeros_like(key.style),
        gain=key.gain if is_change else np.ones_like(key.gain),
        frame_base=frame.base if illumination is None else illumination,
        guides=_guides(step, initial, prior, seen, with_swapped=is_change and key.base is not key.plate),
        initial=initial,
        prior=prior,
        mask=mask,
    )
    made = synthesise(task, step.options.synthesis)
    return made.picture, made.error


def _guides(
    step: FrameStep, initial: FloatImage, prior: FloatImage, seen: FloatImage, *, with_swapped: bool
) -> guides.Guides:
    """The guides of the keyframe and of the frame."""
    key, frame = step.key, step.frame
    key_swapped, frame_swapped = (key.base, frame.base) if with_swapped else (None, None)
    position = guides.identity(*key.cover.shape)
    temporal = flow.sample(step.before.propagated.picture, step.motion.shift)
    return guides.build(
        GuideInputs(key.style, key.plate, key_swapped, position, key.style),
        GuideInputs(initial, frame.plate, frame_swapped, prior, temporal),
        step.options.weights,
        plate_validity=seen,
        temporal_validity=step.motion.trust,
        extent_px=step.options.extent_px,
    )


def _likeness(apart: FloatImage, trust: FloatImage) -> FloatImage:
    """(H, W) float32: 1 where the warped keyframe's plate equals the frame's, up to one overall offset.

    Args:
        apart: (H, W, 3), the frame's plate minus the warped keyframe's.
        trust: (H, W), flow confidence; the offset is the median where it is above 0.5.
    """
    sure = trust > 0.5
    offset = np.median(apart[sure], axis=0) if sure.any() else np.zeros(3)
    rest = np.abs(blurred(np.asarray(apart - offset, np.float32), _DOUBT_BLUR_PX)).max(axis=2)
    return np.asarray(np.exp(-((rest / _DOUBT) ** 2)), np.float32)
