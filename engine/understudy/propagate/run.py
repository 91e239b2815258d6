"""`understudy propagate`: a fix painted on a frame or a few, carried to the frames round them.

    painted   plate, mattes, keyframes ── read and encoded within the rectangle that matters
    spread    keyframe ── frame by frame outwards: flow, patches where flow is not sure
    here      two keyframes' results ── blended; laid over the frame within the fix only; written

Convention:
    A frame between two keyframes is made from both, any other from the nearest. Nothing of a frame depends on
    which frames are asked for, so that a farm may split a shot anywhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from understudy.comp.merge import paste
from understudy.core.errors import PlateError, UnderstudyError
from understudy.core.progress import Failed, Finished, Progress, Reporter
from understudy.core.settings import Settings
from understudy.face.crop import rgb_within, with_rgb_within
from understudy.face.track.store import Track
from understudy.image import colour
from understudy.image.exr import write_image
from understudy.image.frame import Frame
from understudy.image.plate import Plate, chosen_frames, open_plate, refuse_overwriting
from understudy.image.sequence import Pattern
from understudy.jobs.summary import outcome
from understudy.jobs.table import PropagateJob
from understudy.patch import blend, quality
from understudy.patch.carry import hull
from understudy.patch.state import Fixed, Key
from understudy.propagate import spread
from understudy.propagate.disk_buffer import Waiting
from understudy.propagate.painted import Painted, keyframes
from understudy.provenance.stamp import DIGEST, digest_of, header_if_done, with_stamp

VERSION = 1
"""As the recipe's: counts up with every change of the code that changes what a fix is carried to."""

CONFIDENCE, CONFIDENCE_LAYER = "understudy:confidence", "confidence.A"
_NOT_OF_THE_FRAME = {"frames", "output", "device", "wanted_confidence", "fix", "plate", "matte", "swapped"}


@dataclass(frozen=True)
class Span:
    """Frames between the same keyframes.

    Attributes:
        before, after: The keyframes round them, None where the shot has none on that side.
        frames: The frames that are asked for, keyframes included once.
    """

    before: int | None
    after: int | None
    frames: tuple[int, ...]


