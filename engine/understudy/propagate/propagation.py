"""One keyframe propagated to the frames on one side of it, each made from the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from understudy.core.errors import PlateError
from understudy.face.warp import moved_landmarks
from understudy.image.frame import Box
from understudy.jobs.propagation import PropagateJob
from understudy.patch import flow, paint
from understudy.patch.boxes import bounds, union
from understudy.patch.flow import Shift
from understudy.patch.guides import GuideWeights
from understudy.patch.state import FrameState, Keyframe, PropagatedFix, PropagationOptions
from understudy.patch.task import SynthesisOptions
from understudy.propagate.inputs import PropagationInputs

# The largest motion between two frames that is followed: in pixels at least, and as a share of the plate.
_LEAST_MARGIN_PX, _MARGIN_SHARE = 32, 1 / 36


def margin_px(extent_px: float) -> int:
    """The margin round a fix that motion is searched in."""
    return max(_LEAST_MARGIN_PX, round(extent_px * _MARGIN_SHARE))


def options_of(job: PropagateJob, extent_px: float) -> PropagationOptions:
    """The propagation options of a job; `extent_px` is the plate's longer edge."""
    weights = GuideWeights(
        plate=job.plate_weight,
        swapped=job.swapped_weight,
        edge=job.edge_weight,
        position=job.position_weight,
        temporal=job.temporal_weight,
    )
    synthesis = SynthesisOptions(patch=job.patch, uniformity=job.uniformity, seed=job.seed, device=job.device)
    return PropagationOptions(weights, synthesis, job.method == "synthesis", job.preview, extent_px)


def propagate_from(
    key: Keyframe, shot: PropagationInputs, frames: Sequence[int], options: PropagationOptions
) -> Iterator[tuple[int, PropagatedFix | PlateError]]:
    """Propagate a keyframe frame by frame. A frame that cannot be read yields its error and is skipped.

    Args:
        frames: The keyframe first, then every frame of the plate outwards from it.

    Raises:
        PlateError: there is a cut between two of the frames.
    """
    state, last, clean = paint.begin(key, shot.frame_patch(key.number, key.box)), key.number, False
    yield key.number, state.propagated
    for number in frames[1:]:
        try:
            box = _next_box(shot, state, last, number, margin_px(options.extent_px))
        except PlateError as exc:
            yield number, exc
            continue
        if box.empty:
            yield number, PropagatedFix.nothing(box)
            last, clean = number, True
            continue
        if flow.is_cut(shot.thumbnail(number), shot.thumbnail(last)):
            raise PlateError(
                f"There is a cut between frames {min(last, number)} and {max(last, number)}: keyframe "
                f"{key.number} is of another shot.",
                where=shot.plate.where(number),
                fix=f"paint a keyframe on frame {number} or beyond it",
            )
        if clean:  # the matte was empty and comes back: the frame before it is a clean plate
            state, clean = paint.nothing_hidden(shot.frame_patch(last, box)), False
        state, last = _next_state(shot, key, state, last, number, box, options), number
        yield number, state.propagated


def _next_state(
    shot: PropagationInputs,
    key: Keyframe,
    state: FrameState,
    last: int,
    number: int,
    box: Box,
    options: PropagationOptions,
) -> FrameState:
    here, there = shot.frame_patch(number, box), shot.frame_patch(last, box)
    motion = flow.between(
        here.plate,
        there.plate,
        hidden_here=here.hidden,
        hidden_there=there.hidden,
        prior=_face_motion(shot, number, last, box),
        half=options.preview,
    )
    return paint.advance(key, here, state.within(there), motion, options)


def _next_box(shot: PropagationInputs, state: FrameState, last: int, number: int, margin: int) -> Box:
    """The rectangle to work on: what is covered, with a margin for motion, inside both frames."""
    shot.require_same_raster(number, last)
    frame = shot.window(number).intersect(shot.window(last))
    covered = bounds(state.correspondence.cover > 0, state.correspondence.box)
    if shot.matte is not None:
        covered = union(covered, shot.matte_box(number))
    return covered if covered.empty else covered.grow(margin).intersect(frame)


def _face_motion(shot: PropagationInputs, number: int, last: int, box: Box) -> Shift | None:
    """The face's motion from a frame to the last one by the track; None where the track has no face."""
    here, there = shot.face(number), shot.face(last)
    if here is None or there is None:
        return None
    return moved_landmarks(here.landmarks, there.landmarks, box)
