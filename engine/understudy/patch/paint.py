"""One frame's fix, made from a keyframe: moved along where the motion is sure, synthesised elsewhere.

Two things may be wanted of a fix:

    a change    what was painted over follows the plate: grade, retouch, repaint. A frame takes the painted
                colour and adds what its own plate differs from the keyframe's, as far as the painting follows
                it (`gain`).
    a clean-up  a matte says on each frame what has to go. Nothing under the matte is looked at: what was
                seen there on a frame nearer to the keyframe comes from there, the rest from the keyframe
                (`cleanup`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from understudy.image.frame import FloatImage
from understudy.patch import cleanup, flow, guides
from understudy.patch.carry import Carried
from understudy.patch.cleanup import behind_matte
from understudy.patch.flow import Motion, blurred
from understudy.patch.guides import Side
from understudy.patch.state import Behind, Fixed, Key, Manner, Mask, State, Step, Under
from understudy.patch.synthesis import Task, synthesise

# A local regression of the painting on what it covers: its window, and a noise of two levels of 255.
_GAIN_WINDOW_PX, _GAIN_NOISE = 3.0, 1.4e-5
# The keyframe's plate moved here may differ by this much of the encoded range before it is doubted.
_DOUBT, _DOUBT_BLUR_PX = 0.05, 2.0
_SURE, _SURE_BEHIND, _BLIND = 0.8, 0.5, 0.4
# A patch that differs by this much of the display's range from all that the keyframe shows is a guess.
_GUESS = 0.15


def gain_of(style: FloatImage, base: FloatImage) -> FloatImage:
    """How far a painting's detail follows what was painted on: 1 for a tint, 0 for opaque paint.

    Args:
        style, base: (H, W, 3) float32, encoded space.

    Returns:
        (H, W) float32 in 0..1.
    Source:
        The slope of the local linear regression, as in He et al. 2010, Guided Image Filtering.
    """
    painted, under = (np.asarray(one.mean(axis=2), np.float32) for one in (style, base))
    mean_painted, mean_under = blurred(painted, _GAIN_WINDOW_PX), blurred(under, _GAIN_WINDOW_PX)
    shared = blurred(painted * under, _GAIN_WINDOW_PX) - mean_painted * mean_under
    spread = blurred(under * under, _GAIN_WINDOW_PX) - mean_under**2
    slope = (shared + _GAIN_NOISE) / (np.maximum(spread, 0) + _GAIN_NOISE)
    return np.asarray(np.clip(slope, 0, 1), np.float32)


def begin(key: Key, under: Under) -> State:
    """The keyframe itself: its fix is the painting."""
    carried = Carried.start(key.box, key.cover if under.matte is None else under.matte)
    sure = np.ones(key.cover.shape, np.float32)
    fixed = Fixed(key.box, key.style, np.maximum(key.cover, carried.cover), sure)
    return State(carried, fixed, None if under.matte is None else cleanup.begin(key.style, under.hidden))


def nothing_hidden(under: Under) -> State:
    """A frame of a clean-up with nothing to clean: all of it is seen, and the keyframe is not needed."""
    none = np.zeros(under.hidden.shape, np.float32)
    carried = Carried(under.box, np.zeros((*none.shape, 2), np.float32), none, none)
    fixed = Fixed(under.box, under.base, none, none + 1)
    return State(carried, fixed, cleanup.begin(under.base, under.hidden))


def advance(key: Key, under: Under, before: State, motion: Motion, manner: Manner) -> State:
    """The next frame.

    Args:
        key: The keyframe.
        under: The frame; it and `before` are over one box.
        before: What the frame between them left.
        motion: From this frame to that one.
        manner: How.
    """
    carried = before.carried.followed(motion)
    if before.behind is not None and under.matte is not None:
        carried = replace(carried, cover=under.matte)
        return _cleaned(Step(key, under, before, motion, carried, manner), before.behind)
    drawn = carried if manner.preview else carried.locked(under.plate, key.plate, key.box)
    return replace(_changed(Step(key, under, before, motion, drawn, manner)), carried=carried)


def _changed(step: Step) -> State:
    """A change is carried: what the frame's own picture differs by is kept."""
    key, under, carried = step.key, step.under, step.carried
    plate = carried.look(key.plate, key.box, sharp=True)
    base = plate if key.base is key.plate else carried.look(key.base, key.box, sharp=True)
    gain = carried.look(key.gain, key.box)[..., None]
    style = carried.look(key.style, key.box, sharp=True)
    moved = np.asarray(style + gain * (under.base - base), np.float32)
    sure = carried.trust * _likeness(under.plate - plate, carried.trust)
    fixed = Fixed(under.box, moved, carried.cover, np.asarray(sure, np.float32))
    todo = (carried.cover > 0) & ((sure < _SURE) | step.manner.everywhere)
    if not step.manner.preview and todo.any():
        seen = np.ones(todo.shape, np.float32)
        made, error = _synthesised(step, fixed.picture, todo, seen, None)
        fixed = _with_made(fixed, made, error, todo)
    return State(carried, fixed, None)


