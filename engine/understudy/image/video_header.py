"""A video's header: orientation, pixel aspect, colours, time code, rate.

Convention:
    The codes are those of ITU-T H.273, which FFmpeg's frames hold. The scaler numbers its matrices another
    way, so codes are translated by name and never handed over as numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import ColorRange, Colorspace

from understudy.core.errors import PlateError
from understudy.image.colour_codes import UNSPECIFIED, by_codes, words
from understudy.image.colour_names import DISPLAY
from understudy.image.colour_space import Decision
from understudy.image.orientation import UPRIGHT, from_display_matrix

_HD_LINES = 720
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,  # BT.470BG, of the same numbers
    6: Colorspace.ITU601,  # SMPTE 170M
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
_OTHER_MATRICES = {
    8: "YCgCo",
    10: "Rec.2020 of constant luminance",
    11: "SMPTE 2085",
    14: "ICtCp",
    15: "IPT-C2",
}
_REC_2020_MATRICES = (9, 10)


def matrix_of(decoded: Any) -> Colorspace:
    """The matrix from Y'CbCr: the frame's own, else by its lines as players do.

    Raises:
        PlateError: the colours are stored in an unsupported way.
    """
    code = int(decoded.colorspace)
    other = _OTHER_MATRICES.get(code)
    if other is not None and not decoded.format.is_rgb:
        raise PlateError(
            f"The video stores its colours as {other}, which is not supported.",
            fix="transcode it to a Rec.709 or Rec.2020 matrix",
        )
    unsaid = Colorspace.ITU709 if decoded.height >= _HD_LINES else Colorspace.ITU601
    return _MATRICES.get(code, unsaid)


def is_full(decoded: Any) -> bool:
    """Whether luma uses all values; RGB always does."""
    kind = decoded.format
    return bool(int(decoded.color_range) == ColorRange.JPEG or kind.is_rgb or kind.name.startswith("yuvj"))


def has_alpha(decoded: Any) -> bool:
    """Whether the frame's own format holds alpha; a palette's transparency is not read."""
    return any(component.is_alpha for component in decoded.format.components)


def orientation_of(decoded: Any) -> int:
    """The orientation of stored frames, as EXIF numbers it."""
    held = decoded.side_data.get(SideData.DISPLAYMATRIX)
    content = b"" if held is None else bytes(held)
    return from_display_matrix(struct.unpack("=9i", content[:36])) if len(content) >= 36 else UPRIGHT


def colour_of(decoded: Any, chosen: Decision | None) -> Decision:
    """The space of a video's colours: the job's, by its header, or sRGB."""
    if chosen is not None:
        return chosen
    primaries, transfer = int(decoded.color_primaries), int(decoded.color_trc)
    if primaries == UNSPECIFIED and int(decoded.colorspace) in _REC_2020_MATRICES:
        primaries = 9
    if primaries in (0, UNSPECIFIED) and transfer in (0, UNSPECIFIED):
        return Decision(DISPLAY, "by its type of file", known=False)
    space, doubt = by_codes(primaries, transfer)
    return Decision(space, f"by its header ({words(primaries, transfer)})", doubt=doubt)


def pixel_aspect_of(stream: Any) -> float:
    """Width of a stored pixel by its height; 1 where the header has none or an invalid one."""
    ratio = float(stream.sample_aspect_ratio or 1)
    return ratio if 0.001 < ratio < 1000 else 1.0


def is_even(times: Sequence[int]) -> bool:
    """Whether frames follow each other evenly, but for how a container rounds their times."""
    if len(times) < 3:
        return True
    steps = [after - before for before, after in pairwise(times)]
    middle = sorted(steps)[len(steps) // 2]
    return max(steps) - min(steps) <= max(2, 0.1 * middle)


def rate_of(stream: Any) -> Fraction | None:
    """Frames a second; None where the header says none."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate or not 0 < rate < 10_000:
        return None
    return Fraction(rate).limit_denominator(100_000)


def time_code_text(container: Any, stream: Any) -> str:
    """The time code of the first frame, as the video's stream, its file or a stream of its own says it."""
    places = [stream.metadata, container.metadata, *(one.metadata for one in container.streams)]
    return next((str(place["timecode"]) for place in places if place.get("timecode")), "")
