"""Whom to look for in a shot, and what was made of its stretches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from understudy.face.detect.protocol import DetectedFace, FaceBox, Points
from understudy.face.track.described import Described
from understudy.face.track.stretches import Stretch


@dataclass(frozen=True, eq=False)
class Wanted:
    """Whom to look for.

    Attributes:
        count: How many performers.
        box: (left, top, right, bottom) round the first performer's face, in pixels of the first frame.
        landmarks: (68, 2) of the first performer in a reference picture, in its own pixels.
        described: The reference picture's face, by the recognition network.
    """

    count: int = 1
    box: FaceBox | None = None
    landmarks: Points | None = None
    described: Described | None = None


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was made of a stretch.

    Attributes:
        stretch: Its faces.
        performer: The performer's index, from left to right; None where it is left out.
        why: A few words.
        distance: Of its descriptors from the performer's, where they decided.
        sure: Whether a person should look.
    """

    stretch: Stretch
    performer: int | None
    why: str
    distance: float | None = None
    sure: bool = True


@dataclass(frozen=True, eq=False)
class Association:
    """The performers of a shot.

    Attributes:
        performers: For each, at most as many as were wanted and from left to right, their stretches in order.
        verdicts: What was made of every stretch, in the order of frames.
        rival: How large the largest person who was left out is, as a share of the first performer.
    """

    performers: list[list[Stretch]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    rival: float = 0.0

    def left_out(self) -> set[int]:
        """The frames that hold a face of somebody else, or one that is not known."""
        return {frame for one in self.verdicts if one.performer is None for frame in one.stretch.faces}

    def faces(self) -> list[dict[int, DetectedFace]]:
        """For each performer, frame number to face, in order; frames without that face are absent."""
        return [
            dict(sorted((frame, face) for one in parts for frame, face in one.faces.items()))
            for parts in self.performers
        ]


def ordered(
    stretches: Sequence[Stretch], parts: list[list[Stretch]], verdicts: Sequence[Verdict]
) -> Association:
    """Performers from left to right, everything else in the order of frames."""

    def middle(index: int) -> float:
        faces = [face for one in parts[index] for face in one.faces.values()]
        return float(np.median([(face.box[0] + face.box[2]) / 2 for face in faces]))

    order = sorted(range(len(parts)), key=middle)
    place = {old: new for new, old in enumerate(order)}
    told = [
        Verdict(
            one.stretch,
            None if one.performer is None else place[one.performer],
            one.why,
            one.distance,
            one.sure,
        )
        for one in sorted(verdicts, key=lambda one: one.stretch.first)
    ]
    return Association([sorted(parts[old], key=lambda one: one.first) for old in order], told)
