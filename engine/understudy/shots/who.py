"""Who is who in a plate: its faces are described where that decides it, and the verdicts are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import PlateError
from understudy.core.progress import Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.face.detect.fit import key_points
from understudy.face.detect.protocol import Points, Rgb8
from understudy.face.recognition import NETWORK, Recogniser, chip_matrix, cut
from understudy.face.track.described import Described, Descriptors, best_frames, parted
from understudy.face.track.stretches import Stretch
from understudy.face.track.verdicts import Association, Verdict
from understudy.image import colour
from understudy.image.plate import Plate
from understudy.image.sequence import FrameRange
from understudy.jobs.fields import DetectionFields

# Another person who is this large is as likely to be meant.
_RIVAL = 0.6
_HELP = "give --reference or --face-box to say who is meant"
_CHECK = "look at it, and leave out or track by themselves such --frames as are wrong"


def recogniser(
    stretches: Sequence[Stretch], *, reference: bool, report: Reporter, settings: Settings
) -> Recogniser | None:
    """The recognition network; None where it is missing.

    That is warned of where there is something to tell: stretches that are not in one frame, or a reference.

    Raises:
        ModelError: the network's file is damaged.
    """
    found = Recogniser.open(settings)
    apart = any(not one.meets(other) for one, other in combinations(stretches, 2))
    if found is None and (apart or reference):
        report(
            Warned(
                f"{NETWORK} is not in {settings.models}: who is who is told by position and proportions "
                "alone, and is not sure; put it there to have faces compared."
            )
        )
    return found


@dataclass(frozen=True)
class Describer:
    """Describes the faces of a plate."""

    network: Recogniser
    plate: Plate
    report: Reporter

    def all(self, stretches: Sequence[Stretch]) -> tuple[list[Stretch], list[Described | None]]:
        """Each stretch with what the network says of it; None where no frame of it can be read.

        A stretch in which one person takes another's place is parted there.
        """
        wanted: dict[int, list[int]] = {}
        for index, stretch in enumerate(stretches):
            for number in best_frames(stretch):
                wanted.setdefault(number, []).append(index)
        rows: list[dict[int, NDArray[np.float32]]] = [{} for _ in stretches]
        for done, (number, indices) in enumerate(sorted(wanted.items())):
            self.report(Progress("recognise faces", done, len(wanted), f"frame {number}"))
            found = self._describe(number, [stretches[index].faces[number].landmarks for index in indices])
            for index, row in zip(indices, found, strict=False):
                rows[index][number] = row
        self.report(Progress("recognise faces", len(wanted), len(wanted)))
        return self._parted(stretches, rows)

    def _parted(
        self, stretches: Sequence[Stretch], rows: Sequence[dict[int, NDArray[np.float32]]]
    ) -> tuple[list[Stretch], list[Described | None]]:
        parts: list[tuple[Stretch, Described | None]] = []
        for stretch, known in zip(stretches, rows, strict=True):

            def look(number: int, stretch: Stretch = stretch) -> NDArray[np.float32] | None:
                found = self._describe(number, [stretch.faces[number].landmarks])
                return found[0] if len(found) else None

            parts += parted(stretch, known, look) if known else [(stretch, None)]
        return [part for part, _ in parts], [described for _, described in parts]

    def _describe(self, number: int, faces: Sequence[Points]) -> Descriptors:
        """(N, 128) of faces in the plate's coordinates; (0, 128) where the frame cannot be read."""
        try:
            frame = self.plate.read(number)
        except PlateError:
            # It was read before, and the run said so if it could not be.
            return np.zeros((0, 128), np.float32)
        corner = np.array([frame.data_window.x0, frame.data_window.y0], np.float32)
        picture = colour.to_display(frame.rgb(), frame.colour_space)
        return describe(self.network, picture, [points - corner for points in faces])


def describe(network: Recogniser, picture: Rgb8, faces: Sequence[Points]) -> Descriptors:
    """(N, 128) of the faces of one picture.

    Args:
        network: The recognition network.
        picture: (H, W, 3) uint8 sRGB.
        faces: (68, 2) landmarks each, in its pixels.
    """
    values = picture.astype(np.float32) / np.float32(255)
    chips = []
    for points in faces:
        left, right, _, mouth = key_points(points)
        chips.append(cut(values, chip_matrix(left, right, mouth)))
    return network.describe(chips)


def tell(result: Association, job: DetectionFields, count: int, *, report: Reporter) -> None:
    """Warn of the stretches that were left out, of doubtful ones, and of a choice that was a guess.

    Args:
        result: The performers.
        job: Whether a reference or a box says whom to look for.
        count: How many were asked for.
        report: Is told.
    """
    if len(result.performers) < count:
        report(Warned(f"{len(result.performers)} of {count} faces were found."))
    told = job.reference is not None or job.face_box is not None
    shown = {frame for parts in result.performers for one in parts for frame in one.faces}
    for judged in result.verdicts:
        left_out = judged.performer is None and not judged.stretch.faces.keys() <= shown
        if left_out or not judged.sure:
            report(_warning(judged, _CHECK if told else _HELP))
    if not told and count == 1 and result.rival >= _RIVAL:
        report(Warned(f"Another performer is about as large as the one who was taken: {_HELP}."))


def rows(result: Association, names: Sequence[str]) -> list[dict[str, Any]]:
    """The verdicts as plain values, for the result: one row a stretch.

    Args:
        result: The performers.
        names: Of the performers, from left to right.
    """
    return [
        {
            "frames": _range(judged),
            "face": None if judged.performer is None else names[judged.performer],
            "why": judged.why,
            "distance": None if judged.distance is None else round(judged.distance, 3),
            "sure": judged.sure,
        }
        for judged in result.verdicts
    ]


def _warning(judged: Verdict, remedy: str) -> Warned:
    near = "" if judged.distance is None else f", distance {judged.distance:.2f}"
    said = "Not this performer" if judged.performer is None else "Doubtful"
    doubt = "" if judged.sure else f"; {remedy}"
    if len(judged.stretch.faces) == 1:
        return Warned(f"{said}: {judged.why}{near}{doubt}.", judged.stretch.first)
    return Warned(f"Frames {_range(judged)}: {said.lower()}: {judged.why}{near}{doubt}.")


def _range(judged: Verdict) -> str:
    return str(FrameRange(tuple(judged.stretch.faces)))
