"""The finish of a face pass: one graph of operations, from which every host's nodes are made.

    face ── unpremultiply ── encode ── skin ── sharpen ── match ── light ── grade ── grain ── decode ──┐
    mattes ── combine ── erode ── inside the face ── feather ── roto ── baked or live ── opacity ┤
    plate ───────────────────────────────────────────────────────────────────────────────── keymix

Each operation names its inputs, and its values are expressions (`expressions.py`) of three kinds of names:
knobs of the job table, numbers of the face pass's header (HEADER), and numbers made of both (NUMBERS). A
choice among words counts as the place of its word, a switch as 0 or 1.

Convention:
    Colours are (R, G, B) of the plate's space, and ACEScct between `encode` and `decode`. Lengths are
    pixels of the plate. A host carries out a kind of KINDS by its own nodes; one that it lacks is left out
    (`without`), and its knobs are then baked only there.

Source:
    docs/adr/0007-face-pass.md for the formula; Academy S-2016-001 for ACEScct; comp/colour/grade.py for the
    grade.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from understudy_host import expressions
from understudy_host.knobs import LIVE, Knob, knobs
from understudy_host.live_kinds import KINDS
from understudy_host.live_numbers import MATTES, NUMBERS, ROTO, SOURCE


class Operation(NamedTuple):
    """One step of the finish.

    Attributes:
        name: Its node's name in a host.
        kind: One of KINDS.
        inputs: Names of operations that come before it.
        values: By the kind's names of values: an expression, or several in tuples; a layer's name is none.
        meaning: What its result is, for an artist; empty where the kind says it.
    """

    name: str
    kind: str
    inputs: tuple[str, ...] = ()
    values: Mapping[str, Any] = {}
    meaning: str = ""


_ZEROS = ("0", "0", "0")


def finish(face: str = "", *, without: Collection[str] = ()) -> tuple[Operation, ...]:
    """The operations in an order in which each one's inputs come before it; the last is the result.

    Args:
        face: Of a face pass with several faces: the face's name, under which its layers are (`hero.light`).
            It begins the names of the operations too.
        without: Kinds that a host has no nodes for: such an operation is left out, its first input goes on.

    Raises:
        ValueError: an operation cannot be left out, because it has no input.
    """
    beginning = f"{face}_" if face else ""
    kept: list[Operation] = []
    stands_for: dict[str, str] = {}
    for one in (*_face(), *_matte(), *_merge()):
        inputs = tuple(stands_for.get(name, f"{beginning}{name}") for name in one.inputs)
        if one.kind in without:
            if not inputs:
                raise ValueError(f"no host can do without {one.kind}")
            stands_for[one.name] = inputs[0]
            continue
        values = dict(one.values)
        if face and "layer" in values:
            values["layer"] = ".".join(filter(None, (face, values["layer"])))
        kept.append(one._replace(name=f"{beginning}{one.name}", inputs=inputs, values=values))
    return tuple(kept)


def _face() -> list[Operation]:
    """The face with its colours changed, in the plate's space: `FromEncoded`."""
    match = {
        "rows": _rows("match"),
        "shift": _parts("match_shift"),
        "strength": "colour_strength / 100",
    }
    graded = ("grade_self", "grade_before", "grade_after")
    grade = [graded, (graded[2], graded[0], graded[1]), (graded[1], graded[2], graded[0])]
    grained = tuple(f"grain / 100 * {part}" for part in _parts("grain_deviation"))
    return [
        Operation("Face", "colour_layer", (), {"layer": ""}, "The new face in the plate's space, unmatched."),
        Operation(
            "FaceAlpha",
            "matte_layer",
            (),
            {"layer": ""},
            "1 where there is any face, up to its square's edge.",
        ),
        Operation("Unpremultiplied", "unpremultiply", ("Face", "FaceAlpha")),
        Operation("ToEncoded", "matrix", ("Unpremultiplied",), _plain("to")),
        Operation("Encode", "encode", ("ToEncoded",)),
        Operation(
            "Skin", "colour_layer", (), {"layer": "skin"}, "Detail from the performer's own frames, encoded."
        ),
        Operation("WithSkin", "add", ("Encode", "Skin"), {"share": "skin / 100"}),
        Operation(
            "Sharpened",
            "sharpen",
            ("WithSkin", "FaceAlpha"),
            {"amount": "sharpness / 100", "radius_px": "sharpness_radius_percent / 100 * face_px"},
        ),
        Operation("MatchedSkin", "matrix", ("Sharpened",), match),
        Operation(
            "Whites",
            "colour_layer",
            (),
            {"layer": "whites"},
            "What eyes and teeth get beside the match, encoded.",
        ),
        Operation(
            "SkinWhites",
            "colour_layer",
            (),
            {"layer": "skin_whites"},
            "What the detail of eyes and teeth gets beside the match, encoded.",
        ),
        Operation("AllWhites", "add", ("Whites", "SkinWhites"), {"share": "skin / 100"}),
        Operation("Match", "add", ("MatchedSkin", "AllWhites"), {"share": "colour_strength / 100"}),
        Operation(
            "FaceLight", "colour_layer", (), {"layer": "face_light"}, "The face's own broad light, encoded."
        ),
        Operation("MatchedLight", "matrix", ("FaceLight",), match),
        Operation("PlateLight", "colour_layer", (), {"layer": "light"}, "The plate's broad light, encoded."),
        Operation("MissingLight", "add", ("PlateLight", "MatchedLight"), {"share": "-1"}),
        Operation("Lit", "add", ("Match", "MissingLight"), {"share": "light_share"}),
        Operation(
            "Grade", "matrix", ("Lit",), {"rows": grade, "shift": ("grade_shift",) * 3, "strength": "1"}
        ),
        Operation("Grained", "grain", ("Grade",), {"deviation": grained}),
        Operation("Decode", "decode", ("Grained",)),
        Operation("FromEncoded", "matrix", ("Decode",), _plain("from")),
    ]


