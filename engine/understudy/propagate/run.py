"""`understudy propagate`: a fix painted on one or a few frames, propagated to the frames round them.

    inputs        the plate, mattes and keyframes ── read and encoded, over the rectangle that is needed
    propagation   one keyframe ── frame by frame outwards: optical flow, and patch synthesis where flow fails
    run           the results of two keyframes ── blended; merged over the frame inside the fix only; written

Convention:
    A frame between two keyframes is made from both, any other frame from the nearest. A frame does not depend
    on which other frames are asked for, so that a farm may split a shot anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from understudy.comp.merge import paste
from understudy.core import unfinished
from understudy.core.content import ContentHashes
from understudy.core.errors import PlateError, UnderstudyError
from understudy.core.progress import Failed, Finished, Progress, Reporter
from understudy.core.settings import Settings
from understudy.face.crop import rgb_within, with_rgb_within
from understudy.face.track.store import Track
from understudy.image import colour
from understudy.image.encoding import encoded_for
from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.image.integrity import DIGEST
from understudy.image.plate import Plate, chosen_frames, open_plate
from understudy.image.sequence import Pattern
from understudy.image.taken import taken
from understudy.jobs import files, frame_notes
from understudy.jobs.propagation import PropagateJob
from understudy.jobs.summary import outcome
from understudy.patch import blend, quality
from understudy.patch.boxes import union
from understudy.patch.state import Keyframe, PropagatedFix
from understudy.propagate import propagation
from understudy.propagate.disk_buffer import DiskBuffer
from understudy.propagate.inputs import PropagationInputs, keyframes
from understudy.provenance.finished import FinishedFrames
from understudy.provenance.stamp import digest_of, with_stamp

VERSION = 1
"""Part of every frame's digest; goes up with each change of the code that changes pixels."""

CONFIDENCE, CONFIDENCE_LAYER = "understudy:confidence", "confidence.A"
# What changes where a frame is made or what is told of it, and names of files: these count by their content,
# and how the plate is taken by its meaning.
_NOT_OF_THE_FRAME = {
    *("frames", "output", "overwrite", "verify", "device", "wanted_confidence"),
    *("fix", "plate", "matte", "swapped", "track", "face", "alpha", "layer", "view"),
}


@dataclass(frozen=True)
class Span:
    """Frames between the same two keyframes.

    Attributes:
        before, after: The keyframes round them; None where there is none on that side.
        frames: The frames that are asked for, keyframes included.
    """

    before: int | None
    after: int | None
    frames: tuple[int, ...]