def run(job: PropagateJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Fix the job's frames; one bad frame never loses the others, and finished ones are not done again.

    Raises:
        PlateError: the plate, the fix or a matte cannot be opened.
        FaceError: the track cannot be read.
        JobError: no keyframe is of the plate, nothing is painted, or the output would overwrite an input.
    """
    with ExitStack() as opened:

        def open_(text: str, space: str | None = None) -> Plate:
            # EXR files that do not say their space are of the plate's.
            plate = open_plate(text, colour_space=space, assumed=job.colour_space)
            return opened.enter_context(closing(plate))

        shot = Painted(
            job,
            open_(job.plate, job.colour_space),
            open_(job.swapped) if job.swapped else None,
            open_(job.matte) if job.matte else None,
            open_(job.fix),
            Track.open(job.track) if job.track else None,
        )
        keys = keyframes(shot.fix, shot.plate)
        frames = chosen_frames(shot.plate, job.frames)
        work = _Run(shot, Pattern.parse(job.output), report)
        for span in spans(tuple(frames), keys):
            work.span(span)
    result = work.result(keys)
    report(Finished(result))
    return result


def spans(frames: Sequence[int], keys: Sequence[int]) -> Iterator[Span]:
    """The frames by the keyframes round them; a keyframe stands alone."""
    found: dict[tuple[int | None, int | None], list[int]] = {}
    for number in frames:
        before = max((key for key in keys if key <= number), default=None)
        after = min((key for key in keys if key >= number), default=None)
        found.setdefault((before, after), []).append(number)
    for (before, after), numbers in found.items():
        yield Span(before, after, tuple(numbers))


class _Run:
    """What has become of each frame so far."""

    def __init__(self, shot: Painted, output: Pattern, report: Reporter) -> None:
        self.shot, self.output, self.report = shot, output, report
        self.how = spread.manner(shot.job, shot.extent_px)
        self.written: list[int] = []
        self.kept: list[int] = []
        self.failed: dict[int, UnderstudyError] = {}
        self.confidence: dict[int, float] = {}
        self._painted: Key | None = None
        self._digests: dict[int, str] = {}
        self._beyond: dict[int, UnderstudyError] = {}  # why a keyframe does not reach a frame

    def span(self, span: Span) -> None:
        """Make the frames of a span that are not done yet.

        From one keyframe each is written at once; from two, the later one's wait on disk for the earlier's.
        """
        todo = [number for number in span.frames if not self._is_done(number, span)]
        if not todo:
            return
        keys = sorted({key for key in (span.before, span.after) if key is not None}, reverse=True)
        with tempfile.TemporaryDirectory(prefix="understudy-propagate-") as folder:
            waiting = Waiting(Path(folder))
            for key in keys[:-1]:
                for number, fixed in self._side(key, todo):
                    waiting.keep(number, fixed)
            for number, fixed in self._side(keys[-1], todo):
                other = waiting.take(number)
                self._finish(number, fixed if other is None else joined(span, number, fixed, other))
            for number, left in waiting.rest():
                self._finish(number, left)
        for number in todo:
            if number not in self.confidence:
                self._lose(number, self._beyond.get(number) or self._why_unread(number))

    def result(self, keys: Sequence[int]) -> dict[str, Any]:
        """What the run tells at its end."""
        wanted = self.shot.job.wanted_confidence / 100
        return {
            **outcome(self.shot.job.output, self.written, self.kept, self.failed),
            "keyframes": list(keys),
            "confidence": {str(one): round(self.confidence[one], 3) for one in sorted(self.confidence)},
            "paint_next": list(quality.next_keyframes(self.confidence, keys, wanted=wanted)),
        }

    def _side(self, key: int, todo: Sequence[int]) -> Iterator[tuple[int, Fixed]]:
        """What one keyframe makes of the frames, from it outwards, as far as it reaches."""
        way = outwards(key, todo, tuple(self.shot.plate.frames))
        try:
            painted = self._keyframe(key)
            for done, (number, fixed) in enumerate(spread.spread(self.shot, painted, way, self.how)):
                self.report(Progress(f"from keyframe {key}", done, len(way), f"frame {number}"))
                if isinstance(fixed, UnderstudyError):
                    self._lose(number, fixed)
                elif number in todo:
                    yield number, fixed
        except UnderstudyError as exc:
            for number in way:
                self._beyond.setdefault(number, exc)
        self.report(Progress(f"from keyframe {key}", len(way), len(way)))

    def _keyframe(self, number: int) -> Key:
        """A painted keyframe; the last one is kept, for most shots have one."""
        if self._painted is None or self._painted.number != number:
            self._painted = self.shot.key(number, spread.margin_px(self.how.extent_px), self.report)
        return self._painted

    def _is_done(self, number: int, span: Span) -> bool:
        """Whether the frame is there already, made of the same; its confidence is then read off it."""
        self._digests[number] = self._digest(number, span)
        header = header_if_done(self.output.path(number), self._digests[number])
        if header is None:
            return False
        said = header.get(CONFIDENCE)
        self.confidence[number] = float(said) if isinstance(said, int | float | str) else 0.0
        self.kept.append(number)
        return True

    def _finish(self, number: int, fixed: Fixed) -> None:
        """Lay a fix over its frame and write it."""
        path = self.output.path(number)
        try:
            refuse_overwriting(path, self.shot.inputs, number)
            self.confidence[number] = fixed.mean_confidence
            stamp = {DIGEST: self._digests[number], CONFIDENCE: f"{fixed.mean_confidence:.4f}"}
            frame = laid_over(self.shot.base(number), fixed, layers=path.suffix.lower() == ".exr")
            write_image(
                path,
                with_stamp(frame, self.shot.job.output, stamp),
                compression=self.shot.job.exr_compression,
            )
            self.written.append(number)
        except UnderstudyError as exc:
            self._lose(number, exc)

    def _why_unread(self, number: int) -> UnderstudyError:
        """What is wrong with a frame that no keyframe came by: the plate does not have it."""
        try:
            self.shot.base(number)
        except UnderstudyError as exc:
            return exc
        return PlateError(f"Frame {number} of the plate is missing.", where=self.shot.plate.where(number))

    def _lose(self, number: int, exc: UnderstudyError) -> None:
        if number in self.failed:
            return  # the other keyframe's side has told of it
        self.failed[number] = exc
        self.confidence.pop(number, None)
        self.report(Failed(exc.as_dict(), number))

    def _digest(self, number: int, span: Span) -> str:
        """Digest of everything the frame depends on: all frames between its keyframes and it."""
        shot = self.shot
        ends = [end for end in (span.before, span.after, number) if end is not None]
        way = range(min(ends), max(ends) + 1)
        keys = [end for end in (span.before, span.after) if end is not None]
        faces = {} if shot.track is None else shot.track.faces
        values = {
            "job": shot.job.model_dump(mode="json", exclude=_NOT_OF_THE_FRAME),
            "frame": number,
            "inputs": [
                shot.stamps(plate, keys if plate is shot.fix else way) for plate in shot.inputs.values()
            ],
            "faces": [faces[one].landmarks_digest for one in way if one in faces],
            "synthesis": VERSION,
        }
        return digest_of(values)


def outwards(key: int, todo: Sequence[int], there: Sequence[int]) -> list[int]:
    """The frames from a keyframe to the furthest that is wanted, of those that are there, itself first."""
    last = max(todo, key=lambda number: abs(number - key))
    low, high = sorted((key, last))
    return sorted((one for one in there if low <= one <= high), reverse=last < key)


def joined(span: Span, number: int, fixed: Fixed, other: Fixed) -> Fixed:
    """What the keyframes before and after a frame say of it, blended."""
    assert span.before is not None and span.after is not None  # only such frames have both
    if number in (span.before, span.after):
        return fixed if number == span.before else other
    box = hull(fixed.box, other.box)
    one, two = fixed.within(box), other.within(box)
    share = (number - span.before) / (span.after - span.before)
    # Where only one of them covers, it alone is right.
    picture, confidence = blend.two(
        one.picture, two.picture, one.confidence * (one.cover > 0), two.confidence * (two.cover > 0), share
    )
    return Fixed(box, picture, np.maximum(one.cover, two.cover), confidence)


def laid_over(frame: Frame, fixed: Fixed, *, layers: bool) -> Frame:
    """The frame with its fix, and with `layers` its confidence as a layer: 1 where nothing was done."""
    box, merged = fixed.box, fixed.picture
    sure = np.ones((*frame.pixels.shape[:2], 1), np.float32)
    if not box.empty:
        rows, columns = box.slices(frame.data_window)
        rgb = colour.decode(fixed.picture, frame.colour_space)
        merged = paste.over(rgb_within(frame, rows, columns), rgb, fixed.cover)
        sure[rows, columns, 0] = 1 - np.minimum(fixed.cover, 1) * (1 - fixed.confidence)
    made = with_rgb_within(frame, box, merged)
    if not layers:
        return made
    # A frame that was fixed before has the layer already.
    others = [index for index, name in enumerate(frame.channels) if name != CONFIDENCE_LAYER]
    channels = (*(frame.channels[index] for index in others), CONFIDENCE_LAYER)
    return replace(made, pixels=np.concatenate([made.pixels[..., others], sure], axis=2), channels=channels)
