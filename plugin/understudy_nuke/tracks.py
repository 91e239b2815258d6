"""A face's track in Nuke's own nodes, and an artist's moved points back: `understudy points` from this side.

A document is what `understudy points --action read` wrote, as a dict. The functions return text to paste into
a script; none of them needs Nuke, and `nuke.nodePaste` takes the text from a file.

Convention:
    Document: pixels of the plate, y down. Everything that is handed to Nuke or comes from it went through
    `plate.Raster`. Rotation is in degrees, counter-clockwise, as Nuke's.

Source:
    Foundry, Nuke Reference Guide: CornerPin2D, Transform; NDK Developer's Guide, Curve serialisation format.
    The table knob of Tracker4 is in no guide: it is written as Nuke saves it.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from understudy_host.errors import HostError
from understudy_nuke import curves
from understudy_nuke.coordinates import Point, Raster

Document = Mapping[str, Any]
Moved = Mapping[str, Mapping[int, Point]]
"""Names of points to frames to places in Nuke's coordinates."""

DEFAULT_FACE = "face"
TRACKED: Mapping[str, int] = {
    "eye_left_outer": 36,
    "eye_left_inner": 39,
    "eye_right_inner": 42,
    "eye_right_outer": 45,
    "nose_tip": 30,
    "mouth_left": 48,
    "mouth_right": 54,
    "chin": 8,
}
"""Landmarks that a Tracker gets, by name; left and right are the picture's."""
RIGID = frozenset({36, 39, 42, 45, 30})
"""Landmarks that stay with the skull when the performer talks: they alone drive the Tracker's transform."""
STAYED_PX = 0.01
"""A point that is nearer to its place in the document counts as left alone."""

_HEAD = "set cut_paste_input [stack 0]\nversion 14.0 v1\npush $cut_paste_input\n"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# The Tracker's table: for each column its kind, whether it can be animated, its width, name, label, and 1.
_COLUMNS = (
    "5 1 20 enable e 1", "3 1 75 name name 1", "2 1 58 track_x track_x 1", "2 1 58 track_y track_y 1",
    "2 1 63 offset_x offset_x 1", "2 1 63 offset_y offset_y 1", "4 1 27 T T 1", "4 1 27 R R 1",
    "4 1 27 S S 1", "2 0 45 error error 1", "1 1 0 error_min error_min 1", "1 1 0 error_max error_max 1",
    "1 1 0 pattern_x pattern_x 1", "1 1 0 pattern_y pattern_y 1", "1 1 0 pattern_r pattern_r 1",
    "1 1 0 pattern_t pattern_t 1", "1 1 0 search_x search_x 1", "1 1 0 search_y search_y 1",
    "1 1 0 search_r search_r 1", "1 1 0 search_t search_t 1", "2 1 0 key_track key_track 1",
    "2 1 0 key_search_x key_search_x 1", "2 1 0 key_search_y key_search_y 1",
    "2 1 0 key_search_r key_search_r 1", "2 1 0 key_search_t key_search_t 1",
    "2 1 0 key_track_x key_track_x 1", "2 1 0 key_track_y key_track_y 1", "2 1 0 key_track_r key_track_r 1",
    "2 1 0 key_track_t key_track_t 1", "2 1 0 key_centre_offset_x key_centre_offset_x 1",
    "2 1 0 key_centre_offset_y key_centre_offset_y 1",
)  # fmt: skip
_BOXES = "-32 -32 32 32 -22 -22 22 22"
_UNUSED = " ".join(["{}"] * 11)


def face_name(document: Document) -> str:
    """Which of a document's faces is meant: its only one, or the one of the default name.

    Raises:
        HostError: it has several, none of the default name.
    """
    faces = document.get("faces")
    if document.get("schema_version") == 1 or not isinstance(faces, Mapping):
        return DEFAULT_FACE
    name = next(iter(faces)) if len(faces) == 1 else DEFAULT_FACE
    if faces and name not in faces:
        said = ", ".join(sorted(faces))
        raise HostError("The track has several faces.", said, f"track one of them as {DEFAULT_FACE!r}")
    return str(name)


def faces_of(document: Document) -> dict[int, Mapping[str, Any]]:
    """The frames of the document's face, in order; version 1 knew one face only.

    Raises:
        HostError: it is not a document of a version that we read, or holds no face.
    """
    version, faces = document.get("schema_version"), document.get("faces")
    if version == 2 and isinstance(faces, Mapping):
        faces = faces.get(face_name(document))
    if version not in (1, 2) or not isinstance(faces, Mapping) or not faces:
        raise HostError(
            "This is not a document of a face's points.",
            f"schema_version {version}",
            "write it with `understudy points` of the same release as the plugin",
        )
    return {int(text): faces[text] for text in sorted(faces, key=int)}