def run(job: PropagateJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Fix the job's frames. A frame that fails does not stop the others; finished frames are skipped.

    Raises:
        PlateError: the plate, the fix or a matte cannot be opened.
        FaceError: the track cannot be read.
        JobError: no keyframe is of a frame of the plate, nothing is painted, or the output would overwrite
            an input or a foreign file; nothing is written then.
    """
    with ExitStack() as opened:

        def open_(text: str, called: str, space: str | None = None) -> Plate:
            # EXR files whose header names no colour space are in the plate's.
            plate = open_plate(
                text, colour_space=space, assumed=job.colour_space, report=report, called=called
            )
            return opened.enter_context(closing(plate))

        def base_(text: str, called: str, space: str | None = None) -> Plate:
            return encoded_for(taken(open_(text, called, space), job.reading, report), job.output, report)

        plate = base_(job.plate, "plate", job.colour_space)
        frames = chosen_frames(plate, job.frames)
        files.guard(job, frames=frames)
        shot = PropagationInputs(
            job,
            plate,
            base_(job.swapped, "swapped frames") if job.swapped else None,
            opened.enter_context(closing(open_plate(job.matte))) if job.matte else None,
            taken(open_(job.fix, "fix"), replace(job.reading, painted=True)),
            Track.open(job.track).face(job.face) if job.track else None,
            ContentHashes(settings.cache),
        )
        if shot.track is not None and job.track is not None:
            frame_notes.require_faces(shot.track, shot.plate.frames, job.track)
        keys = keyframes(shot.fix, shot.plate)
        finished = FinishedFrames(settings.cache, verify=job.verify)
        work = _Run(shot, Pattern.parse(job.output), finished, report)
        for span in spans(tuple(frames), keys):
            work.span(span)
    result = work.result(keys)
    report(Finished(result))
    return result


def spans(frames: Sequence[int], keys: Sequence[int]) -> Iterator[Span]:
    """The frames grouped by the keyframes round them; a keyframe is a span of its own."""
    found: dict[tuple[int | None, int | None], list[int]] = {}
    for number in frames:
        before = max((key for key in keys if key <= number), default=None)
        after = min((key for key in keys if key >= number), default=None)
        found.setdefault((before, after), []).append(number)
    for (before, after), numbers in found.items():
        yield Span(before, after, tuple(numbers))


class _Run:
    """A run, with the outcome of each frame so far."""

    def __init__(
        self, shot: PropagationInputs, output: Pattern, finished: FinishedFrames, report: Reporter
    ) -> None:
        self.shot, self.output, self.finished, self.report = shot, output, finished, report
        self.options = propagation.options_of(shot.job, shot.extent_px)
        self.written: list[int] = []
        self.kept: list[int] = []
        self.failed: dict[int, UnderstudyError] = {}
        self.confidence: dict[int, float] = {}
        self._keyframe: Keyframe | None = None
        self._digests: dict[int, str] = {}
        self._unreached: dict[int, UnderstudyError] = {}  # why a keyframe does not reach a frame

    def span(self, span: Span) -> None:
        """Make the frames of a span that are not finished.

        With one keyframe each frame is written at once. With two, the later keyframe's results wait on disk
        for the earlier one's.
        """
        todo = [number for number in span.frames if not self._is_done(number, span)]
        if not todo:
            return
        keys = sorted({key for key in (span.before, span.after) if key is not None}, reverse=True)
        with unfinished.scratch_folder("propagate") as folder:
            buffer = DiskBuffer(folder)
            for key in keys[:-1]:
                for number, propagated in self._from_keyframe(key, todo):
                    buffer.put(number, propagated)
            for number, propagated in self._from_keyframe(keys[-1], todo):
                other = buffer.pop(number)
                self._finish(
                    number, propagated if other is None else blended(span, number, propagated, other)
                )
            for number, left in buffer.drain():
                self._finish(number, left)
        for number in todo:
            if number not in self.confidence:
                self._lose(number, self._unreached.get(number) or self._why_unread(number))

    def result(self, keys: Sequence[int]) -> dict[str, Any]:
        """The run's result."""
        wanted = self.shot.job.wanted_confidence / 100
        doubtful = sorted(number for number, sure in self.confidence.items() if sure < wanted)
        return {
            **outcome(self.shot.job.output, self.written, self.kept, self.failed),
            **self.finished.told(self.report),
            **frame_notes.tell(frame_notes.ranges(doubtful_frames=doubtful), self.report),
            "keyframes": list(keys),
            "confidence": {str(one): round(self.confidence[one], 3) for one in sorted(self.confidence)},
            "paint_next": list(quality.next_keyframes(self.confidence, keys, wanted=wanted)),
        }

    def _from_keyframe(self, number: int, todo: Sequence[int]) -> Iterator[tuple[int, PropagatedFix]]:
        """One keyframe's result for each frame that it reaches, from the keyframe outwards."""
        frames = outwards(number, todo, tuple(self.shot.plate.frames))
        stage = f"from keyframe {number}"
        try:
            key = self._read_keyframe(number)
            results = propagation.propagate_from(key, self.shot, frames, self.options)
            for done, (frame, propagated) in enumerate(results):
                self.report(Progress(stage, done, len(frames), f"frame {frame}"))
                if isinstance(propagated, UnderstudyError):
                    self._lose(frame, propagated)
                elif frame in todo:
                    yield frame, propagated
        except UnderstudyError as exc:
            for frame in frames:
                self._unreached.setdefault(frame, exc)
        self.report(Progress(stage, len(frames), len(frames)))

    def _read_keyframe(self, number: int) -> Keyframe:
        """A painted keyframe; the last one is kept, as most shots have one only."""
        if self._keyframe is None or self._keyframe.number != number:
            margin = propagation.margin_px(self.options.extent_px)
            self._keyframe = self.shot.keyframe(number, margin, self.report)
        return self._keyframe

    def _is_done(self, number: int, span: Span) -> bool:
        """Whether the frame is there with the same digest; its confidence is then read from its header."""
        self._digests[number] = self._digest(number, span)
        header = self.finished.header(self.output.path(number), self._digests[number])
        if header is None:
            return False
        value = header.get(CONFIDENCE)
        self.confidence[number] = float(value) if isinstance(value, int | float | str) else 0.0
        self.kept.append(number)
        return True

    def _finish(self, number: int, propagated: PropagatedFix) -> None:
        """Merge a fix over its frame and write it."""
        path = self.output.path(number)
        try:
            if not self.shot.job.overwrite:
                self.finished.refuse_edited(path)
            self.confidence[number] = propagated.mean_confidence
            stamp = {DIGEST: self._digests[number], CONFIDENCE: f"{propagated.mean_confidence:.4f}"}
            frame = composite(self.shot.base(number), propagated, with_layer=path.suffix.lower() == ".exr")
            write_image(
                path,
                with_stamp(frame, self.shot.job.output, stamp),
                compression=self.shot.job.exr_compression,
            )
            self.finished.remember(path)
            self.written.append(number)
        except UnderstudyError as exc:
            self._lose(number, exc)

    def _why_unread(self, number: int) -> UnderstudyError:
        """The error of a frame that no keyframe reached: the plate does not have it."""
        try:
            self.shot.base(number)
        except UnderstudyError as exc:
            return exc
        return PlateError(f"Frame {number} of the plate is missing.", where=self.shot.plate.where(number))

    def _lose(self, number: int, exc: UnderstudyError) -> None:
        if number in self.failed:
            return  # reported from the other keyframe
        self.failed[number] = exc
        self.confidence.pop(number, None)
        self.report(Failed(exc.as_dict(), number))

    def _digest(self, number: int, span: Span) -> str:
        """Digest of everything the frame depends on, which includes all frames from its keyframes to it."""
        shot = self.shot
        ends = [end for end in (span.before, span.after, number) if end is not None]
        way = range(min(ends), max(ends) + 1)
        keys = [end for end in (span.before, span.after) if end is not None]
        faces = {} if shot.track is None else shot.track.faces
        values = {
            "job": shot.job.model_dump(mode="json", exclude=_NOT_OF_THE_FRAME),
            "frame": number,
            "inputs": [
                shot.digests(plate, keys if plate is shot.fix else way) for plate in shot.inputs.values()
            ],
            "faces": [faces[one].landmarks_digest for one in way if one in faces],
            **({"raster": track.raster.as_text()} if (track := shot.track) and track.raster else {}),
            "synthesis": VERSION,
        }
        return digest_of(values)


def outwards(key: int, todo: Sequence[int], there: Sequence[int]) -> list[int]:
    """The frames of `there` from a keyframe to the furthest frame of `todo`, the keyframe first."""
    last = max(todo, key=lambda number: abs(number - key))
    low, high = sorted((key, last))
    return sorted((one for one in there if low <= one <= high), reverse=last < key)


def blended(span: Span, number: int, before: PropagatedFix, after: PropagatedFix) -> PropagatedFix:
    """The results of the keyframes before and after a frame, blended; on a keyframe its own."""
    assert span.before is not None and span.after is not None  # only such frames have both
    if number in (span.before, span.after):
        return before if number == span.before else after
    box = union(before.box, after.box)
    one, two = before.within(box), after.within(box)
    share = (number - span.before) / (span.after - span.before)
    # Where only one of them has cover, that one alone counts.
    picture, confidence = blend.two(
        one.picture, two.picture, one.confidence * (one.cover > 0), two.confidence * (two.cover > 0), share
    )
    return PropagatedFix(box, picture, np.maximum(one.cover, two.cover), confidence)


def composite(frame: Frame, propagated: PropagatedFix, *, with_layer: bool) -> Frame:
    """The frame with its fix, and on request the confidence as a layer, which is 1 outside the fix."""
    box, merged = propagated.box, propagated.picture
    sure = np.ones((*frame.pixels.shape[:2], 1), np.float32)
    if not box.empty:
        rows, columns = box.slices(frame.data_window)
        rgb = colour.decode(propagated.picture, frame.colour_space)
        merged = paste.over(rgb_within(frame, rows, columns), rgb, propagated.cover)
        sure[rows, columns, 0] = 1 - np.minimum(propagated.cover, 1) * (1 - propagated.confidence)
    made = with_rgb_within(frame, box, merged)
    if not with_layer:
        return made
    # A frame that was fixed before has the layer already.
    others = [index for index, name in enumerate(frame.channels) if name != CONFIDENCE_LAYER]
    channels = (*(frame.channels[index] for index in others), CONFIDENCE_LAYER)
    return replace(made, pixels=np.concatenate([made.pixels[..., others], sure], axis=2), channels=channels)
