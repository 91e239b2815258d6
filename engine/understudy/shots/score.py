"""Look at a swap: contact sheets, and a score where the truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import PlateError
from understudy.image import colour
from understudy.image.frame import FloatImage
from understudy.image.plate import open_plate, write_png

Picture = NDArray[np.uint8]
# A face that sits a few pixels off is not a wrong face: looks are compared after a short registration.
REGISTRATION_LIMIT_PX = 8.0
REGISTRATION_SMOOTH_PX = 12.0


def contact_sheet(path: Path, rows: Mapping[str, str], frames: Sequence[int], *, cell_px: int = 256) -> Path:
    """Write a sheet: a labelled row for each sequence, a column for each frame.

    Args:
        rows: Label and plate (as `open_plate` takes it), from top to bottom.
        frames: Frame numbers, the same in every row.

    Raises:
        PlateError: a sequence or a frame cannot be read.
    """
    strips = []
    for label, plate_text in rows.items():
        with closing(open_plate(plate_text)) as plate:
            read = [plate.read(number) for number in frames]
        cells = [_cell(frame.rgb(), frame.colour_space, cell_px) for frame in read]
        strip = np.concatenate(cells, axis=1)
        cv2.putText(strip, label, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(strip, label, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
        strips.append(strip)
    write_png(path, np.ascontiguousarray(np.concatenate(strips, axis=0)))
    return path


def _cell(rgb: FloatImage, space: str, cell_px: int) -> Picture:
    picture = colour.to_display(rgb, space)
    height, width = picture.shape[:2]
    scale = cell_px / height
    size = (max(1, round(width * scale)), cell_px)
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.ascontiguousarray(resized, np.uint8)


@dataclass(frozen=True)
class Score:
    """A swap against the truth, in display values (sRGB, 0..1) inside the face.

    Attributes:
        frames: Frames compared.
        look_psnr, look_ssim: After registration.
        progress: 0 is still the plate's face, 1 is the true face.
        outside_psnr: Result against plate well outside the face; infinite when untouched.
        nothing_psnr, nothing_ssim: The plate itself scored the same way.
    """

    frames: int
    look_psnr: float
    look_ssim: float
    progress: float
    outside_psnr: float
    nothing_psnr: float
    nothing_ssim: float

    def as_dict(self) -> dict[str, float | int]:
        """Plain values; an infinite PSNR, which JSON has no word for, is capped at 200."""
        return {key: min(value, 200.0) for key, value in asdict(self).items()}


class Scorer:
    """Adds up frames; `score` gives the mean."""

    def __init__(self) -> None:
        self._frames = 0
        self._pixels = 0
        self._outside = [0.0, 0]
        self._sums = dict.fromkeys(("look", "nothing", "ssim", "nothing_ssim", "toward", "span"), 0.0)

    def add(
        self, *, plate: FloatImage, truth: FloatImage, result: FloatImage, region: NDArray[np.bool_]
    ) -> None:
        """Compare one frame; pictures are (H, W, 3) display values, `region` (H, W) is the face.

        Raises:
            PlateError: the shapes differ.
        """
        if not plate.shape == truth.shape == result.shape:
            raise PlateError(
                f"Sizes differ: plate {plate.shape}, truth {truth.shape}, result {result.shape}."
            )
        moved, untouched = register(result, truth, region), register(plate, truth, region)
        self._frames += 1
        self._pixels += int(region.sum())
        self._sums["look"] += _square(moved - truth, region)
        self._sums["nothing"] += _square(untouched - truth, region)
        self._sums["ssim"] += float(ssim(moved, truth)[region].sum())
        self._sums["nothing_ssim"] += float(ssim(untouched, truth)[region].sum())
        self._sums["toward"] += float(((moved - untouched) * (truth - untouched))[region].sum())
        self._sums["span"] += _square(truth - untouched, region)
        outside = cv2.dilate(region.astype(np.uint8), np.ones((49, 49), np.uint8)) == 0
        self._outside[0] += _square(result - plate, outside)
        self._outside[1] += int(outside.sum())

    def score(self) -> Score:
        """The mean over the frames added.

        Raises:
            PlateError: none was added, or no frame held a face.
        """
        if not self._pixels:
            raise PlateError("No frame with a face could be compared with the truth.")
        return Score(
            frames=self._frames,
            look_psnr=_psnr(self._sums["look"], self._pixels),
            look_ssim=self._sums["ssim"] / self._pixels,
            progress=self._sums["toward"] / max(self._sums["span"], 1e-9),
            outside_psnr=_psnr(self._outside[0], int(self._outside[1])),
            nothing_psnr=_psnr(self._sums["nothing"], self._pixels),
            nothing_ssim=self._sums["nothing_ssim"] / self._pixels,
        )


def register(image: FloatImage, truth: FloatImage, region: NDArray[np.bool_]) -> FloatImage:
    """Move `image` onto `truth` by a smooth flow of at most 8 px, found inside `region`."""
    flow_finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    weight = region.astype(np.float32)
    flow = flow_finder.calc(_luma8(truth), _luma8(image), None)  # type: ignore[call-overload]
    blurred = cv2.GaussianBlur(flow * weight[..., None], (0, 0), REGISTRATION_SMOOTH_PX)
    flow = blurred / (cv2.GaussianBlur(weight, (0, 0), REGISTRATION_SMOOTH_PX)[..., None] + 1e-3)
    length = np.linalg.norm(flow, axis=2, keepdims=True)
    flow = flow * np.minimum(1.0, REGISTRATION_LIMIT_PX / (length + 1e-6))
    height, width = region.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        image,
        (x + flow[..., 0]).astype(np.float32),
        (y + flow[..., 1]).astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.float32)


def ssim(a: FloatImage, b: FloatImage) -> FloatImage:
    """(H, W) structural similarity of luma, 11×11 Gaussian window of σ 1.5.

    Source:
        Wang et al. 2004.
    """

    def blur(image: FloatImage) -> FloatImage:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5), np.float32)

    x, y = (np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32) for image in (a, b))
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
    bottom = (mean_x**2 + mean_y**2 + 1e-4) * (var_x + var_y + 9e-4)
    return np.asarray(top / bottom, np.float32)


def _luma8(rgb: FloatImage) -> Picture:
    picture = (rgb * 255).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _square(difference: FloatImage, region: NDArray[np.bool_]) -> float:
    return float((difference[region].astype(np.float64) ** 2).sum())


def _psnr(total: float, pixels: int) -> float:
    return float("inf") if total == 0 or not pixels else float(-10 * np.log10(total / (3 * pixels)))