def tracker(
    document: Document,
    raster: Raster,
    *,
    points: Mapping[str, int] = TRACKED,
    reference_frame: int | None = None,
    name: str = "FaceTracker",
) -> str:
    """A Tracker4 with a track, keyed on every frame, for each named landmark.

    Args:
        points: Names to landmarks, 0 to 67.
        reference_frame: The frame on which the Tracker's transform does nothing; the first when left out.

    Raises:
        HostError: the document or a name is not usable.
    """
    faces = faces_of(document)
    rows = [_row(_checked(point), index, _places(faces, index, raster)) for point, index in points.items()]
    heading = "\n".join(f"{{ {column} }}" for column in _COLUMNS)
    table = f"{{ 1 {len(_COLUMNS)} {len(rows)} }}\n{{ {heading}\n}}\n{{\n" + "\n".join(rows) + "\n}"
    return _node(
        "Tracker4", name, {"tracks": f"{{ {table} }}", "reference_frame": _frame(faces, reference_frame)}
    )


def corner_pin(
    document: Document,
    raster: Raster,
    *,
    square_px: int = 1024,
    reference_frame: int | None = None,
    name: str = "FaceCornerPin",
) -> str:
    """A CornerPin2D whose pins are the corners of the face's square, keyed on every frame.

    Args:
        square_px: Edge of the square picture that is laid onto the face; `from1` to `from4` are its corners.
        reference_frame: With a frame, what lies on the plate there is carried along instead.

    Raises:
        HostError: the document or the name is not usable.
    """
    faces = faces_of(document)
    # The document goes round from the top left, Nuke's pins from the lower left, the other way.
    order = (3, 2, 1, 0)
    edge = curves.number(square_px)
    square = (("0", "0"), (edge, "0"), (edge, edge), ("0", edge))
    pinned = {
        frame: [raster.to_host(face["corners"][corner]) for corner in order] for frame, face in faces.items()
    }
    knobs = {}
    for pin in range(4):
        knobs[f"to{pin + 1}"] = _keyed({frame: corners[pin] for frame, corners in pinned.items()})
    for pin in range(4):
        start = square[pin]
        if reference_frame is not None:
            held = pinned[int(_frame(faces, reference_frame))][pin]
            start = (curves.number(held[0]), curves.number(held[1]))
        knobs[f"from{pin + 1}"] = "{" + " ".join(start) + "}"
    return _node("CornerPin2D", name, knobs)


def transform(
    document: Document,
    raster: Raster,
    *,
    reference_frame: int | None = None,
    stabilise: bool = False,
    name: str = "FaceTransform",
) -> str:
    """A Transform that moves with the head: by nothing on the reference frame, by what differs on others.

    Args:
        reference_frame: The first frame when left out.
        stabilise: Hold the face still instead of following it.

    Raises:
        HostError: the document or the name is not usable.
    """
    faces = faces_of(document)
    reference = int(_frame(faces, reference_frame))
    squares = {frame: _square(face["placement"], raster) for frame, face in faces.items()}
    centre = _mean(squares[reference])
    turns = {frame: _turn(squares[reference], square) for frame, square in squares.items()}
    angles = _unwound({frame: math.degrees(cmath.phase(turn)) for frame, turn in turns.items()}, reference)
    shifts = {frame: _mean(square) - centre for frame, square in squares.items()}
    knobs = {
        "translate": _keyed({frame: (shift.real, shift.imag) for frame, shift in shifts.items()}),
        "rotate": "{" + curves.curve(angles) + "}",
        "scale": "{" + curves.curve({frame: abs(turn) for frame, turn in turns.items()}) + "}",
        "center": _keyed({reference: (centre.real, centre.imag)}),
    }
    if stabilise:
        knobs["invert_matrix"] = "true"
    return _node("Transform", name, knobs)


def tracker_positions(text: str) -> dict[str, dict[int, Point]]:
    """The keyed positions in a Tracker4, by the tracks' names: frame to place in Nuke's coordinates.

    Args:
        text: `node["tracks"].toScript()`, or the node as it is copied from Nuke.

    Raises:
        HostError: there is no table of tracks, or a position is an expression.
    """
    words = curves.words_of(text)
    if "Tracker4" in words[:-1]:
        words = curves.words_of(words[words.index("Tracker4") + 1])
    if "tracks" in words[:-1]:
        words = curves.words_of(words[words.index("tracks") + 1])
    try:
        names = [curves.words_of(column)[3] for column in curves.words_of(words[1])]
        title, x, y = (names.index(column) for column in ("name", "track_x", "track_y"))
        rows = [curves.words_of(row) for row in curves.words_of(words[2])]
        return {row[title]: _both(curves.keys_of(row[x]), curves.keys_of(row[y])) for row in rows}
    except (IndexError, ValueError) as exc:
        raise HostError(
            "This is not a Tracker's table of tracks.", text[:60], "copy the Tracker again"
        ) from exc


