"""Text of Nuke's animation curves and of the lists they stand in, written and read.

Source:
    Foundry, NDK Developer's Guide, Curve serialisation format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from understudy_host.errors import HostError

_TOKEN = re.compile(r"([xstuv]?)([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
# How a curve goes on from a key, beyond its ends, and whether the curve editor shows it.
_LETTERS = frozenset("KLSRCkliI")
_OPENED, _CLOSED = "{", "}"


def curve(keys: Mapping[int, float]) -> str:
    """A curve through values at frames, as one element of a knob: `{curve x1001 12.5 x1003 13}`.

    Every key names its frame: a frame left out would be guessed from the distance of the two before it.

    Raises:
        HostError: there is no key, or a value is not finite.
    """
    if not keys or not all(math.isfinite(value) for value in keys.values()):
        raise HostError("A curve needs at least one key, and finite values.")
    words = (f"x{frame} {number(keys[frame])}" for frame in sorted(keys))
    return "{curve " + " ".join(words) + "}"


def number(value: float) -> str:
    """A number to a millionth, without an exponent and without idle zeros."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def keys_of(element: str) -> dict[float, float]:
    """The keys of a curve, `curve x1001 12.5 13` without its braces: frame to value, in their order.

    Raises:
        HostError: it is not a curve, or it has an expression.
    """
    head, *words = element.split() or [""]
    parts = [_TOKEN.fullmatch(word) for word in words]
    known = all(part or word in _LETTERS for part, word in zip(parts, words))
    if head != "curve" or not known:
        raise HostError("This is not a curve of keys.", element[:80], "bake its expression to keys")
    keys: dict[float, float] = {}
    named = math.nan
    for part in filter(None, parts):
        if part[1] == "x":
            named = float(part[2])
        elif not part[1]:  # the others are slopes and their lengths
            keys[_next(keys) if math.isnan(named) else named] = float(part[2])
            named = math.nan
    return keys


def _next(keys: Mapping[float, float]) -> float:
    """The frame of a key that names none: as far from the last as that was from the one before."""
    frames = list(keys)[-2:]
    if not frames:
        return 0.0
    return frames[-1] + (frames[1] - frames[0] if len(frames) == 2 else 1.0)


def words_of(text: str) -> list[str]:
    """The elements of a list, without the braces or quotes round them.

    Raises:
        HostError: a brace or a quote is not closed.
    """
    return list(_words(text))


def _words(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        end = _end(text, at)
        bare = text[at] not in '{"'
        yield text[at:end] if bare else text[at + 1 : end - 1]
        at = end


def _end(text: str, start: int) -> int:
    """Where the element that begins at `start` ends."""
    quoted, braced = text[start] == '"', text[start] == _OPENED
    depth, at = 0, start
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 1
        elif quoted and letter == '"' and at > start:
            return at + 1
        elif braced:
            depth += (letter == _OPENED) - (letter == _CLOSED)
            if depth == 0:
                return at + 1
        elif not quoted and letter.isspace():
            return at
        at += 1
    if quoted or braced:
        raise HostError("A list of the script does not end.", text[start : start + 60], "copy the node again")
    return len(text)
