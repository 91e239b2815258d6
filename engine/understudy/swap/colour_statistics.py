"""What is measured of face and plate on a frame, and averaged over frames: small, so that it can be kept."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.comp.colour.illumination import Light
from understudy.comp.colour.matrix import Statistics
from understudy.comp.colour.table import Samples
from understudy.comp.colour.whites import Whites


@dataclass(frozen=True, eq=False)
class ColourStatistics:
    """Colours of face and plate under the matte, of one frame or averaged over several, in encoded units.

    Attributes:
        face, plate: Mean and covariance of the skin, light from one side taken out.
        on_skin: 0..1: 1 where they were measured on bare skin alone, 0 where too little of it shows and all
            of the face was taken.
        samples: Pixels of both, for the methods that match whole distributions; None for others.
        whites: Of the eyes of both.
        light: Low frequencies of both.
    """

    face: Statistics
    plate: Statistics
    on_skin: float
    samples: Samples | None
    whites: Whites
    light: Light

    @property
    def nbytes(self) -> int:
        """Bytes it holds, about."""
        samples = 0 if self.samples is None else 2 * self.samples.face.nbytes
        return 2000 + samples + 2 * self.light.face.nbytes
