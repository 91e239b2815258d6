"""Augmentation: what is done to a face before the encoder sees it.

Mirror and placement move input and target alike. All else changes the encoder's input alone: the decoder must
still predict the face as it was, so the latent need not hold any of it. Every random number comes from the
generator that is given, on the CPU, and in an order that depends on the strengths alone, so that a resumed
run samples the same on every device.

Convention:
    Faces are (N, 3, S, S) RGB in the encoded space, hulls (N, 1, S, S) in 0..1. Strengths are 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from understudy.face.landmarks import MIRROR
from understudy.jobs.training import TrainJob
from understudy.train.schedule import warp_multiplier

# Of blur, grain, hue and JPEG so many faces are spared, so that the encoder knows clean ones best.
_TOUCHED = 0.5
_GREATEST_HUE = math.radians(20.0)
_GREATEST_SATURATION = 0.4
# Deviation; about a tenth of a stop.
_GREATEST_GRAIN = 0.006
# Deviation of the widest blur, in shares of the edge: four pixels of 128.
_GREATEST_BLUR = 1.0 / 32.0
_WORST_QUALITY = 20.0
_BEST_QUALITY = 95.0
# A stop is about three times as much in a display's code, which JPEG's tables were made for, as in ACEScct.
_DISPLAY_CONTRAST = 3.0
_MID_GREY = 0.40
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# ITU-R BT.601: luma and the two colour differences.
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


@dataclass(frozen=True)
class Augmentation:
    """How much is done to a batch's faces; 0 leaves them.

    Attributes:
        warp: A smooth bend, so that the latent cannot be a copy.
        jitter: Exposure, contrast and white balance.
        hue: Hue and saturation.
        other_colour: Share of the faces that take on the colours of another identity's.
        grain, blur, jpeg: Of half of the faces, what footage and its compression do.
        background: Share of the faces whose surroundings are replaced by a flat colour.
        flip: Share of the faces that are mirrored.
        uniform_yaw: 0 samples all faces equally often, 1 every second one so that yaws are uniform.
    """

    warp: float = 0.0
    jitter: float = 0.0
    hue: float = 0.0
    other_colour: float = 0.0
    grain: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    background: float = 0.0
    flip: float = 0.0
    uniform_yaw: float = 0.0

    @classmethod
    def of(cls, job: TrainJob, iteration: int) -> Augmentation:
        """What a job asks for at an iteration."""
        return cls(
            warp=job.warp / 100 * warp_multiplier(iteration),
            jitter=job.jitter / 100,
            hue=job.hue / 100,
            other_colour=job.other_colour / 100,
            grain=job.grain / 100,
            blur=job.blur / 100,
            jpeg=job.jpeg / 100,
            background=job.background / 100,
            flip=0.5 if job.flip else 0.0,
            uniform_yaw=job.uniform_yaw / 100,
        )


def random_affine(count: int, generator: torch.Generator, *, flip: float) -> Tensor:
    """(N, 2, 3) matrices that lead from a picture's grid to the face's, a share of them mirrored."""
    # The face arrives aligned, so this only covers the aligner's own error.
    angle = torch.deg2rad(uniform((count,), generator, -6.0, 6.0))
    zoom = uniform((count,), generator, 0.96, 1.05)
    shift = uniform((count, 2), generator, -0.05, 0.05)
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    mirror = torch.ones(count)
    if flip:
        mirror = torch.where(torch.rand(count, generator=generator) < flip, -1.0, 1.0)
    rows = [cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1]]
    return torch.stack(rows, dim=1).view(count, 2, 3)


def moved(landmarks: Tensor, affine: Tensor) -> Tensor:
    """Where landmarks (N, 68, 2) lie in pictures sampled by `affine`; a mirror swaps their names."""
    linear, shift = affine[:, :, :2], affine[:, :, 2:]
    # The matrix leads from the picture to the face, in grid units: -1 to 1 over the edge.
    there = torch.linalg.solve(linear, (2.0 * landmarks - 1.0).transpose(1, 2) - shift).transpose(1, 2)
    mirrored = torch.linalg.det(linear) < 0
    there = torch.where(mirrored[:, None, None], there[:, list(MIRROR)], there)
    return (there + 1.0) / 2.0


def random_bend(count: int, size: int, generator: torch.Generator, *, amount: float) -> Tensor:
    """(N, S, S, 2): a smooth random field of a 5×5 lattice, in grid units (the face's edge is 2)."""
    lattice = torch.randn((count, 2, 5, 5), generator=generator) * (0.06 * amount)
    field = functional.interpolate(lattice, size=(size, size), mode="bicubic", align_corners=True)
    return field.permute(0, 2, 3, 1)


def distort(
    faces: Tensor,
    hull: Callable[[], Tensor],
    generator: torch.Generator,
    augmentation: Augmentation,
    *,
    colours: Tensor,
    others: Sequence[Tensor],
) -> Tensor:
    """Everything but the placement, in the order in which it happens to footage.

    Args:
        faces: Already bent.
        hull: Makes what says where the faces are, bent alike; called where it is needed.
        generator: On the CPU.
        augmentation: How much of each.
        colours: (N, 2, 3) mean and deviation of each face inside its hull, as `hull_colours` gives them.
        others: The same of all faces of every other identity; none leaves colours as they are.
    """
    if augmentation.background:
        faces = _other_background(faces, hull(), generator, share=augmentation.background)
    if augmentation.other_colour and others:
        faces = _other_colours(faces, colours, others, generator, share=augmentation.other_colour)
    faces = _regraded(faces, generator, amount=augmentation.jitter)
    if augmentation.hue:
        faces = _turned_hue(faces, generator, amount=augmentation.hue)
    if augmentation.blur:
        faces = _blurred(faces, generator, amount=augmentation.blur)
    if augmentation.grain:
        faces = _grained(faces, generator, amount=augmentation.grain)
    if augmentation.jpeg:
        faces = _compressed(faces, generator, amount=augmentation.jpeg)
    return faces


def hull_colours(faces: Tensor, hull: Tensor) -> Tensor:
    """(N, 2, 3): each channel's mean and deviation inside the hull."""
    pixels = hull.sum(dim=(2, 3)) + 1e-6
    mean = (faces * hull).sum(dim=(2, 3)) / pixels
    squares = ((faces - mean[..., None, None]).square() * hull).sum(dim=(2, 3)) / pixels
    return torch.stack([mean, squares.sqrt()], dim=1)


def uniform(shape: tuple[int, ...], generator: torch.Generator, low: float, high: float) -> Tensor:
    """Uniform random numbers, on the CPU."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def _chosen(count: int, generator: torch.Generator, share: float) -> Tensor:
    """(N, 1, 1, 1): 1 for about so many of the faces, 0 for the others; on the CPU."""
    return (torch.rand((count, 1, 1, 1), generator=generator) < share).float()


def _other_background(faces: Tensor, hull: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    count, edge = len(faces), faces.shape[-1]
    flat = uniform((count, 3, 1, 1), generator, 0.1, 0.6).to(faces.device)
    chosen = _chosen(count, generator, share).to(faces.device)
    # What lies just outside the hull is still skin.
    reach = round(edge / 24)
    kept = functional.max_pool2d(hull, (2 * reach + 1, 1), stride=1, padding=(reach, 0))
    kept = functional.max_pool2d(kept, (1, 2 * reach + 1), stride=1, padding=(0, reach))
    kept = functional.avg_pool2d(kept, 3, stride=1, padding=1, count_include_pad=False)
    return torch.lerp(faces, flat, (1.0 - kept) * chosen)


def _other_colours(
    faces: Tensor, colours: Tensor, others: Sequence[Tensor], generator: torch.Generator, *, share: float
) -> Tensor:
    """Each channel's mean and deviation become those of a random face of another identity.

    Source:
        Reinhard et al. 2001, Color Transfer between Images; here in the encoded space, as a gain and an
        offset of the whole picture.
    """
    count = len(faces)
    sizes = torch.tensor([len(other) for other in others])
    who = torch.randint(len(others), (count,), generator=generator)
    place = (torch.rand(count, generator=generator) * sizes[who]).long()
    wanted = torch.cat(list(others))[((sizes.cumsum(0) - sizes)[who] + place).to(faces.device)]
    chosen = _chosen(count, generator, share).to(faces.device)
    mean, deviation = colours[:, 0, :, None, None], colours[:, 1, :, None, None]
    # A flat face cannot be given contrast, and noise should not be.
    gain = (wanted[:, 1, :, None, None] / (deviation + 1e-4)).clamp(0.5, 2.0)
    return torch.lerp(faces, (faces - mean) * gain + wanted[:, 0, :, None, None], chosen)


def _regraded(faces: Tensor, generator: torch.Generator, *, amount: float) -> Tensor:
    # In a logarithmic space exposure is an offset, contrast a gain, and white balance an offset a channel.
    count, device = faces.shape[0], faces.device
    exposure = uniform((count, 1, 1, 1), generator, -0.06, 0.06) * amount
    balance = uniform((count, 3, 1, 1), generator, -0.025, 0.025) * amount
    contrast = 1.0 + uniform((count, 1, 1, 1), generator, -0.25, 0.25) * amount
    middle = faces.mean(dim=(2, 3), keepdim=True)
    return (faces - middle) * contrast.to(device) + middle + (exposure + balance).to(device)


def _turned_hue(faces: Tensor, generator: torch.Generator, *, amount: float) -> Tensor:
    """Hue turned about the grey axis and saturation changed, by a matrix for each face.

    Source:
        Rodrigues' rotation formula about (1, 1, 1).
    """
    count = len(faces)
    chosen = _chosen(count, generator, _TOUCHED)[:, 0] * amount
    angle = uniform((count, 1, 1), generator, -_GREATEST_HUE, _GREATEST_HUE) * chosen
    colourful = 1.0 + uniform((count, 1, 1), generator, -_GREATEST_SATURATION, _GREATEST_SATURATION) * chosen
    grey = torch.full((3, 3), 1.0 / 3.0)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3.0)
    turn = torch.cos(angle) * (torch.eye(3) - grey) + torch.sin(angle) * across
    matrix = (grey + colourful * turn).to(faces.device)
    return (matrix @ faces.flatten(2)).view_as(faces)


def _blurred(faces: Tensor, generator: torch.Generator, *, amount: float) -> Tensor:
    count, edge = len(faces), faces.shape[-1]
    chosen = _chosen(count, generator, _TOUCHED).to(faces.device)
    variance = uniform((count, 1, 1, 1), generator, 0.0, (_GREATEST_BLUR * edge * amount) ** 2)
    places = torch.arange(edge, dtype=torch.float32)
    distances = (places[:, None] - places[None]).square()
    # A blur of its own width for each face is two matrix products; one without width leaves all as it is.
    kernel = torch.exp(-distances / (2.0 * variance + 1e-6))
    kernel = torch.where(kernel < 1e-6, 0.0, kernel)  # a CPU is slow with numbers that are almost 0
    kernel = (kernel / kernel.sum(dim=-1, keepdim=True)).to(faces.device)
    return torch.lerp(faces, kernel @ faces.contiguous() @ kernel.transpose(-1, -2), chosen)


def _grained(faces: Tensor, generator: torch.Generator, *, amount: float) -> Tensor:
    count = len(faces)
    strength = uniform((count, 1, 1, 1), generator, 0.0, _GREATEST_GRAIN * amount)
    strength = strength * _chosen(count, generator, _TOUCHED)
    noise = torch.randn(faces.shape, generator=generator).to(faces.device)
    # Grain reaches over its neighbours a little. The mean of 3×3 has a third of the deviation, and a ninth of
    # it is the pixel itself: the sum's deviation is 1.
    clumps = functional.avg_pool2d(noise, 3, stride=1, padding=1, count_include_pad=False) * 3.0
    return faces + (0.6 * noise + 0.8 * clumps) * (strength / math.sqrt(1.32)).to(faces.device)


def _compressed(faces: Tensor, generator: torch.Generator, *, amount: float) -> Tensor:
    count = len(faces)
    worst = _BEST_QUALITY + (_WORST_QUALITY - _BEST_QUALITY) * amount
    quality = uniform((count,), generator, worst, _BEST_QUALITY)
    chosen = _chosen(count, generator, _TOUCHED).to(faces.device)
    return torch.lerp(faces, jpeg(faces, quality), chosen)


def jpeg(faces: Tensor, quality: Tensor) -> Tensor:
    """Faces as JPEG would have left them, of a size that is a multiple of 8; `quality` (N,) is 1 to 100.

    Source:
        ITU-T T.81, Annex A (the transform) and K (the tables), scaled by quality as the Independent JPEG
        Group's library does; chroma is not subsampled, and nothing clipped.
    """
    count, edge, device = len(faces), faces.shape[-1], faces.device
    percent = torch.where(quality < 50.0, 5000.0 / quality, 200.0 - 2.0 * quality)[:, None, None, None]
    tables = torch.tensor([_LUMINANCE, _CHROMINANCE, _CHROMINANCE], dtype=torch.float32)
    steps = ((tables * percent + 50.0) / 100.0).floor().clamp(1.0, 255.0)[:, :, None, None].to(device)
    to_ycc = torch.tensor(_TO_YCC)
    to_ycc, to_rgb = to_ycc.to(device), torch.linalg.inv(to_ycc).to(device)
    transform = _cosines().to(device)
    shown = (faces - _MID_GREY) * (_DISPLAY_CONTRAST * 255.0)
    blocks = (to_ycc @ shown.flatten(2)).view(count, 3, edge // 8, 8, edge // 8, 8).transpose(3, 4)
    kept = (transform @ blocks @ transform.T / steps).round() * steps
    planes = (transform.T @ kept @ transform).transpose(3, 4).reshape(count, 3, -1)
    rgb: Tensor = (to_rgb @ planes).view_as(faces)
    return rgb / (_DISPLAY_CONTRAST * 255.0) + _MID_GREY


def _cosines() -> Tensor:
    """(8, 8): the orthonormal cosine transform, a frequency a row."""
    places = torch.arange(8, dtype=torch.float64)
    rows = torch.cos((2.0 * places[None] + 1.0) * places[:, None] * math.pi / 16.0) / 2.0
    rows[0] /= math.sqrt(2.0)
    return rows.float()
