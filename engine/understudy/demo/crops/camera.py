"""What a camera and a file do to a crop: exposure, balance, blur, grain, sharpening, compression.

Convention:
    Pictures come in scene-linear Rec.709 and leave as sRGB code values in 0..1, clipped. Blur moves the
    labels' edges as it moves the picture's; what is done to code values moves no edge.
"""

from __future__ import annotations

import cv2
import numpy as np

from understudy.demo.props.layer import Picture, defocused, moved
from understudy.demo.props.texture import cloud
from understudy.demo.template import Floats
from understudy.face import regions


def seen(picture: Picture, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Film a picture.

    Args:
        picture: Scene-linear, with its mattes.
        rng: Decides the camera.

    Returns:
        (H, W, 3) float32 sRGB code values in 0..1, and the (H, W, REGIONS) float32 mattes.
    """
    lit = picture.pixels * _gains(picture, rng) * _falloff(rng, picture.pixels.shape[0])
    pixels, mattes = _lens(lit.astype(np.float32), picture.mattes, rng)
    coded = _tone(srgb(pixels), rng)
    coded = _grain(coded, rng)
    if rng.random() < 0.25:
        coded = coded + rng.uniform(0.2, 1.0) * (coded - cv2.GaussianBlur(coded, (0, 0), 1.2))
    coded = np.clip(coded, 0.0, 1.0)
    return _compressed(coded, rng), mattes


def srgb(linear: Floats) -> Floats:
    """Scene-linear Rec.709 to sRGB code values, clipped to 0..1 (IEC 61966-2-1)."""
    value = np.clip(linear, 0.0, 1.0)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055).astype(np.float32)


def _gains(picture: Picture, rng: np.random.Generator) -> Floats:
    """(3,) exposure for the face, as a camera's meter finds it, and a white balance."""
    face = 1.0 - picture.mattes[..., regions.BACKGROUND] - picture.mattes[..., regions.HAIR]
    grey = float((picture.pixels.mean(-1) * face).sum() / max(float(face.sum()), 1.0))
    exposure = 0.19 * 2.0 ** np.clip(rng.normal(0.0, 0.8), -2.2, 1.6) / max(grey, 0.005)
    warm = rng.normal(0.0, 0.14)
    balance = np.array([1.0 + warm, 1.0 + rng.normal(0, 0.04), 1.0 - warm]) * (
        1.0 + 0.04 * rng.normal(size=3)
    )
    if rng.random() < 0.06:  # coloured stage light
        balance = balance * rng.uniform(0.3, 1.3, 3)
    return np.asarray(exposure * np.clip(balance, 0.15, 2.0), np.float32)


def _falloff(rng: np.random.Generator, size: int) -> Floats:
    """(H, W, 1): an uneven light over the picture, a lamp's pool or a shadow's edge."""
    if rng.random() < 0.5:
        return np.ones((1, 1, 1), np.float32)
    soft = cloud(rng, size, rng.uniform(0.25, 0.7) * size)
    edge = np.clip(soft * rng.uniform(0.5, 4.0), -1, 1)
    return np.asarray(2.0 ** (rng.uniform(0.1, 0.9) * edge), np.float32)[..., None]


def _lens(pixels: Floats, mattes: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    size = pixels.shape[0]
    sigma = float(rng.choice((0.0, rng.uniform(0.3, 0.9), rng.uniform(0.8, 2.4)), p=(0.45, 0.35, 0.2)))
    motion = (0.0, 0.0)
    if rng.random() < 0.12:
        way, length = rng.uniform(0, 2 * np.pi), rng.uniform(2, 9)
        motion = (float(length * np.cos(way)), float(length * np.sin(way)))
    if rng.random() < 0.3:  # a small face in a plate, enlarged
        small = int(size * rng.uniform(0.3, 0.9))
        less = cv2.resize(pixels, (small, small), interpolation=cv2.INTER_AREA)
        pixels = np.asarray(cv2.resize(less, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
        mattes = defocused(mattes, 0.45 * size / small)
    pixels = moved(defocused(pixels, sigma), motion)
    return pixels, moved(defocused(mattes, sigma), motion)


def _tone(coded: Floats, rng: np.random.Generator) -> Floats:
    """A look: gamma, contrast, lifted blacks, saturation, at times black and white."""
    coded = np.clip(coded, 0, 1) ** float(2.0 ** rng.normal(0, 0.25))
    pivot, contrast = 0.42, float(np.clip(rng.normal(1.0, 0.15), 0.6, 1.5))
    coded = pivot + contrast * (coded - pivot)
    grey = coded @ np.array((0.2126, 0.7152, 0.0722), np.float32)
    saturation = 0.0 if rng.random() < 0.05 else float(np.clip(rng.normal(0.95, 0.25), 0.2, 1.6))
    coded = grey[..., None] + saturation * (coded - grey[..., None])
    lift = float(max(0.0, rng.normal(0, 0.03)))
    return np.asarray(np.clip(lift + (1.0 - lift) * coded, 0, 1), np.float32)


def _grain(coded: Floats, rng: np.random.Generator) -> Floats:
    size = coded.shape[0]
    strength = float(rng.choice((0.0, rng.uniform(0.004, 0.02), rng.uniform(0.02, 0.06)), p=(0.3, 0.5, 0.2)))
    if strength == 0.0:
        return coded
    noise = rng.standard_normal((size, size, 3)).astype(np.float32)
    grey = rng.uniform(0.0, 1.0)
    noise = grey * noise[..., :1] + (1.0 - grey) * noise
    spread = float(rng.uniform(0.0, 0.9))
    if spread > 0.3:
        noise = cv2.GaussianBlur(noise, (0, 0), spread) * (1.0 + 2.0 * spread)
    level = 0.4 + 0.6 * np.sqrt(np.clip(coded, 0, 1))
    return np.asarray(coded + strength * level * noise, np.float32)


def _compressed(coded: Floats, rng: np.random.Generator) -> Floats:
    if rng.random() < 0.5:
        return np.asarray(coded, np.float32)
    codes = np.round(coded[..., ::-1] * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", codes, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))])
    read = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32)
    return np.asarray(read[..., ::-1] / 255.0, np.float32)