def correction(
    document: Document,
    moved: Moved,
    raster: Raster,
    *,
    points: Mapping[str, int] = TRACKED,
) -> dict[str, Any]:
    """The document that corrects a track where an artist moved points; `understudy points` puts it in.

    A frame whose points all stayed is left out. In the others the points that stayed are named too, in their
    old place: they hold the face there, while what lies round a moved point follows it.

    Args:
        document: What the points were exported from.
        moved: Keyed places of points, by their names in `points`.

    Raises:
        HostError: a name or a frame is not the document's, or a place is not finite.
    """
    faces = faces_of(document)
    given: dict[int, dict[int, Point]] = {}
    changed: set[int] = set()
    for name, places in moved.items():
        index = _known(name, points)
        for frame, place in places.items():
            before, after = _before_after(faces, frame, index, place, raster, name)
            stayed = math.dist(before, after) <= STAYED_PX
            given.setdefault(frame, {})[index] = before if stayed else after
            if not stayed:
                changed.add(frame)
    corrected = {
        str(frame): {
            "by_hand": True,
            "moved": {str(index): list(place) for index, place in given[frame].items()},
        }
        for frame in sorted(changed)
    }
    about = {key: document[key] for key in ("track", "plate", "detector") if key in document}
    return {"schema_version": 2, **about, "faces": {face_name(document): corrected} if corrected else {}}


def _node(kind: str, name: str, knobs: Mapping[str, str]) -> str:
    lines = [f" {knob} {value}" for knob, value in knobs.items()]
    return (
        f"{_HEAD}{kind} {{\n" + "\n".join([*lines, f" name {_checked(name)}", " selected true", "}"]) + "\n"
    )


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise HostError(
            f"{name[:40]!r} cannot be the name of a node or a track.", fix="use letters, digits and _"
        )
    return name


def _frame(faces: Mapping[int, Any], wanted: int | None) -> str:
    frame = min(faces) if wanted is None else wanted
    if frame not in faces:
        raise HostError(f"The track has no face in frame {frame}.", fix="choose another reference frame")
    return str(frame)


def _places(faces: Mapping[int, Mapping[str, Any]], index: int, raster: Raster) -> dict[int, Point]:
    return {frame: raster.to_host(face["landmarks"][index]) for frame, face in faces.items()}


def _keyed(places: Mapping[int, Point]) -> str:
    """Two curves, as the value of a position knob."""
    return (
        "{"
        + " ".join(curves.curve({frame: place[axis] for frame, place in places.items()}) for axis in (0, 1))
        + "}"
    )


def _row(name: str, index: int, places: Mapping[int, Point]) -> str:
    """A track: enabled, its name and curves, no offset, whether it moves, turns and scales, and its boxes."""
    first = min(places)
    x, y = (curves.curve({frame: place[axis] for frame, place in places.items()}) for axis in (0, 1))
    used = "1 1 1" if index in RIGID else "0 0 0"
    still = f"{{curve K x{first} 0}}"
    begun = f'{{curve K x{first} 1}} "{name}" {x} {y} {still} {still} {used} {{curve x{first} 0}} 1 0'
    return f" {{ {begun} {_BOXES} {_UNUSED} }}"


def _square(placement: Any, raster: Raster) -> list[complex]:
    """The corners of the brow-to-lip square in the host; `placement` is (2, 3), from square to plate."""
    (a, b, c), (d, e, f) = placement
    corners = ((0, 0), (1, 0), (1, 1), (0, 1))
    return [complex(*raster.to_host((a * u + b * v + c, d * u + e * v + f))) for u, v in corners]


def _mean(points: Iterable[complex]) -> complex:
    listed = list(points)
    return sum(listed) / len(listed)


def _turn(before: list[complex], after: list[complex]) -> complex:
    """Turn and scale, as one number, that bring points about their mean nearest to others about theirs."""
    first, second = _mean(before), _mean(after)
    products = [(b - second) * (a - first).conjugate() for a, b in zip(before, after)]
    spread = sum(abs(point - first) ** 2 for point in before)
    if spread == 0:
        raise HostError("The track's face lies on one point.", fix="track the shot again")
    return sum(products) / spread


def _unwound(angles: Mapping[int, float], reference: int) -> dict[int, float]:
    """Angles without jumps of a whole turn from frame to frame, 0 on the reference frame."""
    steady: dict[int, float] = {}
    last = 0.0
    for frame, angle in angles.items():
        last = angle + 360.0 * round((last - angle) / 360.0)
        steady[frame] = last
    return {frame: angle - steady[reference] for frame, angle in steady.items()}


def _both(x: Mapping[float, float], y: Mapping[float, float]) -> dict[int, Point]:
    """Places at whole frames on which both coordinates have a key."""
    return {int(frame): (x[frame], y[frame]) for frame in x if frame in y and frame == int(frame)}


def _known(name: str, points: Mapping[str, int]) -> int:
    if name not in points:
        raise HostError(
            f"No landmark is called {name[:40]!r}.", fix="keep the names that the Tracker came with"
        )
    return points[name]


def _before_after(
    faces: Mapping[int, Mapping[str, Any]], frame: int, index: int, place: Point, raster: Raster, name: str
) -> tuple[Point, Point]:
    """A landmark as the document has it, and as the artist has it, both in the plate's pixels."""
    if frame not in faces:
        raise HostError(f"The track has no face in frame {frame}.", name, "remove the key that was set there")
    if not all(math.isfinite(value) for value in place):
        raise HostError(
            f"The point {name} has no place in frame {frame}.", fix="remove the key, or set it again"
        )
    x, y = faces[frame]["landmarks"][index]
    return (float(x), float(y)), raster.from_host(place)
