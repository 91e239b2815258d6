"""`understudy score`: a swap against a known answer.

The true swap is known where performers are rendered: the plate with the other identity in it. Every figure is
measured where that truth differs from the plate. `figures.FIGURES` says what each one is called.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from understudy.core.errors import PlateError
from understudy.core.progress import Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.image import colour
from understudy.image.frame import FloatImage, Frame
from understudy.image.plate import chosen_frames, open_plate
from understudy.image.reading import Reading
from understudy.image.taken import taken
from understudy.jobs import files
from understudy.jobs.shots import ScoreJob
from understudy.quality import identity, measures, sheet
from understudy.quality.registration import Region, changed_region, follow, register

# JSON has no word for the infinite PSNR of two equal pictures.
LARGEST_PSNR = 200.0
OUTSIDE_GROW_PX = 24
DETAIL_SHRINK_PX = 4
IDENTITY_STEP = 5


def run(job: ScoreJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Score every frame, and write the contact sheet where the job asks for one.

    Returns:
        `score`, the figures by name (`identity` and `identity_distance` only where the recognition network is
        there), and `contact_sheet` where one was asked for.

    Raises:
        PlateError: a frame is missing, sizes differ, values are not finite, or truth and plate are alike.
    """
    files.guard(job)
    recognition = identity.Recognition.open(settings)
    if recognition is None:
        missing = f"{identity.NETWORK} or YuNet is not in {settings.models}: identity is left out."
        report(Warned(missing))
    scorer = Scorer(recognition)
    # The truth is rendered for this; the swap has the plate's layers and views.
    own = Reading(job.alpha)
    with ExitStack() as stack:
        plate, truth, swapped = (
            taken(stack.enter_context(closing(open_plate(text, colour_space=job.colour_space))), reading)
            for text, reading in ((job.plate, job.reading), (job.truth, own), (job.swapped, job.reading))
        )
        numbers = list(chosen_frames(plate, job.frames))
        for done, number in enumerate(numbers):
            report(Progress("score", done, len(numbers), f"frame {number}"))
            seen = (display_values(one.read(number), one.where(number)) for one in (plate, truth, swapped))
            scorer.add(number, *seen)
    result: dict[str, Any] = {"score": scorer.figures()}
    if job.sheet is not None:
        rows = {"plate": job.plate, "swap": job.swapped, "truth": job.truth}
        readings = {"plate": job.reading, "swap": job.reading, "truth": own}
        shown = sheet.contact_sheet(job.sheet, rows, sheet.spread_frames(numbers), readings=readings)
        result["contact_sheet"] = str(shown)
    return result


def display_values(frame: Frame, where: str) -> FloatImage:
    """(H, W, 3) float32 sRGB values of the display window, not clipped; black where nothing is stored.

    Raises:
        PlateError: a value is not finite, or the frame has no colour.
    """
    window = frame.display_window
    canvas = np.zeros((window.height, window.width, 3), np.float32)
    held = frame.data_window.intersect(window)
    canvas[held.slices(window)] = frame.rgb()[held.slices(frame.data_window)]
    values = colour.convert(canvas, frame.colour_space, colour.DISPLAY)
    if not np.isfinite(values).all():
        raise PlateError("A picture holds values that are not finite.", where=where, fix="render it again")
    return values


@dataclass(frozen=True)
class _Compared:
    """What the next frame needs of this one."""

    number: int
    region: Region
    plate: FloatImage
    error: FloatImage
    fine: FloatImage
    fine_truth: FloatImage


