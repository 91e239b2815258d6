"""What is measured of face and plate on a frame, and averaged over frames: small, so that it can be kept."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.comp.colour.illumination import Light
from understudy.comp.colour.matrix import Statistics
from understudy.comp.colour.table import Samples


@dataclass(frozen=True, eq=False)
class ColourStatistics:
    """Colours of face and plate under the matte, of one frame or averaged over several, in encoded units.

    Attributes:
        face, plate: Mean and covariance.
        samples: Pixels of both, for the methods that match whole distributions; None for others.
        light: Low frequencies of both.
    """

    face: Statistics
    plate: Statistics
    samples: Samples | None
    light: Light

    @property
    def nbytes(self) -> int:
        """Bytes it holds, about."""
        samples = 0 if self.samples is None else 2 * self.samples.face.nbytes
        return 2000 + samples + 2 * self.light.face.nbytes
