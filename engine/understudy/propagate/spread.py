"""One keyframe spread over the frames on one side of it, each made from the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from understudy.core.errors import PlateError
from understudy.face.warp import moved_landmarks
from understudy.image.frame import Box
from understudy.jobs.table import PropagateJob
from understudy.patch import flow, paint
from understudy.patch.carry import bounds, hull
from understudy.patch.flow import Shift
from understudy.patch.guides import Weights
from understudy.patch.state import Fixed, Key, Manner, State
from understudy.patch.synthesis import Options
from understudy.propagate.painted import Painted

# Faces move by less than this between two frames; what moves further is not followed.
_LEAST_MARGIN_PX, _MARGIN_SHARE = 32, 1 / 36


def margin_px(extent_px: float) -> int:
    """Room round a fix that motion is looked for in."""
    return max(_LEAST_MARGIN_PX, round(extent_px * _MARGIN_SHARE))


def manner(job: PropagateJob, extent_px: float) -> Manner:
    """A job's options as the patches want them."""
    weights = Weights(
        plate=job.plate_weight,
        swapped=job.swapped_weight,
        edge=job.edge_weight,
        position=job.position_weight,
        temporal=job.temporal_weight,
    )
    options = Options(patch=job.patch, uniformity=job.uniformity, seed=job.seed, device=job.device)
    return Manner(weights, options, job.method == "synthesis", job.preview, extent_px)


def spread(
    shot: Painted, key: Key, frames: Sequence[int], how: Manner
) -> Iterator[tuple[int, Fixed | PlateError]]:
    """Make frame after frame; one that cannot be read is told of and passed over.

    Args:
        frames: From the keyframe outwards, itself first; every frame that the plate has on the way.

    Raises:
        PlateError: a frame shows another shot than the one before it.
    """
    state, last, clean = paint.begin(key, shot.under(key.number, key.box)), key.number, False
    yield key.number, state.fixed
    for number in frames[1:]:
        try:
            box = _next_box(shot, state, last, number, margin_px(how.extent_px))
        except PlateError as exc:
            yield number, exc
            continue
        if box.empty:
            yield number, Fixed.nothing(box)
            last, clean = number, True
            continue
        if flow.is_cut(shot.thumbnail(number), shot.thumbnail(last)):
            raise PlateError(
                f"There is a cut between frames {min(last, number)} and {max(last, number)}: keyframe "
                f"{key.number} is of another shot.",
                where=shot.plate.where(number),
                fix=f"paint a keyframe on frame {number} or beyond it",
            )
        if clean:  # a matte that was gone begins with what is seen just before it comes back
            state, clean = paint.nothing_hidden(shot.under(last, box)), False
        state, last = _step(shot, key, state, last, number, box, how), number
        yield number, state.fixed


def _step(shot: Painted, key: Key, state: State, last: int, number: int, box: Box, how: Manner) -> State:
    here, there = shot.under(number, box), shot.under(last, box)
    motion = flow.between(
        here.plate,
        there.plate,
        hidden_here=here.hidden,
        hidden_there=there.hidden,
        prior=_face_motion(shot, number, last, box),
        half=how.preview,
    )
    return paint.advance(key, here, state.within(there), motion, how)


def _next_box(shot: Painted, state: State, last: int, number: int, room: int) -> Box:
    """The rectangle to look at: what is covered, with room for it to move, within both frames."""
    frame = shot.window(number).intersect(shot.window(last))
    covered = bounds(state.carried.cover > 0, state.carried.box)
    if shot.matte is not None:
        covered = hull(covered, shot.matte_box(number))
    return covered if covered.empty else covered.grow(room).intersect(frame)


def _face_motion(shot: Painted, number: int, last: int, box: Box) -> Shift | None:
    """How the track says that the face moves from a frame to the last one; None where it does not say."""
    if shot.track is None:
        return None
    here, there = shot.track.faces.get(number), shot.track.faces.get(last)
    if here is None or there is None:
        return None
    return moved_landmarks(here.landmarks, there.landmarks, box)
