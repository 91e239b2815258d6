"""Noise, weave and strands that props are painted with."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.demo.template import Floats


def cloud(rng: np.random.Generator, size: int, detail_px: float) -> Floats:
    """(size, size) smooth noise with unit deviation and details of about `detail_px`."""
    cells = int(np.clip(size / max(detail_px, 1.0), 3, size))
    field = rng.standard_normal((cells, cells)).astype(np.float32)
    smooth = cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), dtype=np.float32)


def smoke_noise(rng: np.random.Generator, size: int, detail_px: float, octaves: int = 5) -> Floats:
    """(size, size) noise of many scales, each half as strong as the one before."""
    total = np.zeros((size, size), np.float32)
    for k in range(octaves):
        total += 0.55**k * cloud(rng, size, detail_px / 2**k)
    return total


def knit(size: int, stitch_px: float, angle: float) -> Floats:
    """(size, size) in 0..1: rows of slanted stitches."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    c, s = np.cos(angle), np.sin(angle)
    u, v = (c * x + s * y) / stitch_px, (c * y - s * x) / stitch_px
    slant = np.where(np.floor(u) % 2 < 1, 1.0, -1.0)
    stitch = 0.5 + 0.5 * np.sin(2 * np.pi * (v + slant * (u % 1.0) * 0.5))
    rib = np.sin(np.pi * (u % 1.0))
    return np.asarray(0.35 * stitch + 0.65 * rib, dtype=np.float32)


def normal_of(height: Floats, strength: float) -> Floats:
    """(H, W, 3) unit normals, y up, of a height map in pixels times `strength`."""
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125) * strength
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125) * strength
    normal = np.dstack([-dx, dy, np.ones_like(dx)])
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True), dtype=np.float32)


def filled(size: int, outline: Floats) -> Floats:
    """(size, size) matte of a polygon, its edge softened over a pixel.

    Args:
        size: Edge of the picture.
        outline: (N, 2) pixels.
    """
    plane = np.zeros((size, size), np.float32)
    points = np.round(np.asarray(outline) * 16).astype(np.int32)
    cv2.fillPoly(plane, [points], 1.0, cv2.LINE_AA, 4)
    return plane


def spline(points: Floats, count: int, closed: bool = False) -> Floats:
    """(count, 2) points of a Catmull-Rom curve through some."""
    known = np.asarray(points, np.float64)
    if closed:
        known = np.vstack([known[-1:], known, known[:2]])
    else:
        known = np.vstack([2 * known[0] - known[1], known, 2 * known[-1] - known[-2]])
    spans = len(known) - 3
    at = np.linspace(0.0, spans, count, endpoint=not closed)
    k = np.minimum(at.astype(int), spans - 1)
    t = (at - k)[:, None]
    p0, p1, p2, p3 = known[k], known[k + 1], known[k + 2], known[k + 3]
    curve = (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return np.asarray(0.5 * curve, dtype=np.float32)


def pattern(rng: np.random.Generator, size: int, colours: Floats) -> Floats:
    """(size, size, 3) of a plain, grained, striped, checked, streaked or speckled thing.

    Args:
        rng: Decides which, and how fine and turned it is.
        size: Edge of the picture.
        colours: (3, 3) that it is made of.
    """
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    turn, step = rng.uniform(0, np.pi), rng.uniform(4, 30)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kind = int(rng.choice(5, p=(0.2, 0.15, 0.15, 0.35, 0.15)))
    if kind == 0:
        share = 0.15 * cloud(rng, size, rng.uniform(1, 20))
    elif kind == 1:
        share = (np.sin(2 * np.pi * u / step) > rng.uniform(-0.6, 0.6)).astype(np.float32)
    elif kind == 2:
        share = ((u // step + v // step) % 2).astype(np.float32)
    elif kind == 3:  # streaks of all three colours, like cloth out of a loom or a shower of paint
        noise = rng.standard_normal((size, size, 3)).astype(np.float32)
        streaks = cv2.GaussianBlur(noise, (0, 0), 1.0, sigmaY=float(rng.uniform(3, 20)))
        matrix = cv2.getRotationMatrix2D((size / 2, size / 2), float(np.degrees(turn)), 1.5)
        streaks = cv2.warpAffine(streaks / streaks.std(), matrix, (size, size), borderMode=cv2.BORDER_REFLECT)
        return np.asarray(np.clip(colours.mean(0) * (1.0 + 0.5 * streaks), 0.005, 1.2), np.float32)
    else:
        share = (smoke_noise(rng, size, rng.uniform(4, 40), 4) > rng.uniform(-0.5, 1.0)).astype(np.float32)
    share = np.clip(share, -0.5, 1.0)[..., None]
    mixed = colours[0] + share * (colours[1] - colours[0])
    return np.asarray(
        np.clip(mixed * (1.0 + 0.06 * cloud(rng, size, 2.0))[..., None], 0.003, 1.2), np.float32
    )