def _cleaned(step: Step, last: Behind) -> State:
    """A clean-up: what lies behind the matte is what was last seen there, or the keyframe."""
    under, manner = step.under, step.manner
    known = behind_matte(step, last)
    picture = known.picture()
    fixed = Fixed(under.box, picture, step.carried.cover, known.confidence())
    todo = under.hidden & ((known.trust < _SURE_BEHIND) | manner.everywhere)
    if not manner.preview and todo.any():
        seen = (~under.hidden).astype(np.float32)
        made, error = _synthesised(step, picture, todo, seen, known.light)
        # Nothing of the plate guided these: they may look right and be wrong.
        fixed = _with_made(fixed, made, error, todo, _BLIND * known.memory())
    if not manner.preview:
        fixed = replace(fixed, picture=known.joined(fixed.picture, todo))
    return State(step.carried, fixed, known.left(fixed.picture))


def _with_made(
    fixed: Fixed, made: FloatImage, error: FloatImage, todo: Mask, most: FloatImage | float = _SURE
) -> Fixed:
    guess = np.exp(-((error / _GUESS) ** 2)) * most
    return replace(fixed, picture=made, confidence=np.where(todo, guess, fixed.confidence).astype(np.float32))


def _synthesised(
    step: Step, first: FloatImage, todo: Mask, seen: FloatImage, light: FloatImage | None
) -> tuple[FloatImage, FloatImage]:
    """The picture with the pixels that are to do found again on the keyframe, and how unlike they are.

    Args:
        first: A first guess.
        seen: Where the frame's plate may guide.
        light: For a clean-up, how the light differs from the keyframe's; None where a change is carried.
    """
    key, under = step.key, step.under
    away = np.array([under.box.x0 - key.box.x0, under.box.y0 - key.box.y0], np.float32)
    at = guides.identity(*todo.shape) + away + flow.fill(step.carried.shift, (~todo).astype(np.float32))
    temporal = flow.sample(step.before.fixed.picture, step.motion.shift)
    swapped = light is None and key.base is not key.plate
    both = guides.build(
        Side(
            key.style,
            key.plate,
            key.base if swapped else None,
            guides.identity(*key.cover.shape),
            key.style,
        ),
        Side(first, under.plate, under.base if swapped else None, np.asarray(at, np.float32), temporal),
        step.manner.weights,
        seen=seen,
        followed=step.motion.trust,
        extent_px=step.manner.extent_px,
    )
    # A clean-up takes the keyframe's colours in the frame's light; a change what its own picture differs by.
    nothing = np.zeros_like(key.style)
    task = Task(
        style=key.style,
        plate=key.base if light is None else nothing,
        gain=key.gain if light is None else np.ones_like(key.gain),
        here=under.base if light is None else light,
        guides=both,
        first=first,
        at=np.asarray(at, np.float32),
        todo=todo,
    )
    made = synthesise(task, step.manner.options)
    return made.picture, made.error


def _likeness(apart: FloatImage, trust: FloatImage) -> FloatImage:
    """1 where the keyframe's plate, moved here, is the frame's; a change of light alike over all is none."""
    sure = trust > 0.5
    light = np.median(apart[sure], axis=0) if sure.any() else np.zeros(3)
    rest = np.abs(blurred(np.asarray(apart - light, np.float32), _DOUBT_BLUR_PX)).max(axis=2)
    return np.asarray(np.exp(-((rest / _DOUBT) ** 2)), np.float32)
