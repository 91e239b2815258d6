"""What goes into the node group: the face pass's layers, its header's numbers, and the live knobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from understudy_host.knobs import LIVE, Knob, knobs

# Knobs that shape a bake and, on the node, do the same once more to what is live: they are no bake's values.
BESIDE_LIVE = ("erode", "feather", "sharpness_radius_percent")


class Layer(NamedTuple):
    """A layer of a face pass.

    Attributes:
        label: Its socket's name.
        output: The name that Blender's image node gives the layer.
        kind: The socket's type.
        default: What stands in for a layer that is not there.
        tooltip: One sentence.
    """

    label: str
    output: str
    kind: str
    default: float | tuple[float, ...]
    tooltip: str


_BLACK = (0.0, 0.0, 0.0, 0.0)
LAYERS = (
    Layer("Face", "Combined", "NodeSocketColor", _BLACK, "The new face in the plate's space, unmatched."),
    Layer(
        "Face alpha", "Alpha", "NodeSocketFloat", 1.0, "1 where there is any face, up to its square's edge."
    ),
    Layer("Matte final", "matte_final", "NodeSocketFloat", 0.0, "The matte as the baked knobs make it."),
    Layer("Matte learned", "matte_learned", "NodeSocketFloat", 1.0, "The model's matte, unshaped."),
    Layer("Matte hull", "matte_hull", "NodeSocketFloat", 1.0, "The landmarks' outline, unshaped."),
    Layer("Matte occlusion", "matte_occlusion", "NodeSocketFloat", 1.0, "1 where nothing hides the face."),
    Layer("Light", "light", "NodeSocketColor", _BLACK, "The plate's broad light, encoded."),
    Layer("Face light", "face_light", "NodeSocketColor", _BLACK, "The face's own broad light, encoded."),
)


class Number(NamedTuple):
    """A value that the group takes from the face pass's header, keyed on every frame that changes it."""

    label: str
    default: float | tuple[float, float, float]
    tooltip: str


_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def _rows(name: str, tooltip: str) -> tuple[Number, ...]:
    return tuple(
        Number(f"{name} {channel}", axis, tooltip) for channel, axis in zip(("red", "green", "blue"), _AXES)
    )


MATCH = _rows("Match", "A row of the colour match, in the encoded space.")
SHIFT = Number("Match shift", (0.0, 0.0, 0.0), "The colour match's last column, in the encoded space.")
TO_ENCODED = _rows("To encoded", "A row of the matrix from the plate's space to ACEScct's light.")
FROM_ENCODED = _rows("From encoded", "A row of the matrix back to the plate's space.")
OFFSET = Number("Offset", (0.0, 0.0, 0.0), "Where the face pass lies in the picture. In pixels, y up.")
FACE_PX = Number("Face size", 256.0, "Edge of the aligned face. In pixels of the plate.")
LIGHT_THERE = Number("Light there", 0.0, "1 where the face pass holds light to match.")
NUMBERS = (*MATCH, SHIFT, *TO_ENCODED, *FROM_ENCODED, OFFSET, FACE_PX, LIGHT_THERE)

PLATE, RESULT, CHOICE = "Plate", "Image", "matte"
BAKED, LIVE_MATTE = "baked", "live"
CHOICES = (
    (BAKED, "The matte as it was baked"),
    (LIVE_MATTE, "The chosen of learned, hull and occlusion matte, with the erode and feather of this node"),
)


def live_knobs() -> Sequence[Knob]:
    """The knobs that stand on the group node, in the job table's order."""
    return [knob for knob in knobs("swap") if knob.name in LIVE or knob.name in BESIDE_LIVE]
