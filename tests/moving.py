"""A shot whose motion is known: a painted-looking texture that drifts and turns, in scene-linear light."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from understudy.image.exr import write_image
from understudy.image.frame import FloatImage, Frame

FIRST = 1001
WIDTH, HEIGHT = 160, 120


def texture(seed: int = 3, edge: int = 320) -> FloatImage:
    """Noise of several sizes, (edge, edge, 3), 0.02 to about 2, with a highlight of 12."""
    random = np.random.default_rng(seed)
    layers = [
        (3.0 / size) ** -0.5 * cv2.GaussianBlur(random.normal(size=(edge, edge, 3)), (0, 0), size)
        for size in (2, 5, 12)
    ]
    stops = 2.2 * sum(layer / layer.std() for layer in layers) / 3
    light = 0.3 * 2.0**stops
    cv2.circle(light, (edge // 2 + 30, edge // 2 - 20), 5, (12.0, 11.0, 9.0), -1)
    return np.clip(light, 0.02, 12).astype(np.float32)


def seen(scene: FloatImage, number: int, *, speed: tuple[float, float] = (1.7, -0.6)) -> FloatImage:
    """What the camera sees of a scene on a frame: it drifts by `speed` pixels a frame and turns slowly."""
    step = number - FIRST
    middle = np.array(scene.shape[1::-1]) / 2
    turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), 0.35 * step, 1.0)
    turn[:, 2] += np.array([WIDTH, HEIGHT]) / 2 - middle + np.array(speed) * step
    return cv2.warpAffine(scene, turn, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def painted(scene: FloatImage, *, opaque: bool = False) -> FloatImage:
    """The scene with a fix on it, a tinted or an opaque blot right of its middle."""
    y, x = np.mgrid[: scene.shape[0], : scene.shape[1]]
    middle = scene.shape[0] // 2
    blot = np.clip(1.5 - np.hypot(x - middle - 8, (y - middle - 4) * 1.3) / 14, 0, 1)[..., None]
    wanted = np.full_like(scene, 0.5) if opaque else scene * np.float32([1.6, 0.7, 0.5])
    return (scene + blot * (wanted - scene)).astype(np.float32)


def write(path: Path, rgb: FloatImage, *, alpha: FloatImage | None = None, storage: str = "float") -> None:
    """A frame in ACEScg."""
    pixels = rgb if alpha is None else np.concatenate([rgb, alpha[..., None]], axis=2)
    write_image(path, Frame.from_rgb(pixels.astype(np.float32), colour_space="ACEScg", storage=storage))


def write_shot(folder: Path, count: int, *, keys: tuple[int, ...] = (FIRST,), opaque: bool = False) -> None:
    """plate.####.exr of `count` frames, and fix.####.exr on some of them."""
    scene = texture()
    with_fix = painted(scene, opaque=opaque)
    for number in range(FIRST, FIRST + count):
        write(folder / f"plate.{number}.exr", seen(scene, number))
    for number in keys:
        write(folder / f"fix.{number}.exr", seen(with_fix, number))


def truth(number: int, *, opaque: bool = False) -> FloatImage:
    """The frame as it should come out."""
    return seen(painted(texture(), opaque=opaque), number)
