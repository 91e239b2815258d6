#!/usr/bin/env python3
"""How far the recognition network puts faces of one performer from each other, and from other performers'.

    bench/who.py --models ../shared/models [--footage ../shared/footage] [--step 5]

Faces are detected in every fifth frame of seven performers: four filmed, three rendered. First single faces
are compared, by how far the further turned of the two is turned. Then the clips are parted into stretches of
a few frames and compared as `track` does; of those that are not clear it trusts small distances alone. Prints
Markdown tables; `joined` and `parted` are the shares of the pairs that SAME and OTHER take for one performer
and for two, the rest is doubtful.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from truth import SHARED

from understudy.core.settings import Settings
from understudy.face.detect.detectors import open_detector
from understudy.face.detect.protocol import DetectedFace
from understudy.face.pose import pose
from understudy.face.recognition import Recogniser
from understudy.face.track.described import OTHER, SAME, Descriptors, apart, best_frames, is_clear
from understudy.face.track.stretches import Stretch
from understudy.image import colour
from understudy.image.plate import open_plate
from understudy.shots.who import describe

# Clip, and its performers from left to right.
CLIPS = {
    "real/performer_a.mp4": ("filmed a",),
    "real/performer_b.mp4": ("filmed b",),
    "real/profile_turn.gif": ("filmed c",),
    "real/small_head.gif": ("filmed d",),
    "performers/trainA.mp4": ("rendered a",),
    "performers/testA.mp4": ("rendered a",),
    "performers/trainB.mp4": ("rendered b",),
    "performers/testB.mp4": ("rendered b",),
    "performers/hard_clean.mp4": ("rendered a", "rendered c"),
}
TURNS = ((0, 45), (45, 60), (60, 90))
# Faces that follow each other in a stretch; the frames between are `--step`.
STRETCH_FACES = (1, 3, 10)


@dataclass(frozen=True, eq=False)
class Seen:
    """One face of a clip.

    Attributes:
        who: The performer.
        clip: Its clip, and the frame in it.
        frame: The frame's number.
        yaw: In degrees.
        face: As it was detected.
        row: (128,) its descriptor.
    """

    who: str
    clip: str
    frame: int
    yaw: float
    face: DetectedFace
    row: Descriptors


def main() -> None:
    """Detect, describe, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", type=Path, default=SHARED / "models", help="folder of the networks")
    parser.add_argument("--footage", type=Path, default=SHARED / "footage", help="folder of the clips")
    parser.add_argument("--step", type=int, default=5, help="every so many frames a face is looked at")
    options = parser.parse_args()
    settings = replace(Settings.from_environment(), models=options.models)
    seen = [one for clip in CLIPS for one in faces_of(options.footage, clip, options.step, settings)]
    print(f"{len(seen)} faces of {len({one.who for one in seen})} performers\n")
    print(table("single faces", single_faces(seen)))
    print(table("stretches", stretches(seen)))
    print(nearest_performers(seen))


def faces_of(footage: Path, clip: str, step: int, settings: Settings) -> Iterator[Seen]:
    """The faces of every few frames of a clip."""
    detector = open_detector("auto", settings)
    network = Recogniser.open(settings)
    if network is None:
        raise SystemExit(f"face_recognition.onnx is not in {settings.models}")
    plate = open_plate(str(footage / clip))
    for number in tuple(plate.frames)[::step]:
        frame = plate.read(number)
        picture = colour.to_display(frame.rgb(), frame.colour_space)
        # One performer each: whatever else is taken for a face is smaller.
        largest = sorted(detector.detect(picture), key=lambda face: -face.size_px)[: len(CLIPS[clip])]
        if len(largest) < len(CLIPS[clip]):
            continue
        ordered = sorted(largest, key=lambda face: face.box[0])
        rows = describe(network, picture, [face.landmarks for face in ordered])
        for who, face, row in zip(CLIPS[clip], ordered, rows, strict=True):
            yield Seen(who, clip, number, abs(float(np.degrees(pose(face.landmarks)[0]))), face, row)
    plate.close()


def single_faces(seen: Sequence[Seen]) -> Iterator[tuple[str, str, float]]:
    """What kind of pair, whether one performer or two, and the distance."""
    for one, other in combinations(seen, 2):
        turned = max(one.yaw, other.yaw)
        band = next((f"turned {low} to {high}°" for low, high in TURNS if low <= turned < high), None)
        if band:
            yield band, _pair(one, other), float(np.linalg.norm(one.row - other.row))


def stretches(seen: Sequence[Seen]) -> Iterator[tuple[str, str, float]]:
    """The same of stretches, described and compared as `track` does."""
    for length in STRETCH_FACES:
        parts = list(_parts(seen, length))
        rows = []
        for part in parts:
            chosen = best_frames(Stretch({one.frame: one.face for one in part}))
            rows.append(np.stack([one.row for one in part if one.frame in chosen]))
        clear = [any(is_clear(one.face) for one in part) for part in parts]
        for (first, one, sure), (second, other, certain) in combinations(
            zip(parts, rows, clear, strict=True), 2
        ):
            kind = "clear" if sure and certain else "not clear"
            yield f"{kind}, of {length} faces", _pair(first[0], second[0]), apart(one, other)


def _parts(seen: Sequence[Seen], length: int) -> Iterator[list[Seen]]:
    for clip, who in sorted({(one.clip, one.who) for one in seen}):
        row = [one for one in seen if (one.clip, one.who) == (clip, who)]
        yield from (row[at : at + length] for at in range(0, len(row), length))


def _pair(one: Seen, other: Seen) -> str:
    kind = (
        "filmed"
        if one.who.startswith("filmed") and other.who.startswith("filmed")
        else "at least one rendered"
    )
    return f"{kind}, {'one performer' if one.who == other.who else 'two performers'}"


def table(title: str, pairs: Iterator[tuple[str, str, float]]) -> str:
    """A Markdown table of the distances, a row for each kind of pair."""
    found: dict[tuple[str, str], list[float]] = {}
    for kind, pair, distance in pairs:
        found.setdefault((kind, pair), []).append(distance)
    lines = [
        f"| {title} | pairs | least | 1 % | median | 99 % | most | joined | parted |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (kind, pair), values in sorted(found.items(), key=_order):
        array = np.array(values)
        figures = " | ".join(f"{value:.2f}" for value in np.percentile(array, (0, 1, 50, 99, 100)))
        shares = " | ".join(
            f"{100 * share:.1f} %" for share in (np.mean(array <= SAME), np.mean(array >= OTHER))
        )
        lines.append(f"| {kind}: {pair} | {len(array)} | {figures} | {shares} |")
    return "\n".join(lines) + "\n"


def _order(row: tuple[tuple[str, str], list[float]]) -> tuple[bool, int, str]:
    (kind, pair), _ = row
    return kind.startswith("not"), int(next(word for word in kind.split() if word.isdigit())), pair


def nearest_performers(seen: Sequence[Seen]) -> str:
    """The median distance between performers, a Markdown table."""
    names = sorted({one.who for one in seen})
    rows = {name: np.stack([one.row for one in seen if one.who == name]) for name in names}
    lines = [f"| median | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    for name in names:
        row = " | ".join(f"{apart(rows[name], rows[other]):.2f}" for other in names)
        lines.append(f"| {name} | {row} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