class Scorer:
    """Adds up frames in order; `figures` gives the score of all."""

    def __init__(self, recognition: identity.Recognition | None = None) -> None:
        self._recognition = recognition
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._before: _Compared | None = None

    def add(self, number: int, plate: FloatImage, truth: FloatImage, swapped: FloatImage) -> None:
        """Compare one frame.

        Args:
            number: Its frame number; flicker and twinkle compare a frame with the one before it.
            plate, truth, swapped: (H, W, 3) float32 display values.

        Raises:
            PlateError: the sizes differ.
        """
        if not plate.shape == truth.shape == swapped.shape:
            sizes = f"plate {plate.shape}, truth {truth.shape}, swap {swapped.shape}"
            raise PlateError(f"Sizes differ: {sizes}.", where=f"frame {number}", fix="render all at one size")
        region = changed_region(plate, truth)
        moved, drift_px = register(swapped, truth, region)
        untouched, _ = register(plate, truth, region)
        now = _Compared(
            number,
            region,
            plate,
            moved - truth,
            measures.finest_octave(swapped),
            measures.finest_octave(truth),
        )
        self._add_errors(now, truth, swapped, untouched)
        self._add_looks(region, truth, moved, untouched)
        self._add_detail(now)
        self._add_identity(truth, plate, swapped)
        self._tally(frames=1, drift=drift_px)
        self._before = now

    def figures(self) -> dict[str, float]:
        """The score by name, as plain numbers; a PSNR is at most 200.

        Raises:
            PlateError: nothing was compared, or truth and plate were alike.
        """
        sums = self._sums
        if not sums["pixels"]:
            raise PlateError(
                "There is nothing to score: truth and plate are alike.",
                fix="name the plate with the other face in it as the truth",
            )
        values = int(3 * sums["pixels"])
        figures = {
            "frames": int(sums["frames"]),
            "look_psnr": measures.psnr(sums["look"], values),
            "look_ssim": sums["ssim"] / sums["pixels"],
            "vif": sums["vif_left"] / max(sums["vif_whole"], 1e-9),
            "detail": _ratio(sums["fine"], sums["fine_truth"]),
            "progress": sums["toward"] / max(sums["span"], 1e-9),
            "drift_px": sums["drift"] / sums["frames"],
            "face_psnr": measures.psnr(sums["face"], values),
            "outside_psnr": measures.psnr(sums["outside"], int(3 * sums["outside_pixels"])),
            "nothing_look_psnr": measures.psnr(sums["look_nothing"], values),
            "nothing_look_ssim": sums["ssim_nothing"] / sums["pixels"],
            "nothing_face_psnr": measures.psnr(sums["face_nothing"], values),
        }
        if sums["neighbours"]:
            figures["flicker"] = 255 * sums["flicker"] / max(3 * sums["flicker_pixels"], 1)
            figures["twinkle"] = _ratio(sums["twinkle"], sums["twinkle_truth"])
        if sums["described"]:
            figures["identity"] = 1 - sums["distance"] / max(sums["distance_nothing"], 1e-9)
            figures["identity_distance"] = sums["distance"] / sums["described"]
        return {
            name: min(value, LARGEST_PSNR) if name.endswith("psnr") else value
            for name, value in figures.items()
        }

    def _tally(self, **values: float) -> None:
        for name, value in values.items():
            self._sums[name] += value

    def _add_errors(
        self, now: _Compared, truth: FloatImage, swapped: FloatImage, untouched: FloatImage
    ) -> None:
        region = now.region
        outside = cv2.dilate(region.astype(np.uint8), _square(OUTSIDE_GROW_PX)) == 0
        self._tally(
            pixels=int(region.sum()),
            look=_energy(now.error[region]),
            look_nothing=_energy((untouched - truth)[region]),
            face=_energy((swapped - truth)[region]),
            face_nothing=_energy((now.plate - truth)[region]),
            outside=_energy((swapped - now.plate)[outside]),
            outside_pixels=int(outside.sum()),
        )

    def _add_looks(self, region: Region, truth: FloatImage, moved: FloatImage, untouched: FloatImage) -> None:
        left, whole = measures.vif_information(truth, moved, region)
        span = (truth - untouched)[region].astype(np.float64)
        self._tally(
            ssim=float(measures.ssim(moved, truth)[region].sum(dtype=np.float64)),
            ssim_nothing=float(measures.ssim(untouched, truth)[region].sum(dtype=np.float64)),
            vif_left=left,
            vif_whole=whole,
            toward=float(((moved - untouched)[region] * span).sum()),
            span=_energy(span),
        )

    def _add_detail(self, now: _Compared) -> None:
        inner = cv2.erode(now.region.astype(np.uint8), _square(DETAIL_SHRINK_PX)) > 0
        self._tally(fine=_energy(now.fine[inner]), fine_truth=_energy(now.fine_truth[inner]))
        before = self._before
        if before is None or before.number != now.number - 1:
            return
        both = now.region & before.region
        steady, steady_truth = (
            follow(before.plate, now.plate, one) for one in (before.fine, before.fine_truth)
        )
        self._tally(
            neighbours=1,
            flicker=float(np.abs(now.error - before.error)[both].sum(dtype=np.float64)),
            flicker_pixels=int(both.sum()),
            twinkle=_energy((now.fine - steady)[inner]),
            twinkle_truth=_energy((now.fine_truth - steady_truth)[inner]),
        )

    def _add_identity(self, truth: FloatImage, plate: FloatImage, swapped: FloatImage) -> None:
        if self._recognition is None or self._sums["frames"] % IDENTITY_STEP:
            return
        distances = self._recognition.distances(truth, plate, swapped)
        if distances is not None:
            self._tally(described=1, distance_nothing=distances[0], distance=distances[1])


def _energy(values: np.ndarray) -> float:
    """Sum of squares."""
    return float((values.astype(np.float64) ** 2).sum())


def _ratio(energy: float, reference: float) -> float:
    """Ratio of two amplitudes, of the sums of their squares."""
    return float(np.sqrt(energy / max(reference, 1e-12)))


def _square(radius_px: int) -> np.ndarray:
    return np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
