"""Which channels of a picture hold its colour: the main layer, one by name, or a single grey channel.

Convention:
    A layer's channels share a name before the last period, `ViewLayer.Combined.R`; the main layer's have
    none.
    Red, green, blue, alpha and luminance are R, G, B, A and Y, in any case, or those words.

Source:
    OpenEXR, Technical Introduction, section on channel names; Multi-View OpenEXR, for the view's place just
    before the channel's own name; Cryptomatte specification 1.2.0, section 3, for layers that hold no colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_WORDS = {
    **{"r": "R", "red": "R", "g": "G", "green": "G", "b": "B", "blue": "B"},
    **{"a": "A", "alpha": "A", "y": "Y", "luma": "Y", "ry": "RY", "by": "BY"},
}
_CRYPTOMATTE = re.compile(r"crypto[^.]*\d\d$", re.IGNORECASE)


@dataclass(frozen=True)
class Layer:
    """The channels that a picture's colour is in.

    Attributes:
        colour: Names of R, G and B, or of the one channel of a grey picture.
        alpha: The alpha's name; None without one.
    """

    colour: tuple[str, ...]
    alpha: str | None

    @property
    def grey(self) -> bool:
        """Whether one channel holds all of the colour."""
        return len(self.colour) == 1


def main(channels: Iterable[str]) -> Layer | None:
    """The layer to use where none is named; None where there are several candidates or none.

    R, G and B without a layer's name come first, then Y, then the only named layer with colours
    (cryptomattes have none), then a lone R.
    """
    layers = _layers(channels)
    bare = layers.get("", {})
    if {"R", "G", "B"} <= bare.keys():
        return _of_colours(bare)
    if "Y" in bare and not _has_chroma(bare):
        return Layer((bare["Y"],), bare.get("A"))
    coloured = list(_coloured(layers).values())
    if len(coloured) == 1 and not _has_chroma(bare):
        return coloured[0]
    if "R" in bare and not coloured and "G" not in bare and "B" not in bare:
        return Layer((bare["R"],), bare.get("A"))
    return None


def named(channels: Iterable[str], name: str) -> Layer | None:
    """A layer by its name; None where there is none of that name with colours or a luminance."""
    layers = _layers(channels)
    found = layers.get(name) or next(
        (one for key, one in layers.items() if key.lower() == name.lower()), None
    )
    if found is None:
        return None
    if {"R", "G", "B"} <= found.keys():
        return _of_colours(found)
    single = next((found[word] for word in ("Y", "R") if word in found), None)
    return None if single is None or _has_chroma(found) else Layer((single,), found.get("A"))


def names(channels: Iterable[str]) -> tuple[str, ...]:
    """The names of the layers that hold colours, in the file's order; cryptomattes are left out."""
    return tuple(_coloured(_layers(channels)))


def is_luminance_chroma(channels: Iterable[str]) -> bool:
    """Whether the main layer is stored as Y, RY and BY."""
    return _has_chroma(_layers(channels).get("", {}))


def in_view(channels: Mapping[str, str], view: str, views: Sequence[str]) -> dict[str, str]:
    """One view's channels, by their names without the view.

    Args:
        channels: Every channel's name, with the view its part says; an empty text where it says none.
        view: The view.
        views: All views of the file, the default view first.
    """
    found: dict[str, str] = {}
    for channel, said in channels.items():
        words = channel.split(".")
        inside = [word for word in words[:-1] if word in views]
        of = said or (inside[-1] if inside else views[0])
        if of == view:
            kept = [word for word in words[:-1] if word not in views]
            found.setdefault(".".join([*kept, words[-1]]), channel)
    return found


def _layers(channels: Iterable[str]) -> dict[str, dict[str, str]]:
    """Layers' names to their channels by standard word; the first of two spellings counts."""
    layers: dict[str, dict[str, str]] = {}
    for channel in channels:
        layer, _, last = channel.rpartition(".")
        word = _WORDS.get(last.lower())
        if word:
            found = layers.setdefault(layer, {})
            if word not in found or last == word:
                found[word] = channel
    return layers


def _coloured(layers: Mapping[str, Mapping[str, str]]) -> dict[str, Layer]:
    return {
        name: _of_colours(found)
        for name, found in layers.items()
        if {"R", "G", "B"} <= found.keys() and not _CRYPTOMATTE.search(name)
    }


def _of_colours(found: Mapping[str, str]) -> Layer:
    return Layer((found["R"], found["G"], found["B"]), found.get("A"))


def _has_chroma(found: Mapping[str, str]) -> bool:
    return "RY" in found or "BY" in found
