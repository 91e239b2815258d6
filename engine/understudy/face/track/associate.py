"""Which stretch belongs to which performer, through a shot of one face or of several.

Where a recognition network described the faces, it tells the performers apart. Elsewhere position, size and
proportions have to do, which assume one performer where nothing contradicts it, and the result says so.

Convention: pixels of the plate, x right, y down, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.face.detect.protocol import DetectedFace, Points, box_round, overlap
from understudy.face.track.by_identity import by_identity
from understudy.face.track.by_proportions import by_proportions
from understudy.face.track.described import Described
from understudy.face.track.stretches import Stretch
from understudy.face.track.verdicts import Association, Wanted, ordered

# A detection that shares this much of its area with a face of the track is that face.
_TAKEN = 0.5


def associate(
    stretches: Sequence[Stretch],
    wanted: Wanted | None = None,
    described: Sequence[Described | None] | None = None,
) -> Association:
    """The performers of a shot.

    The first is the one under the box, else the one most like the reference, else the one that is largest for
    longest. The next is the largest that is seen beside those before, else the largest that is none of them.

    Args:
        stretches: As `stretches.stretches` gives them.
        wanted: Whom to look for; one performer when left out.
        described: What the recognition network says of each stretch; None where there is no network.
    """
    wanted = wanted or Wanted()
    if not stretches:
        return Association()
    if described is None:
        return ordered(stretches, *by_proportions(stretches, wanted))
    return by_identity(stretches, wanted, described)


def without(
    detections: Mapping[int, Sequence[DetectedFace]], taken: Mapping[int, Sequence[Points]]
) -> dict[int, list[DetectedFace]]:
    """The detections that are not a face whose landmarks are known already.

    Args:
        taken: Frame number to (68, 2) landmarks of the faces that are not looked for.
    """
    return {
        frame: [face for face in faces if not _is_any(face, taken.get(frame, ()))]
        for frame, faces in detections.items()
    }


def _is_any(face: DetectedFace, known: Sequence[Points]) -> bool:
    box = box_round(face.landmarks)
    return any(overlap(box, box_round(points)) >= _TAKEN for points in known)