def _matte() -> list[Operation]:
    """What the face covers, with its opacity: `Opacity`."""
    layers = [
        Operation(f"Matte_{one.name}", "matte_layer", (), {"layer": f"matte_{one.name}"}, one.meaning)
        for one in (*MATTES, ROTO)
    ]
    singles, roto = tuple(one.name for one in layers[:-1]), layers[-1].name
    mode = "matte_combine"
    return [
        *layers,
        Operation(
            "BakedMatte", "matte_layer", (), {"layer": "matte_final"}, "The matte as the baked knobs make it."
        ),
        Operation(
            "CombinedMatte",
            "matte_layer",
            (),
            {"layer": "matte_combined"},
            "The chosen mattes as one, before erode and feather.",
        ),
        Operation("Recombined", "combine", singles, {"use": [one.use for one in MATTES], "mode": mode}),
        # As the engine combined them, before they were placed: where edges cross that is not the same.
        Operation("Combine", "choose", ("Recombined", "CombinedMatte"), {"which": "same_mattes"}),
        Operation("Erode", "erode", ("Combine",), {"px": "erode * matte_px"}),
        Operation("InsideFace", "multiply", ("Erode", "FaceAlpha")),
        Operation("Feather", "feather", ("InsideFace",), {"px": "feather * matte_px"}),
        # A roto alone, where nothing else is used, covers what it covers.
        Operation(
            "WithRoto",
            "combine",
            ("Feather", roto),
            {"use": ["max(any_matte, 1 - chosen_roto)", "chosen_roto"], "mode": mode},
        ),
        Operation("ChooseMatte", "choose", ("BakedMatte", "WithRoto"), {"which": SOURCE}),
        Operation("Hold", "hold", ("ChooseMatte",)),
        Operation("Opacity", "scale", ("Hold",), {"factor": "opacity / 100"}),
    ]


def _merge() -> list[Operation]:
    return [
        Operation("Plate", "plate"),
        Operation("Premultiplied", "premultiply", ("FromEncoded", "Plate"), {"where": "plate_alpha"}),
        Operation("Merge", "keymix", ("Plate", "Premultiplied", "Opacity")),
    ]


def _parts(vector: str) -> tuple[str, ...]:
    return tuple(f"{vector}.{axis}" for axis in "xyz")


def _rows(matrix: str) -> list[tuple[str, ...]]:
    return [_parts(f"{matrix}_{row}") for row in "rgb"]


def _plain(matrix: str) -> dict[str, Any]:
    return {"rows": _rows(matrix), "shift": _ZEROS, "strength": "1"}


def flat(value: Any) -> Iterator[str]:
    """The expressions of a value, at any depth."""
    if isinstance(value, str):
        yield value
    else:
        for one in value:
            yield from flat(one)


def read_by(operations: Sequence[Operation]) -> frozenset[str]:
    """Every name that operations read: knobs, numbers of the header, and numbers made of both."""
    waiting = [
        text
        for one in operations
        for name, value in one.values.items()
        if name != "layer"
        for text in flat(value)
    ]
    found: set[str] = set()
    while waiting:
        for name in expressions.names(waiting.pop()):
            if name not in found:
                found.add(name)
                if name in NUMBERS:
                    waiting.append(NUMBERS[name])
    return frozenset(found)


def knobs_of(operations: Sequence[Operation]) -> frozenset[str]:
    """The swap's knobs that operations read."""
    return read_by(operations) & {knob.name for knob in knobs("swap")}


def live_knobs(operations: Sequence[Operation]) -> dict[str, Any]:
    """The knobs that need no bake where a host has these operations, with the values to bake at."""
    return {name: neutral for name, neutral in LIVE.items() if name in knobs_of(operations)}


def matte_knobs(operations: Sequence[Operation]) -> frozenset[str]:
    """The knobs that need no bake while the matte is live, and one while it is baked."""
    by_name = {one.name: one for one in operations}
    waiting = [one.inputs[1] for one in operations if one.values.get("which") == SOURCE]
    above: dict[str, Operation] = {}
    while waiting:
        name = waiting.pop()
        above[name] = by_name[name]
        waiting += by_name[name].inputs
    return knobs_of(tuple(above.values())) & {knob.name for knob in knobs("swap") if knob.live_matte}


def filter_knobs(operations: Sequence[Operation]) -> frozenset[str]:
    """The knobs whose live result is a host's own filter: near the engine's, not equal to it."""
    near = [one for one in operations if not KINDS[one.kind].exact]
    return knobs_of(near) & (live_knobs(operations).keys() | matte_knobs(operations))


def remark(knob: Knob, operations: Sequence[Operation]) -> str:
    """What a knob's tooltip says of the bake, in a host that has these operations."""
    words = []
    if not knob.in_face_pass:
        words.append("In finished frames only: a face pass leaves it out.")
    elif knob.name in matte_knobs(operations):
        words.append("Changing it needs a bake, unless the matte is live.")
    elif knob.name not in live_knobs(operations):
        words.append("Changing it needs a bake.")
    if knob.name in filter_knobs(operations):
        words.append("Live by this host's own filter: near the engine's result, not equal to it.")
    return " ".join(words)
