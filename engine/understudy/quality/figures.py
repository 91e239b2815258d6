"""What the figures of a score are called, and how a person reads them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure of a score.

    Attributes:
        name: Its key in a result.
        title: Its name in a table.
        decimals: Digits after the point.
        unit: Unit, empty where it has none.
        sentence: What it says.
        plate: Key of what the untouched plate scores, empty where that is not measured.
    """

    name: str
    title: str
    decimals: int
    unit: str
    sentence: str
    plate: str = ""

    def text(self, value: float) -> str:
        """A value with its unit, rounded."""
        return f"{value:.{self.decimals}f} {self.unit}".rstrip()


FIGURES = (
    Figure(
        "look_psnr", "look PSNR", 1, "dB", "error inside the face, after registration", "nothing_look_psnr"
    ),
    Figure("look_ssim", "look SSIM", 3, "", "structure inside the face; 1 is the truth", "nothing_look_ssim"),
    Figure("vif", "VIF", 3, "", "information that is right; falls with blur; 1 is the truth"),
    Figure("detail", "detail", 2, "", "strength of the finest octave; 1 is the truth's, less is blurred"),
    Figure("progress", "progress", 2, "", "0 is the plate's face, 1 the truth's"),
    Figure("flicker", "flicker", 1, "/255", "change of the error from frame to frame"),
    Figure("twinkle", "twinkle", 2, "", "change of the finest octave; 1 is the truth's, more boils"),
    Figure("identity", "identity", 2, "", "0 is the plate's person, 1 the truth's"),
    Figure(
        "identity_distance", "identity distance", 2, "", "result to truth; below 0.6 passes for one person"
    ),
    Figure("drift_px", "drift", 1, "px", "how far the face sits from its place"),
    Figure("face_psnr", "face PSNR", 1, "dB", "the same error without registration", "nothing_face_psnr"),
    Figure("outside_psnr", "outside PSNR", 1, "dB", "result against plate away from the face"),
)


def score_rows(score: Mapping[str, float]) -> list[list[str]]:
    """A score as rows of a table: title, value, the untouched plate's value, sentence."""
    rows = [["", "swap", "plate", ""]]
    for figure in FIGURES:
        if figure.name in score:
            plate = score.get(figure.plate)
            untouched = "" if plate is None else figure.text(plate)
            rows.append([figure.title, figure.text(score[figure.name]), untouched, figure.sentence])
    return rows
